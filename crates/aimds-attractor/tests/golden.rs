//! What other implementations and the literature say: `oracles/generate.py` wrote `golden.json` with nolds, antropy,
//! neurokit2 and river.

use aimds_attractor::{
    Adwin, AdwinConfig, Config, Embedding, PageHinkley, PageHinkleyConfig, Sides, analyze,
    permutation_entropy, recurrence,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The table: our class and exponent, that of nolds (tuned by hand for each system), the literature, the tolerance.
#[test]
fn exponents_agree_with_the_literature() {
    let golden = golden();
    let mut table = String::new();
    let mut wrong = Vec::new();
    let expected = [
        ("logistic 4", "chaotic"),
        ("logistic 3.9", "chaotic"),
        ("logistic 3.83", "periodic"),
        ("henon", "chaotic"),
        ("lorenz", "chaotic"),
        ("rossler", "chaotic"),
        ("sine", "periodic"),
        ("noise", "stochastic"),
        ("autoregressive", "stochastic"),
    ];
    let systems = golden["systems"].as_array().unwrap();
    assert_eq!(systems.len(), expected.len());
    for (system, (name, class)) in systems.iter().zip(expected) {
        assert_eq!(system["name"], name);
        let interval = system["interval"].as_f64().unwrap();
        let config = Config { sampling_interval: interval, ..Config::default() };
        let report = analyze(&numbers(&system["series"]), &config).unwrap();
        let ours = report.lyapunov.as_ref().map(|estimate| estimate.value);
        let known = system["known"].as_f64();
        table += &format!(
            "{name:15} {:11} ours {ours:.4?} nolds {:.4?} literature {known:.4?} tolerance {}\n",
            report.class.as_str(),
            system["nolds"].as_f64(),
            system["tolerance"],
        );
        let close = match (ours, known) {
            (Some(ours), Some(known)) => (ours - known).abs() <= system["tolerance"].as_f64().unwrap(),
            (None, None) => true,
            _ => false,
        };
        if !close || report.class.as_str() != class {
            wrong.push(name);
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong:?} in\n{table}");
}

#[test]
fn permutation_entropy_is_that_of_antropy() {
    let golden = golden();
    let mut compared = 0;
    for row in golden["systems"].as_array().unwrap().iter().chain([&golden["ties"]]) {
        let series = numbers(&row["series"]);
        for case in row["permutation"].as_array().unwrap() {
            let (order, delay) = (case[0].as_u64().unwrap() as usize, case[1].as_u64().unwrap() as usize);
            let ours = permutation_entropy(&series, order, delay).unwrap().unwrap();
            // The same counts; their logarithms are added up in another order.
            assert!((ours - case[2].as_f64().unwrap()).abs() < 1e-14, "{case} and {ours}");
            compared += 1;
        }
    }
    assert_eq!(compared, 50);
}

/// All pairs that are not of a time with itself, in one dimension.
#[test]
fn recurrences_are_those_of_neurokit() {
    let golden = golden();
    let row = &golden["recurrence"];
    let series = numbers(&row["series"]);
    let ours = recurrence(&series, &Embedding::new(1, 1, 0).unwrap(), 0.25).unwrap().unwrap();
    let theirs = |name: &str| row["neurokit2"][name].as_f64().unwrap();
    let marks = row["recurrent"].as_f64().unwrap() - 300.0;
    assert!((ours.rate - marks / (300.0 * 299.0)).abs() < 1e-12, "{}", ours.rate);
    let check = |name: &str, ours: f64| {
        assert!((ours - theirs(name)).abs() < 1e-9, "{name}: {ours} and {}", theirs(name))
    };
    check("RecurrenceRate", ours.rate);
    check("Determinism", ours.determinism);
    check("L", ours.mean_diagonal);
    check("LEn", ours.diagonal_entropy);
    check("Divergence", 1.0 / ours.longest_diagonal as f64);
}

#[test]
fn adwin_alarms_where_that_of_river_does() {
    for row in golden()["drifts"].as_array().unwrap() {
        for (delta, alarms) in row["adwin"].as_object().unwrap() {
            let config = AdwinConfig { delta: delta.parse().unwrap(), ..AdwinConfig::default() };
            let mut adwin = Adwin::new(config).unwrap();
            let mut found = Vec::new();
            for (at, value) in numbers(&row["stream"]).into_iter().enumerate() {
                if adwin.push(value).unwrap().is_some() {
                    found.push((at as f64, adwin.width() as f64, adwin.mean().unwrap()));
                }
            }
            let alarms: Vec<Vec<f64>> = alarms.as_array().unwrap().iter().map(numbers).collect();
            assert_eq!(found.len(), alarms.len(), "{} {delta}: {found:?} and {alarms:?}", row["name"]);
            for (ours, theirs) in found.iter().zip(&alarms) {
                assert_eq!((ours.0, ours.1), (theirs[0], theirs[1]), "{} {delta}", row["name"]);
                assert!((ours.2 - theirs[2]).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn page_hinkley_alarms_where_that_of_river_does() {
    for row in golden()["drifts"].as_array().unwrap() {
        for (name, sides) in [("up", Sides::Up), ("down", Sides::Down), ("both", Sides::Both)] {
            let config =
                PageHinkleyConfig { delta: 0.05, threshold: 20.0, sides, ..PageHinkleyConfig::default() };
            let mut test = PageHinkley::new(config).unwrap();
            let stream = numbers(&row["stream"]).into_iter().enumerate();
            let found: Vec<f64> = stream
                .filter(|&(_, value)| test.push(value).unwrap().is_some())
                .map(|(at, _)| at as f64)
                .collect();
            assert_eq!(found, numbers(&row["page_hinkley"][name]), "{} {name}", row["name"]);
        }
    }
}
