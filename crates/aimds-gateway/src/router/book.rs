//! The ledger with its file: what was spent is stored by a thread of its own, several exchanges in one transaction.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::ledger::{Budget, Holder, Ledger, Period, Row, Standing};
use super::money::Money;

/// How often a failed attempt to store is repeated.
const AGAIN: Duration = Duration::from_secs(1);

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS spent (
    holder TEXT NOT NULL, name TEXT NOT NULL, period TEXT NOT NULL, number INTEGER NOT NULL, nanos INTEGER NOT NULL,
    PRIMARY KEY (holder, name, period, number)) STRICT, WITHOUT ROWID";

/// The ledger, shared by all requests.
pub(crate) struct Book {
    shared: Arc<Shared>,
    /// Tells the thread that there is something to store; dropped to end it.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    ledger: Mutex<Ledger>,
    file: Option<Mutex<Connection>>,
    failing: AtomicBool,
}

impl Book {
    /// Opens the file and reads what was spent in the current periods. `None`: kept in memory only.
    ///
    /// # Errors
    /// The file cannot be opened or is none of ours; the thread cannot be started.
    pub(crate) fn open(
        path: Option<&Path>,
        budgets: Vec<Budget>,
        warn_percent: u8,
        now_ms: u64,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (known, file) = match path {
            None => (Vec::new(), None),
            Some(path) => {
                let connection = open(path)?;
                (read(&connection, now_ms)?, Some(Mutex::new(connection)))
            }
        };
        let ledger = Mutex::new(Ledger::new(budgets, warn_percent, known));
        let shared = Arc::new(Shared { ledger, file, failing: AtomicBool::new(false) });
        let mut book = Self { shared, wake: None, thread: None };
        if book.shared.file.is_some() {
            let (wake, woken) = sync_channel(1);
            let shared = Arc::clone(&book.shared);
            let thread = std::thread::Builder::new().name("spent".into());
            book.thread = Some(thread.spawn(move || keep(&shared, &woken))?);
            book.wake = Some(wake);
        }
        Ok(book)
    }

    /// Takes note of an amount. Touches no file.
    pub(crate) fn spend(&self, tenant: &str, key: &str, amount: Money, now_ms: u64) {
        self.shared.ledger().spend(tenant, key, amount, now_ms);
        if let Some(wake) = &self.wake {
            // Full: it has been told and has not looked yet.
            let _ = wake.try_send(());
        }
    }

    pub(crate) fn standing(&self, tenant: &str, key: &str, now_ms: u64) -> Standing {
        self.shared.ledger().standing(tenant, key, now_ms)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.shared.ledger())
    }

    /// Stores what is not stored yet, now.
    pub(crate) fn save(&self) {
        self.shared.save();
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) {
        let Some(file) = &self.file else { return };
        let mut connection = file.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.ledger().take_unsaved();
        if rows.is_empty() {
            return;
        }
        match write(&mut connection, &rows) {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the file of what was spent can be written again");
                }
            }
            Err(error) => {
                self.ledger().give_back(rows);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "cannot write the file of what was spent; it is kept in memory");
                }
            }
        }
    }
}

fn keep(shared: &Shared, woken: &Receiver<()>) {
    loop {
        let waited = match shared.failing.load(Ordering::Relaxed) {
            true => woken.recv_timeout(AGAIN),
            false => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        shared.save();
        match waited {
            Err(RecvTimeoutError::Disconnected) => return,
            // Not at each new exchange while it fails.
            Ok(()) if shared.failing.load(Ordering::Relaxed) => std::thread::sleep(AGAIN),
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn read(connection: &Connection, now_ms: u64) -> rusqlite::Result<Vec<(Row, Money)>> {
    let mut known = Vec::new();
    let mut rows = connection
        .prepare("SELECT holder, name, period, nanos FROM spent WHERE period = ?1 AND number = ?2")?;
    for period in Period::ALL {
        let number = period.number(now_ms);
        let mut rows = rows.query(params![period.as_str(), whole(number)])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get(0)?;
            let nanos: i64 = row.get(3)?;
            if let Some(holder) = Holder::of(&kind, row.get(1)?) {
                let amount = Money::from_nanos(u64::try_from(nanos).unwrap_or_default());
                known.push(((holder, period, number), amount));
            }
        }
    }
    Ok(known)
}

fn write(connection: &mut Connection, rows: &BTreeMap<Row, Money>) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut add = transaction.prepare_cached(
            "INSERT INTO spent VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET nanos = min(nanos, 9223372036854775807 - excluded.nanos) + excluded.nanos",
        )?;
        for ((holder, period, number), amount) in rows {
            let row =
                params![holder.kind(), holder.name(), period.as_str(), whole(*number), whole(amount.nanos())];
            add.execute(row)?;
        }
    }
    transaction.commit()
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn spent(book: &Book, name: &str) -> u64 {
        book.read(|ledger| ledger.spent(&Holder::Tenant(name.into()), Period::Month, NOW)).nanos()
    }

    #[test]
    fn what_was_spent_is_there_after_a_restart_and_adds_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spent.db");
        for round in 1..=3 {
            let book = Book::open(Some(&path), vec![], 80, NOW).unwrap();
            assert_eq!(spent(&book, "a"), (round - 1) * 20);
            book.spend("a", "k", Money::from_nanos(5), NOW);
            book.spend("a", "k", Money::from_nanos(15), NOW);
            assert_eq!(spent(&book, "a"), round * 20);
        }
        let later = Book::open(Some(&path), vec![], 80, NOW + 40 * 86_400_000).unwrap();
        assert_eq!(later.read(|ledger| ledger.unsaved()), 0);
        assert_eq!(spent(&later, "a"), 0);
    }

    #[test]
    fn while_the_file_cannot_be_written_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spent.db");
        let book = Book::open(Some(&path), vec![], 80, NOW).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("DROP TABLE spent").unwrap();
        book.spend("a", "k", Money::from_nanos(7), NOW);
        book.save();
        assert_eq!(spent(&book, "a"), 7);
        other.execute_batch(SCHEMA).unwrap();
        drop(book);
        let book = Book::open(Some(&path), vec![], 80, NOW).unwrap();
        assert_eq!(spent(&book, "a"), 7);
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spent.db");
        std::fs::write(&path, "not a database, but long enough to have a header of its own: ".repeat(40))
            .unwrap();
        assert!(Book::open(Some(&path), vec![], 80, NOW).is_err());
    }
}
