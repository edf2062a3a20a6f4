//! What the pipeline looks at: a conversation as a flat list of texts, each with who said it and where it came from.

use std::ops::Range;

/// Who a message claims to be from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's system prompt.
    System,
    /// OpenAI's `developer` role: operator text as well.
    Developer,
    /// The person (or program) that uses the application.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The name used on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// Parses a wire name; `function` is OpenAI's older word for `tool`, `model` is Gemini's for `assistant`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" | "human" => Self::User,
            "assistant" | "model" | "ai" => Self::Assistant,
            "tool" | "function" => Self::Tool,
            _ => return None,
        })
    }

    /// The origin that text of this role has when nothing else is known.
    #[must_use]
    pub fn default_origin(self) -> Origin {
        match self {
            Self::System | Self::Developer => Origin::System,
            Self::User => Origin::User,
            Self::Assistant => Origin::Model,
            Self::Tool => Origin::Tool,
        }
    }
}

/// Where a text came from. A sentence that gives orders is normal from a user and suspicious inside a tool result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Typed by the user.
    User,
    /// Written by the operator.
    System,
    /// Returned by a tool.
    Tool,
    /// A retrieved or attached document, e-mail or page.
    Document,
    /// Written by the model.
    Model,
}

impl Origin {
    /// Every origin, for tables.
    pub const ALL: [Self; 5] = [Self::User, Self::System, Self::Tool, Self::Document, Self::Model];

    /// The stable name used in policies, reports and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Tool => "tool",
            Self::Document => "document",
            Self::Model => "model",
        }
    }

    /// Parses a stable name.
    ///
    /// ```
    /// use aimds_detect::Origin;
    /// assert_eq!(Origin::parse("tool"), Some(Origin::Tool));
    /// assert_eq!(Origin::parse("elsewhere"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == name)
    }

    /// How far text of this origin is trusted.
    #[must_use]
    pub fn trust(self) -> Trust {
        match self {
            Self::System => Trust::Trusted,
            Self::User => Trust::User,
            Self::Tool | Self::Document | Self::Model => Trust::Untrusted,
        }
    }
}

/// How far a text is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The operator's own words.
    Trusted,
    /// The user's words: may give orders to the assistant, may not override the operator.
    User,
    /// Data: may give no orders at all.
    Untrusted,
}

/// One text of a conversation.
///
/// A provider message with several content parts becomes several `Message`s with the same `index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who it claims to be from.
    pub role: Role,
    /// Where the text came from.
    pub origin: Origin,
    /// Position of the provider message that this text belongs to.
    pub index: usize,
    /// JSON pointer (RFC 6901) of the text in the provider's body, empty where there is none. Redactions are written
    /// back through it.
    pub pointer: String,
    /// The text itself.
    pub text: String,
}

/// That texts belong to the use of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolUse {
    /// Positions in [`Conversation::messages`], at least one: the arguments of a call (and its name, where that is a text of
    /// the conversation), or what the tool returned.
    pub texts: Range<usize>,
    /// The tool.
    pub name: String,
    /// Which of the two it is.
    pub kind: ToolUseKind,
}

/// One end of the use of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolUseKind {
    /// The model asks for it.
    Call {
        /// A person has agreed to this call.
        approved: bool,
    },
    /// The tool has answered.
    Result,
}

/// The texts of one request (or one response), oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The texts.
    pub messages: Vec<Message>,
    /// Which of them belong to the use of tools, in order of their positions.
    pub tools: Vec<ToolUse>,
}

impl ToolUse {
    /// The text with which the use is complete.
    #[must_use]
    pub fn last(&self) -> usize {
        self.texts.end.saturating_sub(1)
    }
}

impl Conversation {
    /// A conversation of one text.
    ///
    /// ```
    /// use aimds_detect::{Conversation, Origin};
    /// let conversation = Conversation::single(Origin::User, "Hello");
    /// assert_eq!(conversation.messages.len(), 1);
    /// ```
    #[must_use]
    pub fn single(origin: Origin, text: impl Into<String>) -> Self {
        let role = match origin {
            Origin::User | Origin::Document => Role::User,
            Origin::System => Role::System,
            Origin::Tool => Role::Tool,
            Origin::Model => Role::Assistant,
        };
        let mut conversation = Self::default();
        conversation.push(role, origin, text);
        conversation
    }

    /// Appends a message with the next index and no pointer.
    pub fn push(&mut self, role: Role, origin: Origin, text: impl Into<String>) {
        let index = self.messages.last().map_or(0, |last| last.index.saturating_add(1));
        self.messages.push(Message { role, origin, index, pointer: String::new(), text: text.into() });
    }
}
