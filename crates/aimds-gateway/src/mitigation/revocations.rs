//! API keys that are refused until they are reinstated.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::holds::Full;

/// Keys that can be revoked at the same time.
const CAPACITY: usize = 65_536;

/// One revoked key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// Whose key it is.
    pub(crate) tenant: String,
    /// Its name.
    pub(crate) key: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) since_ms: u64,
    /// The playbook, or who else ordered it.
    pub(crate) by: String,
}

/// The revoked keys, by tenant and name.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    by_key: RwLock<HashMap<(String, String), Revoked>>,
    /// While it is 0, no lock is taken.
    count: AtomicUsize,
}

impl Revocations {
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn holds(&self, tenant: &str, key: &str) -> bool {
        if self.len() == 0 {
            return false;
        }
        let by_key = self.by_key.read().unwrap_or_else(PoisonError::into_inner);
        by_key.contains_key(&(tenant.to_owned(), key.to_owned()))
    }

    /// Revokes a key; one that is revoked already keeps its date.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn revoke(&self, revoked: Revoked) -> Result<(), Full> {
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        let name = (revoked.tenant.clone(), revoked.key.clone());
        if by_key.len() >= CAPACITY && !by_key.contains_key(&name) {
            return Err(Full);
        }
        by_key.entry(name).or_insert(revoked);
        self.count.store(by_key.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Lets a key in again. Says whether it was revoked.
    pub(crate) fn reinstate(&self, tenant: &str, key: &str) -> bool {
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        let found = by_key.remove(&(tenant.to_owned(), key.to_owned())).is_some();
        self.count.store(by_key.len(), Ordering::Relaxed);
        found
    }

    /// The revocation of one key.
    pub(crate) fn of(&self, tenant: &str, key: &str) -> Option<Revoked> {
        let by_key = self.by_key.read().unwrap_or_else(PoisonError::into_inner);
        by_key.get(&(tenant.to_owned(), key.to_owned())).cloned()
    }

    /// All, by tenant and name.
    pub(crate) fn list(&self) -> Vec<Revoked> {
        let by_key = self.by_key.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = by_key.values().cloned().collect();
        all.sort_by(|a, b| (&a.tenant, &a.key).cmp(&(&b.tenant, &b.key)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_revoked_for_its_tenant_until_it_is_reinstated() {
        let revocations = Revocations::default();
        let revoked =
            |key: &str| Revoked { tenant: "a".into(), key: key.into(), since_ms: 1, by: "p".into() };
        assert!(!revocations.holds("a", "k"));
        revocations.revoke(revoked("k")).unwrap();
        revocations.revoke(Revoked { since_ms: 2, ..revoked("k") }).unwrap();
        assert!(revocations.holds("a", "k") && !revocations.holds("b", "k") && !revocations.holds("a", "j"));
        assert_eq!(revocations.list(), [revoked("k")]);
        assert!(revocations.reinstate("a", "k") && !revocations.reinstate("a", "k"));
        assert!(!revocations.holds("a", "k"));
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let revocations = Revocations::default();
        let revoke = |n: usize| {
            revocations.revoke(Revoked {
                tenant: String::new(),
                key: n.to_string(),
                since_ms: 0,
                by: String::new(),
            })
        };
        assert!((0..CAPACITY).all(|n| revoke(n).is_ok()));
        assert_eq!((revoke(CAPACITY), revoke(0)), (Err(Full), Ok(())));
    }
}
