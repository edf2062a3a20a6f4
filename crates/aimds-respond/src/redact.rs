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
    let edits: Vec<Edit> = redactions
        .iter()
        .filter_map(|redaction| {
            let text = &conversation.messages.get(redaction.message)?.text;
            let (span, replacement) = (place(redaction, text), placeholder(redaction.category));
            Some(Edit { message: redaction.message, span, replacement })
        })
        .collect();
    carry_out(conversation, &edits);
    edits
}

/// The characters that a redaction touches.
pub(crate) fn place(redaction: &Redaction, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(redaction.span.start);
    start..text.ceil_char_boundary(redaction.span.end).max(start)
}

/// Carries out edits that are sorted and do not overlap.
pub(crate) fn carry_out(conversation: &mut Conversation, edits: &[Edit]) {
    for edit in edits.iter().rev() {
        if let Some(message) = conversation.messages.get_mut(edit.message) {
            message.text.replace_range(edit.span.clone(), &edit.replacement);
        }
    }
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
