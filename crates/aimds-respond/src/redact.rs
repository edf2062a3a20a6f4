//! Replaces matched places by a placeholder that names the category.

use std::ops::Range;

use aimds_detect::{Category, Conversation};
use aimds_policy::Redaction;

/// What stands in place of a redacted value.
///
/// ```
/// use aimds_detect::{Category, validators::PiiKind};
/// assert_eq!(aimds_respond::placeholder(Category::Pii(PiiKind::Email)), "[REDACTED:pii.email]");
/// ```
#[must_use]
pub fn placeholder(category: Category) -> String {
    format!("[REDACTED:{category}]")
}

/// One place that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Position in `Conversation::messages`.
    pub message: usize,
    /// Byte range in the text as it was, on character boundaries.
    pub span: Range<usize>,
    /// What stands there now.
    pub replacement: String,
}

/// Carries out redactions (sorted, without overlaps) and returns what was replaced, in the same order.
///
/// A span that does not lie on character boundaries replaces the characters that it touches.
pub fn redact(conversation: &mut Conversation, redactions: &[Redaction]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::with_capacity(redactions.len());
    for redaction in redactions.iter().rev() {
        let Some(message) = conversation.messages.get_mut(redaction.message) else { continue };
        let start = message.text.floor_char_boundary(redaction.span.start);
        let end = message.text.ceil_char_boundary(redaction.span.end).max(start);
        let replacement = placeholder(redaction.category);
        message.text.replace_range(start..end, &replacement);
        edits.push(Edit { message: redaction.message, span: start..end, replacement });
    }
    edits.reverse();
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use aimds_detect::Origin;
    use aimds_detect::validators::PiiKind;

    fn check(text: &str, spans: &[(usize, usize)], expected: &str) {
        let mut conversation = Conversation::single(Origin::User, text);
        let redactions: Vec<_> = spans
            .iter()
            .map(|&(start, end)| Redaction {
                message: 0,
                span: start..end,
                category: Category::Pii(PiiKind::Email),
            })
            .collect();
        redact(&mut conversation, &redactions);
        assert_eq!(conversation.messages[0].text, expected);
    }

    #[test]
    fn every_span_is_replaced_and_the_rest_is_kept() {
        check("a b@c.d e", &[(2, 7)], "a [REDACTED:pii.email] e");
        check("b@c.d, e@f.g", &[(0, 5), (7, 12)], "[REDACTED:pii.email], [REDACTED:pii.email]");
        check("é@c.d", &[(1, 6)], "[REDACTED:pii.email]");
        check("short", &[(2, 999)], "sh[REDACTED:pii.email]");
        check("same", &[], "same");
    }
}
