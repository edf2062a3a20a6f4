//! Callers that are known by their client certificate: which name in it is whose.

use std::sync::Arc;

use super::Principal;
use crate::tls::PeerIdentity;

/// A name among the alternative names of a certificate's subject (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A URI, such as a SPIFFE ID.
    Uri(String),
    /// A DNS name.
    Dns(String),
    /// An e-mail address.
    Email(String),
}

impl CertificateName {
    /// Whether a certificate has exactly this name; DNS names know no case. No patterns: a name is one caller.
    fn is_in(&self, identity: &PeerIdentity) -> bool {
        match self {
            Self::Uri(uri) => identity.uris().contains(uri),
            Self::Dns(dns) => identity.dns_names().iter().any(|name| name.eq_ignore_ascii_case(dns)),
            Self::Email(email) => identity.emails().contains(email),
        }
    }
}

/// A caller that is known by its client certificate, which an authority of `tls.client_ca` has signed.
#[derive(Clone, Debug)]
pub struct CertificateCaller {
    name: CertificateName,
    pub(super) principal: Arc<Principal>,
}

impl CertificateCaller {
    /// Whoever shows a certificate with this name is this principal.
    #[must_use]
    pub fn new(name: CertificateName, principal: Principal) -> Self {
        Self { name, principal: Arc::new(principal) }
    }

    pub(super) fn is(&self, identity: &PeerIdentity) -> bool {
        self.name.is_in(identity)
    }
}
