//! What ships inside the binary: rules, models and the default policy.

/// The default policy, as text: the reference for operators who write their own.
pub const DEFAULT_POLICY: &str = include_str!("../../../policies/default.toml");
