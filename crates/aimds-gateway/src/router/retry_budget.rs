//! Retries as a share of requests: when everything fails, retries must not double the load that made it fail. A token
//! bucket that requests fill and retries empty, so that no clock is needed (as in Twitter's Finagle).

/// How many retries requests earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// Retries for each hundred requests, in the long run.
    pub percent: u8,
    /// Retries that are saved up at most; this many are there at the start.
    pub burst: u32,
}

/// The retries that are left. Counts hundredths of a retry.
///
/// ```
/// use aimds_gateway::router::{RetryBudget, RetryLimits};
/// let mut budget = RetryBudget::new(RetryLimits { percent: 50, burst: 1 });
/// assert!(budget.withdraw() && !budget.withdraw());
/// budget.deposit();
/// assert!(!budget.withdraw());
/// budget.deposit();
/// assert!(budget.withdraw());
/// ```
#[derive(Clone, Debug)]
pub struct RetryBudget {
    limits: RetryLimits,
    hundredths: u64,
}

impl RetryBudget {
    /// A full budget.
    #[must_use]
    pub fn new(limits: RetryLimits) -> Self {
        Self { limits, hundredths: u64::from(limits.burst) * 100 }
    }

    /// A first attempt was made.
    pub fn deposit(&mut self) {
        let most = u64::from(self.limits.burst) * 100;
        self.hundredths = self.hundredths.saturating_add(self.limits.percent.into()).min(most);
    }

    /// Asks for one retry.
    pub fn withdraw(&mut self) -> bool {
        match self.hundredths.checked_sub(100) {
            Some(left) => {
                self.hundredths = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In every stretch of requests there are no more retries than saved ones and the share of the stretch.
        #[test]
        fn retries_stay_a_share_of_the_requests(
            percent in 0_u8..=100,
            burst in 0_u32..5,
            steps in prop::collection::vec(any::<bool>(), 0..120),
        ) {
            let mut budget = RetryBudget::new(RetryLimits { percent, burst });
            let granted: Vec<(bool, bool)> = steps
                .into_iter()
                .map(|retry| {
                    if !retry {
                        budget.deposit();
                    }
                    (retry, retry && budget.withdraw())
                })
                .collect();
            for from in 0..granted.len() {
                let (mut requests, mut retries) = (0_u64, 0_u64);
                for (retry, passed) in &granted[from..] {
                    requests += u64::from(!retry);
                    retries += u64::from(*passed);
                    prop_assert!(100 * retries <= 100 * u64::from(burst) + u64::from(percent) * requests);
                }
            }
            // And none is refused that the whole history allows: what ran over is the only loss.
            let (mut level, full) = (f64::from(burst), f64::from(burst));
            for (retry, passed) in granted {
                match retry {
                    false => level = (level + f64::from(percent) / 100.0).min(full),
                    true => {
                        prop_assert_eq!(passed, level >= 1.0 - 1e-9);
                        level -= f64::from(u8::from(passed));
                    }
                }
            }
        }
    }
}
