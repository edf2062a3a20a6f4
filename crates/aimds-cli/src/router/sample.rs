//! A made-up log with the mix that the example configuration was written for: of the requests that reach a model 70 % are
//! easy, 25 % hard and 5 % private; of all requests 30 % repeat an earlier one word for word. Texts and token counts are
//! invented: it shows how the parts work together, not what anybody's traffic costs.

use std::collections::VecDeque;

use aimds_gateway::router::Record;

/// Requests that may be repeated: those of the last while.
const RECENT: usize = 512;

/// Milliseconds between two requests.
const PAUSE_MS: u64 = 20;

/// Reproducible numbers (splitmix64: Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A whole number below `end`, nearly equally likely.
    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or_default()
    }
}

/// So many requests.
pub(super) fn records(seed: u64, requests: u64) -> impl Iterator<Item = Record> {
    let mut random = Random(seed);
    let mut recent: VecDeque<Record> = VecDeque::with_capacity(RECENT);
    (0..requests).map(move |number| {
        let at_ms = number * PAUSE_MS;
        if !recent.is_empty() && random.below(100) < 30 {
            let which = usize::try_from(random.below(recent.len() as u64)).unwrap_or_default();
            if let Some(earlier) = recent.get(which) {
                return Record { at_ms, ..earlier.clone() };
            }
        }
        let record = Record { at_ms, ..fresh(&mut random, number) };
        if !record.private {
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(record.clone());
        }
        record
    })
}

/// A request that nobody has made before.
fn fresh(random: &mut Random, number: u64) -> Record {
    let kind = random.below(100);
    let (hard, private) = ((70..95).contains(&kind), kind >= 95);
    let (input, output) = match hard {
        true => (300 + random.below(1001), 100 + random.below(401)),
        false => (200 + random.below(801), 50 + random.below(301)),
    };
    let text = match (hard, private) {
        (true, _) => format!(
            "Why does case {number} fail? Derive the cause and refactor this:\n```\nfn case_{number}() {{}}\n```"
        ),
        (_, true) => format!("Please summarise letter {number} of my file."),
        _ => format!("When is the next train after number {number}?"),
    };
    Record {
        model: "auto".into(),
        tenant: "acme".into(),
        input_tokens: Some(input),
        output_tokens: output,
        text: Some(text),
        private,
        temperature: Some(0.0),
        ..Record::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_log() {
        let log = |seed| records(seed, 500).collect::<Vec<_>>();
        assert_eq!(log(7), log(7));
        assert_ne!(log(7), log(8));
    }
}
