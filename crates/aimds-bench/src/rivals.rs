//! Results of rivals that run elsewhere, because they are in other languages or would burden the build: files that
//! the scripts under `rivals/` write, read as they come.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::case::{Answer, Case, Measured, Unit};

/// What a rival did with one case.
///
/// A file of them is a JSON array. `samples` are the numbers themselves, so that medians and intervals of all
/// contenders come from the same code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RivalResult {
    /// Who.
    pub name: String,
    /// Which version.
    pub version: String,
    /// The case, by the name that the export gave it.
    pub case: String,
    /// What the numbers are; that of the case.
    pub unit: Unit,
    /// One number for each run.
    pub samples: Vec<f64>,
    /// What came out, in our words.
    #[serde(default)]
    pub answer: Option<Answer>,
    /// What else was counted.
    #[serde(default)]
    pub details: BTreeMap<String, f64>,
}

impl RivalResult {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Says what is not as it should be, and of which row.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let rows: Vec<Self> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match rows.iter().find(|row| row.samples.is_empty()) {
            Some(row) => Err(format!("no samples of {} for `{}`", row.name, row.case)),
            None => Ok(rows),
        }
    }
}

/// Puts each result beside the case that it names; gives back the names of the cases that are not there.
///
/// # Errors
/// A result has another unit than its case.
pub fn put_beside(cases: &mut [Case], results: &[RivalResult]) -> Result<Vec<String>, String> {
    let mut unmatched = Vec::new();
    for result in results {
        let Some(case) = cases.iter_mut().find(|case| case.case == result.case) else {
            unmatched.push(result.case.clone());
            continue;
        };
        if case.unit != result.unit {
            let units = (result.unit.as_str(), case.unit.as_str());
            return Err(format!("{} gives `{}` in {}, not in {}", result.name, case.case, units.0, units.1));
        }
        let mut measured = Measured::new(result.samples.clone());
        measured.answer = result.answer.clone();
        measured.details = result.details.clone();
        *case = case.clone().rival(&result.name, Some(&result.version), measured);
    }
    unmatched.dedup();
    Ok(unmatched)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"name":"n","version":"1","case":"a","unit":"us","samples":[4,2,6],"answer":"yes"}"#;

    #[test]
    fn results_stand_beside_their_cases() {
        let results =
            RivalResult::parse(&format!("[{ROW},{}]", ROW.replace(r#""a""#, r#""other""#))).unwrap();
        let mut cases = [Case::new("a", Unit::Us, Measured::new(vec![2.0])).answer(Some("yes".into()), None)];
        assert_eq!(put_beside(&mut cases, &results).unwrap(), ["other"]);
        let rival = &cases[0].rivals[0];
        assert_eq!((rival.measured.median, rival.ratio, rival.measured.runs), (4.0, Some(0.5), 3));
        assert_eq!(
            (rival.version.as_deref(), rival.measured.answer.clone()),
            (Some("1"), Some("yes".into()))
        );
        let mut other = [Case::new("a", Unit::Ms, Measured::new(vec![2.0]))];
        assert_eq!(put_beside(&mut other, &results).unwrap_err(), "n gives `a` in us, not in ms");
    }

    #[test]
    fn what_is_no_result_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = RivalResult::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("{}", "expected a sequence");
        check(&format!("[{}]", ROW.replace("[4,2,6]", "[]")), "no samples of n for `a`");
        check(&format!("[{}]", ROW.replace(r#""us""#, r#""days""#)), "days");
        check(&format!("[{}]", ROW.replace("version", "edition")), "edition");
    }
}
