//! Traces: which events happened when.

use std::collections::HashMap;

/// Something that happens: a name and its arguments. An atom of a formula matches the event of the same name with the
/// same number of arguments, where constants are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    /// What happens.
    pub name: String,
    /// To what, or with what.
    pub args: Vec<String>,
}

impl Event {
    /// An event without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), args: Vec::new() }
    }

    /// The same event with one argument more.
    #[must_use]
    pub fn arg(mut self, value: impl Into<String>) -> Self {
        self.args.push(value.into());
        self
    }
}

impl From<&str> for Event {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// A time that lies before an earlier step's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time goes back at step {index}: {t_ms} ms after {last_ms} ms")]
pub struct TimeGoesBack {
    /// The step.
    pub index: usize,
    /// Its time.
    pub t_ms: u64,
    /// The time of the step before it, or the last time that was announced.
    pub last_ms: u64,
}

/// Steps in order of time; several events can happen at one step, several steps at one time.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    times: Vec<u64>,
    /// Where each step's events end in `ids`.
    ends: Vec<usize>,
    ids: Vec<u32>,
    /// Every distinct event once, so that formulas compare numbers.
    events: Vec<Event>,
    index: HashMap<Event, u32>,
}

impl Trace {
    /// A trace without steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// A trace of these steps.
    ///
    /// # Errors
    ///
    /// If times are not in order.
    pub fn from_steps<E: IntoIterator<Item: Into<Event>>>(
        steps: impl IntoIterator<Item = (u64, E)>,
    ) -> Result<Self, TimeGoesBack> {
        let mut trace = Self::new();
        for (t_ms, events) in steps {
            trace.push(t_ms, events)?;
        }
        Ok(trace)
    }

    /// Adds a step at the end.
    ///
    /// # Errors
    ///
    /// If it lies before the last one in time; the trace stays as it was.
    pub fn push<E: Into<Event>>(
        &mut self,
        t_ms: u64,
        events: impl IntoIterator<Item = E>,
    ) -> Result<(), TimeGoesBack> {
        if let Some(last_ms) = self.times.last().copied().filter(|last| *last > t_ms) {
            return Err(TimeGoesBack { index: self.len(), t_ms, last_ms });
        }
        for event in events {
            let event = event.into();
            let next = self.events.len() as u32;
            let id = *self.index.entry(event).or_insert_with_key(|event| {
                self.events.push(event.clone());
                next
            });
            self.ids.push(id);
        }
        self.times.push(t_ms);
        self.ends.push(self.ids.len());
        Ok(())
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// When the steps are, in milliseconds.
    pub fn times(&self) -> &[u64] {
        &self.times
    }

    /// Every distinct event, in the order of its first step.
    pub fn distinct_events(&self) -> &[Event] {
        &self.events
    }

    /// Which of [`distinct_events`](Self::distinct_events) happen at a step; none beyond the last one.
    pub fn events_at(&self, step: usize) -> &[u32] {
        let end = self.ends.get(step).copied().unwrap_or(0);
        let start = step.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ids.get(start..end).unwrap_or_default()
    }

    /// The same for every step in turn.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let ids = self.ids.get(start..*end).unwrap_or_default();
            start = *end;
            ids
        })
    }
}
