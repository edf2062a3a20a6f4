//! How demanding a request looks, in points from 0 to 100. Every point has a reason that can be named: no model decides
//! which model decides.

/// What of a request the points are given for.
///
/// Of everything that the gateway forwards it is taken from what was inspected; a replayed log may state it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Tokens of all texts, known or [estimated](estimate_tokens).
    pub tokens: u64,
    /// Messages of user and assistant.
    pub turns: u64,
    /// Tools that the model may call.
    pub tools: u64,
    /// A user's text holds source code.
    pub code: bool,
    /// Different words of the last user's text that ask for reasoning ([`reasoning_words`]).
    pub reasoning: u64,
}

/// The points and where they come from.
///
/// ```
/// use aimds_gateway::router::{Features, Score};
/// let features = Features { tokens: 900, turns: 1, tools: 2, code: false, reasoning: 1 };
/// let score = Score::of(&features);
/// assert_eq!(score.total(), 9 + 12 + 15);
/// assert_eq!(score.to_string(), "36 (length 9, turns 0, tools 12, code 0, question 15)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// One for each hundred tokens, at most 30.
    pub length: u8,
    /// One for each message beyond the second, at most 10.
    pub turns: u8,
    /// Ten where there are tools, and one for each, at most 20.
    pub tools: u8,
    /// 15 where there is source code.
    pub code: u8,
    /// 15 where one word asks for reasoning, 25 where several do.
    pub question: u8,
}

impl Score {
    /// Gives the points.
    #[must_use]
    pub fn of(features: &Features) -> Self {
        let tools = if features.tools == 0 { 0 } else { features.tools.saturating_add(10) };
        Self {
            length: at_most(30, features.tokens / 100),
            turns: at_most(10, features.turns.saturating_sub(2)),
            tools: at_most(20, tools),
            code: if features.code { 15 } else { 0 },
            question: match features.reasoning {
                0 => 0,
                1 => 15,
                _ => 25,
            },
        }
    }

    /// All points together, at most 100.
    #[must_use]
    pub fn total(&self) -> u8 {
        self.length + self.turns + self.tools + self.code + self.question
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { length, turns, tools, code, question } = self;
        let total = self.total();
        write!(f, "{total} (length {length}, turns {turns}, tools {tools}, code {code}, question {question})")
    }
}

fn at_most(most: u8, points: u64) -> u8 {
    u8::try_from(points).unwrap_or(u8::MAX).min(most)
}

/// Tokens of a text of so many bytes: one for each four bytes, as the vocabularies of today's models have it for English.
/// Other languages have more.
#[must_use]
pub fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Whether a text holds source code: a fence of three backticks, or three lines that end as lines of code do. Linear.
#[must_use]
pub fn has_code(text: &str) -> bool {
    if text.contains("```") {
        return true;
    }
    let code = |line: &&str| line.trim_end().ends_with(['{', '}', ';']) || line.trim_end().ends_with("):");
    text.lines().filter(code).nth(2).is_some()
}

/// Words with which people ask for more than a fact. Sorted.
const WORDS: [&str; 48] = [
    "algorithm",
    "analyse",
    "analysiere",
    "analyze",
    "architecture",
    "berechne",
    "beweise",
    "calculate",
    "calcule",
    "compara",
    "compare",
    "contradiction",
    "debug",
    "demuestra",
    "derive",
    "design",
    "diseña",
    "démontre",
    "entwirf",
    "erkläre",
    "evaluate",
    "evaluiere",
    "herleite",
    "implement",
    "implementa",
    "implementiere",
    "integral",
    "invariant",
    "justify",
    "optimiere",
    "optimise",
    "optimiza",
    "optimize",
    "plan",
    "plane",
    "pourquoi",
    "proof",
    "prove",
    "refactor",
    "rewrite",
    "simulate",
    "solve",
    "theorem",
    "tradeoff",
    "vergleiche",
    "verify",
    "warum",
    "why",
];

/// How many different words of a text ask for reasoning: a short list in English, German, French and Spanish, compared
/// without regard to case. Linear.
///
/// ```
/// use aimds_gateway::router::reasoning_words;
/// assert_eq!(reasoning_words("Why? Prove it. Why not?"), 2);
/// assert_eq!(reasoning_words("What is the capital of France?"), 0);
/// ```
#[must_use]
pub fn reasoning_words(text: &str) -> u64 {
    let longest = WORDS.iter().map(|word| word.len()).max().unwrap_or_default();
    let mut seen = 0_u64;
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        if word.is_empty() || word.len() > longest {
            continue;
        }
        if let Ok(at) = WORDS.binary_search(&word.to_lowercase().as_str()) {
            seen |= 1 << at;
        }
    }
    u64::from(seen.count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sorted_and_fit_into_one_number() {
        assert!(WORDS.is_sorted());
        assert!(WORDS.len() <= 64);
    }

    #[test]
    fn points_have_limits_and_add_up_to_a_hundred() {
        let check = |features: Features, expected: [u8; 5]| {
            let Score { length, turns, tools, code, question } = Score::of(&features);
            assert_eq!([length, turns, tools, code, question], expected);
        };
        let none = Features::default();
        check(none, [0; 5]);
        check(Features { tokens: 99, turns: 2, ..none }, [0; 5]);
        check(Features { tokens: 100, turns: 3, tools: 1, ..none }, [1, 1, 11, 0, 0]);
        let most = Features { tokens: u64::MAX, turns: u64::MAX, tools: u64::MAX, code: true, reasoning: 9 };
        check(most, [30, 10, 20, 15, 25]);
        assert_eq!(Score::of(&most).total(), 100);
    }

    #[test]
    fn code_is_known_by_its_look() {
        let check = |text: &str, expected: bool| assert_eq!(has_code(text), expected, "{text}");
        check("what is\n```\nthis", true);
        check("fn main() {\n    run();\n}", true);
        check("def f(x):\n  a = 1;\n  b = 2;", true);
        check("Dear Sir;\nI write to you;\nyours", false);
        check("", false);
    }

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        let check = |text: &str, expected: u64| assert_eq!(reasoning_words(text), expected, "{text}");
        check("WARUM ist das so? Démontre-le, diseña otro.", 3);
        check("The planet's designer", 0);
        check("prove prove PROVE", 1);
    }
}
