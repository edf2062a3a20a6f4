//! Names with `*` in them.

/// A name in which every `*` stands for any letters, also none. Everything else stands for itself.
///
/// ```
/// use aimds_gateway::router::Glob;
/// assert!(Glob::new("gpt-*-mini").matches("gpt-4o-mini"));
/// assert!(!Glob::new("gpt-*-mini").matches("gpt-4o"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether a whole name is meant. Each piece between stars is searched for once, leftmost: linear in the name for
    /// each piece.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for piece in middle.split('*') {
            match name.find(piece) {
                Some(at) => name = name.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        name.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((b'*', after)), _) => (0..=name.len()).any(|skip| naive(after, &name[skip..])),
            (Some((letter, after)), Some((first, rest))) => letter == first && naive(after, rest),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_the_definition_says(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
            prop_assert_eq!(
                Glob::new(&pattern).matches(&name),
                naive(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}
