//! Distribution of durations, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Values of one octave share this many buckets: a quantile is at most 1/32 too high.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Values from here on share the last bucket: 73 minutes in nanoseconds.
const TOP: u64 = (1 << 42) - 1;
const BUCKETS: usize = bucket(TOP) + 1;

/// Log-linear, as in HdrHistogram (Tene): exact up to 63, then 32 buckets for each power of two.
const fn bucket(value: u64) -> usize {
    let value = if value < TOP { value } else { TOP };
    let exponent = (value | 1).ilog2();
    let shift = exponent.saturating_sub(STEP_BITS);
    (shift as u64 * STEPS + (value >> shift)) as usize
}

/// The highest value of a bucket.
fn bucket_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    ((bucket - shift * STEPS + 1) << shift) - 1
}

pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, nanos: u64) {
        if let Some(count) = self.buckets.get(bucket(nanos)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(nanos, Ordering::Relaxed);
        if self.max.load(Ordering::Relaxed) < nanos {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Distribution {
        Distribution {
            counts: self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
        }
    }
}

/// How durations in nanoseconds were distributed when [`Stats`](crate::Stats) were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    counts: Box<[u64]>,
    sum: u64,
    max: u64,
}

impl Distribution {
    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest, exactly; 0 where there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The sum of all, exactly (modulo 2^64).
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The mean; 0 where there is none.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count().max(1) as f64
    }

    /// The smallest recorded duration that at least the share `q` of all does not exceed, up to 1/32 too high, and never
    /// above [`max`](Self::max). `q` outside of 0 to 1 counts as the nearer end, NaN as 0. 0 where there is none.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = ((q.clamp(0.0, 1.0) * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        // The last bucket has no end of its own.
        reached.filter(|&at| at + 1 < BUCKETS).map_or(self.max, |at| bucket_end(at).min(self.max))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_gap() {
        for at in 0..BUCKETS - 1 {
            assert_eq!(bucket(bucket_end(at)), at);
            assert_eq!(bucket(bucket_end(at) + 1), at + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_recorded_is_zero() {
        let empty = Histogram::new().read();
        assert_eq!((empty.count(), empty.max(), empty.quantile(0.5), empty.mean()), (0, 0, 0, 0.0));
    }

    #[test]
    fn values_beyond_the_top_keep_their_maximum() {
        let histogram = Histogram::new();
        histogram.record(u64::MAX / 2);
        assert_eq!(histogram.read().quantile(0.5), u64::MAX / 2);
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_values(
            mut values in prop::collection::vec(prop_oneof![0..200_u64, 0..1_000_000_u64, 0..TOP], 1..200),
            q in 0.0..=1.0_f64,
        ) {
            let histogram = Histogram::new();
            values.iter().for_each(|&value| histogram.record(value));
            let read = histogram.read();
            values.sort_unstable();
            let exact = values[((q * values.len() as f64).ceil() as usize).max(1) - 1];
            let answer = read.quantile(q);
            prop_assert!(exact <= answer && answer <= exact + exact / STEPS, "{exact} {answer}");
            prop_assert_eq!(read.count(), values.len() as u64);
            prop_assert_eq!(read.sum(), values.iter().sum::<u64>());
        }
    }
}
