//! What detection reports.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::validators::{PiiKind, SecretKind};

/// What kind of problem a finding is about. Identifiers are stable: policies, reports and metrics use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The user tries to override the operator's instructions.
    PromptInjection,
    /// Untrusted content gives orders to the model.
    IndirectInjection,
    /// Persona, fiction or mode switches that are meant to lift the model's rules.
    Jailbreak,
    /// Attempts to read the system prompt.
    SystemPromptExtraction,
    /// Attempts to move data to a place where it must not go.
    DataExfiltration,
    /// An attack that was found only after decoding.
    EncodedAttack,
    /// Characters that a person cannot see and a model reads.
    InvisibleText,
    /// Attempts to make the model misuse its tools.
    ToolAbuse,
    /// Attempts to burn tokens, time or money.
    ResourceAbuse,
    /// Personal data.
    Pii(PiiKind),
    /// A credential.
    Secret(SecretKind),
    /// A canary, or what the operator's instructions keep secret, left the place where it belongs.
    CanaryLeak,
    /// A temporal policy of the operator does not hold.
    PolicyViolation,
}

impl Category {
    /// Every category that is not personal data or a secret.
    pub const MANIPULATION: [Self; 9] = [
        Self::PromptInjection,
        Self::IndirectInjection,
        Self::Jailbreak,
        Self::SystemPromptExtraction,
        Self::DataExfiltration,
        Self::EncodedAttack,
        Self::InvisibleText,
        Self::ToolAbuse,
        Self::ResourceAbuse,
    ];

    /// The stable identifier.
    ///
    /// ```
    /// use aimds_detect::Category;
    /// assert_eq!(Category::Jailbreak.as_str(), "jailbreak");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PromptInjection => "prompt_injection",
            Self::IndirectInjection => "indirect_injection",
            Self::Jailbreak => "jailbreak",
            Self::SystemPromptExtraction => "system_prompt_extraction",
            Self::DataExfiltration => "data_exfiltration",
            Self::EncodedAttack => "encoded_attack",
            Self::InvisibleText => "invisible_text",
            Self::ToolAbuse => "tool_abuse",
            Self::ResourceAbuse => "resource_abuse",
            Self::Pii(kind) => kind.id(),
            Self::Secret(kind) => kind.id(),
            Self::CanaryLeak => "canary_leak",
            Self::PolicyViolation => "policy_violation",
        }
    }

    /// Parses a stable identifier of a rule's category (rules never report personal data or secrets).
    #[must_use]
    pub fn parse_manipulation(name: &str) -> Option<Self> {
        Self::MANIPULATION.into_iter().find(|category| category.as_str() == name)
    }

    /// The OWASP Top 10 for LLM Applications (2025) entry that the category belongs to.
    #[must_use]
    pub fn owasp_llm(self) -> &'static str {
        match self {
            Self::SystemPromptExtraction | Self::CanaryLeak => "LLM07:2025",
            Self::DataExfiltration | Self::Pii(_) | Self::Secret(_) => "LLM02:2025",
            Self::ToolAbuse | Self::PolicyViolation => "LLM06:2025",
            Self::ResourceAbuse => "LLM10:2025",
            Self::PromptInjection
            | Self::IndirectInjection
            | Self::Jailbreak
            | Self::EncodedAttack
            | Self::InvisibleText => "LLM01:2025",
        }
    }

    /// The MITRE ATLAS technique that the category belongs to.
    #[must_use]
    pub fn atlas(self) -> &'static str {
        match self {
            Self::PromptInjection | Self::IndirectInjection => "AML.T0051",
            Self::Jailbreak => "AML.T0054",
            Self::SystemPromptExtraction | Self::CanaryLeak => "AML.T0056",
            Self::DataExfiltration | Self::Pii(_) | Self::Secret(_) => "AML.T0057",
            Self::EncodedAttack | Self::InvisibleText => "AML.T0068",
            Self::ToolAbuse | Self::PolicyViolation => "AML.T0053",
            Self::ResourceAbuse => "AML.T0029",
        }
    }

    /// True for personal data, secrets and what must not leave, which are findings and never part of the manipulation score.
    #[must_use]
    pub fn is_data(self) -> bool {
        matches!(self, Self::Pii(_) | Self::Secret(_) | Self::CanaryLeak)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which part of detection reported a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// A rule of a rule pack.
    Rule,
    /// The lexical model.
    Lexical,
    /// The encoder of the deep path.
    Encoder,
    /// The library of known attacks.
    Known,
    /// A validator of personal data or secrets.
    Validator,
    /// The tagger of names and addresses.
    Tagger,
    /// Invisible characters.
    Invisible,
    /// The analysis of orders in data.
    Orders,
    /// The comparison of answers with what must stay inside.
    Leaks,
}

impl Detector {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Lexical => "lexical",
            Self::Encoder => "encoder",
            Self::Known => "known",
            Self::Validator => "validator",
            Self::Tagger => "tagger",
            Self::Invisible => "invisible",
            Self::Orders => "orders",
            Self::Leaks => "leaks",
        }
    }
}

/// One problem at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub category: Category,
    /// Which part of detection saw it.
    pub detector: Detector,
    /// The rule, where the detector is one.
    pub rule: Option<std::sync::Arc<str>>,
    /// Probability in \[0, 1\] that the finding is right, taken alone.
    pub confidence: f32,
    /// Position in `Conversation::messages`.
    pub message: usize,
    /// Byte range in the original text, on character boundaries.
    pub span: Range<usize>,
    /// Why, in words, without quoting the text.
    pub explanation: Cow<'static, str>,
}

impl Finding {
    /// Whether a group of categories (`pii.*`, `*`) speaks of it. What the tagger found is not meant by groups: names stand
    /// in every second text, and whoever wants something done about them says `pii.person` or `pii.address`.
    #[must_use]
    pub fn in_groups(&self) -> bool {
        self.detector != Detector::Tagger
    }
}
