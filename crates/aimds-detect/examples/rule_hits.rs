//! Where rules match, for writing them: `rule_hits ORIGIN FILE.toml... < rows.jsonl`, JSON lines with `id` and `text` in; out
//! one for each hit, with the rule and the words, and how many rows each rule hits at the end, on stderr.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};

use aimds_detect::Origin;
use aimds_detect::rules::{RuleFile, RuleMask, RuleSet, lint};
use aimds_text::{Limits, normalise};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let origin =
        arguments.next().and_then(|name| Origin::parse(&name)).ok_or("an origin, then rule files")?;
    let mut files = Vec::new();
    for path in arguments {
        files.push(RuleFile::parse(&std::fs::read_to_string(path)?)?);
    }
    for problem in lint(&files) {
        eprintln!("{}: {}", problem.rule, problem.what);
    }
    let rules = RuleSet::compile(&files)?;
    let mut rows = BTreeMap::<&str, usize>::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let text = row["text"].as_str().ok_or("a row without a text")?;
        let mut seen = Vec::new();
        for view in normalise(text, &Limits::default()).views {
            let text = &view.canonical.text;
            for hit in rules.find(text, origin, &RuleMask::default()) {
                let rule = files.get(hit.rule).map(|file| file.id.as_str()).ok_or("a hit of no rule")?;
                if seen.contains(&rule) {
                    continue;
                }
                seen.push(rule);
                *rows.entry(rule).or_default() += 1;
                let words = text.get(hit.range.clone());
                let from = text.floor_char_boundary(hit.range.start.saturating_sub(40));
                let before = text.get(from..hit.range.start);
                let hit = json!({ "id": row["id"], "rule": rule, "forbidden": hit.forbidden, "before": before, "words": words });
                writeln!(out, "{hit}")?;
            }
        }
    }
    for (rule, rows) in rows {
        eprintln!("{rows:6} {rule}");
    }
    Ok(())
}
