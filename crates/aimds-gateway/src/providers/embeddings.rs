//! OpenAI's embeddings: what is turned into vectors ends up in an index, and comes back as a document.

use axum::http::Uri;
use serde_json::Value as Json;

use super::{Asked, Fields, Provider, Refusal, Texts, invalid, others, string};
use crate::error::Failure;
use crate::json::{Document, Kind};
use crate::router::Surface;
use crate::stream::Dialogue;

pub(super) struct Embeddings;

impl Provider for Embeddings {
    fn surface(&self) -> Surface {
        Surface::Embeddings
    }

    fn fields(&self) -> Fields {
        Fields {
            request: &["input", "input of several", "unknown member"],
            response: &["unknown member"],
            streams: false,
        }
    }

    fn asked<'a>(&self, document: &'a Document, _: &Uri) -> Result<Asked<'a>, Failure> {
        let root = &document.root;
        let mut texts = Texts::request(document);
        let input = root.get("input").ok_or_else(|| invalid("input is missing"))?;
        let texts_only = matches!(input.kind, Kind::String)
            || matches!(input.kind, Kind::Array(_))
                && input.elements().iter().all(|element| matches!(element.kind, Kind::String));
        if !texts_only {
            return Err(invalid("input must be a text or texts: numbers of tokens cannot be inspected"));
        }
        others(&mut texts, document, 0, &[], &["model", "user", "encoding_format"])?;
        Ok(Asked {
            texts,
            model: string(document, root, "model")?,
            stream: false,
            path: "/embeddings".into(),
            usage: false,
        })
    }

    /// A placeholder of one request would only make the vectors of equal texts differ.
    fn answers_in_words(&self) -> bool {
        false
    }

    fn required(&self) -> &'static [&'static str] {
        &["data"]
    }

    fn refusal(&self, _: &Refusal) -> Option<Json> {
        None
    }

    fn dialogue(&self, _: Refusal) -> Option<Box<dyn Dialogue + Send>> {
        None
    }
}
