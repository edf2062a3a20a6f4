//! The vault in the gateway: which vault a request uses, what its answer gets back, and where sessions stay.
//!
//! The values themselves are kept and found by [`aimds_engine::vault`]; here are keys, sessions, the file and counters.

mod answer;
mod counters;
mod file;
mod key;
mod table;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use aimds_engine::vault::{Key, Options, Restoration, Vault, VaultError};
use aimds_engine::{Cleared, Conversation, Kept, Permit};
use axum::http::HeaderMap;

pub(crate) use answer::{edits, is_prose};

use crate::app::now_ms;
use crate::config::{VaultConfig, VaultSessions};
use crate::error::Failure;
use crate::json::Document;
use counters::Counters;
use file::VaultThread;
use table::{Session, Table};

pub use key::VaultOpenError;
pub(crate) use key::{read as read_key, seed};

/// A longer name of a session is refused: names cost memory nowhere, but they are hashed.
const LONGEST_NAME: usize = 256;
/// How often what has ended is looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// The vaults of everybody.
pub(crate) struct Vaults {
    options: Options,
    key: Key,
    sessions: Option<Sessions>,
    pub(crate) counters: Counters,
}

struct Sessions {
    config: VaultSessions,
    ttl_ms: u64,
    table: Table,
    file: Option<VaultThread>,
}

/// What a request has kept, and what its answer may get back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Use {
    pub(crate) restoration: Option<Arc<Restoration>>,
    pub(crate) kept: Kept,
    pub(crate) session: bool,
}

impl Vaults {
    /// Opens the vault. Reads the key and the file, if there is one.
    fn open(config: VaultConfig) -> Result<Arc<Self>, VaultOpenError> {
        let VaultConfig { options, sessions } = config;
        let (key, file) = match sessions.as_ref().and_then(|sessions| sessions.file.as_ref()) {
            Some(store) => {
                let key = key::read(&store.key)?;
                let file = VaultThread::open(&store.path, &key)?;
                (key, Some(file))
            }
            None => (Key::new(key::seed().map_err(VaultOpenError::Random)?), None),
        };
        let sessions = sessions.map(|config| Sessions {
            ttl_ms: u64::try_from(config.ttl.as_millis()).unwrap_or(u64::MAX),
            table: Table::new(config.most),
            config,
            file,
        });
        Ok(Arc::new(Self { options, key, sessions, counters: Counters::default() }))
    }

    /// The same, and what has ended is erased for as long as anybody has the vaults. Needs a runtime.
    pub(crate) fn start(config: VaultConfig) -> Result<Arc<Self>, VaultOpenError> {
        let vaults = Self::open(config)?;
        if let Some(sessions) = &vaults.sessions {
            let pause = SWEEP.min(sessions.config.ttl / 4).max(Duration::from_millis(10));
            tokio::spawn(sweep(Arc::downgrade(&vaults), pause));
        }
        Ok(vaults)
    }

    /// Sessions in memory.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.as_ref().map_or(0, |sessions| sessions.table.len())
    }

    /// Spends the permit: clears a conversation and keeps what is redacted in it, in the vault of its session, else of the
    /// request. `request` is the name of the request.
    pub(crate) async fn clear(
        &self,
        (tenant, request): (&str, &str),
        (headers, document): (&HeaderMap, &Document),
        permit: Permit,
        conversation: Conversation,
    ) -> Result<(Cleared, Use), Failure> {
        if let Some(sessions) = &self.sessions
            && let Some(name) = name(&sessions.config, headers, document)?
        {
            let id = self.key.hash("aimds 2026-11-28 vault session", &[tenant.as_bytes(), name.as_bytes()]);
            let wanted = !permit.redactions().is_empty() || sessions.file.is_some();
            match sessions.table.get(tenant, &id, now_ms(), sessions.ttl_ms, wanted, &self.counters) {
                Some(session) => return self.in_session(sessions, &session, permit, conversation).await,
                None if !wanted => return Ok((Cleared::new(permit, conversation), Use::default())),
                // Every session is in use: what is kept lasts as long as the request.
                None => {}
            }
        }
        if permit.redactions().is_empty() {
            return Ok((Cleared::new(permit, conversation), Use::default()));
        }
        let mut vault = self.vault(&[b"request", tenant.as_bytes(), request.as_bytes()])?;
        self.kept(&mut vault, false, permit, conversation)
    }

    fn vault(&self, owner: &[&[u8]]) -> Result<Vault, Failure> {
        let seed = key::seed().map_err(|_| Failure::Vault)?;
        Ok(Vault::new(&self.key, owner, seed, self.options))
    }

    fn kept(
        &self,
        vault: &mut Vault,
        session: bool,
        permit: Permit,
        conversation: Conversation,
    ) -> Result<(Cleared, Use), Failure> {
        let failed = |error: VaultError| {
            tracing::error!(%error, "the vault failed");
            Failure::Vault
        };
        let (cleared, kept) = Cleared::kept(permit, conversation, vault).map_err(failed)?;
        self.counters.kept(kept);
        let restoration = vault.restoration().map_err(failed)?.map(Arc::new);
        Ok((cleared, Use { restoration, kept, session }))
    }

    async fn in_session(
        &self,
        sessions: &Sessions,
        session: &Session,
        permit: Permit,
        conversation: Conversation,
    ) -> Result<(Cleared, Use), Failure> {
        let mut held = session.vault.lock().await;
        let loaded = match held.take() {
            Some(vault) => Ok(vault),
            None => self.load(sessions, session).await,
        };
        let mut vault = match loaded {
            Err(_) if sessions.config.open => {
                let mut alone = self.vault(&[b"alone", &session.id])?;
                return self.kept(&mut alone, false, permit, conversation);
            }
            loaded => loaded?,
        };
        // From here on the vault goes back, whatever happens, unless the caller goes away while the file is slow: then the
        // next request reads what the file has.
        let cleared = self.kept(&mut vault, true, permit, conversation);
        let stored = match &sessions.file {
            Some(file) if cleared.is_ok() => self.store(sessions, file, session, &mut vault).await,
            _ => Ok(()),
        };
        *held = Some(vault);
        match stored {
            Err(_) if !sessions.config.open => Err(Failure::Vault),
            _ => cleared,
        }
    }

    /// The vault of a session that is not in memory. What is damaged in the file is begun anew, where the operator wants to go
    /// on in any case.
    async fn load(&self, sessions: &Sessions, session: &Session) -> Result<Vault, Failure> {
        let mut vault = self.vault(&[b"session", &session.id])?;
        let Some(file) = &sessions.file else { return Ok(vault) };
        let failed = |error: String| {
            self.counters.failed();
            tracing::error!(error, "a session of the vault cannot be read");
            Failure::Vault
        };
        let rows = file.load(session.id, now_ms()).await.map_err(|error| failed(error.to_string()))?;
        if let Err(failure) = vault.import(&rows).map_err(|error| failed(error.to_string()))
            && !sessions.config.open
        {
            return Err(failure);
        }
        session.stored(vault.len(), 0);
        Ok(vault)
    }

    /// Stores what is new in a session, and that it goes on.
    async fn store(
        &self,
        sessions: &Sessions,
        file: &VaultThread,
        session: &Session,
        vault: &mut Vault,
    ) -> Result<(), Failure> {
        let (stored, touched) = session.known();
        let (now, new) = (now_ms(), vault.len() > stored);
        let expires_ms = now.saturating_add(sessions.ttl_ms);
        // Its end moves on by steps, so that a lively session does not write at every request.
        if !new && (vault.is_empty() || now.saturating_sub(touched) < sessions.ttl_ms / 16) {
            return Ok(());
        }
        if !new {
            // It is asked for again at the next request.
            if file.touch(session.id, expires_ms).is_ok() {
                session.stored(stored, now);
            }
            return Ok(());
        }
        let written = match vault.export(stored) {
            Ok(rows) => {
                let stored = file.store(session.id, stored, rows, expires_ms).await;
                stored.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(()) => {
                session.stored(vault.len(), now);
                Ok(())
            }
            Err(error) => {
                self.counters.failed();
                tracing::error!(error, "a session of the vault cannot be stored");
                Err(Failure::Vault)
            }
        }
    }
}

/// The name of the session, by header, else by a member of the body.
fn name(config: &VaultSessions, headers: &HeaderMap, document: &Document) -> Result<Option<String>, Failure> {
    let header = config.header.as_ref().and_then(|header| headers.get(header));
    let name = match header {
        Some(value) => {
            let text = value
                .to_str()
                .map_err(|_| Failure::Invalid("the session header is not plain text".to_owned()))?;
            Some(text.to_owned())
        }
        None if config.field.is_empty() => None,
        None => match document.pointer(&config.field) {
            Some(value) => document.string(value)?,
            None => None,
        },
    };
    match name {
        Some(name) if name.len() > LONGEST_NAME => {
            Err(Failure::Invalid(format!("the name of the session is longer than {LONGEST_NAME} bytes")))
        }
        name => Ok(name.filter(|name| !name.is_empty())),
    }
}

async fn sweep(vaults: Weak<Vaults>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(vaults) = vaults.upgrade() else { return };
        let Some(sessions) = &vaults.sessions else { return };
        let now = now_ms();
        sessions.table.expire(now, sessions.ttl_ms, &vaults.counters);
        if let Some(Err(error)) = sessions.file.as_ref().map(|file| file.expire(now)) {
            vaults.counters.failed();
            tracing::error!(%error, "ended sessions of the vault cannot be erased");
        }
    }
}
