//! Where the keys of an issuer come from: a file, or an address that is asked again and again. What was good last stays
//! in force while the source is away or holds nonsense.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::sync::Mutex;

use super::Refusal;
use super::jws::{Algorithm, Unverified};
use super::key_set::{KeySet, KeySetError, SET_BYTES};
use crate::config::KeyPlace;
use crate::upstream::{HttpsClient, https_client};

/// Time for one attempt to fetch a key set.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the first failure; it doubles from there, up to the time between two ordinary looks.
const PAUSE: Duration = Duration::from_secs(1);
/// A key that nobody knows makes us look again at most this often: whoever makes up names of keys must not make the
/// gateway ask the issuer for each.
const EAGER: Duration = Duration::from_secs(10);

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysUnavailable {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be reached, or answers with an error.
    #[error("{0}: {1}")]
    Fetch(Uri, &'static str),
    /// What is there is no key set.
    #[error("{0}: {1}")]
    Content(String, KeySetError),
}

/// The keys of one issuer and where they come from.
pub(super) struct Source {
    place: KeyPlace,
    every: Duration,
    keys: ArcSwapOption<KeySet>,
    client: HttpsClient,
    /// When it was last looked at. One look at a time: who comes meanwhile waits for what it finds.
    looked: Mutex<Option<Instant>>,
    pub(super) good: AtomicU64,
    pub(super) bad: AtomicU64,
}

impl Source {
    pub(super) fn new(place: KeyPlace, every: Duration) -> Self {
        Self {
            place,
            every,
            keys: ArcSwapOption::empty(),
            client: https_client(PATIENCE),
            looked: Mutex::new(None),
            good: AtomicU64::new(0),
            bad: AtomicU64::new(0),
        }
    }

    /// Reads a file for the first time, so that one that cannot be used stops the start. An address is not asked: the
    /// gateway starts also while the issuer is away.
    pub(super) fn open(&self) -> Result<(), KeysUnavailable> {
        if let KeyPlace::File(path) = &self.place {
            let bytes = std::fs::read(path);
            let bytes = bytes.map_err(|source| KeysUnavailable::Read { path: path.clone(), source })?;
            self.take(&bytes)?;
        }
        Ok(())
    }

    /// How many keys are in force.
    pub(super) fn len(&self) -> usize {
        self.keys.load().as_ref().map_or(0, |keys| keys.len())
    }

    /// Verifies the signature of a token. A key that is not known makes the source look once whether it is new.
    pub(super) async fn verify(
        &self,
        key: Option<&str>,
        algorithm: Algorithm,
        token: &Unverified<'_>,
    ) -> Result<(), Refusal> {
        let verify = || match &*self.keys.load() {
            Some(keys) => keys.verify(key, algorithm, token),
            None => Err(Refusal::UnknownKey),
        };
        match verify() {
            Err(Refusal::UnknownKey) => {}
            verified => return verified,
        }
        let mut looked = self.looked.lock().await;
        if looked.is_none_or(|at| at.elapsed() >= EAGER.min(self.every)) {
            let _ = self.look().await;
            *looked = Some(Instant::now());
        }
        drop(looked);
        verify()
    }

    /// Looks again and again, for as long as it is polled; after a failure soon, then less and less often.
    pub(super) async fn watch(&self, name: &str) {
        let mut failures = 0_u32;
        loop {
            let mut looked = self.looked.lock().await;
            match self.look().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(issuer = name, %error, keys = self.len(), "no new keys of an issuer");
                }
            }
            *looked = Some(Instant::now());
            drop(looked);
            tokio::time::sleep(pause(failures, self.every)).await;
        }
    }

    async fn look(&self) -> Result<(), KeysUnavailable> {
        let found = match &self.place {
            KeyPlace::File(path) => {
                let read = tokio::fs::read(path).await;
                read.map_err(|source| KeysUnavailable::Read { path: path.clone(), source })
            }
            KeyPlace::Web(uri) => {
                self.fetch(uri).await.map_err(|why| KeysUnavailable::Fetch(uri.clone(), why))
            }
        };
        let taken = found.and_then(|bytes| self.take(&bytes));
        let counter = if taken.is_ok() { &self.good } else { &self.bad };
        counter.fetch_add(1, Ordering::Relaxed);
        taken
    }

    fn take(&self, bytes: &[u8]) -> Result<(), KeysUnavailable> {
        let keys = KeySet::parse(bytes);
        let keys = keys.map_err(|error| KeysUnavailable::Content(self.place.to_string(), error))?;
        self.keys.store(Some(Arc::new(keys)));
        Ok(())
    }

    /// Redirects are not followed: the keys come from where the operator has said.
    async fn fetch(&self, uri: &Uri) -> Result<Vec<u8>, &'static str> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri.clone();
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(header::ACCEPT, accept);
        let fetched = async {
            let answer = self.client.request(request).await.map_err(|_| "cannot be reached")?;
            if !answer.status().is_success() {
                return Err("answers with an error");
            }
            let body = Limited::new(answer.into_body(), SET_BYTES).collect().await;
            Ok(body.map_err(|_| "breaks off, or sends more than a key set may have")?.to_bytes().to_vec())
        };
        tokio::time::timeout(PATIENCE, fetched).await.map_err(|_| "does not answer in time")?
    }
}

fn pause(failures: u32, every: Duration) -> Duration {
    match failures {
        0 => every,
        failures => PAUSE.saturating_mul(1 << (failures - 1).min(16)).min(every),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_followed_by_pauses_that_double_up_to_the_ordinary_one() {
        let every = Duration::from_secs(300);
        let pauses = [0, 1, 2, 3, 9, 10, 40].map(|failures| pause(failures, every).as_secs());
        assert_eq!(pauses, [300, 1, 2, 4, 256, 300, 300]);
        assert_eq!(pause(5, Duration::from_secs(1)).as_secs(), 1);
    }
}
