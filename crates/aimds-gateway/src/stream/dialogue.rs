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
    /// Its texts are whole; else they are pieces.
    pub(crate) whole: bool,
    /// What the names of its channels begin with.
    pub(crate) scope: String,
    /// Channels that it closes, by the beginnings of their names.
    pub(crate) closes: Vec<String>,
    pub(crate) end: End,
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
        Self { whole: false, scope: scope.to_owned(), closes: Vec::new(), end: End::No }
    }

    pub(crate) fn whole() -> Self {
        Self { whole: true, ..Self::delta("") }
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
    /// Nothing of it goes on before it is complete: half the arguments of a call are not half a call.
    pub(super) call: bool,
}

impl Channel {
    pub(crate) fn prose(key: &str, group: &str, part: &str) -> Self {
        Self { key: key.to_owned(), group: group.to_owned(), part: part.to_owned(), call: false }
    }

    pub(crate) fn call(key: &str, group: &str, part: &str) -> Self {
        Self { call: true, ..Self::prose(key, group, part) }
    }
}
