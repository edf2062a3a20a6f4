//! What tells an order for an assistant from one for people, and how much it weighs.

use super::actions::Actions;
use super::clauses::Clause;

/// The signs that an order has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signs(u32);

impl Signs {
    const MINE: Self = Self(1);
    const USERS: Self = Self(1 << 1);
    const ME: Self = Self(1 << 2);
    const YOURS: Self = Self(1 << 3);
    const EMAIL: Self = Self(1 << 4);
    const URL: Self = Self(1 << 5);
    const MONEY: Self = Self(1 << 6);
    const NUMBER: Self = Self(1 << 7);
    const QUOTED: Self = Self(1 << 8);
    const HANDLE: Self = Self(1 << 9);
    const PATH: Self = Self(1 << 10);
    const FUNCTION: Self = Self(1 << 11);
    const ASSET: Self = Self(1 << 12);
    const EVERYTHING: Self = Self(1 << 13);
    const POLITE: Self = Self(1 << 14);
    const MODAL: Self = Self(1 << 15);
    const ADDRESSED: Self = Self(1 << 16);
    const LABELLED: Self = Self(1 << 17);
    const WHEN: Self = Self(1 << 18);
    const SECRET: Self = Self(1 << 19);
    const FIELD: Self = Self(1 << 20);
    const TOWARDS: Self = Self(1 << 21);
    const DATED: Self = Self(1 << 22);
    const CODE: Self = Self(1 << 23);
    const LISTED: Self = Self(1 << 24);
    const OURS: Self = Self(1 << 25);
    const TOOL: Self = Self(1 << 26);
    const CITED: Self = Self(1 << 27);
    const ASSIGNED: Self = Self(1 << 28);
    const OFFERED: Self = Self(1 << 29);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Signs {
    /// The signs of a clause.
    pub(super) fn of(text: &str, clause: &Clause) -> Self {
        let lead = leading(text, clause);
        let object = text.get(clause.verb.end..clause.end).unwrap_or_default();
        let mut signs = lead;
        let (mut before, mut preposition) = ("", false);
        for token in object.split([' ', '\n', ',', ';']).filter(|token| !token.is_empty()) {
            let value = value(token, before);
            signs = signs.and(value).and(word(plain_word(token), before));
            if preposition && !value.without(Self::DATED).is_none() {
                signs = signs.and(Self::TOWARDS);
            }
            preposition = matches!(
                token,
                "to" | "into" | "from" | "with" | "account" | "address" | "recipient" | "link"
            );
            before = plain_word(token);
        }
        signs
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Labels of orders and names of fields, sorted; another name before a colon is that of the person who is told.
const LABELS: [&str; 64] = [
    "action",
    "agent",
    "ai",
    "answer",
    "assistant",
    "attention",
    "bio",
    "body",
    "bot",
    "caption",
    "chatbot",
    "comment",
    "content",
    "description",
    "details",
    "directive",
    "do",
    "extra",
    "field",
    "finally",
    "footer",
    "heading",
    "hint",
    "housekeeping",
    "important",
    "info",
    "instruction",
    "instructions",
    "item",
    "llm",
    "message",
    "model",
    "must",
    "name",
    "next",
    "note",
    "notes",
    "notice",
    "now",
    "order",
    "prompt",
    "query",
    "reason",
    "remark",
    "reminder",
    "request",
    "response",
    "result",
    "review",
    "rule",
    "step",
    "subject",
    "summary",
    "system",
    "task",
    "text",
    "title",
    "todo",
    "tool",
    "update",
    "urgent",
    "user",
    "value",
    "warning",
];

/// Words before the verb that are looked at.
const MOST_LED: usize = 10;

/// What leads to the verb.
fn leading(text: &str, clause: &Clause) -> Signs {
    let mut signs = Signs::default();
    let before = text.get(..clause.start).unwrap_or_default().trim_end_matches(' ');
    let sentence = text.get(clause.sentence..clause.start).unwrap_or_default().trim_start();
    match before.as_bytes() {
        [label @ .., b':'] => {
            let from = label.iter().rposition(|&byte| !byte.is_ascii_alphabetic()).map_or(0, |at| at + 1);
            let label =
                label.get(from..).and_then(|label| std::str::from_utf8(label).ok()).unwrap_or_default();
            let announces = LABELS.binary_search(&label).is_ok();
            signs = signs.and(if announces { Signs::LABELLED } else { Signs::ASSIGNED });
        }
        [quoted @ .., b'\'' | b'"'] => {
            // A value begins with the quote; within a sentence it cites somebody.
            let field = matches!(
                quoted.trim_ascii_end().last(),
                None | Some(b':' | b',' | b'[' | b'{' | b'(' | b'=' | b'>' | b'\'' | b'"')
            );
            signs = signs.and(if field { Signs::FIELD } else { Signs::CITED });
        }
        [.., b'-' | b'*' | b'#' | b'>' | b')'] => signs = signs.and(Signs::LISTED),
        [.., digit, b'.'] if digit.is_ascii_digit() => signs = signs.and(Signs::LISTED),
        _ => {}
    }
    let opens = sentence.split([' ', ',']).next().unwrap_or_default();
    if matches!(opens, "once" | "when" | "before" | "after" | "as" | "while" | "whenever" | "upon" | "until")
    {
        signs = signs.and(Signs::WHEN);
    }
    if clause.start > clause.sentence && matches!(opens, "to" | "for" | "if" | "should") {
        signs = signs.and(Signs::OFFERED);
    }
    let lead = text.get(clause.sentence..clause.verb.start).unwrap_or_default();
    let mut earlier = "";
    for word in lead.rsplit(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).take(MOST_LED)
    {
        match word {
            "please" | "kindly" | "pls" => signs = signs.and(Signs::POLITE),
            "must" | "shall" => signs = signs.and(Signs::MODAL),
            "can" | "could" | "would" | "will" | "need" | "want" | "like" if earlier == "you" => {
                signs = signs.and(Signs::MODAL)
            }
            "ai" | "assistant" | "assistants" | "agent" | "agents" | "bot" | "chatbot" | "llm" | "llms"
            | "copilot" => {
                signs = signs.and(Signs::ADDRESSED);
            }
            _ => {}
        }
        earlier = word;
    }
    signs
}

/// A token without the punctuation around it.
fn plain_word(token: &str) -> &str {
    token.trim_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '@' | '$' | '_'))
}

/// What a word of the object says.
fn word(word: &str, before: &str) -> Signs {
    let said = match word {
        "my" | "mine" => Signs::MINE,
        "me" => Signs::ME,
        "our" | "ours" | "us" | "we" => Signs::OURS,
        "user's" | "users'" | "owner's" | "customer's" | "client's" => Signs::USERS,
        "user" if before == "the" || before == "this" => Signs::USERS,
        "your" | "you" | "yours" | "yourself" | "you'll" | "you're" => Signs::YOURS,
        "all" | "every" | "everything" | "entire" | "each" | "everyone" => Signs::EVERYTHING,
        "silently" | "secretly" | "behalf" | "quietly" => Signs::SECRET,
        "today" | "tomorrow" | "tonight" | "monday" | "tuesday" | "wednesday" | "thursday" | "friday"
        | "saturday" | "sunday" => Signs::DATED,
        "asking" | "telling" | "confirmation" | "confirming" | "mention" | "mentioning" | "tell" | "ask"
        | "notify" | "notifying" | "inform" | "informing" | "log" | "approval" | "permission" | "warning"
            if matches!(before, "without" | "not" | "don't" | "never" | "no" | "any" | "further") =>
        {
            Signs::SECRET
        }
        "usd" | "eur" | "euros" | "euro" | "dollars" | "pounds" | "btc" | "bitcoin" | "eth" | "gbp" => {
            Signs::MONEY
        }
        _ => Signs::default(),
    };
    if ASSETS.binary_search(&word).is_ok() { said.and(Signs::ASSET) } else { said }
}

/// Things that are somebody's, sorted.
const ASSETS: [&str; 96] = [
    "access",
    "account",
    "accounts",
    "alarm",
    "api",
    "appointment",
    "appointments",
    "backup",
    "balance",
    "bank",
    "booking",
    "bookings",
    "calendar",
    "camera",
    "cameras",
    "card",
    "channel",
    "chat",
    "code",
    "codes",
    "contact",
    "contacts",
    "conversation",
    "credential",
    "credentials",
    "credit",
    "customers",
    "data",
    "database",
    "deposit",
    "device",
    "devices",
    "directory",
    "document",
    "documents",
    "door",
    "drive",
    "email",
    "emails",
    "event",
    "events",
    "file",
    "files",
    "folder",
    "friend",
    "funds",
    "garage",
    "history",
    "home",
    "house",
    "identity",
    "inbox",
    "invoice",
    "invoices",
    "key",
    "keys",
    "location",
    "lock",
    "mail",
    "mailbox",
    "mails",
    "member",
    "members",
    "message",
    "messages",
    "money",
    "note",
    "notes",
    "order",
    "orders",
    "participant",
    "passport",
    "password",
    "passwords",
    "payment",
    "payments",
    "permissions",
    "phone",
    "photos",
    "pin",
    "profile",
    "record",
    "records",
    "repository",
    "reservation",
    "salary",
    "savings",
    "security",
    "settings",
    "subscription",
    "token",
    "tokens",
    "transaction",
    "transactions",
    "wallet",
    "website",
];

/// What a token names.
fn value(token: &str, before: &str) -> Signs {
    let quoted = token.len() > 2 && token.starts_with(['\'', '"']) && !token.starts_with("'s");
    let mut signs = if quoted { Signs::QUOTED } else { Signs::default() };
    if token.starts_with(['`', '<', '{']) || token.starts_with("--") {
        signs = signs.and(Signs::CODE);
    }
    let word = plain_word(token);
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if let Some(at) = word.find('@') {
        let mail = at > 0 && word.get(at..).is_some_and(|host| host.contains('.'));
        return signs.and(if mail { Signs::EMAIL } else { Signs::HANDLE });
    }
    if word.contains("://") || word.starts_with("www.") || is_host(word) {
        return signs.and(Signs::URL);
    }
    if digits > 0 && (token.starts_with(['$', '€', '£']) || word.ends_with(['$', '€', '£'])) {
        return signs.and(Signs::MONEY);
    }
    if token.starts_with(['/', '~']) && token.len() > 2 {
        return signs.and(Signs::PATH);
    }
    if digits >= 4 {
        let date =
            bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b':' | b'.'))
                && (digits == 4 || bytes.contains(&b'-') && digits == 8);
        return signs.and(if date { Signs::DATED } else { Signs::NUMBER });
    }
    if digits > 0 && matches!(before, "id" | "number" | "code" | "account" | "no") {
        return signs.and(Signs::NUMBER);
    }
    let inner = word.get(1..word.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains('_') || token.ends_with("()") {
        let acts = Actions::of_tool(word).meets(HARMS);
        return signs.and(if acts { Signs::TOOL } else { Signs::FUNCTION });
    }
    signs
}

/// What is not undone easily.
const HARMS: Actions =
    Actions::SEND.and(Actions::PAY).and(Actions::GRANT).and(Actions::REMOVE).and(Actions::BOOK);

/// Whether a word is a name of a host without what usually announces it.
fn is_host(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or_default();
    let end = host.rsplit_once('.').map(|(_, end)| end);
    end.is_some_and(|end| {
        matches!(
            end,
            "com"
                | "org"
                | "net"
                | "io"
                | "example"
                | "info"
                | "biz"
                | "xyz"
                | "co"
                | "test"
                | "online"
                | "site"
        )
    })
}

/// What a sign weighs, with its name: the logarithm of how much it changes the odds that an assistant is meant. Fitted by
/// `training/orders/fit.py`.
const WEIGHTS: [(Signs, f32, &str); 30] = [
    (Signs::MINE, 2.0, "the speaker's own things"),
    (Signs::USERS, 0.6, "the user's things"),
    (Signs::ME, -0.1, "the speaker"),
    (Signs::OURS, -0.2, "the speakers' things"),
    (Signs::YOURS, -1.4, "the reader's things"),
    (Signs::EMAIL, 2.3, "an e-mail address"),
    (Signs::URL, 0.7, "an address of the web"),
    (Signs::MONEY, 1.4, "an amount of money"),
    (Signs::NUMBER, 1.2, "a number"),
    (Signs::QUOTED, -0.3, "a quoted value"),
    (Signs::HANDLE, 1.1, "a user name"),
    (Signs::PATH, 1.0, "a path"),
    (Signs::FUNCTION, -1.2, "a name from a program"),
    (Signs::TOOL, 0.5, "a tool that acts"),
    (Signs::ASSET, 0.7, "something that is somebody's"),
    (Signs::EVERYTHING, 1.0, "all of it"),
    (Signs::POLITE, 0.4, "a request"),
    (Signs::MODAL, -0.7, "a duty or an ability"),
    (Signs::ADDRESSED, 2.0, "an assistant"),
    (Signs::LABELLED, 0.3, "a label before it"),
    (Signs::ASSIGNED, -3.0, "somebody's name before it"),
    (Signs::OFFERED, -2.5, "an offer"),
    (Signs::WHEN, -1.1, "a condition"),
    (Signs::SECRET, 2.2, "nobody to be asked or told"),
    (Signs::FIELD, 1.0, "a field of its own"),
    (Signs::CITED, -0.8, "a citation"),
    (Signs::TOWARDS, 1.0, "where something goes"),
    (Signs::DATED, 1.3, "a date"),
    (Signs::CODE, -2.1, "code"),
    (Signs::LISTED, -0.1, "a list"),
];

/// What a kind of action weighs.
const KINDS: [(Actions, f32, &str); 9] = [
    (Actions::SEND, 0.5, "sends"),
    (Actions::PAY, 0.5, "pays"),
    (Actions::GRANT, 0.5, "grants"),
    (Actions::CHANGE, 0.8, "changes"),
    (Actions::REMOVE, 1.4, "removes"),
    (Actions::BOOK, 0.1, "books"),
    (Actions::CREATE, 0.1, "creates"),
    (Actions::READ, -0.2, "reads"),
    (Actions::RUN, 0.1, "runs"),
];

/// Where no sign speaks for either: of clauses like orders in documents, one in fifty is for an assistant.
const BIAS: f32 = -3.9;
/// Things of the speaker or the user and a value together.
const OWN_VALUE: (f32, &str) = (0.6, "own things and a value");
/// A message to an address.
const MAIL_TO: (f32, &str) = (0.9, "a message to an address");

impl Signs {
    const VALUE: Self = Self::EMAIL
        .and(Self::URL)
        .and(Self::MONEY)
        .and(Self::NUMBER)
        .and(Self::QUOTED)
        .and(Self::HANDLE)
        .and(Self::PATH)
        .and(Self::FUNCTION)
        .and(Self::TOOL);

    /// What counts in an order with these signs: each weight with its name.
    fn weights(self, actions: Actions) -> impl Iterator<Item = (f32, &'static str)> {
        let signs = WEIGHTS.into_iter().filter(move |(sign, ..)| self.meets(*sign));
        let kinds = KINDS.into_iter().filter(move |(kind, ..)| actions.meets(*kind));
        let own_value = self.meets(Self::MINE.and(Self::USERS)) && self.meets(Self::VALUE);
        let mail_to = actions.meets(Actions::SEND) && self.meets(Self::EMAIL) && self.meets(Self::TOWARDS);
        signs
            .map(|(_, weight, name)| (weight, name))
            .chain(kinds.map(|(_, weight, name)| (weight, name)))
            .chain(own_value.then_some(OWN_VALUE))
            .chain(mail_to.then_some(MAIL_TO))
    }

    /// Probability in \[0, 1\] that an order with these signs is meant for an assistant.
    pub(super) fn confidence(self, actions: Actions) -> f32 {
        let sum = BIAS + self.weights(actions).map(|(weight, _)| weight).sum::<f32>();
        1.0 / (1.0 + (-sum).exp())
    }

    /// The names of all that counts in an order with these signs, for fitting the weights.
    #[must_use]
    pub fn names(self, actions: Actions) -> Vec<&'static str> {
        self.weights(actions).map(|(_, name)| name).collect()
    }

    /// What speaks most for an assistant as the one who is meant, at most `most` of them, the weightiest first.
    #[must_use]
    pub fn telling(self, most: usize) -> Vec<&'static str> {
        let mut found: Vec<_> =
            WEIGHTS.iter().filter(|(sign, weight, _)| self.meets(*sign) && *weight > 0.0).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.into_iter().take(most).map(|(.., name)| *name).collect()
    }
}
