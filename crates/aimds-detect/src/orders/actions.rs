//! What tools do, told by words: the verbs of orders, the names of tools and what a user speaks of share one table.

/// Kinds of things that tools do; a word may belong to several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actions(u16);

impl Actions {
    /// Nothing that a tool does.
    pub const NONE: Self = Self(0);
    /// Something leaves: messages, posts, uploads.
    pub const SEND: Self = Self(1);
    /// Money or goods change hands.
    pub const PAY: Self = Self(1 << 1);
    /// Somebody gets in, or may do more.
    pub const GRANT: Self = Self(1 << 2);
    /// Something that is there becomes different.
    pub const CHANGE: Self = Self(1 << 3);
    /// Something is gone afterwards.
    pub const REMOVE: Self = Self(1 << 4);
    /// A time, a place or a seat is taken.
    pub const BOOK: Self = Self(1 << 5);
    /// Something new is made or written down.
    pub const CREATE: Self = Self(1 << 6);
    /// Something is looked up or opened.
    pub const READ: Self = Self(1 << 7);
    /// A program, a function or a device is set going.
    pub const RUN: Self = Self(1 << 8);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether one of them is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What the verb of an order asks for; nothing where the word is none that tools follow. Lower case.
    #[must_use]
    pub fn ordered_by(verb: &str) -> Self {
        found(&VERBS, verb)
    }

    /// What a tool of this name does, by its first verb; what it does it to tells of payments and bookings: `send_money` sends
    /// and pays.
    ///
    /// ```
    /// use aimds_detect::orders::Actions;
    /// assert!(Actions::of_tool("sendMoney").meets(Actions::PAY));
    /// assert_eq!(Actions::of_tool("search_emails"), Actions::READ);
    /// assert!(Actions::of_tool("weather").is_empty());
    /// ```
    #[must_use]
    pub fn of_tool(name: &str) -> Self {
        let words = words_of_tool(name);
        let does =
            words.iter().map(|word| found(&VERBS, word)).find(|does| !does.is_empty()).unwrap_or_default();
        if does.without(Self::READ).is_empty() {
            return does;
        }
        let to_what = words.iter().fold(Self::NONE, |named, word| named.and(Self::named_by(word)));
        does.and(to_what.only(Self::PAY.and(Self::BOOK)))
    }

    /// What a lower-case text speaks of, in any of the usual forms of a word. Linear.
    #[must_use]
    pub fn named_in(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() >= 2);
        words.fold(Self::NONE, |named, word| named.and(Self::named_by(word)))
    }

    /// What one word speaks of.
    fn named_by(word: &str) -> Self {
        let plain = found(&VERBS, word).and(found(&NOUNS, word));
        if !plain.is_empty() {
            return plain;
        }
        let stems = ["ing", "ed", "es", "s", "d"].iter().filter_map(|ending| word.strip_suffix(ending));
        for stem in stems {
            let short = stem.len().checked_sub(1).and_then(|end| stem.get(..end)).unwrap_or_default();
            let named = found(&VERBS, stem).and(found(&NOUNS, stem));
            // "sharing" is of "share", "transferring" of "transfer".
            let with_e = || found(&VERBS, &[stem, "e"].concat());
            let doubled = || {
                if stem.ends_with(['t', 'r', 'n', 'p', 'b', 'd', 'l', 'g']) {
                    found(&VERBS, short)
                } else {
                    Self::NONE
                }
            };
            for named in [named, with_e(), doubled()] {
                if !named.is_empty() {
                    return named;
                }
            }
        }
        Self::NONE
    }
}

/// The words that the name of a tool is made of, in lower case. Linear.
///
/// ```
/// use aimds_detect::orders::words_of_tool;
/// assert_eq!(words_of_tool("reserveHotel"), ["reserve", "hotel"]);
/// assert_eq!(words_of_tool("reserve_hotel2"), ["reserve", "hotel"]);
/// ```
#[must_use]
pub fn words_of_tool(name: &str) -> Vec<String> {
    let mut words = String::with_capacity(name.len() + 8);
    let mut lower = false;
    for c in name.chars() {
        if c.is_uppercase() && lower {
            words.push(' ');
        }
        lower = c.is_lowercase();
        words.extend(c.to_lowercase());
    }
    words
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn found(table: &[(&str, Actions)], word: &str) -> Actions {
    let at = table.binary_search_by(|(entry, _)| (*entry).cmp(word)).ok();
    at.and_then(|at| table.get(at)).map_or(Actions::NONE, |(_, actions)| *actions)
}

/// Verbs in the form that orders have, sorted.
const VERBS: [(&str, Actions); 279] = [
    ("abort", Actions::REMOVE),
    ("accept", Actions::GRANT),
    ("access", Actions::READ),
    ("activate", Actions::CHANGE.and(Actions::RUN)),
    ("add", Actions::GRANT.and(Actions::CREATE)),
    ("adjust", Actions::CHANGE),
    ("admit", Actions::GRANT),
    ("allow", Actions::GRANT),
    ("alter", Actions::CHANGE),
    ("announce", Actions::SEND),
    ("answer", Actions::SEND),
    ("append", Actions::CREATE),
    ("apply", Actions::RUN),
    ("approve", Actions::GRANT),
    ("archive", Actions::REMOVE),
    ("arm", Actions::CHANGE),
    ("arrange", Actions::BOOK),
    ("assign", Actions::CHANGE),
    ("attach", Actions::SEND),
    ("authorise", Actions::GRANT),
    ("authorize", Actions::GRANT),
    ("ban", Actions::REMOVE),
    ("bcc", Actions::SEND),
    ("blacklist", Actions::REMOVE),
    ("block", Actions::REMOVE),
    ("book", Actions::BOOK),
    ("bookmark", Actions::CREATE),
    ("boot", Actions::RUN),
    ("broadcast", Actions::SEND),
    ("browse", Actions::READ),
    ("build", Actions::CREATE),
    ("buy", Actions::PAY),
    ("call", Actions::RUN),
    ("cancel", Actions::REMOVE),
    ("cash", Actions::PAY),
    ("cc", Actions::SEND),
    ("change", Actions::CHANGE),
    ("charge", Actions::PAY),
    ("check", Actions::BOOK),
    ("checkout", Actions::PAY),
    ("clear", Actions::REMOVE),
    ("click", Actions::READ),
    ("close", Actions::CHANGE.and(Actions::REMOVE).and(Actions::RUN)),
    ("collect", Actions::READ),
    ("commit", Actions::RUN),
    ("compile", Actions::READ),
    ("complete", Actions::RUN),
    ("compose", Actions::CREATE),
    ("concatenate", Actions::READ),
    ("configure", Actions::CHANGE),
    ("confirm", Actions::GRANT),
    ("connect", Actions::RUN),
    ("convert", Actions::CHANGE),
    ("copy", Actions::READ),
    ("correct", Actions::CHANGE),
    ("create", Actions::CREATE),
    ("credit", Actions::PAY),
    ("deactivate", Actions::CHANGE),
    ("decline", Actions::REMOVE),
    ("delete", Actions::REMOVE),
    ("deliver", Actions::SEND),
    ("demote", Actions::CHANGE),
    ("deploy", Actions::RUN),
    ("deposit", Actions::PAY),
    ("destroy", Actions::REMOVE),
    ("dial", Actions::RUN),
    ("dim", Actions::CHANGE),
    ("disable", Actions::CHANGE),
    ("disarm", Actions::GRANT.and(Actions::CHANGE)),
    ("discard", Actions::REMOVE),
    ("disclose", Actions::SEND),
    ("dispatch", Actions::SEND),
    ("dm", Actions::SEND),
    ("donate", Actions::PAY),
    ("downgrade", Actions::CHANGE),
    ("download", Actions::READ),
    ("draft", Actions::CREATE),
    ("drive", Actions::RUN),
    ("drop", Actions::REMOVE),
    ("dump", Actions::READ),
    ("edit", Actions::CHANGE),
    ("email", Actions::SEND),
    ("embed", Actions::SEND),
    ("empty", Actions::REMOVE),
    ("enable", Actions::CHANGE),
    ("endorse", Actions::CREATE),
    ("enrol", Actions::BOOK),
    ("enroll", Actions::BOOK),
    ("enter", Actions::CREATE),
    ("erase", Actions::REMOVE),
    ("escalate", Actions::SEND),
    ("eval", Actions::RUN),
    ("exec", Actions::RUN),
    ("execute", Actions::RUN),
    ("expel", Actions::REMOVE),
    ("export", Actions::SEND.and(Actions::READ)),
    ("extend", Actions::CHANGE),
    ("extract", Actions::READ),
    ("fax", Actions::SEND),
    ("fetch", Actions::READ),
    ("fill", Actions::CREATE),
    ("find", Actions::READ),
    ("fly", Actions::RUN),
    ("follow", Actions::CREATE),
    ("force", Actions::CHANGE),
    ("forward", Actions::SEND),
    ("freeze", Actions::CHANGE),
    ("gather", Actions::READ),
    ("generate", Actions::CREATE),
    ("get", Actions::READ),
    ("give", Actions::GRANT),
    ("go", Actions::READ),
    ("grant", Actions::GRANT),
    ("guide", Actions::RUN),
    ("hand", Actions::SEND),
    ("hire", Actions::BOOK),
    ("include", Actions::CREATE),
    ("increase", Actions::CHANGE),
    ("initiate", Actions::PAY.and(Actions::RUN)),
    ("insert", Actions::CREATE),
    ("install", Actions::CREATE.and(Actions::RUN)),
    ("invite", Actions::GRANT),
    ("invoke", Actions::RUN),
    ("issue", Actions::CREATE),
    ("kick", Actions::REMOVE),
    ("kill", Actions::REMOVE),
    ("label", Actions::CHANGE),
    ("launch", Actions::RUN),
    ("leak", Actions::SEND),
    ("leave", Actions::REMOVE),
    ("let", Actions::GRANT),
    ("like", Actions::CREATE),
    ("link", Actions::CHANGE),
    ("list", Actions::READ),
    ("load", Actions::READ),
    ("locate", Actions::READ),
    ("lock", Actions::CHANGE),
    ("log", Actions::CREATE.and(Actions::RUN)),
    ("look", Actions::READ),
    ("lower", Actions::CHANGE),
    ("mail", Actions::SEND),
    ("make", Actions::CREATE.and(Actions::BOOK).and(Actions::PAY)),
    ("mark", Actions::CHANGE),
    ("merge", Actions::CHANGE),
    ("message", Actions::SEND),
    ("mirror", Actions::SEND),
    ("modify", Actions::CHANGE),
    ("move", Actions::CHANGE),
    ("mute", Actions::CHANGE),
    ("navigate", Actions::READ),
    ("note", Actions::CREATE),
    ("notify", Actions::SEND),
    ("obtain", Actions::READ),
    ("open", Actions::GRANT.and(Actions::CREATE).and(Actions::READ).and(Actions::RUN)),
    ("order", Actions::PAY),
    ("overwrite", Actions::CHANGE),
    ("pass", Actions::SEND),
    ("paste", Actions::SEND),
    ("pause", Actions::CHANGE),
    ("pay", Actions::PAY),
    ("perform", Actions::RUN),
    ("permit", Actions::GRANT),
    ("pick", Actions::RUN),
    ("pin", Actions::CHANGE),
    ("ping", Actions::SEND),
    ("plan", Actions::BOOK),
    ("play", Actions::RUN),
    ("point", Actions::CHANGE),
    ("post", Actions::SEND),
    ("postpone", Actions::CHANGE),
    ("prepare", Actions::CREATE),
    ("print", Actions::READ),
    ("proceed", Actions::RUN),
    ("process", Actions::PAY.and(Actions::RUN)),
    ("promote", Actions::CHANGE),
    ("provide", Actions::SEND),
    ("publish", Actions::SEND),
    ("pull", Actions::READ),
    ("purchase", Actions::PAY),
    ("purge", Actions::REMOVE),
    ("push", Actions::RUN),
    ("put", Actions::CHANGE.and(Actions::CREATE)),
    ("query", Actions::READ),
    ("raise", Actions::CHANGE),
    ("rate", Actions::CREATE),
    ("read", Actions::READ),
    ("reboot", Actions::RUN),
    ("record", Actions::CHANGE.and(Actions::CREATE)),
    ("redeem", Actions::PAY),
    ("redirect", Actions::CHANGE),
    ("reduce", Actions::CHANGE),
    ("refund", Actions::PAY),
    ("register", Actions::BOOK.and(Actions::CREATE)),
    ("reimburse", Actions::PAY),
    ("reject", Actions::REMOVE),
    ("relay", Actions::SEND),
    ("release", Actions::PAY),
    ("remit", Actions::PAY),
    ("remove", Actions::REMOVE),
    ("rename", Actions::CHANGE),
    ("render", Actions::SEND),
    ("rent", Actions::BOOK),
    ("replace", Actions::CHANGE),
    ("reply", Actions::SEND),
    ("report", Actions::SEND),
    ("reschedule", Actions::CHANGE.and(Actions::BOOK)),
    ("reserve", Actions::BOOK),
    ("reset", Actions::CHANGE),
    ("respond", Actions::SEND),
    ("restart", Actions::RUN),
    ("restore", Actions::CHANGE),
    ("resume", Actions::CHANGE),
    ("retrieve", Actions::READ),
    ("reveal", Actions::SEND),
    ("revoke", Actions::REMOVE),
    ("ring", Actions::RUN),
    ("rotate", Actions::CHANGE),
    ("route", Actions::SEND),
    ("run", Actions::RUN),
    ("save", Actions::CREATE),
    ("scan", Actions::READ),
    ("schedule", Actions::BOOK),
    ("search", Actions::READ),
    ("sell", Actions::PAY),
    ("send", Actions::SEND),
    ("set", Actions::CHANGE.and(Actions::CREATE)),
    ("settle", Actions::PAY),
    ("share", Actions::SEND.and(Actions::GRANT)),
    ("show", Actions::READ),
    ("shred", Actions::REMOVE),
    ("shut", Actions::RUN),
    ("sign", Actions::BOOK.and(Actions::CREATE)),
    ("silence", Actions::CHANGE),
    ("star", Actions::CREATE),
    ("start", Actions::RUN),
    ("stop", Actions::CHANGE.and(Actions::RUN)),
    ("store", Actions::CREATE),
    ("submit", Actions::SEND),
    ("subscribe", Actions::CREATE),
    ("summarise", Actions::READ),
    ("summarize", Actions::READ),
    ("suspend", Actions::REMOVE),
    ("swap", Actions::CHANGE),
    ("switch", Actions::CHANGE.and(Actions::RUN)),
    ("tag", Actions::CHANGE),
    ("take", Actions::CREATE),
    ("tell", Actions::SEND),
    ("terminate", Actions::REMOVE),
    ("text", Actions::SEND),
    ("tip", Actions::PAY),
    ("toggle", Actions::CHANGE),
    ("top", Actions::PAY),
    ("transfer", Actions::PAY.and(Actions::CHANGE)),
    ("transmit", Actions::SEND),
    ("trash", Actions::REMOVE),
    ("trigger", Actions::RUN),
    ("truncate", Actions::REMOVE),
    ("turn", Actions::CHANGE.and(Actions::RUN)),
    ("tweet", Actions::SEND),
    ("unblock", Actions::GRANT),
    ("unfollow", Actions::REMOVE),
    ("uninstall", Actions::REMOVE),
    ("unlock", Actions::GRANT.and(Actions::CHANGE)),
    ("unmute", Actions::CHANGE),
    ("unsubscribe", Actions::REMOVE),
    ("update", Actions::CHANGE),
    ("upgrade", Actions::CHANGE),
    ("upload", Actions::SEND),
    ("upvote", Actions::CREATE),
    ("use", Actions::RUN),
    ("view", Actions::READ),
    ("visit", Actions::READ),
    ("void", Actions::REMOVE),
    ("vote", Actions::CREATE),
    ("whitelist", Actions::GRANT),
    ("wipe", Actions::REMOVE),
    ("wire", Actions::PAY),
    ("withdraw", Actions::PAY.and(Actions::REMOVE)),
    ("write", Actions::CREATE),
];

/// Nouns that speak of what a tool does, sorted.
const NOUNS: [(&str, Actions); 72] = [
    ("access", Actions::GRANT),
    ("address", Actions::CHANGE),
    ("admin", Actions::GRANT),
    ("appointment", Actions::BOOK),
    ("article", Actions::READ),
    ("bank", Actions::PAY),
    ("bill", Actions::PAY),
    ("booking", Actions::BOOK),
    ("calendar", Actions::BOOK),
    ("cancellation", Actions::REMOVE),
    ("cash", Actions::PAY),
    ("colleague", Actions::GRANT),
    ("command", Actions::RUN),
    ("configuration", Actions::CHANGE),
    ("contact", Actions::GRANT),
    ("debt", Actions::PAY),
    ("deletion", Actions::REMOVE),
    ("difference", Actions::PAY),
    ("dinner", Actions::BOOK),
    ("dm", Actions::SEND),
    ("document", Actions::CREATE),
    ("donation", Actions::PAY),
    ("email", Actions::SEND),
    ("event", Actions::BOOK),
    ("feedback", Actions::SEND),
    ("file", Actions::CREATE),
    ("flight", Actions::BOOK),
    ("function", Actions::RUN),
    ("hotel", Actions::BOOK),
    ("iban", Actions::PAY),
    ("invitation", Actions::GRANT),
    ("invoice", Actions::PAY),
    ("letter", Actions::SEND),
    ("link", Actions::READ),
    ("lunch", Actions::BOOK),
    ("mail", Actions::SEND),
    ("meeting", Actions::BOOK),
    ("member", Actions::GRANT),
    ("message", Actions::SEND),
    ("money", Actions::PAY),
    ("note", Actions::CREATE),
    ("page", Actions::READ),
    ("participant", Actions::GRANT),
    ("password", Actions::CHANGE),
    ("payment", Actions::PAY),
    ("permission", Actions::GRANT),
    ("post", Actions::SEND),
    ("price", Actions::PAY),
    ("privilege", Actions::GRANT),
    ("profile", Actions::CHANGE),
    ("refund", Actions::PAY),
    ("removal", Actions::REMOVE),
    ("rent", Actions::PAY),
    ("reply", Actions::SEND),
    ("reservation", Actions::BOOK),
    ("restaurant", Actions::BOOK),
    ("review", Actions::CREATE),
    ("role", Actions::GRANT),
    ("script", Actions::RUN),
    ("search", Actions::READ),
    ("setting", Actions::CHANGE),
    ("site", Actions::READ),
    ("sms", Actions::SEND),
    ("spending", Actions::PAY),
    ("subscription", Actions::PAY),
    ("ticket", Actions::BOOK),
    ("transaction", Actions::PAY),
    ("trip", Actions::BOOK),
    ("url", Actions::READ),
    ("web", Actions::READ),
    ("webpage", Actions::READ),
    ("website", Actions::READ),
];
