//! The lexical model: a small network over hashed word and character n-grams, calibrated and quantised.

mod features;
mod model;

pub use features::{Family, features, ngrams};
pub use model::{
    Dense, EVIDENCE, FIRST, HEADS, Head, INPUTS, LexicalModel, ModelError, RuleEvidence, SECOND, SMOOTHING,
    Scores, TABLE_BITS, Tally, WIDTH, evidence,
};
