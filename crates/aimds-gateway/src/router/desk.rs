//! The router at work: what all requests share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::answers::Answers;
use super::book::Book;
use super::clock::Clock;
use super::hedging::HedgeLimits;
use super::lane::Lane;
use super::ledger::Standing;
use super::retry_budget::RetryBudget;
use super::table::Table;
use crate::app::now_ms;
use crate::config::{CacheMode, RouterConfig};
use crate::error::Failure;

/// What all requests share.
pub(crate) struct Desk {
    pub(crate) table: Table,
    pub(crate) lanes: Vec<Arc<Lane>>,
    pub(crate) max_attempts: u8,
    pub(crate) book: Book,
    pub(crate) answers: Option<Answers>,
    retries: Mutex<RetryBudget>,
    pub(crate) hedging: Option<HedgeLimits>,
    /// Second attempts beside a slow first one, and those of them that were faster.
    pub(crate) hedges: AtomicU64,
    pub(crate) hedges_won: AtomicU64,
    /// Attempts that the retry budget did not allow.
    pub(crate) unretried: AtomicU64,
    /// Requests that no target might take because none is local.
    pub(crate) confined: AtomicU64,
    /// Requests whose budget was used up.
    pub(crate) used_up: AtomicU64,
}

impl Desk {
    /// Opens the ledger. Reads the wall clock and the random source once.
    ///
    /// # Errors
    /// The ledger cannot be opened, or there are no random numbers.
    pub(crate) fn open(config: RouterConfig) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let clock = Clock::start();
        let RouterConfig { table, places, breaker, .. } = config;
        let lanes = table.targets.iter().cloned().zip(places);
        let lanes = lanes.map(|(target, place)| Arc::new(Lane::new(target, place, breaker, clock))).collect();
        let answers = match config.cache {
            CacheMode::Off => None,
            mode => Some(Answers::new(mode, config.cache_limits, config.cache_private, clock)?),
        };
        let ledger = config.ledger.as_deref();
        Ok(Self {
            table,
            lanes,
            max_attempts: config.max_attempts,
            book: Book::open(ledger, config.budgets, config.budget_warn_percent, now_ms())?,
            answers,
            retries: Mutex::new(RetryBudget::new(config.retries)),
            hedging: config.hedging,
            hedges: AtomicU64::new(0),
            hedges_won: AtomicU64::new(0),
            unretried: AtomicU64::new(0),
            confined: AtomicU64::new(0),
            used_up: AtomicU64::new(0),
        })
    }

    /// Whether somebody may still spend: the share of a budget that is near its end, or a refusal.
    pub(crate) fn standing(&self, tenant: &str, key: &str) -> Result<Option<u64>, Failure> {
        let now_ms = now_ms();
        match self.book.standing(tenant, key, now_ms) {
            Standing::Free => Ok(None),
            Standing::Near { percent } => Ok(Some(percent)),
            Standing::UsedUp { until_ms } => {
                self.used_up.fetch_add(1, Ordering::Relaxed);
                let left_s = until_ms.saturating_sub(now_ms).div_ceil(1000);
                Err(Failure::BudgetUsedUp { left_s })
            }
        }
    }

    /// Whether an attempt may be made, the first of a request or a further one.
    pub(crate) fn may_attempt(&self, first: bool) -> bool {
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        if first {
            retries.deposit();
            return true;
        }
        let granted = retries.withdraw();
        if !granted {
            self.unretried.fetch_add(1, Ordering::Relaxed);
        }
        granted
    }
}
