//! Texts that were seen before: their scans, so that a conversation that is sent again with every turn is not scanned again.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aimds_detect::{Deep, MessageScan, Origin};
use lru::LruCache;

/// Threads that are likely to meet at one lock share it among so many.
const SHARDS: usize = 16;
/// A scan with more findings is not kept: the cache is bounded by the number of scans.
const MOST_FINDINGS: usize = 16;

/// Scans of texts by a keyed 128-bit hash of all that a scan depends on. Bounded; the scan that was asked for least recently
/// gives way.
///
/// It belongs to one engine, with its rules, models and policy: another engine begins with an empty one, so that nothing
/// stale can be found. The key is secret, so that nobody can make two texts with one hash. Only complete scans are kept.
/// Unless it is [shared](Self::shared), a text that one tenant has sent is not found for another, and nobody can tell from
/// the time that an answer takes what other tenants have sent.
#[derive(Debug)]
pub struct ScanCache {
    most: NonZeroUsize,
    key: [u8; 32],
    shared: bool,
    shards: Vec<Mutex<LruCache<u128, MessageScan>>>,
    found: AtomicU64,
    missed: AtomicU64,
}

/// Of what a scan is: everything that it depends on.
pub(crate) struct Of<'a> {
    pub(crate) tenant: &'a str,
    /// Whose rules are switched off.
    pub(crate) mask: &'a str,
    pub(crate) origin: Origin,
    pub(crate) band: Option<(f32, f32)>,
    pub(crate) text: &'a str,
}

impl ScanCache {
    /// An empty cache of so many scans at most (a scan without findings takes some hundred bytes) with a secret, random key.
    #[must_use]
    pub fn new(most: NonZeroUsize, key: [u8; 32]) -> Self {
        let each = NonZeroUsize::new(most.get().div_ceil(SHARDS)).unwrap_or(NonZeroUsize::MIN);
        Self {
            most,
            key,
            shared: false,
            shards: (0..SHARDS).map(|_| Mutex::new(LruCache::new(each))).collect(),
            found: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// The same for all tenants together.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// An empty cache of the same size and key, for another engine. Counts start from 0.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { shared: self.shared, ..Self::new(self.most, self.key) }
    }

    /// How many scans were found, and how many were not.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.found.load(Ordering::Relaxed), self.missed.load(Ordering::Relaxed))
    }

    /// The scan of a text, with the message at `position`: the one that is kept, or a new one.
    pub(crate) fn scan(
        &self,
        of: &Of<'_>,
        position: usize,
        scan: impl FnOnce() -> MessageScan,
    ) -> MessageScan {
        let hash = self.hash(of);
        let Some(shard) = self.shards.get((hash % SHARDS as u128) as usize) else { return scan() };
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut known) = lock().get(&hash).cloned() {
            self.found.fetch_add(1, Ordering::Relaxed);
            known.findings.iter_mut().for_each(|finding| finding.message = position);
            return known;
        }
        self.missed.fetch_add(1, Ordering::Relaxed);
        let new = scan();
        let complete = matches!(new.deep, Deep::NotNeeded | Deep::Done) && new.exhausted.is_none();
        if complete && new.findings.len() <= MOST_FINDINGS {
            lock().put(hash, new.clone());
        }
        new
    }

    /// Every part with its length before it, so that no two lists of parts give the same bytes.
    fn hash(&self, of: &Of<'_>) -> u128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let tenant = if self.shared { "" } else { of.tenant };
        let (from, to) = of.band.unwrap_or((f32::NAN, f32::NAN));
        for part in [tenant, of.mask, of.origin.as_str()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&from.to_le_bytes());
        hasher.update(&to.to_le_bytes());
        hasher.update(of.text.as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        u128::from_le_bytes(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: MessageScan = MessageScan {
        score: 0.5,
        findings: Vec::new(),
        exhausted: None,
        deep: Deep::NotNeeded,
        orders: Vec::new(),
    };

    fn of<'a>(tenant: &'a str, text: &'a str) -> Of<'a> {
        Of { tenant, mask: "", origin: Origin::User, band: None, text }
    }

    fn cache(most: usize) -> ScanCache {
        ScanCache::new(NonZeroUsize::new(most).unwrap(), [7; 32])
    }

    fn asked(cache: &ScanCache, of: &Of<'_>) -> bool {
        let mut scanned = false;
        cache.scan(of, 0, || {
            scanned = true;
            NEW
        });
        !scanned
    }

    #[test]
    fn a_text_is_found_again_only_for_the_same_question() {
        let seen = cache(64);
        assert!(!asked(&seen, &of("a", "text")) && asked(&seen, &of("a", "text")));
        for other in [
            of("b", "text"),
            of("a", "texts"),
            Of { mask: "a", ..of("a", "text") },
            Of { origin: Origin::Tool, ..of("a", "text") },
            Of { band: Some((0.1, 0.9)), ..of("a", "text") },
        ] {
            assert!(!asked(&seen, &other), "{}", other.tenant);
        }
        assert_eq!(seen.counts(), (1, 6));
        let shared = cache(64).shared();
        assert!(!asked(&shared, &of("a", "text")) && asked(&shared, &of("b", "text")));
        assert!(!asked(&shared.emptied(), &of("a", "text")));
    }

    #[test]
    fn what_is_not_complete_is_not_kept() {
        let seen = cache(64);
        for deep in [Deep::Late, Deep::Failed, Deep::Missing] {
            seen.scan(&of("", "late"), 0, || MessageScan { deep, ..NEW });
        }
        assert!(!asked(&seen, &of("", "late")));
    }

    #[test]
    fn it_is_bounded() {
        let seen = cache(SHARDS);
        (0..1000).for_each(|number| assert!(!asked(&seen, &of("", &number.to_string()))));
        let kept: usize = seen.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS, "{kept}");
    }
}
