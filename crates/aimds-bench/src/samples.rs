//! Sorted measurements and their quantiles.

use std::time::Duration;

/// Numbers in order.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// By nearest rank; not a number if there are none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = ((self.0.len() as f64 * share).ceil() as usize).max(1);
        self.0.get(rank.min(self.0.len()).saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// In nanoseconds.
pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let check = |values: &[f64], share, expected: f64| {
            assert_eq!(Samples::new(values.to_vec()).quantile(share), expected, "{values:?} {share}");
        };
        check(&[3.0, 1.0, 2.0], 0.5, 2.0);
        check(&[4.0, 3.0, 2.0, 1.0], 0.5, 2.0);
        check(&[3.0, 1.0, 2.0], 0.0, 1.0);
        check(&[3.0, 1.0, 2.0], 0.99, 3.0);
        assert!(Samples::new(Vec::new()).quantile(0.5).is_nan());
    }
}
