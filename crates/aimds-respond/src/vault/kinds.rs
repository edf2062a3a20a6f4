//! Sets of kinds of personal data.

use aimds_detect::validators::PiiKind;

/// A set of kinds of personal data. Secrets cannot be in one: what is a secret is never kept, so never given back.
///
/// ```
/// use aimds_detect::validators::PiiKind;
/// use aimds_respond::vault::Kinds;
/// let kinds = Kinds::parse(["pii.email", "pii.person"]).unwrap();
/// assert!(kinds.contains(PiiKind::Email) && !kinds.contains(PiiKind::Iban));
/// assert!(Kinds::parse(["pii.*"]).unwrap().contains(PiiKind::Iban));
/// assert_eq!(Kinds::parse(["secret.jwt"]), Err("secret.jwt".to_owned()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u64);

impl Kinds {
    /// The set of these names; `pii.*` is all of them.
    ///
    /// # Errors
    /// The first name that is none of a kind of personal data.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut kinds = Self::default();
        for name in names {
            let mut named =
                PiiKind::ALL.iter().filter(|kind| name == "pii.*" || kind.id() == name).peekable();
            if named.peek().is_none() {
                return Err(name.to_owned());
            }
            kinds.0 |= named.fold(0, |bits, &kind| bits | bit(kind));
        }
        Ok(kinds)
    }

    /// Whether a kind is in the set.
    #[must_use]
    pub fn contains(self, kind: PiiKind) -> bool {
        self.0 & bit(kind) != 0
    }
}

fn bit(kind: PiiKind) -> u64 {
    PiiKind::ALL.iter().position(|&known| known == kind).map_or(0, |at| 1 << at)
}
