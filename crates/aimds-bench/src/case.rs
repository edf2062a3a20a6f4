//! One thing that was measured: how long it took, what was answered, what was promised, and what others did with the same.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::samples::Samples;

/// No case is measured for longer, in seconds, once it has three runs.
const BUDGET_S: f64 = 10.0;

/// What the numbers of a case are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Per cent.
    Percent,
    /// Expected reward that was missed.
    Regret,
}

impl Unit {
    /// The name in the output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Us => "us",
            Self::Ms => "ms",
            Self::Percent => "percent",
            Self::Regret => "regret",
        }
    }

    /// How many of it a second has; 1 for what is no time.
    fn per_second(self) -> f64 {
        match self {
            Self::Ns => 1e9,
            Self::Us => 1e6,
            Self::Ms => 1e3,
            Self::Percent | Self::Regret => 1.0,
        }
    }
}

/// What came out, beside the time that it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// An exponent, an index.
    Number(f64),
    /// A class, a verdict.
    Text(String),
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) if number.fract() == 0.0 => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number:.3}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What is known to be the case, from how the input was made or from the literature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// The right answer.
    pub answer: Answer,
    /// How far from it a number may be.
    pub tolerance: f64,
}

impl Truth {
    fn agrees(&self, answer: &Answer) -> bool {
        match (&self.answer, answer) {
            (Answer::Number(truth), Answer::Number(number)) => (truth - number).abs() <= self.tolerance,
            (truth, answer) => truth == answer,
        }
    }
}

/// Times and answer of one contender.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// How many numbers the quantiles are of.
    pub runs: usize,
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The 99th percentile, by nearest rank.
    pub p99: f64,
    /// What came out, where that is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Whether it is right, where the truth is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// What else was counted, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, f64>,
}

impl Measured {
    /// Of these numbers, in any order.
    #[must_use]
    pub fn new(values: Vec<f64>) -> Self {
        let samples = Samples::new(values);
        Self {
            runs: samples.len(),
            median: samples.quantile(0.5),
            least: samples.quantile(0.0),
            p99: samples.quantile(0.99),
            answer: None,
            right: None,
            details: BTreeMap::new(),
        }
    }

    /// The same with something else that was counted.
    #[must_use]
    pub fn detail(mut self, name: &str, value: f64) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }
}

/// Somebody else with the same task.
#[derive(Clone, Debug, Serialize)]
pub struct Rival {
    /// Who.
    pub name: String,
    /// Which version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it took and said.
    #[serde(flatten)]
    pub measured: Measured,
    /// Our median over its median: below 1 we are faster, or better.
    pub ratio: Option<f64>,
}

/// What a target speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The median.
    Median,
    /// The 99th percentile.
    P99,
    /// Our median over that of the rival of this name.
    Ratio(&'static str),
}

/// What is promised.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// `median`, `p99`, or `median / ` and the name of a rival.
    pub of: String,
    /// The most that it may be.
    pub at_most: f64,
    /// Whether it is; nothing if the rival was not there.
    pub reached: Option<bool>,
    #[serde(skip)]
    subject: Of,
}

/// One thing that was measured, with what others did with the same beside it.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// What was done; a rival's results name it.
    pub case: String,
    /// Of median, least, p99 and the target on them.
    pub unit: Unit,
    /// What we took and said.
    #[serde(flatten)]
    pub measured: Measured,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// What is promised.
    pub target: Option<Target>,
    /// Others, in the order in which they were measured.
    pub rivals: Vec<Rival>,
}

impl Case {
    /// A case without rivals, targets and truth.
    #[must_use]
    pub fn new(case: impl Into<String>, unit: Unit, measured: Measured) -> Self {
        Self { case: case.into(), unit, measured, truth: None, target: None, rivals: Vec::new() }
    }

    /// The time of something, run as often as wanted.
    pub(crate) fn time<T>(
        case: impl Into<String>,
        unit: Unit,
        runs: usize,
        operation: impl FnMut() -> T,
    ) -> Self {
        Self::new(case, unit, Measured::new(times(unit, runs, operation)))
    }

    /// The same with a promise.
    #[must_use]
    pub fn target(mut self, subject: Of, at_most: f64) -> Self {
        let of = match subject {
            Of::Median => "median".to_owned(),
            Of::P99 => "p99".to_owned(),
            Of::Ratio(rival) => format!("median / {rival}"),
        };
        self.target = Some(Target { of, at_most, reached: None, subject });
        self.judged()
    }

    /// The same with a promise that was made for this size alone.
    pub(crate) fn target_if(self, is_size: bool, subject: Of, at_most: f64) -> Self {
        if is_size { self.target(subject, at_most) } else { self }
    }

    /// The same with what came out and what would be right.
    pub(crate) fn answer(mut self, answer: Option<Answer>, truth: impl Into<Option<(Answer, f64)>>) -> Self {
        self.measured.answer = answer;
        self.truth = truth.into().map(|(answer, tolerance)| Truth { answer, tolerance });
        self.judged()
    }

    /// The same with something else that was counted.
    #[must_use]
    pub fn detail(mut self, name: &str, value: f64) -> Self {
        self.measured = self.measured.detail(name, value);
        self
    }

    /// The same with the median divided by what a run consists of, in nanoseconds.
    pub(crate) fn each(self, unit: &str, parts: usize) -> Self {
        let nanos = self.measured.median / self.unit.per_second() * 1e9 / parts as f64;
        self.detail(unit, nanos)
    }

    /// The same with somebody beside us.
    #[must_use]
    pub fn rival(mut self, name: &str, version: Option<&str>, measured: Measured) -> Self {
        let ratio = self.measured.median / measured.median;
        let ratio = Some(ratio).filter(|ratio| ratio.is_finite());
        let (name, version) = (name.to_owned(), version.map(str::to_owned));
        self.rivals.push(Rival { name, version, measured, ratio });
        self.judged()
    }

    /// Says what is right and what is reached.
    fn judged(mut self) -> Self {
        for measured in self.rivals.iter_mut().map(|rival| &mut rival.measured).chain([&mut self.measured]) {
            let agrees = |truth: &Truth| measured.answer.as_ref().map(|answer| truth.agrees(answer));
            measured.right = self.truth.as_ref().and_then(agrees);
        }
        if let Some(target) = &mut self.target {
            let value = match target.subject {
                Of::Median => Some(self.measured.median),
                Of::P99 => Some(self.measured.p99),
                Of::Ratio(name) => {
                    self.rivals.iter().find(|rival| rival.name == name).and_then(|rival| rival.ratio)
                }
            };
            target.reached = value.map(|value| value <= target.at_most);
        }
        self
    }
}

/// The times of that many runs after one to warm up; fewer, but at least three, if they take too long.
pub(crate) fn times<T>(unit: Unit, runs: usize, mut operation: impl FnMut() -> T) -> Vec<f64> {
    let mut once = || {
        let start = Instant::now();
        let _ = std::hint::black_box(operation());
        start.elapsed().as_secs_f64()
    };
    let runs = affordable(runs, once());
    (0..runs).map(|_| once() * unit.per_second()).collect()
}

/// How many of the wanted runs the budget has, if one takes so many seconds.
fn affordable(runs: usize, once: f64) -> usize {
    runs.min(((BUDGET_S / once.max(1e-9)) as usize).max(3)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_truths_are_judged_when_they_are_known() {
        let case = Case::new("a", Unit::Us, Measured::new(vec![3.0, 1.0, 2.0])).target(Of::Median, 2.0);
        assert_eq!(case.target.as_ref().unwrap().reached, Some(true));
        assert_eq!(case.clone().target(Of::P99, 2.0).target.unwrap().reached, Some(false));
        let case = case.target(Of::Ratio("b"), 0.5);
        assert_eq!(case.target.as_ref().unwrap().reached, None);
        let case = case.rival("b", None, Measured::new(vec![4.0]));
        assert_eq!((case.target.as_ref().unwrap().reached, case.rivals[0].ratio), (Some(true), Some(0.5)));
        let near = |number| {
            let truth = (Answer::Number(0.7), 0.03);
            case.clone().answer(Some(Answer::Number(number)), truth).measured.right
        };
        assert_eq!((near(0.72), near(0.74)), (Some(true), Some(false)));
        let mixed = case.answer(Some("chaotic".into()), (Answer::Number(0.7), 0.03));
        assert_eq!(mixed.measured.right, Some(false));
    }

    #[test]
    fn slow_cases_have_fewer_runs() {
        let check = |runs, once, expected| assert_eq!(affordable(runs, once), expected, "{runs} of {once} s");
        check(21, 0.001, 21);
        check(21, 1.0, 10);
        check(21, 60.0, 3);
        check(2, 60.0, 2);
        check(0, 0.0, 1);
    }
}
