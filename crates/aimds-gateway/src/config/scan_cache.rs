//! Scans of texts that were seen before.

use std::num::NonZeroUsize;

use aimds_engine::ScanCache;
use schemars::JsonSchema;
use serde::Deserialize;

/// Scans of texts that were seen before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScanCacheFile {
    /// How many are kept; 0 where none is.
    pub entries: usize,
    /// Whether what one tenant has sent is found for another.
    pub share_between_tenants: bool,
}

impl Default for ScanCacheFile {
    fn default() -> Self {
        Self { entries: 16_384, share_between_tenants: false }
    }
}

/// Scans of texts that were seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanCacheConfig {
    /// How many are kept.
    pub entries: NonZeroUsize,
    /// Whether what one tenant has sent is found for another.
    pub share_between_tenants: bool,
}

impl ScanCacheConfig {
    /// An empty cache with a random key of its own.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn empty(&self) -> std::io::Result<ScanCache> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        let cache = ScanCache::new(self.entries, key);
        Ok(if self.share_between_tenants { cache.shared() } else { cache })
    }
}

pub(super) fn resolve(file: &ScanCacheFile) -> Option<ScanCacheConfig> {
    let &ScanCacheFile { entries, share_between_tenants } = file;
    Some(ScanCacheConfig { entries: NonZeroUsize::new(entries)?, share_between_tenants })
}
