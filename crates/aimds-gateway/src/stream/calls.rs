//! Which of the texts of a stream are calls of tools, and which only say once more what was said.

use std::collections::{HashMap, HashSet};

use aimds_engine::{Conversation, Message, ToolUse, ToolUseKind};

use super::dialogue::{ChannelKind, Event, Form};
use super::{Extent, Open};

/// What is known of the calls and of the complete texts of a stream.
#[derive(Default)]
pub(super) struct Calls {
    /// Tools that were named before the arguments of their calls came, by the item.
    names: HashMap<String, String>,
    /// Digests of the texts that are complete, each with its item.
    complete: HashSet<[u8; 32]>,
}

impl Calls {
    /// Complete texts of one part, as they are judged. Those of a call are the use of a tool.
    pub(super) fn together<'a>(&mut self, texts: impl Iterator<Item = &'a Open>) -> Conversation {
        let mut conversation = Conversation::default();
        let mut names = Vec::new();
        let mut called = None;
        for Open { channel, text, role, origin, pieces } in texts {
            let item = item(&channel.part);
            self.complete.insert(digest(item, text.text()));
            match channel.kind {
                ChannelKind::Prose => {}
                ChannelKind::Call => called = Some(item),
                ChannelKind::Name => names.push(said_once(text.text(), *pieces).to_owned()),
            }
            conversation.messages.push(Message {
                role: *role,
                origin: *origin,
                index: 0,
                pointer: String::new(),
                text: text.text().to_owned(),
            });
        }
        if let (true, Some(item)) = (names.is_empty(), called)
            && let Some(name) = self.names.get(item)
        {
            self.complete.insert(digest(item, name));
            names.push(name.clone());
        }
        let texts = 0..conversation.messages.len();
        let call = |name| ToolUse { texts: texts.clone(), name, kind: ToolUseKind::Call { approved: false } };
        conversation.tools = names.into_iter().map(call).collect();
        conversation
    }

    /// Says how the whole texts of an event are judged, and takes out of them the calls that were judged before or are only
    /// announced.
    pub(super) fn whole(&mut self, event: &Event, texts: &mut Conversation) -> Extent {
        let Conversation { messages, tools } = texts;
        let item = item(&event.scope);
        if event.form == Form::Opening {
            let all = messages.len();
            let mut announced = 0;
            tools.retain(|tool| {
                let own = messages.get(tool.texts.clone()).unwrap_or_default();
                let only_named = own.iter().all(|message| message.text == tool.name);
                if only_named {
                    announced += own.len();
                    self.names.insert(item.to_owned(), tool.name.clone());
                }
                !only_named
            });
            if announced == all {
                return Extent::Again;
            }
        }
        if item.is_empty() {
            return if event.form == Form::Again { Extent::Again } else { Extent::Event };
        }
        let is_new = |message: &Message| self.complete.insert(digest(item, &message.text));
        let new: Vec<bool> = messages.iter().map(is_new).collect();
        if event.form != Form::Again {
            return Extent::Event;
        }
        tools.retain(|tool| new.get(tool.texts.clone()).is_some_and(|new| new.contains(&true)));
        if new.contains(&true) { Extent::Event } else { Extent::Again }
    }
}

/// The item of the answer that a part belongs to: `/1` of `/1/0`.
fn item(part: &str) -> &str {
    let inner = part.strip_prefix('/').unwrap_or(part);
    let end = inner.find('/').map_or(part.len(), |at| at + part.len() - inner.len());
    part.get(..end).unwrap_or(part)
}

fn digest(item: &str, text: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(item.as_bytes()).update(&[0]).update(text.as_bytes());
    hasher.finalize().into()
}

/// A name that came in pieces. Some servers send all of it with each piece.
fn said_once(name: &str, pieces: usize) -> &str {
    let length = name.len().checked_div(pieces).unwrap_or_default();
    match name.get(..length) {
        Some(once) if !once.is_empty() && once.repeat(pieces) == name => once,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_belongs_to_an_item() {
        for (part, expected) in
            [("/1/0", "/1"), ("/1/", "/1"), ("/12", "/12"), ("", ""), ("content", "content")]
        {
            assert_eq!(item(part), expected, "{part}");
        }
    }

    #[test]
    fn a_name_in_pieces_is_one_name() {
        for (name, pieces, expected) in [
            ("send", 1, "send"),
            ("send", 2, "send"),
            ("sendsend", 2, "send"),
            ("sendsend", 1, "sendsend"),
            ("sendmail", 2, "sendmail"),
            ("", 0, ""),
        ] {
            assert_eq!(said_once(name, pieces), expected, "{name} {pieces}");
        }
    }
}
