//! What a caller may do. A new scope is a variant here, its place in [`Scope::ALL`] and its two lines below; the
//! configuration, `/admin/access` and the OpenAPI document take it from there.

use schemars::JsonSchema;
use serde::Deserialize;

/// One permission. A route names the one that it needs; a caller has those of its key, certificate or token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask for verdicts: the native guard API and the drop-in shapes.
    Guard,
    /// Use the in-line proxy, which spends the upstream's money.
    Proxy,
    /// Read /metrics.
    Metrics,
    /// Say what became of decisions. Nobody has it unnamed.
    Feedback,
    /// Release sessions from quarantine, revoke and reinstate keys, see who may do what. Nobody has it unnamed.
    Admin,
    /// See the texts of escalated requests and decide on them. Nobody has it unnamed.
    Review,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 6] =
        [Self::Guard, Self::Proxy, Self::Metrics, Self::Feedback, Self::Admin, Self::Review];

    /// The scopes of an API key that names neither scopes nor roles.
    pub const DEFAULT: [Self; 3] = [Self::Guard, Self::Proxy, Self::Metrics];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Proxy => "proxy",
            Self::Metrics => "metrics",
            Self::Feedback => "feedback",
            Self::Admin => "admin",
            Self::Review => "review",
        }
    }

    /// What it is for, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Guard => "ask for verdicts",
            Self::Proxy => "reach models through the gateway",
            Self::Metrics => "read the metrics",
            Self::Feedback => "say what became of decisions",
            Self::Admin => "manage holds and revocations, see who may do what",
            Self::Review => "see the texts of escalated requests and decide on them",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// Whether a scope is in it.
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The scopes in it, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |&scope| self.contains(scope))
    }

    /// Their names.
    pub(crate) fn names(self) -> Vec<&'static str> {
        self.iter().map(Scope::as_str).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_bit_and_a_name_of_its_own() {
        // The schema lists the variants: one that is missing in ALL would be in no key.
        let schema = serde_json::to_value(schemars::schema_for!(Scope)).unwrap();
        assert_eq!(schema["oneOf"].as_array().unwrap().len(), Scope::ALL.len());
        let mut all = Scopes::default();
        for scope in Scope::ALL {
            assert!(!all.contains(scope));
            all = all.union(Scopes::from_iter([scope]));
            let named: Scope = serde_json::from_value(scope.as_str().into()).unwrap();
            assert_eq!(named, scope);
        }
        assert!(all.iter().eq(Scope::ALL));
        assert!(!Scopes::from_iter(Scope::DEFAULT).contains(Scope::Admin));
    }
}
