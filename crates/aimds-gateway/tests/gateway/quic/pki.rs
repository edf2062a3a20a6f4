//! Authorities and certificates in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::client::Shown;

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a test authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The authority's certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What a server for TCP needs to be `localhost`.
    pub fn server(&self) -> Arc<ServerConfig> {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = self.sign(params, ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let server =
            server.unwrap().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(server.unwrap())
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A client's certificate that expires in a year.
    pub fn client(&self, name: &str, until: i32) -> Shown {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![
            SanType::DnsName(format!("{name}.internal").try_into().unwrap()),
            SanType::URI(format!("spiffe://test/{name}").try_into().unwrap()),
            SanType::Rfc822Name(format!("{name}@internal").try_into().unwrap()),
        ];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let (certificate, key) = self.sign(params, ExtendedKeyUsagePurpose::ClientAuth);
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// A folder with the files of `[tls]`.
pub struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A certificate of `authority` for the gateway.
    pub fn new(authority: &Authority) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.renew(authority);
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another certificate and key in place; gives the certificate.
    pub fn renew(&self, authority: &Authority) -> Vec<u8> {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = authority.sign(params, ExtendedKeyUsagePurpose::ServerAuth);
        write(&self.path("certificate.pem"), &certificate.pem());
        write(&self.path("key.pem"), &key.serialize_pem());
        certificate.der().to_vec()
    }

    /// Lets clients of an authority in, and no others.
    pub fn trust(&self, authority: &Authority) {
        write(&self.path("clients.pem"), &authority.pem);
    }

    /// The table of the configuration.
    pub fn config(&self, client_auth: Option<&str>) -> String {
        let name = |name: &str| self.path(name).display().to_string();
        let clients = client_auth.map_or_else(String::new, |auth| {
            format!("client_ca = '{}'\nclient_auth = \"{auth}\"\n", name("clients.pem"))
        });
        format!(
            "[tls]\ncertificate = '{}'\nkey = '{}'\nwatch_seconds = 0\n{clients}",
            name("certificate.pem"),
            name("key.pem")
        )
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
