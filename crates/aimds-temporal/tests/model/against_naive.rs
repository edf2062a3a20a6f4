//! `check` against the value of the formula on all short runs.

use aimds_temporal::model::{Lasso, Limits, Outcome, Proof, check};

use crate::naive;
use crate::random::{Random, formula, model};

/// `AIMDS_MODEL_CASES=1000000 cargo test --release -p aimds-temporal --test model against_naive` for more.
fn cases() -> u64 {
    std::env::var("AIMDS_MODEL_CASES").map_or(10_000, |count| count.parse().unwrap())
}

fn is_run(model: &aimds_temporal::model::KripkeStructure, lasso: &Lasso) -> bool {
    let states: Vec<_> = lasso.states().chain(lasso.cycle.first().copied()).collect();
    model.initial().contains(&states[0])
        && states.windows(2).all(|pair| model.next(pair[0]).contains(&pair[1]))
}

#[test]
fn verdicts_are_those_of_all_short_runs() {
    let (mut held, mut violated) = (0, 0);
    for case in 0..cases() {
        let mut random = Random(case);
        let model = model(&mut random);
        let nodes = 1 + random.below(10);
        let formula = formula(&mut random, nodes);
        let context = || format!("case {case}: {formula} on {}", model.to_json());
        let outcome = check(&model, &formula, &Limits::default()).unwrap();
        match &outcome {
            Outcome::Holds(_) => {
                held += 1;
                let counter =
                    naive::lassos(&model, 5).into_iter().find(|run| !naive::holds(&model, &formula, run));
                assert_eq!(counter, None, "{}", context());
            }
            Outcome::Violated(lasso) => {
                violated += 1;
                assert!(is_run(&model, lasso), "{lasso:?} {}", context());
                assert!(!naive::holds(&model, &formula, lasso), "{lasso:?} {}", context());
            }
            Outcome::ResourceLimit(limit) => panic!("{limit} {}", context()),
        }
        let proof = Proof::new(&model, &formula, outcome).unwrap();
        assert_eq!(proof.verify(), Ok(()), "{} {}", proof.to_json(), context());
    }
    assert!(held > cases() / 10 && violated > cases() / 10, "{held} held, {violated} were violated");
}
