//! Why a policy file is refused: each error says where in the file.

use crate::decision::Action;
use aimds_detect::leaks::Canary;

/// Why a policy file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not TOML, or not of the policy's shape. The message holds line and column.
    #[error("invalid policy: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A version that this program does not know.
    #[error("invalid policy: version {0} is not supported (this program knows version 1)")]
    Version(u32),
    /// A number outside its range.
    #[error("invalid policy: {place}: {value} is not between 0 and 1")]
    Range {
        /// Where in the file.
        place: String,
        /// The value.
        value: f32,
    },
    /// `flag` above `block`.
    #[error("invalid policy: {place}: flag ({flag}) is above block ({block})")]
    Order {
        /// Where in the file.
        place: String,
        /// The flag threshold.
        flag: f32,
        /// The block threshold.
        block: f32,
    },
    /// `from` above `to`.
    #[error("invalid policy: {place}: from ({from}) is above to ({to})")]
    Band {
        /// Where in the file.
        place: String,
        /// Lower end.
        from: f32,
        /// Upper end.
        to: f32,
    },
    /// `redact` where only a whole text can be acted on.
    #[error(
        "invalid policy: {place}: a text that was not looked at completely cannot be redacted; use allow, flag, escalate or block"
    )]
    OnDegraded {
        /// Where in the file.
        place: String,
    },
    /// An allow entry with none or several of `text`, `rule` and `category`.
    #[error("invalid policy: {place}: give exactly one of text, rule and category")]
    Allow {
        /// Where in the file.
        place: String,
    },
    /// A category name that no category has.
    #[error("invalid policy: {place}: unknown category \"{name}\"")]
    Category {
        /// Where in the file.
        place: String,
        /// The name.
        name: String,
    },
    /// A temporal policy that is no formula, or speaks of events that never happen.
    #[error("invalid policy: {place}: {problem}")]
    Temporal {
        /// Where in the file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// `redact` for a category whose findings mark no replaceable value.
    #[error("invalid policy: {place}: \"{name}\" cannot be redacted; use flag, escalate or block")]
    NotRedactable {
        /// Where in the file.
        place: String,
        /// The name.
        name: String,
    },
    /// A canary that is too short or too long.
    #[error(
        "invalid policy: {place}.\"{name}\": a canary has {} characters at least and {} bytes at most",
        Canary::LEAST,
        Canary::MOST
    )]
    Canary {
        /// Where in the file.
        place: String,
        /// Its name; its value is not repeated.
        name: String,
    },
    /// More canaries than are looked for.
    #[error("invalid policy: {place}: {number} canaries are too many (at most {})", Canary::MOST_OF_A_TENANT)]
    Canaries {
        /// Where in the file.
        place: String,
        /// How many, those of the top level included.
        number: usize,
    },
    /// An action that needs a playbook, which says how and for how long.
    #[error("invalid policy: {place}: \"{}\" is for the actions of a [[playbook]]", .action.as_str())]
    PlaybookOnly {
        /// Where in the file.
        place: String,
        /// The action.
        action: Action,
    },
    /// A playbook that says nothing, or what cannot be done.
    #[error("invalid policy: {place}: {problem}")]
    Playbook {
        /// Where in the file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A promise that cannot be checked.
    #[error("invalid policy: {place}: {problem}")]
    Promise {
        /// Where in the file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A promise that the policy does not keep.
    #[error("the policy breaks the promise \"{name}\"; say why in `waived` to use it all the same\n{run}")]
    Broken {
        /// The promise.
        name: String,
        /// A run that breaks it.
        run: String,
    },
}
