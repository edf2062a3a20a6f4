//! Who may use the gateway.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};
use super::issuers::{self, IssuerConfig, IssuerFile};
use crate::auth::{
    ApiKey, CertificateCaller, CertificateName, Credential, KeyHash, Principal, Roles, Scope, Scopes,
};

/// Who may use the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthFile {
    /// Whether a request needs a key, a client certificate or a token.
    pub require: bool,
    /// Whether /metrics is answered without a key.
    pub public_metrics: bool,
    /// Names for sets of scopes.
    pub roles: Vec<RoleFile>,
    /// The keys.
    pub keys: Vec<KeyFile>,
    /// Callers that are known by their client certificate.
    pub certificates: Vec<CertificateFile>,
    /// Issuers of access tokens that are trusted.
    pub issuers: Vec<IssuerFile>,
}

/// A name for a set of scopes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleFile {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

/// One API key. The key itself is never in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Name of the key in logs and records.
    pub id: String,
    /// `blake3:` and the BLAKE3 hash of the key in 64 hexadecimal digits.
    pub hash: String,
    /// Whose key it is. The empty name is the default tenant.
    #[serde(default)]
    pub tenant: String,
    /// What the key may do; with neither scopes nor roles everything but `feedback`, `admin` and `review`.
    pub scopes: Option<Vec<Scope>>,
    /// Names of roles, whose scopes it has as well.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A caller that is known by its client certificate. Exactly one of `uri`, `dns` and `email` says by which name in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// Name of the caller in logs and records.
    pub id: String,
    /// A URI in the certificate, such as a SPIFFE ID.
    pub uri: Option<String>,
    /// A DNS name in the certificate.
    pub dns: Option<String>,
    /// An e-mail address in the certificate.
    pub email: Option<String>,
    /// Whose it is. The empty name is the default tenant.
    #[serde(default)]
    pub tenant: String,
    /// What it may do.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Names of roles, whose scopes it has as well.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl Default for AuthFile {
    fn default() -> Self {
        Self {
            require: true,
            public_metrics: false,
            roles: Vec::new(),
            keys: Vec::new(),
            certificates: Vec::new(),
            issuers: Vec::new(),
        }
    }
}

/// Everyone whom the file names.
pub(super) struct Named {
    pub(super) roles: Roles,
    pub(super) keys: Vec<ApiKey>,
    pub(super) certificates: Vec<CertificateCaller>,
    pub(super) issuers: Vec<IssuerConfig>,
}

pub(super) fn resolve(file: AuthFile, client_ca: bool) -> Result<Named, ConfigError> {
    let AuthFile { roles, keys, certificates, issuers, .. } = file;
    if !certificates.is_empty() && !client_ca {
        return Err(value("auth.certificates", "need tls.client_ca: nobody is asked for a certificate"));
    }
    let mut ids: Vec<&str> = Vec::new();
    let named = keys.iter().enumerate().map(|(index, key)| (format!("auth.keys[{index}].id"), &key.id));
    let more = certificates.iter().enumerate();
    let more = more.map(|(index, caller)| (format!("auth.certificates[{index}].id"), &caller.id));
    for (place, id) in named.chain(more) {
        if ids.contains(&id.as_str()) {
            return Err(value(&place, "another caller has the same id"));
        }
        if id.starts_with("token:") {
            return Err(value(&place, "must not begin with `token:`, which names the bearers of tokens"));
        }
        ids.push(id);
    }
    let roles = resolve_roles(roles)?;
    let keys = keys.into_iter().enumerate().map(|(index, key)| resolve_key(index, key, &roles));
    let keys = keys.collect::<Result<_, _>>()?;
    let certificates =
        certificates.into_iter().enumerate().map(|(index, caller)| resolve_caller(index, caller, &roles));
    let certificates = certificates.collect::<Result<_, _>>()?;
    let issuers = issuers::resolve(issuers, &roles)?;
    Ok(Named { roles, keys, certificates, issuers })
}

fn resolve_roles(files: Vec<RoleFile>) -> Result<Roles, ConfigError> {
    let mut roles = Roles::default();
    for (index, role) in files.into_iter().enumerate() {
        let place = format!("auth.roles[{index}].name");
        if role.name.is_empty() {
            return Err(value(&place, "is empty"));
        }
        if !roles.add(role.name, &role.scopes) {
            return Err(value(&place, "another role has the same name"));
        }
    }
    Ok(roles)
}

fn resolve_key(index: usize, file: KeyFile, roles: &Roles) -> Result<ApiKey, ConfigError> {
    let place = format!("auth.keys[{index}]");
    let hash = KeyHash::parse(&file.hash)
        .ok_or_else(|| value(&format!("{place}.hash"), "must be `blake3:` and 64 hexadecimal digits"))?;
    let named = match &file.scopes {
        Some(scopes) => scopes.as_slice(),
        None if file.roles.is_empty() => &Scope::DEFAULT,
        None => &[],
    };
    let scopes: Vec<_> = allowed(&place, named, &file.roles, roles)?.iter().collect();
    Ok(ApiKey::new(file.id, hash, file.tenant, &scopes))
}

fn resolve_caller(
    index: usize,
    file: CertificateFile,
    roles: &Roles,
) -> Result<CertificateCaller, ConfigError> {
    let place = format!("auth.certificates[{index}]");
    let name = match (file.uri, file.dns, file.email) {
        (Some(uri), None, None) => CertificateName::Uri(uri),
        (None, Some(dns), None) => CertificateName::Dns(dns),
        (None, None, Some(email)) => CertificateName::Email(email),
        _ => return Err(value(&place, "needs exactly one of uri, dns and email")),
    };
    let scopes = allowed(&place, &file.scopes, &file.roles, roles)?;
    if scopes == Scopes::default() {
        return Err(value(&place, "needs scopes or roles: without it may do nothing"));
    }
    let principal = Principal::new(file.id, file.tenant, scopes.iter(), Credential::Certificate);
    Ok(CertificateCaller::new(name, principal))
}

/// What scopes and roles allow together.
pub(super) fn allowed(
    place: &str,
    scopes: &[Scope],
    names: &[String],
    roles: &Roles,
) -> Result<Scopes, ConfigError> {
    let mut allowed: Scopes = scopes.iter().copied().collect();
    for name in names {
        let role = roles.get(name);
        let role = role.ok_or_else(|| value(&format!("{place}.roles"), "names a role that does not exist"));
        allowed = allowed.union(role?);
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const HASH: &str = "blake3:00000000000000000000000000000000000000000000000000000000000000aa";

    #[test]
    fn a_key_has_the_scopes_of_its_roles_and_its_own_and_no_others() {
        let check = |key: &str, expected: &[&str]| {
            let roles = "roles = [{ name = \"app\", scopes = [\"guard\", \"proxy\"] }, { name = \"none\", scopes = [] }]";
            let text = format!("[auth]\n{roles}\nkeys = [{{ id = \"k\", hash = \"{HASH}\"{key} }}]\n");
            let config = Config::parse(&text).unwrap();
            assert_eq!(config.keys[0].principal().scopes().names(), expected, "{key}");
        };
        check("", &["guard", "proxy", "metrics"]);
        check(", roles = [\"app\"]", &["guard", "proxy"]);
        check(", roles = [\"none\"]", &[]);
        check(", scopes = []", &[]);
        check(", scopes = [\"admin\"], roles = [\"app\"]", &["guard", "proxy", "admin"]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = Config::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: {expected}"));
        };
        let tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"a\"\n";
        let caller = |fields: &str| {
            format!(
                "{tls}[[auth.certificates]]\nid = \"a\"\n{fields}\n[[auth.keys]]\nid = \"k\"\nhash = \"{HASH}\"\n"
            )
        };
        check(&caller(""), "auth.certificates[0]: needs exactly one of uri, dns and email");
        check(
            &caller("uri = \"spiffe://a/b\"\ndns = \"b\"\nscopes = [\"guard\"]"),
            "auth.certificates[0]: needs exactly one of uri, dns and email",
        );
        check(
            &caller("dns = \"b\""),
            "auth.certificates[0]: needs scopes or roles: without it may do nothing",
        );
        check(
            &caller("dns = \"b\"\nroles = [\"x\"]"),
            "auth.certificates[0].roles: names a role that does not exist",
        );
        check(
            "[[auth.certificates]]\nid = \"a\"\ndns = \"b\"\nscopes = [\"guard\"]\n",
            "auth.certificates: need tls.client_ca: nobody is asked for a certificate",
        );
        check(
            &caller("dns = \"b\"\nscopes = [\"guard\"]").replace("id = \"k\"", "id = \"a\""),
            "auth.certificates[0].id: another caller has the same id",
        );
        let role = "[[auth.roles]]\nname = \"r\"\nscopes = [\"guard\"]\n";
        check(&role.repeat(2), "auth.roles[1].name: another role has the same name");
        check(&role.replace("\"r\"", "\"\""), "auth.roles[0].name: is empty");
    }
}
