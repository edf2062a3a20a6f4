//! Values that stand in several parts of one message: a model reads the parts one after the other, as one text.

use std::ops::Range;

use crate::validators::{self, Kind, PiiKind, SecretKind};
use crate::{Category, Conversation, Detector, Finding, Message};

/// How the parts of a message may be read: end to end, or as words of their own.
const BETWEEN: [&str; 2] = ["", " "];

/// Personal data and secrets that begin in one part of a message and end in a later one, as one finding for each part that
/// they touch. `found` is what is known of the parts by themselves: a value that is whole in one of them is not found again
/// with the next part's first word on its end.
///
/// Only formats that hardly come about where two texts meet: checksums, and prefixes of keys. Linear in the text of messages
/// with several parts; nothing for others.
///
/// ```
/// use aimds_detect::{Conversation, Message, Origin, Role, split_values};
/// let part = |number: usize, text: &str| Message {
///     role: Role::User,
///     origin: Origin::User,
///     index: 0,
///     pointer: format!("/messages/0/content/{number}/text"),
///     text: text.to_owned(),
/// };
/// let messages = vec![part(0, "my card: 4111 1111"), part(1, "1111 1111, thanks")];
/// let conversation = Conversation { messages, tools: vec![] };
/// let found = split_values(&conversation, &[]);
/// assert_eq!([found[0].span.clone(), found[1].span.clone()], [9..18, 0..9]);
/// ```
#[must_use]
pub fn split_values(conversation: &Conversation, found: &[Finding]) -> Vec<Finding> {
    let mut more = Vec::new();
    let messages = &conversation.messages;
    let groups = messages.chunk_by(together);
    let mut first = 0;
    for group in groups {
        if group.len() > 1 {
            for between in BETWEEN {
                across(first, group, between, found, &mut more);
            }
        }
        first += group.len();
    }
    more
}

/// Whether two texts follow each other as parts of one message: the same place but for the number of the part.
fn together(one: &Message, next: &Message) -> bool {
    one.index == next.index
        && one.origin == next.origin
        && part(&one.pointer).is_some_and(|around| part(&next.pointer) == Some(around))
}

/// What stands around the last number of a place; two texts without a place are parts of one message.
fn part(pointer: &str) -> Option<(&str, &str)> {
    if pointer.is_empty() {
        return Some(("", ""));
    }
    let mut end = pointer.len();
    for step in pointer.rsplit('/') {
        let start = end - step.len();
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some((pointer.get(..start)?, pointer.get(end..)?));
        }
        end = start.checked_sub(1)?;
    }
    None
}

fn across(first: usize, group: &[Message], between: &str, found: &[Finding], more: &mut Vec<Finding>) {
    let mut joined = String::new();
    let mut places = Vec::with_capacity(group.len());
    for message in group {
        if !places.is_empty() {
            joined.push_str(between);
        }
        places.push(joined.len()..joined.len() + message.text.len());
        joined.push_str(&message.text);
    }
    for hit in validators::scan(&joined) {
        let Some(category) = strict(hit.kind) else { continue };
        let touched = places.iter().enumerate().filter_map(|(number, place)| {
            let (start, end) = (hit.start.max(place.start), hit.end.min(place.end));
            (start < end).then(|| (first + number, start - place.start..end - place.start))
        });
        let touched: Vec<(usize, Range<usize>)> = touched.collect();
        let known = |finding: &Finding| {
            finding.category == category
                && touched.iter().any(|(message, span)| {
                    finding.message == *message
                        && finding.span.start < span.end
                        && span.start < finding.span.end
                })
        };
        if touched.len() < 2 || found.iter().chain(more.iter()).any(known) {
            continue;
        }
        more.extend(touched.into_iter().map(|(message, span)| Finding {
            category,
            detector: Detector::Validator,
            rule: None,
            confidence: hit.confidence,
            message,
            span,
            explanation: format!("{}, over several parts of a message", hit.explanation).into(),
        }));
    }
}

/// The category of a kind that does not come about by chance.
fn strict(kind: Kind) -> Option<Category> {
    match kind {
        Kind::Pii(kind @ (PiiKind::Email | PiiKind::CreditCard | PiiKind::Iban | PiiKind::CryptoWallet)) => {
            Some(Category::Pii(kind))
        }
        Kind::Secret(kind) if kind != SecretKind::Generic => Some(Category::Secret(kind)),
        Kind::Pii(_) | Kind::Secret(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, Role};

    fn message(pointer: &str, text: &str) -> Message {
        Message {
            role: Role::User,
            origin: Origin::User,
            index: 0,
            pointer: pointer.into(),
            text: text.into(),
        }
    }

    fn parts(texts: &[&str]) -> Conversation {
        let texts = texts.iter().enumerate();
        let messages =
            texts.map(|(number, text)| message(&format!("/messages/0/content/{number}/text"), text));
        Conversation { messages: messages.collect(), tools: vec![] }
    }

    fn check(texts: &[&str], expected: &[(usize, &str)]) {
        let conversation = parts(texts);
        let mut found = Vec::new();
        for (number, message) in conversation.messages.iter().enumerate() {
            found.extend(validators::scan(&message.text).into_iter().filter_map(|hit| {
                let category = strict(hit.kind)?;
                let (span, explanation) = (hit.start..hit.end, "".into());
                Some(Finding {
                    category,
                    detector: Detector::Validator,
                    rule: None,
                    confidence: 1.0,
                    message: number,
                    span,
                    explanation,
                })
            }));
        }
        let split = split_values(&conversation, &found);
        let split: Vec<_> = split
            .iter()
            .map(|finding| {
                (finding.message, &conversation.messages[finding.message].text[finding.span.clone()])
            })
            .collect();
        assert_eq!(split, expected, "{texts:?}");
    }

    #[test]
    fn a_value_over_parts_is_found_in_each() {
        check(&["pay 4111 1111 ", "1111 1111 now"], &[(0, "4111 1111 "), (1, "1111 1111")]);
        check(&["pay 4111 1111", "1111 1111 now"], &[(0, "4111 1111"), (1, "1111 1111")]);
        check(&["4111", "1111", "1111", "1111"], &[(0, "4111"), (1, "1111"), (2, "1111"), (3, "1111")]);
        check(&["mail jane.roe@corp-", "mail.com, é"], &[(0, "jane.roe@corp-"), (1, "mail.com")]);
        check(&["GB82 WEST 1234 ", "5698 7654 32"], &[(0, "GB82 WEST 1234 "), (1, "5698 7654 32")]);
    }

    #[test]
    fn what_is_whole_in_one_part_is_not_found_again() {
        check(&["mail jane.roe@corp-mail.com", "and then"], &[]);
        check(&["It is for", "jane.roe@corp-mail.com"], &[]);
        check(&["4111 1111 1111 1111", "5 apples"], &[]);
        check(&["page 4111", "of the book"], &[]);
        check(&["", ""], &[]);
    }

    #[test]
    fn only_the_parts_of_one_message_are_read_together() {
        let split = |one: &str, two: &str| {
            let messages = vec![message(one, "4111 1111 "), message(two, "1111 1111")];
            !split_values(&Conversation { messages, tools: vec![] }, &[]).is_empty()
        };
        assert!(split("", "") && split("/input/0", "/input/1"));
        assert!(split("/contents/0/parts/0/text", "/contents/0/parts/1/text"));
        assert!(!split("/messages/0/name", "/messages/0/content") && !split("/name", "/content"));
        assert!(!split("/tools/0/function/name", "/tools/0/function/description"));
        assert!(!split("/messages/0/content/0/text", "/messages/1/content/0/text"));
        let mut conversation = parts(&["4111 1111 ", "1111 1111"]);
        conversation.messages[1].index = 1;
        assert!(split_values(&conversation, &[]).is_empty());
    }
}
