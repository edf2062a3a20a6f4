//! Who a client is by its certificate.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Who a client is by the certificate that it showed and that an authority of `tls.client_ca` signed. Every request on
/// its connection carries it as an extension (`Arc<PeerIdentity>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    common_name: Option<String>,
    dns_names: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
}

impl PeerIdentity {
    /// The common name of the subject.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The DNS names among the subject's alternative names (RFC 5280 §4.2.1.6).
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The URIs among the subject's alternative names; a SPIFFE ID is one.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The e-mail addresses among the subject's alternative names.
    #[must_use]
    pub fn emails(&self) -> &[String] {
        &self.emails
    }
}

/// Why a client that showed a certificate is turned away after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unidentified {
    /// It cannot be read, though its signature is right.
    #[error("the client's certificate cannot be read")]
    Unreadable,
    /// A session was resumed that began before the certificate expired: nobody checked it again.
    #[error("the client's certificate has expired")]
    Expired,
}

/// Reads who a client is from its certificate chain, which has been verified. Linear in the certificate's length.
pub(crate) fn identify(chain: &[CertificateDer<'_>]) -> Result<PeerIdentity, Unidentified> {
    let certificate = chain.first().and_then(read).ok_or(Unidentified::Unreadable)?;
    let certificate = certificate.tbs_certificate();
    if certificate.validity().not_after.to_system_time() <= SystemTime::now() {
        return Err(Unidentified::Expired);
    }
    let name = certificate.subject().common_name().map_err(|_| Unidentified::Unreadable)?;
    let mut identity =
        PeerIdentity { common_name: name.map(|name| name.value().into_owned()), ..PeerIdentity::default() };
    let names = certificate.get_extension::<SubjectAltName>().map_err(|_| Unidentified::Unreadable)?;
    for name in names.map_or_else(Vec::new, |(_, names)| names.0) {
        match name {
            GeneralName::DnsName(name) => identity.dns_names.push(name.to_string()),
            GeneralName::UniformResourceIdentifier(uri) => identity.uris.push(uri.to_string()),
            GeneralName::Rfc822Name(email) => identity.emails.push(email.to_string()),
            _ => {}
        }
    }
    Ok(identity)
}

/// When a certificate expires, if it can be read.
pub(crate) fn expires(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    Some(read(certificate)?.tbs_certificate().validity().not_after.to_system_time())
}

fn read(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    Certificate::from_der(certificate).ok()
}
