//! Tier 2: a small multilingual transformer, fine-tuned, quantised to int8, for texts that the fast path is not sure about.
//!
//! A text is cut into word pieces (SentencePiece unigram, Kudo 2018), the pieces into overlapping windows; each window gets
//! one logit for each head, and each piece another, which says which words the verdict rests on.

mod model;
mod words;

pub use model::{Encoder, EncoderError, Judgement, STRIDE, WINDOW, Window};
pub use words::{Piece, Words, WordsError};
