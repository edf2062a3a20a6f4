//! One rule as its author writes it.

use serde::Deserialize;

use crate::{Category, Origin};

/// How sure a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A weak hint.
    Low,
    /// Often an attack.
    Medium,
    /// Nearly always an attack.
    High,
}

impl Severity {
    /// The probability that a hit is an attack, as far as rules know: what the severities promise on training data.
    #[must_use]
    pub fn confidence(self) -> f32 {
        match self {
            Self::Low => 0.4,
            Self::Medium => 0.8,
            Self::High => 0.97,
        }
    }
}

/// Where a rule is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Counts.
    Stable,
    /// Runs and is reported, but adds nothing to the score.
    Preview,
}

/// A rule file. See `CONTRIBUTING.md` for how to write one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// `family.name`, equal to its path.
    pub id: String,
    /// What it recognises, in a few words.
    pub title: String,
    /// Stable identifier of the category.
    pub category: String,
    /// How sure a hit is.
    pub severity: Severity,
    /// Where it is in its life.
    pub status: Status,
    /// Whether a hit has the last word beside the models, as a known attack has: for wordings that no harmless text of the
    /// training data holds and that the models do not know.
    #[serde(default)]
    pub decides: bool,
    /// Origins of text that it applies to; empty for all but the operator's own.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Languages that it is written for.
    pub languages: Vec<String>,
    /// Standards and sources.
    #[serde(default)]
    pub references: Vec<String>,
    /// Shown to users: what was recognised and why it matters.
    pub why: String,
    /// Patterns on the canonical view, any of which is a hit.
    pub patterns: Vec<String>,
    /// Texts that must match.
    pub hits: Vec<String>,
    /// Harmless texts that must not match.
    pub near_misses: Vec<String>,
    /// Attacks that it ought to match and does not today.
    #[serde(default)]
    pub known_gaps: Vec<String>,
}

impl RuleFile {
    /// Reads a rule file.
    ///
    /// # Errors
    /// TOML's own, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The category, if it is one that rules may report.
    #[must_use]
    pub fn category(&self) -> Option<Category> {
        Category::parse_manipulation(&self.category)
    }

    /// The origins that it applies to; `None` if one has no such name.
    #[must_use]
    pub fn origins(&self) -> Option<Vec<Origin>> {
        if self.origins.is_empty() {
            return Some(vec![Origin::User, Origin::Tool, Origin::Document, Origin::Model]);
        }
        self.origins.iter().map(|name| Origin::parse(name)).collect()
    }
}
