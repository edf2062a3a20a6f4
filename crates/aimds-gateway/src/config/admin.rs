//! Who may reach the routes for those who run the gateway.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};
use crate::address::Network;

/// Who may reach the routes for those who run the gateway (`/admin/...`), beside the scope that they need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminFile {
    /// Networks from which they are reached; none: from everywhere.
    pub allow: Vec<String>,
}

pub(super) fn resolve(file: &AdminFile) -> Result<Vec<Network>, ConfigError> {
    networks("admin.allow", &file.allow)
}

/// Networks as the file writes them.
pub(super) fn networks(key: &str, texts: &[String]) -> Result<Vec<Network>, ConfigError> {
    let read = |(index, text): (usize, &String)| {
        let wrong = "must be an address or a network such as \"10.0.0.0/8\", with nothing beyond its prefix";
        Network::parse(text).ok_or_else(|| value(&format!("{key}[{index}]"), wrong))
    };
    texts.iter().enumerate().map(read).collect()
}
