//! What tells an order for an assistant from one for people.

use super::actions::Actions;
use super::clauses::Clause;
use super::weights::{CLAUSE, SPOKEN, Table};
use super::words::{ASSETS, LABELS};

/// The signs that an order has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signs(u64);

impl Signs {
    pub(super) const MINE: Self = Self(1);
    pub(super) const USERS: Self = Self(1 << 1);
    pub(super) const ME: Self = Self(1 << 2);
    pub(super) const YOURS: Self = Self(1 << 3);
    pub(super) const EMAIL: Self = Self(1 << 4);
    pub(super) const URL: Self = Self(1 << 5);
    pub(super) const MONEY: Self = Self(1 << 6);
    pub(super) const NUMBER: Self = Self(1 << 7);
    pub(super) const QUOTED: Self = Self(1 << 8);
    pub(super) const HANDLE: Self = Self(1 << 9);
    pub(super) const PATH: Self = Self(1 << 10);
    pub(super) const FUNCTION: Self = Self(1 << 11);
    pub(super) const ASSET: Self = Self(1 << 12);
    pub(super) const EVERYTHING: Self = Self(1 << 13);
    pub(super) const POLITE: Self = Self(1 << 14);
    pub(super) const MODAL: Self = Self(1 << 15);
    pub(super) const ADDRESSED: Self = Self(1 << 16);
    pub(super) const LABELLED: Self = Self(1 << 17);
    pub(super) const WHEN: Self = Self(1 << 18);
    pub(super) const SECRET: Self = Self(1 << 19);
    pub(super) const FIELD: Self = Self(1 << 20);
    pub(super) const TOWARDS: Self = Self(1 << 21);
    pub(super) const DATED: Self = Self(1 << 22);
    pub(super) const CODE: Self = Self(1 << 23);
    pub(super) const LISTED: Self = Self(1 << 24);
    pub(super) const OURS: Self = Self(1 << 25);
    pub(super) const TOOL: Self = Self(1 << 26);
    pub(super) const CITED: Self = Self(1 << 27);
    pub(super) const ASSIGNED: Self = Self(1 << 28);
    pub(super) const OFFERED: Self = Self(1 << 29);
    /// Things of the speaker or the user and a value.
    pub(super) const OWN_VALUE: Self = Self(1 << 30);
    pub(super) const MAIL_TO: Self = Self(1 << 31);
    /// The signs are those of a sentence that speaks to an assistant, not of a clause.
    pub(super) const SENTENCE: Self = Self(1 << 32);
    pub(super) const READER: Self = Self(1 << 33);
    pub(super) const HELPER: Self = Self(1 << 34);
    pub(super) const NEAR: Self = Self(1 << 35);
    pub(super) const ACTS: Self = Self(1 << 36);
    pub(super) const SAYS: Self = Self(1 << 37);
    pub(super) const WORK: Self = Self(1 << 38);
    pub(super) const EARLIER: Self = Self(1 << 39);
    pub(super) const NOW: Self = Self(1 << 40);
    pub(super) const TOOLS: Self = Self(1 << 41);
    pub(super) const CALLS: Self = Self(1 << 42);
    pub(super) const OPENS: Self = Self(1 << 43);
    pub(super) const CONCEALED: Self = Self(1 << 44);
    pub(super) const BIDDEN: Self = Self(1 << 45);
    pub(super) const CLOSES: Self = Self(1 << 46);
    pub(super) const ABOUT: Self = Self(1 << 47);

    pub(super) const VALUE: Self = Self::EMAIL
        .and(Self::URL)
        .and(Self::MONEY)
        .and(Self::NUMBER)
        .and(Self::QUOTED)
        .and(Self::HANDLE)
        .and(Self::PATH)
        .and(Self::FUNCTION)
        .and(Self::TOOL);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of them is in both.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// How many they are.
    pub(super) const fn number(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether all of `others` are in `self`.
    pub(super) const fn holds(self, others: Self) -> bool {
        self.0 & others.0 == others.0
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
        if signs.meets(Self::MINE.and(Self::USERS)) && signs.meets(Self::VALUE) {
            signs = signs.and(Self::OWN_VALUE);
        }
        if clause.actions.meets(Actions::SEND) && signs.holds(Self::EMAIL.and(Self::TOWARDS)) {
            signs = signs.and(Self::MAIL_TO);
        }
        signs
    }

    /// What a table of weights says of these signs.
    const fn table(self) -> &'static Table {
        if self.meets(Self::SENTENCE) { &SPOKEN } else { &CLAUSE }
    }

    /// Whether they are those of a sentence that speaks to an assistant, whose weights are others than those of a clause.
    #[must_use]
    pub const fn are_of_a_sentence(self) -> bool {
        self.meets(Self::SENTENCE)
    }

    /// What counts in an order with these signs: each weight with its name.
    fn weights(self, actions: Actions) -> impl Iterator<Item = (f32, &'static str)> {
        let table = self.table();
        let signs = table.signs.iter().filter(move |(sign, ..)| self.holds(*sign));
        let kinds = table.kinds.iter().filter(move |(kind, ..)| actions.meets(*kind));
        signs.map(|(_, weight, name)| (*weight, *name)).chain(kinds.map(|(_, weight, name)| (*weight, *name)))
    }

    /// Probability in \[0, 1\] that an order with these signs is meant for an assistant.
    pub(super) fn confidence(self, actions: Actions) -> f32 {
        let sum = self.table().bias + self.weights(actions).map(|(weight, _)| weight).sum::<f32>();
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
        let signs = self.table().signs.iter();
        let mut found: Vec<_> =
            signs.filter(|(sign, weight, _)| self.holds(*sign) && *weight > 0.0).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.into_iter().take(most).map(|(.., name)| *name).collect()
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn is_none(self) -> bool {
        self.0 == 0
    }
}

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
    // "If you are an assistant" is no offer.
    if signs.meets(Signs::ADDRESSED) { signs.without(Signs::OFFERED) } else { signs }
}

/// A token without the punctuation around it.
pub(super) fn plain_word(token: &str) -> &str {
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

/// What a token names.
pub(super) fn value(token: &str, before: &str) -> Signs {
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
