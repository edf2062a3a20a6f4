//! Answers by the exact request, least recently used first out. Bounded by bytes; no clock: times are passed in.

use std::sync::Arc;

use lru::LruCache;

/// The keyed hash of a request.
pub type Fingerprint = [u8; 32];

/// What an entry takes beside its value: key, list, table.
const ENTRY_BYTES: usize = 160;

/// How much is kept for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of all entries.
    pub bytes: usize,
    /// Time that an entry may be used, in milliseconds.
    pub ttl_ms: u64,
}

struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    until_ms: u64,
}

/// The cache.
///
/// ```
/// use aimds_gateway::router::{Cache, CacheLimits};
/// let mut cache = Cache::new(CacheLimits { bytes: 10_000, ttl_ms: 1000 });
/// cache.put([1; 32], "answer", 6, 0);
/// assert_eq!(cache.get(&[1; 32], 999).as_deref(), Some(&"answer"));
/// assert_eq!(cache.get(&[1; 32], 1000), None);
/// ```
pub struct Cache<V> {
    limits: CacheLimits,
    bytes: usize,
    entries: LruCache<Fingerprint, Entry<V>>,
}

impl<V> Cache<V> {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self { limits, bytes: 0, entries: LruCache::unbounded() }
    }

    /// What is known for a request. Constant time.
    pub fn get(&mut self, key: &Fingerprint, now_ms: u64) -> Option<Arc<V>> {
        let entry = self.entries.get(key)?;
        if now_ms < entry.until_ms {
            return Some(Arc::clone(&entry.value));
        }
        let expired = self.entries.pop(key);
        self.bytes -= expired.map_or(0, |entry| entry.bytes);
        None
    }

    /// Keeps a value of `bytes` bytes and lets go of the longest unused ones. What is larger than an eighth of the whole
    /// is not kept: one answer must not push out everything. Amortised constant time.
    pub fn put(&mut self, key: Fingerprint, value: V, bytes: usize, now_ms: u64) {
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        if bytes > self.limits.bytes / 8 {
            return;
        }
        let until_ms = now_ms.saturating_add(self.limits.ttl_ms);
        let replaced = self.entries.put(key, Entry { value: Arc::new(value), bytes, until_ms });
        self.bytes = self.bytes + bytes - replaced.map_or(0, |entry| entry.bytes);
        while self.bytes > self.limits.bytes {
            let Some((_, oldest)) = self.entries.pop_lru() else { break };
            self.bytes -= oldest.bytes;
        }
    }

    /// Bytes and number of the entries.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.bytes, self.entries.len())
    }
}

impl<V> std::fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("bytes", &self.bytes).field("entries", &self.entries.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list that is searched from its young end.
        #[test]
        fn it_keeps_what_a_list_would_keep(
            steps in prop::collection::vec((any::<bool>(), 0_u8..6, 0_usize..300, 0_u64..40), 0..100),
        ) {
            let limits = CacheLimits { bytes: 2400, ttl_ms: 100 };
            let mut cache = Cache::new(limits);
            let mut list: Vec<(u8, usize, u64, usize)> = Vec::new();
            let mut now = 0;
            for (number, (put, key, bytes, pause)) in steps.into_iter().enumerate() {
                now += pause;
                if put {
                    cache.put([key; 32], number, bytes, now);
                    if bytes + ENTRY_BYTES <= limits.bytes / 8 {
                        list.retain(|(other, ..)| *other != key);
                        list.push((key, number, now + limits.ttl_ms, bytes + ENTRY_BYTES));
                        while list.iter().map(|entry| entry.3).sum::<usize>() > limits.bytes {
                            list.remove(0);
                        }
                    }
                } else {
                    let at = list.iter().position(|entry| entry.0 == key);
                    let found = at.map(|at| list.remove(at)).filter(|entry| now < entry.2);
                    list.extend(found);
                    let kept = cache.get(&[key; 32], now).map(|kept| *kept);
                    prop_assert_eq!(kept, found.map(|entry| entry.1));
                }
                prop_assert_eq!(cache.size(), (list.iter().map(|entry| entry.3).sum(), list.len()));
            }
        }
    }
}
