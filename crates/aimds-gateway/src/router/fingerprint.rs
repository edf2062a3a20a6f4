//! When two requests are the same: equal JSON whatever the order of members, white space and escapes, of the same tenant,
//! with the same headers that reach the provider, meant for the same targets. The hash is keyed, so that nobody who sees
//! one can tell whose or which request it was.

use crate::error::Failure;
use crate::json::{Document, Kind, Value};

use super::cache::Fingerprint;

/// What is hashed, part by part, each with its length in front so that no two lists of parts look the same.
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(key))
    }

    pub(crate) fn part(&mut self, part: &[u8]) -> &mut Self {
        self.0.update(&(part.len() as u64).to_le_bytes()).update(part);
        self
    }

    /// A JSON text. Numbers are the same where they are written in the same way.
    pub(crate) fn document(&mut self, document: &Document) -> Result<&mut Self, Failure> {
        self.value(document, &document.root)?;
        Ok(self)
    }

    /// Recursion is bounded by the depth that the parser allowed.
    fn value(&mut self, document: &Document, value: &Value) -> Result<(), Failure> {
        match &value.kind {
            Kind::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_unstable_by(|a, b| a.key.cmp(&b.key));
                self.part(b"{").part(&(members.len() as u64).to_le_bytes());
                for member in members {
                    self.part(member.key.as_bytes());
                    self.value(document, &member.value)?;
                }
            }
            Kind::Array(elements) => {
                self.part(b"[").part(&(elements.len() as u64).to_le_bytes());
                for element in elements {
                    self.value(document, element)?;
                }
            }
            Kind::String => {
                let text = document.string(value)?.unwrap_or_default();
                self.part(b"\"").part(text.as_bytes());
            }
            Kind::Null | Kind::Scalar => {
                let text = document.text.get(value.span.clone()).unwrap_or_default();
                self.part(b"=").part(text.as_bytes());
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&self) -> Fingerprint {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        let mut hasher = Hasher::new(&[7; 32]);
        hasher.document(&Document::parse(text).unwrap()).unwrap();
        hasher.finish()
    }

    #[test]
    fn the_same_json_is_the_same_request() {
        let check = |a: &str, b: &str, same: bool| assert_eq!(of(a) == of(b), same, "{a} {b}");
        check(r#"{"a":1,"b":[true,null]}"#, " { \"b\" : [ true , null ] , \"a\" : 1 } ", true);
        check(r#"{"a":"\u0041"}"#, r#"{"\u0061":"A"}"#, true);
        check(r#"{"a":1}"#, r#"{"a":"1"}"#, false);
        check(r#"{"a":null}"#, r#"{}"#, false);
        check(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false);
        check(r#"{"a":["b"]}"#, r#"{"a":{"b":0}}"#, false);
        check(r#"{"a":[[],1]}"#, r#"{"a":[[1]]}"#, false);
        check(r#"{"a":1.0}"#, r#"{"a":1.00}"#, false);
    }

    #[test]
    fn parts_and_keys_are_told_apart() {
        let parts = |key: u8, parts: &[&str]| {
            let mut hasher = Hasher::new(&[key; 32]);
            for part in parts {
                hasher.part(part.as_bytes());
            }
            hasher.finish()
        };
        assert_ne!(parts(1, &["ab", "c"]), parts(1, &["a", "bc"]));
        assert_ne!(parts(1, &["ab"]), parts(2, &["ab"]));
    }
}
