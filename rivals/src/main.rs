//! Runs the crates.io detector `aimds-detection` over JSON lines, one verdict a line.
//!
//! Usage: `aimds-rivals FILE...`, each a `.jsonl` or `.jsonl.zst` of `{"id","text","label"?}`.
//! Answer: `{"id","label"?,"flagged","latency_us","error"?}`, in the order of the rows.
//!
//! The crate gives no verdict, only a severity and the patterns that matched. Its most generous reading counts here: a
//! row is flagged when the severity is High or more, or when any pattern matched at all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::time::Instant;

use aimds_core::{PromptInput, ThreatSeverity};
use aimds_detection::DetectionService;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
struct Row {
    id: Value,
    text: String,
    label: Option<String>,
}

#[derive(Serialize)]
struct Verdict {
    id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    flagged: bool,
    latency_us: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let service = DetectionService::new()?;
    service.detect(&PromptInput::new("Good morning.".to_owned())).await?; // The first call is warm-up for everybody.
    let mut out = BufWriter::new(io::stdout().lock());
    for path in std::env::args().skip(1) {
        for line in open(&path)?.lines() {
            let row: Row = serde_json::from_str(&line?).with_context(|| format!("{path}: not a row"))?;
            serde_json::to_writer(&mut out, &judge(&service, row).await)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}

fn open(path: &str) -> Result<BufReader<Box<dyn Read>>> {
    let file = File::open(path).with_context(|| path.to_owned())?;
    let read: Box<dyn Read> =
        if path.ends_with(".zst") { Box::new(zstd::Decoder::new(file)?) } else { Box::new(file) };
    Ok(BufReader::new(read))
}

async fn judge(service: &DetectionService, row: Row) -> Verdict {
    let input = PromptInput::new(row.text);
    let start = Instant::now();
    let result = service.detect(&input).await;
    let latency_us = start.elapsed().as_nanos() as f64 / 1e3;
    let (flagged, error) = match result {
        Ok(found) => (found.severity >= ThreatSeverity::High || !found.matched_patterns.is_empty(), None),
        Err(error) => (false, Some(error.to_string())),
    };
    Verdict { id: row.id, label: row.label, flagged, latency_us, error }
}
