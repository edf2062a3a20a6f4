//! Which texts of a request a session has seen before: chat interfaces send the whole conversation again with each turn.

use std::hash::{DefaultHasher, Hash, Hasher};

use aimds_detect::{Conversation, Message};

/// Places remembered. A client that goes back further than this many texts and goes on from there counts as new.
const PLACES: usize = 16;
/// Texts in a row that say where in a conversation one is if its beginning has been cut off.
const CONTEXT: usize = 4;

/// Where in a conversation one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Everything up to here.
    whole: u64,
    /// The last four texts up to here.
    context: u64,
}

/// The last places of one session's conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    places: [Place; PLACES],
    next: usize,
}

impl History {
    /// The position of the first text that has not been seen, and remembers the rest.
    ///
    /// A conversation goes on from the last place that is known by everything before it, else, if its beginning was cut off, by
    /// the four texts before. Where neither is known, every text is new. Linear in the texts.
    pub(super) fn first_new(&mut self, conversation: &Conversation) -> usize {
        let places = places(conversation);
        let seen_whole = |place: &Place| self.places.iter().any(|known| known.whole == place.whole);
        let seen_context = |place: &Place| self.places.iter().any(|known| known.context == place.context);
        let by_whole = places.iter().rposition(seen_whole);
        // One text alone is a request of a client that sends no history: the same again is another request.
        let by_context =
            || places.iter().skip(CONTEXT - 1).rposition(seen_context).map(|at| at + CONTEXT - 1);
        let last = if places.len() > 1 { by_whole.or_else(by_context) } else { None };
        let first = last.map_or(0, |last| last + 1);
        let new = places.len().saturating_sub(first).min(PLACES);
        for place in places.iter().skip(places.len() - new) {
            if let Some(slot) = self.places.get_mut(self.next) {
                *slot = *place;
            }
            self.next = (self.next + 1) % PLACES;
        }
        first
    }
}

fn places(conversation: &Conversation) -> Vec<Place> {
    let mut recent = [0_u64; CONTEXT];
    let mut whole = 0_u64;
    let place = |message: &Message| {
        let text = hash(&(message.origin, &message.text));
        whole = hash(&(whole, text));
        recent.rotate_left(1);
        if let Some(latest) = recent.last_mut() {
            *latest = text;
        }
        Place { whole, context: hash(&recent) }
    };
    conversation.messages.iter().map(place).collect()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    // 0 is the empty place.
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use aimds_detect::{Origin, Role};

    use super::*;

    fn conversation(texts: &[&str]) -> Conversation {
        let mut conversation = Conversation::default();
        for text in texts {
            conversation.push(Role::User, Origin::User, *text);
        }
        conversation
    }

    #[test]
    fn only_what_is_new_counts() {
        let mut history = History::default();
        let mut check = |texts: &[&str], expected| {
            assert_eq!(history.first_new(&conversation(texts)), expected, "{texts:?}");
        };
        check(&["a"], 0);
        check(&["a", "b", "c"], 1);
        check(&["a", "b", "c", "d", "e"], 3);
        // Sent again as it was: nothing is new.
        check(&["a", "b", "c", "d", "e"], 5);
        // Went back and on from there.
        check(&["a", "b", "x", "y"], 2);
        // The same words at a later place are new.
        check(&["a", "b", "x", "y", "x", "y"], 4);
        // The beginning was cut off.
        check(&["b", "x", "y", "x", "y", "z"], 5);
        // Another conversation.
        check(&["k", "l"], 0);
        // One text alone is another request each time.
        check(&["k"], 0);
        check(&["k"], 0);
        check(&[], 0);
    }

    #[test]
    fn known_gap_a_place_further_back_than_sixteen_texts_is_forgotten() {
        let texts: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut history = History::default();
        assert_eq!(history.first_new(&conversation(&texts)), 0);
        let mut back = texts[..30].to_vec();
        back.push("x");
        assert_eq!(history.first_new(&conversation(&back)), 30);
        let mut far_back = texts[..10].to_vec();
        far_back.push("x");
        assert_eq!(history.first_new(&conversation(&far_back)), 0);
    }
}
