//! Labelled rows from compressed JSON lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use aimds_detect::lexical::HEADS;
use anyhow::{Context, Result};
use serde::Deserialize;

/// One labelled text.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// Identifier.
    #[serde(default)]
    pub id: String,
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
    /// Sources that a composed row was made of, joined by `+`.
    #[serde(default)]
    pub base: Option<String>,
    /// How much a row that we composed counts for each head.
    #[serde(default)]
    pub weights: Option<[f32; HEADS]>,
}

impl Row {
    /// True for attacks.
    #[must_use]
    pub fn is_attack(&self) -> bool {
        self.label == "attack"
    }
}

/// Families of sources: what is left out together when the recipe asks how a model does on sources that it has not seen.
#[derive(Debug, Deserialize)]
pub struct Families {
    /// Families that are left out in one turn.
    pub folds: Vec<Vec<String>>,
    families: BTreeMap<String, Vec<String>>,
}

impl Families {
    /// The families that ship with the recipes.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[must_use]
    pub fn shipped() -> Self {
        serde_json::from_str(include_str!("../families.json")).expect("the file is checked by a test")
    }

    /// Whether a row is of a family, by its source or by what it was composed of.
    #[must_use]
    pub fn contains(&self, family: &str, row: &Row) -> bool {
        let begins = |name: &str| {
            self.families
                .get(family)
                .is_some_and(|of| of.iter().any(|start| name.starts_with(start.as_str())))
        };
        begins(&row.source) || row.base.as_deref().is_some_and(|base| base.split('+').any(begins))
    }

    /// Whether a row itself is from a source of the family, not only made of something from it.
    #[must_use]
    pub fn owns(&self, family: &str, row: &Row) -> bool {
        self.families.get(family).is_some_and(|of| {
            of.iter().any(|start| start != "composed_indirect" && row.source.starts_with(start.as_str()))
        })
    }

    /// Whether a row is left out in one turn: attacks and the benign rows beside them by family, other benign sources by
    /// chance.
    #[must_use]
    pub fn left_out(&self, fold: usize, row: &Row) -> bool {
        let by_family = self.folds[fold].iter().any(|family| self.contains(family, row));
        let ours = row.source.starts_with("composed");
        by_family || (!ours && !row.is_attack() && hash(&row.source) as usize % self.folds.len() == fold)
    }
}

/// Opens `.jsonl` or `.jsonl.zst`.
///
/// # Errors
/// Says which file could not be opened.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    Ok(if path.extension().is_some_and(|extension| extension == "zst") {
        Box::new(BufReader::new(zstd::Decoder::new(file)?))
    } else {
        Box::new(BufReader::new(file))
    })
}

/// Reads one file of the data folder, `.jsonl` or `.jsonl.zst`.
///
/// # Errors
/// Says which file and line could not be read.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, line) in open(path)?.lines().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_of_a_fold_is_known_and_rows_find_theirs() {
        let families = Families::shipped();
        for family in families.folds.iter().flatten() {
            assert!(families.families.contains_key(family), "{family}");
        }
        let row = |source: &str, base: Option<&str>, label: &str| Row {
            id: String::new(),
            text: String::new(),
            label: label.into(),
            source: source.into(),
            category: String::new(),
            base: base.map(str::to_owned),
            weights: None,
        };
        let composed = row("tool_shaped_composed", Some("hivetracered_spe+xquad"), "attack");
        assert!(families.contains("hivetracered", &composed) && !families.owns("hivetracered", &composed));
        assert!(families.owns("spikee", &row("spikee_direct", None, "attack")));
        let ours = row("composed:direct-de", None, "attack");
        assert!((0..families.folds.len()).all(|fold| !families.left_out(fold, &ours)));
        let benign = row("clinc_oos", None, "benign");
        assert_eq!((0..families.folds.len()).filter(|&fold| families.left_out(fold, &benign)).count(), 1);
    }
}
