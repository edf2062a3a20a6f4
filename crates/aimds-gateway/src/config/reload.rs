//! When configuration and policy are read again.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// When configuration and policy are read again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadFile {
    /// How often the files are looked at for changes, in seconds; 0 for never.
    pub watch_seconds: u64,
}

impl Default for ReloadFile {
    fn default() -> Self {
        Self { watch_seconds: 5 }
    }
}

pub(super) fn resolve(file: &ReloadFile) -> Option<Duration> {
    (file.watch_seconds > 0).then(|| Duration::from_secs(file.watch_seconds))
}
