//! Labelled rows from compressed JSON lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One labelled text.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// The text; rows without one are left out.
    #[serde(default)]
    pub text: String,
    /// `attack` or `benign`.
    #[serde(default)]
    pub label: String,
    /// Where the row comes from.
    #[serde(default)]
    pub source: String,
    /// Finer label.
    #[serde(default)]
    pub category: String,
}

impl Row {
    /// True for attacks.
    #[must_use]
    pub fn is_attack(&self) -> bool {
        self.label == "attack"
    }
}

/// Reads one file of the data folder, `.jsonl` or `.jsonl.zst`.
///
/// # Errors
/// Says which file and line could not be read.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|extension| extension == "zst") {
        Box::new(BufReader::new(zstd::Decoder::new(file)?))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut rows = Vec::new();
    for (number, line) in reader.lines().enumerate() {
        let row: Row = serde_json::from_str(&line?)
            .with_context(|| format!("failed to parse line {} of {}", number + 1, path.display()))?;
        if !row.text.is_empty() {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// FNV-1a of a string: groups rows the same way in every run.
#[must_use]
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
