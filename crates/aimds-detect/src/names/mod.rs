//! Names of people and postal addresses, wherever they stand: a small tagger of our own.
//!
//! Words that may belong to a name or an address (capitalised and no ordinary word, on a list of names, or of a script
//! without capitals) are looked at with their neighbours; everything else costs one pass over its bytes.

mod beside;
mod features;
mod gazetteer;
mod model;
mod tokens;

pub(crate) use beside::beside;
pub use features::{FEATURES, LEXICAL, LISTS, SLOTS, features};
pub use gazetteer::{FAMILY, GIVEN, Gazetteer, ORDINARY, PLACE};
pub use model::{Tagger, forward_backward};
pub use tokens::{Shape, Token, word_hash};

use std::ops::Range;

/// Number of labels.
pub const LABELS: usize = 3;

/// What a token is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Anything else.
    Other,
    /// The name of a person.
    Person,
    /// A postal address.
    Address,
}

impl Label {
    /// The label with the highest probability.
    #[must_use]
    pub fn likeliest(probabilities: &[f32; LABELS]) -> Self {
        let &[other, person, address] = probabilities;
        match () {
            () if person > other && person >= address => Self::Person,
            () if address > other => Self::Address,
            () => Self::Other,
        }
    }

    /// Its probability.
    #[must_use]
    pub fn of(self, probabilities: &[f32; LABELS]) -> f32 {
        let &[other, person, address] = probabilities;
        match self {
            Self::Other => other,
            Self::Person => person,
            Self::Address => address,
        }
    }
}

/// Why a model cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// Another kind of file.
    #[error("not a model of names: it begins differently")]
    Magic,
    /// A part is missing, or too long.
    #[error("a model of names of the wrong size")]
    Size,
    /// A weight is no number.
    #[error("a model of names with a weight that is no number")]
    Number,
}

/// The tokens of a text and the parts of it that the model looks at: what training has to label.
#[must_use]
pub fn read(text: &str, gazetteer: &Gazetteer) -> (Vec<Token>, Vec<Range<usize>>) {
    let (mut tokens, mut segments) = (Vec::new(), Vec::new());
    tokens::tokenise(text, gazetteer, &mut tokens);
    tokens::segments(&tokens, &mut segments);
    (tokens, segments)
}
