//! Who is calling, however they have shown it.

use super::{Scope, Scopes};

/// How a caller has shown who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    Key,
    /// An access token.
    Token,
    /// A client certificate (mTLS).
    Certificate,
    /// Not at all, where nobody is asked.
    Nothing,
}

impl Credential {
    /// The name in answers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Nothing => "nothing",
        }
    }
}

/// A caller that is known: its name, whose it is, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    id: String,
    tenant: String,
    scopes: Scopes,
    by: Credential,
}

impl Principal {
    /// A caller of a tenant. The empty tenant is the default tenant.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        tenant: impl Into<String>,
        scopes: impl IntoIterator<Item = Scope>,
        by: Credential,
    ) -> Self {
        Self { id: id.into(), tenant: tenant.into(), scopes: scopes.into_iter().collect(), by }
    }

    /// Its name in logs, records and revocations.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// What it may do.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Whether it may do something.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// How it has shown who it is.
    #[must_use]
    pub fn by(&self) -> Credential {
        self.by
    }

    /// Whether it stands for everyone, where no key is asked for.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.by == Credential::Nothing
    }
}
