//! The generic cell rate algorithm (ITU-T I.371 annex A): a limit on a rate with one number of state, the time at which
//! whoever is limited would have used nothing.

use std::time::Duration;

/// So many requests in a window, all at once or spread over it. The place of each comes back after its share of the
/// window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    quota: u32,
    window: Duration,
}

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Requests that would be let in now.
    pub(crate) requests: u32,
    /// When everything will be there again.
    pub(crate) full_in: Duration,
}

impl Rate {
    /// One request in a second, for trying whether a store of limits works.
    pub(super) const SMALLEST: Self = Self { quota: 1, window: Duration::from_secs(1) };

    /// Reads `<requests>/<window>`, the window in seconds, minutes or hours: `100/1s`, `600/m`, `5000/12h`. At most a
    /// billion requests and a day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (quota, window) = text.split_once('/')?;
        let quota = quota.trim().parse().ok().filter(|quota| (1..=1_000_000_000).contains(quota))?;
        let window = window.trim();
        let unit = match window.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        let count = window.get(..window.len() - 1)?;
        let count = if count.is_empty() { 1 } else { count.parse::<u64>().ok()? };
        let seconds = count.checked_mul(unit).filter(|seconds| (1..=86_400).contains(seconds))?;
        Some(Self { quota, window: Duration::from_secs(seconds) })
    }

    /// Requests in a window.
    #[must_use]
    pub fn quota(self) -> u32 {
        self.quota
    }

    /// The window.
    #[must_use]
    pub fn window(self) -> Duration {
        self.window
    }

    /// Asks for one request. `empty_at` is the state, `now` the time; both count nanoseconds from the same beginning.
    /// Gives the new state and what is left.
    ///
    /// # Errors
    /// The time until the next request would be let in. The state stays as it is.
    pub(super) fn take(self, empty_at: u64, now: u64) -> Result<(u64, Left), Duration> {
        let window = nanoseconds(self.window);
        let used = empty_at.saturating_sub(now).saturating_add(self.share());
        if used > window {
            return Err(Duration::from_nanos(used - window));
        }
        Ok((now.saturating_add(used), self.left(used)))
    }

    /// One request's share of the window, in nanoseconds.
    pub(super) fn share(self) -> u64 {
        nanoseconds(self.window) / u64::from(self.quota)
    }

    /// What is left where so many nanoseconds of the window are used.
    pub(super) fn left(self, used: u64) -> Left {
        let left = nanoseconds(self.window).saturating_sub(used) / self.share();
        let requests = u32::try_from(left).unwrap_or(u32::MAX).min(self.quota);
        Left { requests, full_in: Duration::from_nanos(used) }
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_read_or_refused() {
        let check = |text: &str, expected: Option<(u32, u64)>| {
            let read = Rate::parse(text).map(|rate| (rate.quota(), rate.window().as_secs()));
            assert_eq!(read, expected, "{text}");
        };
        check("100/1s", Some((100, 1)));
        check("600 / m", Some((600, 60)));
        check("5000/12h", Some((5000, 43_200)));
        check("1000000000/24h", Some((1_000_000_000, 86_400)));
        for wrong in [
            "",
            "/s",
            "5/",
            "5",
            "0/s",
            "1000000001/s",
            "5/0s",
            "5/25h",
            "5/s5",
            "5/1.5m",
            "-1/s",
            "5/é",
            "5/18446744073709551615h",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_left_is_told_and_when_it_comes_back() {
        let rate = Rate::parse("4/4s").unwrap();
        let second = 1_000_000_000;
        let (mut state, begin) = (0, 10 * second);
        for left in [3, 2, 1, 0] {
            let (next, told) = rate.take(state, begin).unwrap();
            assert_eq!((told.requests, told.full_in.as_secs()), (left, u64::from(4 - left)));
            state = next;
        }
        assert_eq!(rate.take(state, begin), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(state, begin + second - 1), Err(Duration::from_nanos(1)));
        assert_eq!(rate.take(state, begin + second).unwrap().1.requests, 0);
        assert_eq!(rate.take(state, begin + 100 * second).unwrap().1.requests, 3);
    }

    proptest! {
        /// It decides as a bucket that fills continuously would; whoever waits as long as told is let in, and nobody
        /// sooner.
        #[test]
        fn it_is_a_bucket(
            quota in 1_u32..20,
            seconds in 1_u64..5,
            steps in prop::collection::vec(0_u64..2_000_000_000, 1..60),
        ) {
            let rate = Rate { quota, window: Duration::from_secs(seconds) };
            let share = seconds * 1_000_000_000 / u64::from(quota);
            // In units of nanoseconds: what the bucket holds, at most the whole window.
            let (full, mut held, mut state, mut now) = (seconds * 1_000_000_000, seconds * 1_000_000_000, 0, 1);
            for step in steps {
                now += step;
                held = (held + step).min(full);
                match rate.take(state, now) {
                    Ok((next, left)) => {
                        prop_assert!(held >= share);
                        held -= share;
                        state = next;
                        prop_assert_eq!(u64::from(left.requests), (held / share).min(u64::from(quota)));
                        prop_assert_eq!(left.full_in.as_nanos(), u128::from(full - held));
                    }
                    Err(wait) => {
                        prop_assert!(held < share);
                        let wait = nanoseconds(wait);
                        prop_assert_eq!(wait, share - held);
                        prop_assert!(rate.take(state, now + wait).is_ok());
                        prop_assert!(rate.take(state, now + wait - 1).is_err());
                    }
                }
            }
        }
    }
}
