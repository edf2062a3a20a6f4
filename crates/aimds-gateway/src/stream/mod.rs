//! A stream of events between the upstream and the caller: bytes in, bytes out, no input or output of its own.
//!
//! Events go on whole and in order, each as soon as all of its texts may (see [`hold_back`]). An event in which nothing is
//! replaced goes on byte for byte. What an event holds is said by the provider's [`Dialogue`].

mod around;
mod calls;
mod dialogue;
pub(crate) mod hold_back;
pub(crate) mod sse;
#[cfg(test)]
mod temporal_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vault_tests;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use aimds_engine::vault::{Restoration, Restorer};
use aimds_engine::{Conversation, Message, Origin, Role, ToolUse, ToolUseKind};

use crate::app::MAX_TEXTS;
use crate::error::Failure;
use crate::json::{self, Document, Kind};
use crate::providers::{Found, Speaker, Texts};
use crate::router::Meter;
use crate::vault;
pub(crate) use around::Around;
use calls::Calls;
pub(crate) use dialogue::{Channel, Dialogue, End, Event, Form};
use hold_back::{HoldBack, Judgement, Stop, Window};

/// Deepest nesting of an event.
const DEPTH: usize = 128;

/// What is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A part of a text that still grows.
    Window,
    /// A text that is complete, or all texts of a call.
    Whole,
    /// Texts of one event that are complete in it.
    Event,
    /// Texts of one event that were judged before, or are the answer as a whole.
    Again,
}

/// Asks the policy.
pub(crate) type Judge<'a> = dyn FnMut(Extent, Conversation) -> Result<Judgement, Failure> + 'a;

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As the upstream ended it.
    Complete,
    /// With an error that the upstream reported.
    Reported,
    /// The policy blocked it.
    Blocked,
    /// It was blocked for something that has already gone on.
    Late,
    /// It cannot go on.
    Failed(Failure),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Blocked => Self::Blocked,
            Stop::Late => Self::Late,
        }
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// An event that waits until all of its texts may go on.
struct Waiting {
    frame: sse::Frame,
    document: Option<Document>,
    /// Pieces: which text, which part of it, where in the event.
    pieces: Vec<(usize, Range<usize>, Range<usize>)>,
    /// Changes that are certain already.
    edits: Vec<(Range<usize>, String)>,
    repetitions: Vec<(Range<usize>, &'static str)>,
    /// Whether something of a call is in it.
    called: bool,
}

struct Open {
    channel: Channel,
    text: HoldBack,
    role: Role,
    origin: Origin,
    pieces: usize,
}

/// A stream between upstream and caller.
pub(crate) struct Relay {
    dialogue: Box<dyn Dialogue + Send>,
    window: Window,
    /// What the caller gets back.
    restoration: Option<Arc<Restoration>>,
    /// Bytes that may be kept, of texts and of events.
    limit: usize,
    kept: usize,
    parser: sse::Parser,
    channels: Vec<Open>,
    calls: Calls,
    names: BTreeMap<String, usize>,
    queue: VecDeque<Waiting>,
    /// A text went on after it had been complete: nothing more goes on before the end.
    disordered: bool,
    /// Whether calls wait until nothing more comes, so that none leaves that a later one condemns.
    hold_calls: bool,
    /// The upstream has ended the answer, and all of it is judged.
    over: bool,
    said: bool,
    end: End,
    /// Counts tokens for whoever pays.
    meter: Option<Meter>,
}

impl Relay {
    pub(crate) fn new(dialogue: Box<dyn Dialogue + Send>, window: Window, limit: usize) -> Self {
        Self {
            dialogue,
            window,
            restoration: None,
            limit,
            kept: 0,
            parser: sse::Parser::default(),
            channels: Vec::new(),
            calls: Calls::default(),
            names: BTreeMap::new(),
            queue: VecDeque::new(),
            disordered: false,
            hold_calls: false,
            over: false,
            said: false,
            end: End::No,
            meter: None,
        }
    }

    /// The same with a meter.
    pub(crate) fn metered(self, meter: Option<Meter>) -> Self {
        Self { meter, ..self }
    }

    /// The same with calls, and what follows them, held until the end.
    pub(crate) fn holding_calls(self, hold_calls: bool) -> Self {
        Self { hold_calls, ..self }
    }

    /// What the meter has counted so far.
    pub(crate) fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// The same with the caller's own values put back, behind what is inspected.
    pub(crate) fn restoring(self, restoration: Option<Arc<Restoration>>) -> Self {
        Self { restoration, ..self }
    }

    /// Whether the caller has been sent any words.
    pub(crate) fn has_said(&self) -> bool {
        self.said
    }

    /// Takes bytes of the upstream and appends what may go on. `Err` is the end of the stream, behind what is in `out`
    /// then; what it looks like to the caller is said by [`Relay::close`].
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        judge: &mut Judge<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        self.parser.push(bytes);
        self.kept += bytes.len();
        if self.kept > self.limit {
            return Err(Failure::UpstreamTooLarge.into());
        }
        while let Some(frame) = self.parser.next()? {
            let taken = self.take(frame, judge);
            // What was said before something that is blocked goes on.
            self.release(out);
            taken?;
            if matches!(self.end, End::Last | End::Error) {
                return self.finish(judge, out);
            }
        }
        self.inspect_windows(judge)?;
        self.release(out);
        Ok(())
    }

    /// The upstream has closed.
    pub(crate) fn finish(&mut self, judge: &mut Judge<'_>, out: &mut Vec<u8>) -> Result<(), Ended> {
        // In disorder nothing tells which texts the upstream meant to have completed.
        let open = !self.disordered && self.channels.iter().any(|open| !open.text.is_complete());
        let completed = self.complete(|_| true, judge);
        self.disordered &= completed.is_err();
        self.over = completed.is_ok() && self.end != End::No;
        self.release(out);
        completed?;
        Err(match self.end {
            End::Last => Ended::Complete,
            End::Error => Ended::Reported,
            End::Possible if !open && self.parser.pending() == 0 => Ended::Complete,
            End::Possible | End::No => Ended::Failed(Failure::UpstreamDown),
        })
    }

    /// What the caller is sent at the end, behind everything that was released.
    pub(crate) fn close(&self, ended: &Ended) -> String {
        match ended {
            Ended::Complete | Ended::Reported => String::new(),
            Ended::Blocked | Ended::Late => self.dialogue.refuse(self.said),
            Ended::Failed(failure) => self.dialogue.fail(failure),
        }
    }

    fn take(&mut self, frame: sse::Frame, judge: &mut Judge<'_>) -> Result<(), Ended> {
        let mut waiting = Waiting {
            frame,
            document: None,
            pieces: Vec::new(),
            edits: Vec::new(),
            repetitions: Vec::new(),
            called: false,
        };
        let Some(data) = waiting.frame.data.as_deref() else {
            self.queue.push_back(waiting);
            return Ok(());
        };
        if data.trim() == "[DONE]" {
            self.end = End::Last;
            self.queue.push_back(waiting);
            return Ok(());
        }
        let garbage = |_| Failure::UpstreamGarbage;
        let document = json::check(data.as_bytes(), DEPTH).and_then(Document::parse).map_err(garbage)?;
        if !matches!(document.root.kind, Kind::Object(_)) {
            return Err(Failure::UpstreamGarbage.into());
        }
        let event = self.dialogue.event(&waiting.frame.name, &document);
        let mut texts = Texts::event(&document);
        texts.collect(&document.root, &Speaker::model(0), &mut String::new()).map_err(garbage)?;
        let Found { conversation, spans, repetitions } = texts.found;
        if let Some(meter) = &mut self.meter {
            meter.read(&document);
            conversation.messages.iter().for_each(|message| meter.text(&message.text));
        }
        waiting.repetitions = repetitions;
        waiting.called = conversation.tools.iter().any(|tool| tool.kind != ToolUseKind::Result);
        let mut whole = Found::default();
        let mut begun = Vec::new();
        // Where each text stands among the whole ones.
        let mut places = Vec::new();
        for (message, span) in conversation.messages.into_iter().zip(spans) {
            let channel = match event.form {
                Form::Pieces => self.dialogue.channel(&event, &message.pointer),
                Form::Whole | Form::Opening | Form::Again => None,
            };
            let Some(channel) = channel else {
                places.push(Some(whole.spans.len()));
                whole.conversation.messages.push(message);
                whole.spans.push(span);
                continue;
            };
            places.push(None);
            let number = self.open(channel, &message)?;
            begun.push(number);
            if let Some(open) = self.channels.get_mut(number) {
                open.pieces += 1;
                waiting.called |= open.channel.kind.is_call();
                if open.text.is_complete() {
                    open.text.reopen();
                    self.disordered = true;
                }
                waiting.pieces.push((number, open.text.push(&message.text), span));
            }
        }
        for tool in conversation.tools {
            let mut own = places.get(tool.texts.clone()).unwrap_or_default().iter().flatten();
            let Some(&first) = own.next() else { continue };
            let texts = first..own.next_back().unwrap_or(&first) + 1;
            whole.conversation.tools.push(ToolUse { texts, ..tool });
        }
        // In disorder everything waits for the end: texts that take turns are not inspected again at each turn.
        if !self.disordered {
            self.complete_others(&begun, judge)?;
            let closed =
                |channel: &Channel| event.closes.iter().any(|start| channel.key.starts_with(start.as_str()));
            self.complete(closed, judge)?;
        }
        if !whole.spans.is_empty() {
            let extent = self.calls.whole(&event, &mut whole.conversation);
            let called = whole.conversation.tools.iter().any(|tool| tool.kind != ToolUseKind::Result);
            if called && extent == Extent::Event {
                // What was said before a call counts for it; what is said after it is another text.
                self.complete(|_| true, judge)?;
                self.names.clear();
            }
            let Judgement::Cleared(cleared) = judge(extent, whole.conversation)? else {
                return Err(Ended::Blocked);
            };
            waiting.edits = vault::edits(&document, &cleared, &whole.spans, self.restoration.as_ref())?;
        }
        self.end = if event.end == End::No { self.end } else { event.end };
        waiting.document = Some(document);
        self.queue.push_back(waiting);
        Ok(())
    }

    /// The number of a channel, which is opened where it is new. `first` is its first piece.
    fn open(&mut self, channel: Channel, first: &Message) -> Result<usize, Ended> {
        if let Some(&number) = self.names.get(&channel.key) {
            return Ok(number);
        }
        let number = self.channels.len();
        if number >= MAX_TEXTS {
            return Err(Failure::UpstreamGarbage.into());
        }
        self.names.insert(channel.key.clone(), number);
        let called = channel.kind.is_call();
        let call = called || !vault::is_prose(&first.pointer);
        let text = if called { HoldBack::until_complete() } else { HoldBack::default() };
        let restorer = self.restoration.as_ref().map(|of| Restorer::new(Arc::clone(of), call));
        let text = text.restoring(restorer);
        let (role, origin) = (first.role, first.origin);
        self.channels.push(Open { channel, text, role, origin, pieces: 0 });
        Ok(number)
    }

    /// Where a part has begun, the other parts of its group are complete.
    fn complete_others(&mut self, begun: &[usize], judge: &mut Judge<'_>) -> Result<(), Ended> {
        let names = |number: &usize| {
            self.channels.get(*number).map(|open| (open.channel.group.clone(), open.channel.part.clone()))
        };
        let begun: Vec<(String, String)> = begun.iter().filter_map(names).collect();
        if begun.is_empty() {
            return Ok(());
        }
        let over = |channel: &Channel| {
            let mut same = begun.iter().filter(|(group, _)| *group == channel.group).peekable();
            same.peek().is_some() && same.all(|(_, part)| *part != channel.part)
        };
        self.complete(over, judge)
    }

    /// Inspects texts that are complete: one by one, those of a call together.
    fn complete(&mut self, which: impl Fn(&Channel) -> bool, judge: &mut Judge<'_>) -> Result<(), Ended> {
        let Self { channels, calls, .. } = self;
        for at in 0..channels.len() {
            let Some(Open { channel, .. }) =
                channels.get(at).filter(|open| !open.text.is_complete() && which(&open.channel))
            else {
                continue;
            };
            let (kind, group, part) = (channel.kind, channel.group.clone(), channel.part.clone());
            let is_together = |number: usize, open: &Open| {
                let channel = &open.channel;
                let same = kind.is_call() && channel.kind.is_call() && channel.group == group;
                number == at || same && channel.part == part && !open.text.is_complete() && which(channel)
            };
            let together: Vec<usize> = (at..)
                .zip(channels.iter().skip(at))
                .filter(|(number, open)| is_together(*number, open))
                .map(|(number, _)| number)
                .collect();
            let texts = calls.together(together.iter().filter_map(|number| channels.get(*number)));
            let judgement = judge(Extent::Whole, texts)?;
            for (message, number) in together.into_iter().enumerate() {
                if let Some(open) = channels.get_mut(number) {
                    open.text.complete(&judgement, message)?;
                }
            }
        }
        Ok(())
    }

    fn inspect_windows(&mut self, judge: &mut Judge<'_>) -> Result<(), Ended> {
        for Open { text, role, origin, .. } in &mut self.channels {
            let Some(look) = text.look(&self.window) else { continue };
            let mut part = Conversation::default();
            part.push(*role, *origin, text.text().get(look.range.clone()).unwrap_or_default());
            let judgement = judge(Extent::Window, part)?;
            text.judge(&look, &judgement, &self.window)?;
        }
        Ok(())
    }

    /// Sends on every event at the front of the queue that may go.
    fn release(&mut self, out: &mut Vec<u8>) {
        while let Some(waiting) = self.queue.front() {
            let ready = waiting.pieces.iter().all(|(number, range, _)| {
                self.channels.get(*number).is_some_and(|open| open.text.has_released(range))
            });
            let held = self.hold_calls && waiting.called && !self.over;
            if !ready || self.disordered || held {
                return;
            }
            let Some(mut waiting) = self.queue.pop_front() else { return };
            for (number, range, span) in &waiting.pieces {
                let part = self.channels.get(*number).and_then(|open| open.text.part(range));
                if let Some(part) = part {
                    waiting.edits.push((span.clone(), serde_json::Value::from(part).to_string()));
                }
            }
            if let Some(document) = &waiting.document {
                self.dialogue.told(document);
            }
            self.said |= !waiting.pieces.is_empty();
            out.extend_from_slice(&waiting.bytes());
        }
    }
}

impl Waiting {
    /// The event as the caller gets it.
    fn bytes(self) -> Vec<u8> {
        let Self { frame, document, mut edits, repetitions, .. } = self;
        let Some(data) = frame.data else { return b":\n\n".to_vec() };
        let name = Some(frame.name.as_str()).filter(|name| !name.is_empty());
        match document {
            Some(document) if !edits.is_empty() => {
                edits.extend(repetitions.into_iter().map(|(span, emptied)| (span, emptied.to_owned())));
                sse::text(name, &document.edited(edits)).into_bytes()
            }
            _ if frame.raw.is_empty() => sse::text(name, &data).into_bytes(),
            _ => frame.raw,
        }
    }
}
