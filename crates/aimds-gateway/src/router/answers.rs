//! The cache of answers at work. What is kept is what the model said, not what went to the caller: it is inspected again
//! each time, so that a cached answer can never say more than a live one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;

use super::cache::{Cache, CacheLimits, Fingerprint};
use super::clock::Clock;
use crate::config::CacheMode;
use crate::json::Document;

/// An answer as the model gave it.
pub(crate) struct Kept {
    /// The number of the target that gave it.
    pub(crate) target: usize,
    /// The whole body, or all bytes of a stream.
    pub(crate) body: Bytes,
}

/// The cache at work.
pub(crate) struct Answers {
    mode: CacheMode,
    /// Also for private requests and those with personal data or secrets.
    private: bool,
    /// Made anew for each process.
    pub(crate) secret: [u8; 32],
    limits: CacheLimits,
    kept: Mutex<Cache<Kept>>,
    clock: Clock,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
}

impl Answers {
    /// # Errors
    /// The operating system has no random numbers.
    pub(crate) fn new(
        mode: CacheMode,
        limits: CacheLimits,
        private: bool,
        clock: Clock,
    ) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let kept = Mutex::new(Cache::new(limits));
        Ok(Self {
            mode,
            private,
            secret,
            limits,
            kept,
            clock,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// Whether the answer to a request may be kept and given again.
    pub(crate) fn takes(&self, document: &Document, embeds: bool, private: bool) -> bool {
        if private && !self.private {
            return false;
        }
        match self.mode {
            CacheMode::Off => false,
            CacheMode::Always => true,
            CacheMode::Deterministic => embeds || is_cold(document),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &Fingerprint) -> Option<Arc<Kept>> {
        let found = self.lock().get(key, self.clock.now_ms());
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn put(&self, key: Fingerprint, kept: Kept) {
        let bytes = kept.body.len();
        self.lock().put(key, kept, bytes, self.clock.now_ms());
    }

    /// The largest answer worth collecting, in bytes.
    pub(crate) fn largest(&self) -> usize {
        self.limits.bytes / 8
    }

    /// Bytes and number of what is kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.lock().size()
    }
}

/// Temperature 0, where the providers have it.
fn is_cold(document: &Document) -> bool {
    let root = &document.root;
    let nested = ["generationConfig", "generation_config"].iter().filter_map(|name| root.get(name));
    let temperature = std::iter::once(root).chain(nested).find_map(|value| value.get("temperature"));
    let text = temperature.and_then(|value| document.text.get(value.span.clone()));
    text.and_then(|text| text.parse::<f64>().ok()) == Some(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_zero_is_found_where_providers_have_it() {
        for (body, expected) in [
            (r#"{"temperature":0}"#, true),
            (r#"{"temperature":0.0}"#, true),
            (r#"{"temperature":0e3}"#, true),
            (r#"{"temperature":0.1}"#, false),
            (r#"{"temperature":"0"}"#, false),
            (r#"{"temperature":null}"#, false),
            (r#"{"generationConfig":{"temperature":0}}"#, true),
            ("{}", false),
        ] {
            assert_eq!(is_cold(&Document::parse(body).unwrap()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_private_is_kept_only_where_it_is_allowed() {
        let limits = CacheLimits { bytes: 1 << 20, ttl_ms: 1 };
        let answers = |mode, private| Answers::new(mode, limits, private, Clock::start()).unwrap();
        let document = Document::parse("{}").unwrap();
        assert!(answers(CacheMode::Always, false).takes(&document, false, false));
        assert!(!answers(CacheMode::Always, false).takes(&document, false, true));
        assert!(answers(CacheMode::Always, true).takes(&document, false, true));
        assert!(answers(CacheMode::Deterministic, false).takes(&document, true, false));
        assert!(!answers(CacheMode::Deterministic, false).takes(&document, false, false));
    }
}
