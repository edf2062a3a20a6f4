//! A policy that is asked beside the one in force, and changes nothing.

use schemars::JsonSchema;
use serde::Deserialize;

/// A policy that is asked beside the one in force, and changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShadowFile {
    /// File of the policy; empty for none.
    pub policy: String,
}
