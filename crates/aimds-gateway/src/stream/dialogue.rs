//! The provider's side of a stream: what its events hold, and how it is ended.

use crate::error::Failure;
use crate::json::Document;

/// The provider's side of a stream.
pub(crate) trait Dialogue {
    /// What an event is. `name` is the name that it was sent under, empty where there is none.
    fn event(&self, name: &str, document: &Document) -> Event;

    /// The text that a piece at this place of the event goes on with; `None` where it is a text of its own.
    fn channel(&self, event: &Event, place: &str) -> Option<Channel>;

    /// Takes note of an event that goes to the caller.
    fn told(&mut self, document: &Document);

    /// The events with which a block ends the stream. `said` tells whether the caller has seen any words.
    fn refuse(&self, said: bool) -> String;

    /// The event with which a failure ends the stream.
    fn fail(&self, failure: &Failure) -> String;
}

/// What an event is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) form: Form,
    /// What the names of its channels begin with; of an event that opens or repeats something, which part of the answer that
    /// is, empty for all of it.
    pub(crate) scope: String,
    /// Channels that it closes, by the beginnings of their names.
    pub(crate) closes: Vec<String>,
    pub(crate) end: End,
}

/// What the texts of an event are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Pieces of texts.
    Pieces,
    /// Whole texts.
    Whole,
    /// Whole texts at the beginning of something of which pieces follow.
    Opening,
    /// Whole texts that repeat what came in pieces.
    Again,
}

/// Whether a stream may end with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    No,
    /// It may end here, if nothing is left open.
    Possible,
    /// Nothing follows.
    Last,
    /// The upstream reports an error; nothing follows.
    Error,
}

impl Event {
    pub(crate) fn delta(scope: &str) -> Self {
        Self { form: Form::Pieces, scope: scope.to_owned(), closes: Vec::new(), end: End::No }
    }

    pub(crate) fn whole() -> Self {
        Self { form: Form::Whole, ..Self::delta("") }
    }

    pub(crate) fn opening(scope: &str) -> Self {
        Self { form: Form::Opening, ..Self::delta(scope) }
    }

    pub(crate) fn again(scope: &str) -> Self {
        Self { form: Form::Again, ..Self::delta(scope) }
    }
}

/// One of the texts that a stream brings in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    /// Its name.
    pub(super) key: String,
    /// When a part begins, the other parts of its group are complete.
    pub(super) group: String,
    pub(super) part: String,
    pub(super) kind: ChannelKind,
}

/// What a text that comes in pieces is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    Prose,
    /// Part of the arguments of a call. Nothing of it goes on before the call is complete: half the arguments are not half a
    /// call.
    Call,
    /// The name of the tool that the call of the same part is for.
    Name,
}

impl ChannelKind {
    pub(super) fn is_call(self) -> bool {
        self != Self::Prose
    }
}

impl Channel {
    pub(crate) fn prose(key: &str, group: &str, part: &str) -> Self {
        Self { key: key.to_owned(), group: group.to_owned(), part: part.to_owned(), kind: ChannelKind::Prose }
    }

    pub(crate) fn call(key: &str, group: &str, part: &str) -> Self {
        Self { kind: ChannelKind::Call, ..Self::prose(key, group, part) }
    }

    pub(crate) fn name(key: &str, group: &str, part: &str) -> Self {
        Self { kind: ChannelKind::Name, ..Self::prose(key, group, part) }
    }
}
