//! Where the time comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A clock: nanoseconds since some moment that stays the same while the scheduler lives.
///
/// It is read once for every task that is scheduled and twice for one that runs. Time that goes backwards breaks
/// nothing (differences stop at zero), it only makes waits look shorter.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds since the clock's beginning.
    fn now(&self) -> u64;
}

impl<C: Clock> Clock for Arc<C> {
    fn now(&self) -> u64 {
        self.as_ref().now()
    }
}

/// The machine's monotonic clock, counted from when it was made.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    start: Instant,
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }
}

/// A clock that stands still until it is told to move: for tests and simulations.
#[derive(Debug, Default)]
pub struct VirtualClock {
    nanos: AtomicU64,
}

impl VirtualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(nanos(by), Ordering::Relaxed);
    }

    /// Puts the clock to `nanos`, backwards too.
    pub fn set(&self, nanos: u64) {
        self.nanos.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }
}

/// Nanoseconds of a duration; what does not fit (584 years) is the most there is.
pub(crate) fn nanos(duration: Duration) -> u64 {
    // Not by `as_nanos`: 128 bits cost a nanosecond or two of every task.
    let seconds = duration.as_secs().checked_mul(1_000_000_000);
    seconds.and_then(|nanos| nanos.checked_add(u64::from(duration.subsec_nanos()))).unwrap_or(u64::MAX)
}
