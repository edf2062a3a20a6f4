//! Words near a candidate that tell what a bare number is. Read only once a candidate has the right shape, over a
//! window of fixed size, so prose pays nothing and hostile text a constant per candidate.

use super::Input;
use super::words::words;

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
    /// Austria.
    Svnr,
    /// Greece.
    Afm,
    /// Iceland.
    Kennitala,
    /// Estonia, Latvia, Lithuania.
    Baltic,
    /// Czechia, Slovakia.
    Rodne,
    /// Romania.
    Cnp,
    /// Bulgaria.
    Egn,
    /// Croatia.
    Oib,
    /// Former Yugoslavia.
    Jmbg,
    /// Hungary.
    Taj,
    /// Ukraine.
    Rnokpp,
    /// Russia, taxpayer.
    Inn,
    /// Russia, insurance.
    Snils,
    /// Kazakhstan.
    Iin,
    /// Argentina.
    Cuit,
    /// Ecuador, Uruguay.
    Cedula,
    /// Mexico, taxpayer.
    Rfc,
    /// Japan.
    MyNumber,
    /// Thailand.
    ThaiId,
    /// Malaysia.
    MyKad,
    /// Indonesia.
    Nik,
    /// Pakistan.
    Cnic,
    /// Israel.
    IsraelId,
    /// United Arab Emirates.
    EmiratesId,
    /// Saudi Arabia.
    SaudiId,
    /// Taiwan.
    TaiwanId,
    /// Hong Kong.
    Hkid,
    /// Ireland.
    Pps,
    /// New Zealand.
    Ird,
    /// Australia, health insurance.
    Medicare,
}

const TOPICS: usize = Topic::Medicare as usize + 1;
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
