//! Personal data and secrets, by format and checksum.
//!
//! One pass over the bytes finds words and a few marks; each hands its place to the families whose formats can begin
//! there. Every look ahead or behind is bounded, so time is linear in the length of the text whatever it holds.

mod address;
mod assignment;
mod card;
mod checksum;
mod context;
mod date;
mod document;
mod email;
mod iban;
mod ip;
mod jwt;
mod mac;
mod national;
mod number;
mod pem;
mod person;
mod phone;
mod ssn;
mod token;
mod url;
mod wallet;
mod words;

use std::collections::BTreeMap;

use context::Context;
use number::Number;

/// Kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PiiKind {
    /// E-mail address (RFC 5321, RFC 6531).
    Email,
    /// Telephone number (ITU-T E.164, E.123).
    Phone,
    /// Payment card number (ISO/IEC 7812).
    CreditCard,
    /// International bank account number (ISO 13616).
    Iban,
    /// US social security number.
    Ssn,
    /// Identity or tax number of another country.
    NationalId,
    /// Internet address (RFC 791, RFC 4291).
    Ip,
    /// Hardware address (IEEE 802).
    Mac,
    /// Web page called somebody's own.
    Url,
    /// Address of a cryptocurrency (Base58Check, BIP 173, EIP-55 form).
    CryptoWallet,
    /// Date of birth.
    DateOfBirth,
    /// Passport number.
    Passport,
    /// Number of a driving licence.
    DriverLicense,
    /// National bank account or routing number.
    BankAccount,
    /// Name of a person.
    Person,
    /// Postal address.
    Address,
}

impl PiiKind {
    /// Every kind, in declaration order.
    pub const ALL: &[Self] = &[
        Self::Email,
        Self::Phone,
        Self::CreditCard,
        Self::Iban,
        Self::Ssn,
        Self::NationalId,
        Self::Ip,
        Self::Mac,
        Self::Url,
        Self::CryptoWallet,
        Self::DateOfBirth,
        Self::Passport,
        Self::DriverLicense,
        Self::BankAccount,
        Self::Person,
        Self::Address,
    ];

    /// The stable identifier, `pii.…`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Email => "pii.email",
            Self::Phone => "pii.phone",
            Self::CreditCard => "pii.credit_card",
            Self::Iban => "pii.iban",
            Self::Ssn => "pii.ssn",
            Self::NationalId => "pii.national_id",
            Self::Ip => "pii.ip",
            Self::Mac => "pii.mac",
            Self::Url => "pii.url",
            Self::CryptoWallet => "pii.crypto_wallet",
            Self::DateOfBirth => "pii.date_of_birth",
            Self::Passport => "pii.passport",
            Self::DriverLicense => "pii.driver_license",
            Self::BankAccount => "pii.bank_account",
            Self::Person => "pii.person",
            Self::Address => "pii.address",
        }
    }
}

/// Kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SecretKind {
    /// AWS key.
    AwsKey,
    /// GitHub token.
    GithubToken,
    /// GitLab token.
    GitlabToken,
    /// Slack token or webhook.
    SlackToken,
    /// Stripe key.
    StripeKey,
    /// OpenAI key.
    OpenaiKey,
    /// Anthropic key.
    AnthropicKey,
    /// Google API key.
    GoogleApiKey,
    /// Google OAuth token or client secret.
    GoogleOauth,
    /// Azure key or Entra client secret.
    AzureKey,
    /// Hugging Face token.
    HuggingfaceToken,
    /// npm token.
    NpmToken,
    /// PyPI token.
    PypiToken,
    /// SendGrid key.
    SendgridKey,
    /// Twilio key.
    TwilioKey,
    /// Telegram bot token.
    TelegramToken,
    /// Discord token or webhook.
    DiscordToken,
    /// DigitalOcean token.
    DigitaloceanToken,
    /// Shopify token.
    ShopifyToken,
    /// Private key (RFC 7468, OpenSSH, OpenPGP, wallets).
    PrivateKey,
    /// JSON Web Token (RFC 7519).
    Jwt,
    /// URL with a password (RFC 3986 userinfo).
    DatabaseUrl,
    /// Password, or another vendor's or unnamed key.
    Generic,
}

impl SecretKind {
    /// Every kind, in declaration order.
    pub const ALL: &[Self] = &[
        Self::AwsKey,
        Self::GithubToken,
        Self::GitlabToken,
        Self::SlackToken,
        Self::StripeKey,
        Self::OpenaiKey,
        Self::AnthropicKey,
        Self::GoogleApiKey,
        Self::GoogleOauth,
        Self::AzureKey,
        Self::HuggingfaceToken,
        Self::NpmToken,
        Self::PypiToken,
        Self::SendgridKey,
        Self::TwilioKey,
        Self::TelegramToken,
        Self::DiscordToken,
        Self::DigitaloceanToken,
        Self::ShopifyToken,
        Self::PrivateKey,
        Self::Jwt,
        Self::DatabaseUrl,
        Self::Generic,
    ];

    /// The stable identifier, `secret.…`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::AwsKey => "secret.aws_key",
            Self::GithubToken => "secret.github_token",
            Self::GitlabToken => "secret.gitlab_token",
            Self::SlackToken => "secret.slack_token",
            Self::StripeKey => "secret.stripe_key",
            Self::OpenaiKey => "secret.openai_key",
            Self::AnthropicKey => "secret.anthropic_key",
            Self::GoogleApiKey => "secret.google_api_key",
            Self::GoogleOauth => "secret.google_oauth",
            Self::AzureKey => "secret.azure_key",
            Self::HuggingfaceToken => "secret.huggingface_token",
            Self::NpmToken => "secret.npm_token",
            Self::PypiToken => "secret.pypi_token",
            Self::SendgridKey => "secret.sendgrid_key",
            Self::TwilioKey => "secret.twilio_key",
            Self::TelegramToken => "secret.telegram_token",
            Self::DiscordToken => "secret.discord_token",
            Self::DigitaloceanToken => "secret.digitalocean_token",
            Self::ShopifyToken => "secret.shopify_token",
            Self::PrivateKey => "secret.private_key",
            Self::Jwt => "secret.jwt",
            Self::DatabaseUrl => "secret.database_url",
            Self::Generic => "secret.generic",
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Personal data.
    Pii(PiiKind),
    /// A credential.
    Secret(SecretKind),
}

/// One place in a text that a validator recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Probability in \[0, 1\] that it is what it looks like.
    pub confidence: f32,
    /// Why, without quoting the text.
    pub explanation: &'static str,
}

/// Finds personal data and secrets in `text`. Linear in the length of the text; hits are sorted by start and do not
/// overlap.
#[must_use]
pub fn scan(text: &str) -> Vec<Hit> {
    let mut scan = Scan {
        input: Input::new(text),
        around: Around::new(text),
        hits: Vec::new(),
        colons: 0,
        numbers: 0,
        last: Number::none(),
    };
    scan.run();
    resolve(text, scan.hits)
}

/// The text under examination. Places outside it read as NUL, which belongs to no format.
#[derive(Clone, Copy, Debug)]
struct Input<'t> {
    text: &'t str,
    bytes: &'t [u8],
}

impl<'t> Input<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, bytes: text.as_bytes() }
    }

    fn at(self, place: usize) -> u8 {
        self.bytes.get(place).copied().unwrap_or(0)
    }

    /// The byte before `place`.
    fn before(self, place: usize) -> u8 {
        self.at(place.wrapping_sub(1))
    }

    /// The bytes of the range as far as the text reaches.
    fn slice(self, start: usize, end: usize) -> &'t [u8] {
        self.bytes.get(start..end.min(self.bytes.len())).unwrap_or(&[])
    }
}

/// The words around a candidate, read when first asked for.
struct Around<'t> {
    input: Input<'t>,
    place: (usize, usize),
    context: Option<Context>,
}

impl<'t> Around<'t> {
    fn new(text: &'t str) -> Self {
        Self { input: Input::new(text), place: (0, 0), context: None }
    }

    fn context(&mut self, start: usize, end: usize) -> &Context {
        if self.place != (start, end) {
            self.place = (start, end);
            self.context = None;
        }
        self.context.get_or_insert_with(|| Context::around(self.input, start, end))
    }
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const MARK: u8 = 4;

/// What a byte may begin.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'@' | b':' | b'=' | b'>' | b'-' | b'~' => MARK,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Confidence from which a number is settled: its later groups are not read as the beginning of another.
const SETTLED: f32 = 0.85;

struct Scan<'t> {
    input: Input<'t>,
    around: Around<'t>,
    hits: Vec<Hit>,
    /// Colons before this place have been judged as a network address.
    colons: usize,
    /// Digits before this place belong to a number already found.
    numbers: usize,
    /// The number that was read last.
    last: Number,
}

impl Scan<'_> {
    fn run(&mut self) {
        let bytes = self.input.bytes;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match class(byte) {
                0 => at += 1,
                MARK => at = self.mark(at, byte).max(at + 1),
                _ => {
                    let start = at;
                    let mut seen = 0;
                    for &byte in bytes.get(start..).unwrap_or(&[]) {
                        let class = class(byte);
                        if class & (LETTER | DIGIT) == 0 {
                            break;
                        }
                        seen |= class;
                        at += 1;
                    }
                    self.word(start, at, seen & DIGIT != 0);
                }
            }
        }
    }

    /// A maximal run of ASCII letters and digits.
    fn word(&mut self, start: usize, end: usize, digits: bool) {
        let input = self.input;
        let (first, next, length) = (input.at(start), input.at(end), end - start);
        match first {
            b'p' | b'P' if matches!(length, 2 | 3 | 8 | 10) && next == b' ' => {
                self.hits.extend(assignment::in_prose(input, start, end));
            }
            b'B' | b'b' if matches!(length, 5 | 6) && next == b' ' => {
                self.hits.extend(assignment::in_prose(input, start, end));
            }
            b'n' | b'N' | b'M' | b'D' if length <= 4 && matches!(next, b' ' | b'.' | b'\'' | b':' | 0xe2) => {
                self.hits.extend(person::at_word(input, start, end))
            }
            b'e' if length >= 3 => self.hits.extend(jwt::at_word(input, start)),
            b'P' if next == b'-' => self.hits.extend(pem::putty(input, start)),
            _ => {}
        }
        if length >= 16 || matches!(next, b'_' | b'-' | b'.') {
            self.hits.extend(token::at_word(input, start, end));
        }
        if length == 4 && next == b'.' {
            self.hits.extend(mac::at_dot(input, end));
        }
        if length >= 26 {
            self.hits.extend(wallet::at_word(input, start, end));
        }
        if digits {
            self.word_with_digits(start, end, first);
        }
    }

    fn word_with_digits(&mut self, start: usize, end: usize, first: u8) {
        let (input, around) = (self.input, &mut self.around);
        if (6..=18).contains(&(end - start)) {
            self.hits.extend(document::at_word(input, start, end, around));
        }
        if (7..=18).contains(&(end - start)) {
            self.hits.extend(national::at_word(input, start, end, around));
        }
        if first.is_ascii_alphabetic() {
            self.hits.extend(iban::at_word(input, start));
            return;
        }
        self.hits.extend(address::at_word(input, start, end));
        if start < self.numbers || date::is_no_day(input.slice(start, end)) {
            return;
        }
        if !self.last.advance(input, start) && !self.last.read(input, start) {
            return;
        }
        let number = &self.last;
        let found = if number.is_small() && input.before(start) != b'+' {
            [None, date::birth(input, number, around), None, None, None, None, None]
        } else {
            [
                ip::v4(input, number, around),
                date::birth(input, number, around),
                card::card(input, number, around),
                ssn::ssn(input, number, around),
                national::digits(input, number, around),
                phone::phone(input, number, around),
                document::grouped(input, number, around),
            ]
        };
        for hit in found.into_iter().flatten() {
            if hit.confidence >= SETTLED {
                self.numbers = self.numbers.max(hit.end);
            }
            self.hits.push(hit);
        }
    }

    /// A byte that marks the middle of something. Returns where to look on.
    fn mark(&mut self, at: usize, mark: u8) -> usize {
        let input = self.input;
        match mark {
            b'@' => self.hits.extend(email::at_sign(input, at)),
            b'~' => self.hits.extend(token::entra(input, at)),
            b'-' if input.before(at) != b'-' && input.slice(at, at + 5) == b"-----" => {
                if let Some(hit) = pem::at_dash(input, at) {
                    let end = hit.end;
                    self.hits.push(hit);
                    return end;
                }
            }
            b'-' => self.hits.extend(mac::at_mark(input, at)),
            b':' if input.slice(at + 1, at + 3) == b"//" => {
                self.hits.extend(url::at_colon(input, at, &mut self.around))
            }
            b':' => {
                self.hits.extend(mac::at_mark(input, at));
                if at >= self.colons {
                    let (start, end) = ip::colon_run(input, at);
                    self.colons = end;
                    self.hits.extend(ip::v6(input, start, end));
                }
                if input.before(at).is_ascii_digit() {
                    self.hits.extend(token::telegram(input, at));
                }
                self.hits.extend(assignment::at_sign(input, at));
            }
            _ => self.hits.extend(assignment::at_sign(input, at)),
        }
        at + 1
    }
}

/// Whether a number may begin at `start`: not in the middle of a word, a decimal, an amount or an identifier.
fn starts_cleanly(input: Input<'_>, start: usize) -> bool {
    let (before, earlier) = (input.before(start), start.checked_sub(2).map_or(0, |at| input.at(at)));
    match before {
        b'_' | b'$' => false,
        b'-' => !earlier.is_ascii_alphanumeric(),
        b'.' | b':' | b'/' => !earlier.is_ascii_digit(),
        _ => !before.is_ascii_alphanumeric(),
    }
}

/// Whether a number may end at `end`.
fn ends_cleanly(input: Input<'_>, end: usize) -> bool {
    let (next, later) = (input.at(end), input.at(end + 1));
    match next {
        b'_' | b'%' => false,
        b'-' => !later.is_ascii_alphanumeric(),
        b'.' | b':' | b'/' => !later.is_ascii_digit(),
        _ => !next.is_ascii_alphanumeric(),
    }
}

/// Whether a value stands for one: documentation, templates, masks.
fn placeholder(value: &[u8]) -> bool {
    const WORDS: &[&str] = &[
        "xxxx",
        "your",
        "example",
        "changeme",
        "change_me",
        "change-me",
        "placeholder",
        "dummy",
        "redacted",
        "insert",
        "<",
        "${",
        "{{",
        "****",
        "....",
        "todo",
        "replace",
        "_here",
        "-here",
        "foobar",
        "abcdefgh",
        "12345678901234567890",
    ];
    let lower: Vec<u8> = value.iter().take(320).map(u8::to_ascii_lowercase).collect();
    let mut seen = [false; 256];
    for &byte in &lower {
        if let Some(slot) = seen.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|&&seen| seen).count();
    distinct < 4
        || (lower.len() >= 20 && distinct < 8)
        || WORDS.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

/// Sorts the hits and lets the surer, then the longer, win where two overlap.
fn resolve(text: &str, mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.retain(|hit| {
        hit.start < hit.end && text.is_char_boundary(hit.start) && text.is_char_boundary(hit.end)
    });
    hits.sort_by_key(|hit| hit.start);
    if hits.is_sorted_by(|left, right| left.end <= right.start) {
        return hits;
    }
    hits.sort_by(|left, right| {
        right
            .confidence
            .total_cmp(&left.confidence)
            .then((right.end - right.start).cmp(&(left.end - left.start)))
            .then(left.start.cmp(&right.start))
    });
    let mut kept: BTreeMap<usize, Hit> = BTreeMap::new();
    for hit in hits {
        // of those kept, only the last to start before this one's end can reach into it
        if kept.range(..hit.end).next_back().is_none_or(|(_, other)| other.end <= hit.start) {
            kept.insert(hit.start, hit);
        }
    }
    kept.into_values().collect()
}

#[cfg(test)]
mod tests;
