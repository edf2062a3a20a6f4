//! The lexical model: a linear model over hashed word and character n-grams, calibrated and quantised.

mod features;
mod model;

pub use features::{Family, features};
pub use model::{HEADS, Head, LexicalModel, ModelError, Peak, Scores, TABLE_BITS, Tally, serialise};
