//! The thread that has the vault's file: what is waiting is committed in one transaction.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use aimds_engine::vault::{Key, Random};
use aimds_store::{Change, SealedError, SealedFile};
use tokio::sync::oneshot;

use super::key::{VaultOpenError, seed};
use super::table::SessionId;

/// Orders that wait. More: the file is too slow.
const WAITING: usize = 1024;
/// Changes in one transaction.
const TOGETHER: usize = 256;
/// What the proof of the key is about.
const PROOF: &[u8] = b"aimds vault file 1";

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("too much waits for the vault file")]
    Busy,
    #[error("the thread of the vault file has ended")]
    Ended,
    #[error("{0}")]
    File(String),
}

type Rows = Vec<Vec<u8>>;

enum Order {
    Load(SessionId, u64, oneshot::Sender<Result<Rows, OrderError>>),
    Change(Change, Option<oneshot::Sender<Result<(), OrderError>>>),
}

/// The file, behind a thread of its own.
pub(super) struct VaultThread {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl VaultThread {
    /// Opens the file and proves that the key is the one that it was written with.
    pub(super) fn open(path: &Path, key: &Key) -> Result<Self, VaultOpenError> {
        let failed = |source: SealedError| VaultOpenError::File { path: path.to_owned(), source };
        let wrong = || VaultOpenError::WrongKey(path.to_owned());
        let file = SealedFile::open(path).map_err(failed)?;
        match file.proof().map_err(failed)? {
            Some(sealed) => _ = key.open(PROOF, &sealed).map_err(|_| wrong())?,
            None => {
                let mut random = Random::new(seed().map_err(VaultOpenError::Random)?);
                let sealed = key.seal(&mut random, PROOF, b"").map_err(|_| wrong())?;
                file.set_proof(&sealed).map_err(failed)?;
            }
        }
        let (orders, taken) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("aimds-vault".to_owned())
            .spawn(move || work(file, &taken))
            .map_err(VaultOpenError::Random)?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    pub(super) async fn load(&self, session: SessionId, now_ms: u64) -> Result<Rows, OrderError> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Load(session, now_ms, answer))?;
        answered.await.map_err(|_| OrderError::Ended)?
    }

    /// Stores rows; they are on disk when it is done.
    pub(super) async fn store(
        &self,
        session: SessionId,
        first: usize,
        rows: Rows,
        expires_ms: u64,
    ) -> Result<(), OrderError> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Change(Change::Store { session, first, rows, expires_ms }, Some(answer)))?;
        answered.await.map_err(|_| OrderError::Ended)?
    }

    /// Tells the file that a session goes on; it is on disk soon.
    pub(super) fn touch(&self, session: SessionId, expires_ms: u64) -> Result<(), OrderError> {
        self.order(Order::Change(Change::Touch { session, expires_ms }, None))
    }

    /// Has everything erased that has ended.
    pub(super) fn expire(&self, now_ms: u64) -> Result<(), OrderError> {
        self.order(Order::Change(Change::Expire { now_ms }, None))
    }

    fn order(&self, order: Order) -> Result<(), OrderError> {
        let orders = self.orders.as_ref().ok_or(OrderError::Ended)?;
        orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => OrderError::Busy,
            TrySendError::Disconnected(_) => OrderError::Ended,
        })
    }
}

impl Drop for VaultThread {
    /// Waits until what is waiting is on disk and the file is closed.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(mut file: SealedFile, orders: &Receiver<Order>) {
    while let Ok(order) = orders.recv() {
        let mut waiting = vec![order];
        waiting.extend(orders.try_iter().take(TOGETHER));
        let (mut changes, mut answers, mut loads) = (Vec::new(), Vec::new(), Vec::new());
        for order in waiting {
            match order {
                Order::Load(session, now_ms, answer) => loads.push((session, now_ms, answer)),
                Order::Change(change, answer) => {
                    changes.push(change);
                    answers.extend(answer);
                }
            }
        }
        if !changes.is_empty() {
            commit(&mut file, &changes, answers);
        }
        // A session is never stored and read at once: whoever has its vault does one after the other.
        for (session, now_ms, answer) in loads {
            let rows = file.load(&session, now_ms).map_err(|error| OrderError::File(explained(&error)));
            let _ = answer.send(rows);
        }
    }
}

fn commit(file: &mut SealedFile, changes: &[Change], answers: Vec<oneshot::Sender<Result<(), OrderError>>>) {
    let failed = file.apply(changes).map_err(|error| explained(&error)).err();
    if let Some(error) = &failed {
        tracing::error!(error, "the vault file failed");
    }
    for answer in answers {
        let _ = answer.send(failed.clone().map_or(Ok(()), |error| Err(OrderError::File(error))));
    }
}

/// The error with its cause.
fn explained(error: &SealedError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
