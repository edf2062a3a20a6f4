//! Random models and formulas, the same for the same seed.

use aimds_temporal::model::KripkeStructure;
use aimds_temporal::{Binary, Formula, Unary};

/// splitmix64
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

pub const PROPS: [&str; 3] = ["p", "q", "r"];

/// One to five states; some without successors.
pub fn model(random: &mut Random) -> KripkeStructure {
    let count = 1 + random.below(5);
    let props = &PROPS[..2 + random.below(2)];
    let mut builder = KripkeStructure::builder().vocabulary(PROPS);
    for state in 0..count {
        let holds: Vec<&str> = props.iter().copied().filter(|_| random.one_in(2)).collect();
        let next: Vec<String> =
            (0..count).filter(|_| random.one_in(3)).map(|next| format!("s{next}")).collect();
        builder = builder.state_from(format!("s{state}"), holds, next);
    }
    for _ in 0..1 + random.below(2) {
        builder = builder.initial(format!("s{}", random.below(count)));
    }
    builder.build().unwrap()
}

/// A formula of at most `nodes` nodes with every operator that a model can be checked for.
pub fn formula(random: &mut Random, nodes: usize) -> Formula {
    if nodes <= 1 {
        return match random.below(12) {
            0 => Formula::True,
            1 => Formula::False,
            _ => Formula::atom(*random.pick(&PROPS)),
        };
    }
    if nodes == 2 || random.one_in(2) {
        let operator = *random.pick(&[
            Unary::Not,
            Unary::Next,
            Unary::WeakNext,
            Unary::Finally(None),
            Unary::Globally(None),
            Unary::Finally(None),
            Unary::Globally(None),
            Unary::Yesterday,
            Unary::WeakYesterday,
            Unary::Once(None),
            Unary::Historically(None),
        ]);
        return Formula::unary(operator, formula(random, nodes - 1));
    }
    let operator = *random.pick(&[
        Binary::And,
        Binary::Or,
        Binary::Implies,
        Binary::Iff,
        Binary::Until(None),
        Binary::Release,
        Binary::WeakUntil,
        Binary::Since(None),
    ]);
    let left = 1 + random.below(nodes - 2);
    Formula::binary(operator, formula(random, left), formula(random, nodes - 1 - left))
}
