//! Words near a candidate that tell what a bare number is. Read only once a candidate has the right shape, over a
//! window of fixed size, so prose pays nothing and hostile text a constant per candidate.

use super::Input;

/// What a nearby word speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Topic {
    /// Telephone.
    Phone,
    /// Payment card.
    Card,
    /// US social security number.
    Ssn,
    /// Network address.
    Ip,
    /// Day of birth.
    Birth,
    /// Passport.
    Passport,
    /// Driving licence.
    Licence,
    /// Bank account.
    Bank,
    /// Routing transit number.
    Routing,
    /// A web page of one's own.
    Website,
    /// Software versions, chapters: dotted numbers that are no addresses.
    Version,
    /// Orders, tickets, ISBNs: digits that belong to a thing.
    Thing,
    /// A national identity or tax number, without saying which.
    Identity,
    /// UK National Health Service.
    Nhs,
    /// UK National Insurance.
    Nino,
    /// Spain.
    Dni,
    /// Italy.
    CodiceFiscale,
    /// France.
    Nir,
    /// Germany.
    SteuerId,
    /// Netherlands.
    Bsn,
    /// Poland.
    Pesel,
    /// Sweden, Denmark, Norway.
    Personnummer,
    /// Finland.
    Hetu,
    /// Portugal.
    Nif,
    /// Brazil.
    Cpf,
    /// India, Aadhaar.
    Aadhaar,
    /// India, PAN.
    Pan,
    /// China.
    ResidentId,
    /// Korea.
    Rrn,
    /// Turkey.
    Tckn,
    /// Australia, tax file number.
    Tfn,
    /// Australia, business number.
    Abn,
    /// Canada.
    Sin,
    /// South Africa.
    SouthAfrica,
}

const TOPICS: usize = Topic::SouthAfrica as usize + 1;
/// Bytes read before a candidate: enough to reach over an e-mail address to "reach me at".
const BEFORE: usize = 64;
/// Bytes read after a candidate.
const AFTER: usize = 20;
/// Not seen.
const FAR: u8 = u8::MAX;

/// How near each topic was mentioned.
#[derive(Clone, Debug)]
pub(super) struct Context {
    distance: [u8; TOPICS],
    /// An e-mail address stands near: a contact is being described.
    pub(super) contact: bool,
}

impl Context {
    /// Reads the words around `start..end`.
    pub(super) fn around(input: Input<'_>, start: usize, end: usize) -> Self {
        let mut context = Self { distance: [FAR; TOPICS], contact: false };
        let from = start.saturating_sub(BEFORE);
        context.read(input, from, start, |at| start - at);
        // A word after the number counts less than the same word before it.
        context.read(input, end, end.saturating_add(AFTER).min(input.bytes.len()), |at| at - end + BEFORE);
        context
    }

    /// Whether the topic is mentioned in the window.
    pub(super) fn has(&self, topic: Topic) -> bool {
        self.distance(topic) != FAR
    }

    /// Distance in bytes to the nearest mention; [`u8::MAX`] for none.
    pub(super) fn distance(&self, topic: Topic) -> u8 {
        self.distance.get(topic as usize).copied().unwrap_or(FAR)
    }

    /// Whether `topic` is mentioned nearer than `other`.
    pub(super) fn nearer(&self, topic: Topic, other: Topic) -> bool {
        self.distance(topic) < self.distance(other)
    }

    fn read(&mut self, input: Input<'_>, from: usize, to: usize, distance: impl Fn(usize) -> usize) {
        let mut previous = input.before(from);
        for at in from..to {
            let byte = input.at(at);
            let begins = match byte {
                b'@' => {
                    self.contact = true;
                    false
                }
                // camelCase begins a word, too
                b'A'..=b'Z' => !previous.is_ascii_uppercase(),
                b'a'..=b'z' => !previous.is_ascii_alphabetic(),
                // every character may begin a word in scripts without spaces
                0xc0.. => true,
                _ => false,
            };
            if begins {
                for &(word, topic) in words(byte.to_ascii_lowercase()) {
                    if word_at(input, at, word)
                        && let Some(slot) = self.distance.get_mut(topic as usize)
                    {
                        *slot = (*slot).min(distance(at).min(usize::from(FAR) - 1) as u8);
                    }
                }
            }
            previous = byte;
        }
    }
}

/// Whether `word` stands at `at`, ASCII case aside; a trailing space in `word` asks for the word's end.
fn word_at(input: Input<'_>, at: usize, word: &str) -> bool {
    let stem = word.trim_end().as_bytes();
    let end = at + stem.len();
    input.bytes.get(at..end).is_some_and(|text| text.eq_ignore_ascii_case(stem))
        && (stem.len() == word.len() || !input.at(end).is_ascii_alphabetic())
}

/// The words by first byte. A word is a prefix ("telef" stands for "telefon", "teléfono" has its own entry) unless
/// it ends in a space.
fn words(first: u8) -> &'static [(&'static str, Topic)] {
    use Topic::*;
    match first {
        b'a' => &[
            ("aadhaar", Aadhaar),
            ("aadhar", Aadhaar),
            ("aba ", Routing),
            ("abn ", Abn),
            ("account", Bank),
            ("account", Thing),
            ("acct", Bank),
            ("acct", Thing),
            ("address", Ip),
            ("amex", Card),
            ("anrufe", Phone),
            ("answering", Phone),
            ("appel", Phone),
            ("article", Version),
            ("australian business", Abn),
        ],
        b'b' => &[
            ("bank account", Bank),
            ("bank details", Bank),
            ("bank", Thing),
            ("batch", Thing),
            ("birth", Birth),
            ("block", Ip),
            ("blog", Website),
            ("born ", Birth),
            ("bsn ", Bsn),
            ("build", Version),
            ("burgerservice", Bsn),
        ],
        b'c' => &[
            ("call ", Phone),
            ("callback", Phone),
            ("calling", Phone),
            ("carte", Card),
            ("card", Card),
            ("case ", Thing),
            ("catalog", Thing),
            ("cc ", Card),
            ("ccn", Card),
            ("cell ", Phone),
            ("cellphone", Phone),
            ("cellular", Phone),
            ("celular", Phone),
            ("chapter", Version),
            ("charge", Card),
            ("chiama", Phone),
            ("client ip", Ip),
            ("cnpj", Cpf),
            ("codice fiscale", CodiceFiscale),
            ("commit", Thing),
            ("contact", Phone),
            ("contribuinte", Nif),
            ("cpf", Cpf),
            ("cpr ", Personnummer),
            ("credit", Card),
            ("cuenta", Bank),
        ],
        b'd' => &[
            ("date of birth", Birth),
            ("date_of_birth", Birth),
            ("dateofbirth", Birth),
            ("debit", Card),
            ("dial", Phone),
            ("diners", Card),
            ("discover", Card),
            ("dl ", Licence),
            ("dni", Dni),
            ("dob ", Birth),
            ("d.o.b", Birth),
            ("do\u{11f}um", Birth),
            ("driver", Licence),
            ("driving", Licence),
        ],
        b'f' => &[
            ("fax", Phone),
            ("firewall", Ip),
            ("firmware", Version),
            ("fiscale", CodiceFiscale),
            ("f\u{f8}dselsnummer", Personnummer),
            ("f\u{f8}dt ", Birth),
            ("f\u{f6}delsedatum", Birth),
            ("f\u{f6}dd ", Birth),
            ("f\u{fc}hrerschein", Licence),
            ("fon ", Phone),
        ],
        b'g' => &[("geboren", Birth), ("geburt", Birth), ("geb. ", Birth), ("gsm ", Phone)],
        b'h' => &[
            ("handy", Phone),
            ("henkil\u{f6}tunnus", Hetu),
            ("hetu", Hetu),
            ("homepage", Website),
            ("host ", Ip),
            ("hotline", Phone),
        ],
        b'i' => &[
            ("id card", Identity),
            ("id no", Identity),
            ("id num", Identity),
            ("identi", Identity),
            ("id ", Thing),
            ("id_", Thing),
            ("index", Thing),
            ("insee", Nir),
            ("invoice", Thing),
            ("ip ", Ip),
            ("ipv", Ip),
            ("isbn", Thing),
            ("issn", Thing),
            ("issue", Thing),
            ("item", Thing),
        ],
        b'k' => &[("kart", Card), ("kimlik", Tckn), ("konto", Bank), ("kreditkarte", Card)],
        b'l' => &[
            ("licence n", Licence),
            ("license n", Licence),
            ("license #", Licence),
            ("line ", Thing),
            ("llame", Phone),
        ],
        b'm' => &[
            ("mastercard", Card),
            ("mobil", Phone),
            ("model", Thing),
            ("my number", Phone),
            ("m\u{f3}vil", Phone),
            ("my site", Website),
        ],
        b'n' => &[
            ("nacid", Birth),
            ("nacimiento", Birth),
            ("nascimento", Birth),
            ("nascid", Birth),
            ("nascita", Birth),
            ("nat. ins", Nino),
            ("national health", Nhs),
            ("national i", Identity),
            ("national insurance", Nino),
            ("nato il", Birth),
            ("nata il", Birth),
            ("nhs", Nhs),
            ("ni number", Nino),
            ("nie ", Dni),
            ("nif ", Nif),
            ("nif ", Dni),
            ("nino", Nino),
            ("nir ", Nir),
            ("nummer", Thing),
            ("n\u{e9} le", Birth),
            ("n\u{e9}e le", Birth),
        ],
        b'o' => &[("order", Thing), ("office", Phone), ("offset", Thing)],
        b'p' => &[
            ("pager", Phone),
            ("pan ", Pan),
            ("pan card", Pan),
            ("paszport", Passport),
            ("pasaport", Passport),
            ("passaport", Passport),
            ("passeport", Passport),
            ("passnummer", Passport),
            ("passport", Passport),
            ("permanent account", Pan),
            ("permis de conduire", Licence),
            ("personnummer", Personnummer),
            ("personnr", Personnummer),
            ("personal id", Identity),
            ("personal number", Identity),
            ("pesel", Pesel),
            ("phone", Phone),
            ("ping", Ip),
            ("port ", Thing),
            ("portfolio", Website),
            ("product", Thing),
            ("ph ", Phone),
        ],
        b'r' => &[
            ("reach", Phone),
            ("rechnung", Thing),
            ("ref ", Thing),
            ("reference", Thing),
            ("reisepass", Passport),
            ("release", Version),
            ("resident", ResidentId),
            ("resident", Rrn),
            ("ring ", Phone),
            ("rijbewijs", Licence),
            ("routing", Routing),
            ("room ", Thing),
            ("rrn ", Rrn),
        ],
        b's' => &[
            ("section", Version),
            ("server", Ip),
            ("seed", Thing),
            ("serial", Thing),
            ("sin ", Sin),
            ("sku", Thing),
            ("sms ", Phone),
            ("social insurance", Sin),
            ("social security", Ssn),
            ("social sec", Ssn),
            ("socialsecurity", Ssn),
            ("south african id", SouthAfrica),
            ("src ", Ip),
            ("ssn", Ssn),
            ("steuer", SteuerId),
            ("s\u{e9}curit\u{e9} sociale", Nir),
            ("securite sociale", Nir),
            ("sa id", SouthAfrica),
        ],
        b't' => &[
            ("t.c. ", Tckn),
            ("tarjeta", Card),
            ("tax file", Tfn),
            ("tax id", Identity),
            ("tax id", SteuerId),
            ("taxpayer", Identity),
            ("tc kimlik", Tckn),
            ("tckn", Tckn),
            ("tel ", Phone),
            ("telef", Phone),
            ("teleph", Phone),
            ("text me", Phone),
            ("tfn ", Tfn),
            ("ticket", Thing),
            ("timestamp", Thing),
            ("tracking", Thing),
            ("transaction", Thing),
            ("t\u{e9}l\u{e9}phone", Phone),
            ("tel\u{e9}fono", Phone),
            ("t\u{e9}l", Phone),
        ],
        b'u' => &[("uidai", Aadhaar), ("urodz", Birth), ("uuid", Thing)],
        b'v' => {
            &[("ver ", Version), ("version", Version), ("visa", Card), ("voicemail", Phone), ("v ", Version)]
        }
        b'w' => &[("website", Website), ("web site", Website), ("web page", Website), ("whatsapp", Phone)],
        b'z' => &[("zadzwo", Phone)],
        0xc0.. => &[
            ("номер телефона", Phone),
            ("тел", Phone),
            ("Тел", Phone),
            ("звон", Phone),
            ("Звон", Phone),
            ("моб", Phone),
            ("карт", Card),
            ("рожден", Birth),
            ("родил", Birth),
            ("паспорт", Passport),
            ("Паспорт", Passport),
            ("τηλ", Phone),
            ("电话", Phone),
            ("電話", Phone),
            ("手机", Phone),
            ("手機", Phone),
            ("携帯", Phone),
            ("联系", Phone),
            ("전화", Phone),
            ("휴대", Phone),
            ("연락처", Phone),
            ("फोन", Phone),
            ("मोबाइल", Phone),
            ("هاتف", Phone),
            ("الهاتف", Phone),
            ("جوال", Phone),
            ("טלפון", Phone),
            ("カード", Card),
            ("卡号", Card),
            ("信用卡", Card),
            ("카드", Card),
            ("出生", Birth),
            ("生年月日", Birth),
            ("생년월일", Birth),
            ("护照", Passport),
            ("旅券", Passport),
            ("パスポート", Passport),
            ("여권", Passport),
            ("身份证", ResidentId),
            ("주민", Rrn),
            ("\u{e9}cris", Phone),
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> Context {
        let at = text.find('#').unwrap();
        Context::around(Input::new(text), at, at + 1)
    }

    #[test]
    fn words_begin_words_and_nearness_counts() {
        assert!(context("my Phone: #").has(Topic::Phone));
        assert!(context("user_phone=#").has(Topic::Phone));
        assert!(context("userPhone=#").has(Topic::Phone));
        assert!(context("# (fax)").has(Topic::Phone));
        assert!(context("電話#").has(Topic::Phone));
        assert!(!context("megaphone #").has(Topic::Phone));
        assert!(!context("sinus #").has(Topic::Sin));
        assert!(context("SIN #").has(Topic::Sin));
        assert!(context("order 12, phone #").nearer(Topic::Phone, Topic::Thing));
        assert!(context("a@b.c, #").contact);
        assert!(!context(&format!("phone{}#", " ".repeat(BEFORE))).has(Topic::Phone));
    }
}
