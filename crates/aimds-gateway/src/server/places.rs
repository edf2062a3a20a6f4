//! Places for connections: so many in all, and so many of one address, so that nobody takes them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::{Network, subscriber};

/// The places, and who has them.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    /// Proxies, whose connections are many clients'.
    proxies: Vec<Network>,
    /// At most as many entries as places are taken.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place, taken for as long as it is there.
#[derive(Debug)]
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    of_address: Option<(Arc<Places>, IpAddr)>,
}

impl Places {
    pub(crate) fn new(all: usize, per_address: usize, proxies: Vec<Network>) -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(all)), per_address, proxies, taken: Mutex::default() })
    }

    /// A place for a connection from an address, if there is one for it. Constant time.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        if self.proxies.iter().any(|proxy| proxy.contains(from)) {
            return Some(Place { _of_all: of_all, of_address: None });
        }
        let from = subscriber(from);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(from).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Place { _of_all: of_all, of_address: Some((Arc::clone(self), from)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, from)) = &self.of_address else { return };
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(*from) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_its_share_and_what_it_gives_back_is_free() {
        let proxies = vec![Network::parse("10.0.0.0/8").unwrap()];
        let places = Places::new(7, 2, proxies);
        let take = |from: &str| places.take(from.parse().unwrap());
        let first = [take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(first.iter().all(Option::is_some) && take("192.0.2.1").is_none());
        let subscriber = [take("2001:db8::1"), take("2001:db8::2")];
        assert!(subscriber.iter().all(Option::is_some) && take("2001:db8::3").is_none());
        let proxy = [take("10.0.0.1"), take("10.0.0.1"), take("10.0.0.1")];
        assert!(proxy.iter().all(Option::is_some));
        assert!(take("192.0.2.2").is_none(), "all are taken");
        drop((first, proxy));
        assert!(take("192.0.2.1").is_some() && take("192.0.2.2").is_some());
        drop(subscriber);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
