//! Who may use the gateway.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};
use crate::auth::{ApiKey, KeyHash, Scope};

/// Who may use the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthFile {
    /// Whether a request needs a key.
    pub require: bool,
    /// Whether /metrics is answered without a key.
    pub public_metrics: bool,
    /// The keys.
    pub keys: Vec<KeyFile>,
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
    /// What the key may do; everything but `admin` where left out.
    pub scopes: Option<Vec<Scope>>,
}

impl Default for AuthFile {
    fn default() -> Self {
        Self { require: true, public_metrics: false, keys: Vec::new() }
    }
}

pub(super) fn resolve(files: Vec<KeyFile>) -> Result<Vec<ApiKey>, ConfigError> {
    let keys = files
        .into_iter()
        .enumerate()
        .map(|(index, key)| resolve_key(index, key))
        .collect::<Result<Vec<_>, _>>()?;
    for (index, key) in keys.iter().enumerate() {
        if keys.iter().take(index).any(|earlier| earlier.id() == key.id()) {
            return Err(value(&format!("auth.keys[{index}].id"), "another key has the same id"));
        }
    }
    Ok(keys)
}

fn resolve_key(index: usize, file: KeyFile) -> Result<ApiKey, ConfigError> {
    let hash = KeyHash::parse(&file.hash).ok_or_else(|| {
        value(&format!("auth.keys[{index}].hash"), "must be `blake3:` and 64 hexadecimal digits")
    })?;
    Ok(ApiKey::new(file.id, hash, file.tenant, file.scopes.as_deref().unwrap_or(&Scope::DEFAULT)))
}
