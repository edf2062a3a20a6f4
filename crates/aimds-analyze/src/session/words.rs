//! What a session has shown, in words with the numbers behind, and without a word of its texts.

use super::trajectory::{Features, SUSPICIOUS};
use super::{Cause, RiskFeatures, Session};

impl Session {
    /// What it has shown, a sentence for each thing: first the risk and what it comes from, then what was seen beside it.
    ///
    /// ```
    /// use aimds_analyze::Session;
    /// assert_eq!(Session::new("acme").words(), ["Nothing was looked at yet."]);
    /// ```
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        if self.turns() == 0 {
            return vec!["Nothing was looked at yet.".to_owned()];
        }
        let features = self.features();
        let scores: Vec<String> = self.looks().map(|look| format!("{:.2}", look.score)).collect();
        let mut words = vec![
            format!(
                "{} at requests and answers with {} that could have been an attack; the last scores were {}, the highest of all {:.2}.",
                counted(self.turns(), "look", "looks"),
                counted(u64::from(features.messages), "message", "messages"),
                scores.join(", "),
                self.peak()
            ),
            self.together(&features),
        ];
        words.extend(beside(&features));
        words
    }

    fn together(&self, features: &Features) -> String {
        let suspicious = counted(u64::from(features.suspicious), "was", "were");
        let Some(cause) = Cause::of(features) else {
            return format!(
                "Together the messages have risk 0: {suspicious} suspicious (score {SUSPICIOUS} or more), two are needed, or the same \
                 asked three times."
            );
        };
        let [level, gathered, repeating] = RiskFeatures::of(features).log_odds();
        let rule = match cause {
            Cause::Rising => "the scores have risen or stay high",
            Cause::Repeating => "the same is asked again and again",
        };
        format!(
            "Together the messages have risk {:.2}: {rule}; {suspicious} suspicious (score {SUSPICIOUS} or more). To the log-odds, the raised \
             level adds {level:.1} ({:.1} nats of evidence), the gathered scores {gathered:.1} (their sum {:.2}, older ones fading), \
             repetitions {repeating:.1} ({} of the last text).",
            self.risk(),
            features.cusum,
            features.accumulated,
            features.repeated
        )
    }
}

fn beside(features: &Features) -> Vec<String> {
    let Features { refusals, rephrased, pressed, joined, obfuscated, categories, hurried, new_tools, .. } =
        *features;
    let told = |number: u32, sentence: String| (number > 0).then_some(sentence);
    let times = |number: u32| counted(u64::from(number), "time", "times");
    let all = [
        told(
            refusals,
            format!(
                "The model refused {}; {} the user then asked for the same again, suspicious attempts weigh {pressed:.1} (older ones fading).",
                times(refusals),
                times(rephrased)
            ),
        ),
        told(
            joined,
            format!("A payload that was split over several texts was put together {}.", times(joined)),
        ),
        told(obfuscated, format!("Something was encoded or invisible {}.", times(obfuscated))),
        told(
            categories,
            format!(
                "{} of manipulation were seen.",
                counted(u64::from(categories), "category", "categories")
            ),
        ),
        told(hurried, format!("A request came within a second of the one before {}.", times(hurried))),
        told(new_tools, format!("A tool was called for the first time {}.", times(new_tools))),
    ];
    all.into_iter().flatten().collect()
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
