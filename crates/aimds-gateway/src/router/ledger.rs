//! What tenants and keys have spent, and whether they may go on. Days and months are those of UTC; no clock: times are
//! passed in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::money::Money;

const DAY_MS: u64 = 86_400_000;

/// Who spends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// Everybody of a tenant.
    Tenant(String),
    /// One API key.
    Key(String),
}

impl Holder {
    /// `tenant` or `key`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tenant(_) => "tenant",
            Self::Key(_) => "key",
        }
    }

    /// The tenant's name or the key's identifier.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Tenant(name) | Self::Key(name) => name,
        }
    }

    /// The holder of this kind and name.
    #[must_use]
    pub fn of(kind: &str, name: String) -> Option<Self> {
        match kind {
            "tenant" => Some(Self::Tenant(name)),
            "key" => Some(Self::Key(name)),
            _ => None,
        }
    }
}

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

impl Period {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Day, Self::Month];

    /// `day` or `month`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The number of the period that a time lies in: days since 1970, or twelve times the year and the month from 0.
    #[must_use]
    pub fn number(self, now_ms: u64) -> u64 {
        match self {
            Self::Day => now_ms / DAY_MS,
            Self::Month => month(now_ms / DAY_MS),
        }
    }

    /// When the period that a time lies in is over, in milliseconds since 1970.
    #[must_use]
    pub fn end_ms(self, now_ms: u64) -> u64 {
        let day = now_ms / DAY_MS;
        let end = match self {
            Self::Day => day + 1,
            // No month has more than 31 days.
            Self::Month => (day + 1..=day + 31).find(|&later| month(later) != month(day)).unwrap_or(day + 31),
        };
        end.saturating_mul(DAY_MS)
    }
}

/// The month of a day since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn month(day: u64) -> u64 {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    // March is month 0 of its year here, so that the leap day is the last of a year.
    (era * 400 + year) * 12 + from_march + 2
}

/// What a holder may spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Who.
    pub holder: Holder,
    /// How long it lasts.
    pub period: Period,
    /// How much.
    pub amount: Money,
}

/// Where somebody stands with their budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Below every warning.
    Free,
    /// Near the end of one: the highest share spent, in hundredths.
    Near {
        /// Hundredths of the budget.
        percent: u64,
    },
    /// One is used up.
    UsedUp {
        /// When the last of those that are used up begins again, in milliseconds since 1970.
        until_ms: u64,
    },
}

/// What was spent in one period.
pub type Row = (Holder, Period, u64);

/// What was spent. Bounded by the number of tenants and keys in the configuration.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    budgets: Vec<Budget>,
    warn_percent: u8,
    spent: BTreeMap<(Holder, Period), (u64, Money)>,
    /// Spent and not yet stored.
    unsaved: BTreeMap<Row, Money>,
}

impl Ledger {
    /// A ledger with what is known from before. `warn_percent` is the share of a budget from which on it is near its end.
    #[must_use]
    pub fn new(
        budgets: Vec<Budget>,
        warn_percent: u8,
        known: impl IntoIterator<Item = (Row, Money)>,
    ) -> Self {
        let mut ledger = Self { budgets, warn_percent, ..Self::default() };
        for ((holder, period, number), amount) in known {
            ledger.add(holder, period, number, amount);
        }
        ledger
    }

    fn add(&mut self, holder: Holder, period: Period, number: u64, amount: Money) {
        let account = self.spent.entry((holder, period)).or_insert((number, Money::ZERO));
        if number > account.0 {
            *account = (number, Money::ZERO);
        }
        if number == account.0 {
            account.1 += amount;
        }
    }

    /// Takes note of an amount that a tenant spent through a key. Nothing is noted for nothing.
    pub fn spend(&mut self, tenant: &str, key: &str, amount: Money, now_ms: u64) {
        if amount == Money::ZERO {
            return;
        }
        for holder in [Holder::Tenant(tenant.to_owned()), Holder::Key(key.to_owned())] {
            for period in Period::ALL {
                let number = period.number(now_ms);
                self.add(holder.clone(), period, number, amount);
                *self.unsaved.entry((holder.clone(), period, number)).or_default() += amount;
            }
        }
    }

    /// What a holder has spent in the current period.
    #[must_use]
    pub fn spent(&self, holder: &Holder, period: Period, now_ms: u64) -> Money {
        match self.spent.get(&(holder.clone(), period)) {
            Some((number, amount)) if *number == period.number(now_ms) => *amount,
            _ => Money::ZERO,
        }
    }

    /// Whether a tenant may spend through a key. Linear in the number of budgets.
    #[must_use]
    pub fn standing(&self, tenant: &str, key: &str, now_ms: u64) -> Standing {
        let mut standing = Standing::Free;
        for budget in &self.budgets {
            let meant = match &budget.holder {
                Holder::Tenant(name) => name == tenant,
                Holder::Key(name) => name == key,
            };
            if !meant {
                continue;
            }
            let spent = u128::from(self.spent(&budget.holder, budget.period, now_ms).nanos());
            let amount = u128::from(budget.amount.nanos());
            if spent >= amount {
                let end_ms = budget.period.end_ms(now_ms);
                let until_ms = match standing {
                    Standing::UsedUp { until_ms } => until_ms.max(end_ms),
                    _ => end_ms,
                };
                standing = Standing::UsedUp { until_ms };
                continue;
            }
            let percent = u64::try_from(spent * 100 / amount).unwrap_or(100);
            standing = match standing {
                Standing::Free if percent >= self.warn_percent.into() => Standing::Near { percent },
                Standing::Near { percent: other } => Standing::Near { percent: other.max(percent) },
                other => other,
            };
        }
        standing
    }

    /// The budgets.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// What everybody has spent in the current periods.
    pub fn accounts(&self, now_ms: u64) -> impl Iterator<Item = (&Holder, Period, Money)> {
        let current = move |(period, number): (Period, u64)| number == period.number(now_ms);
        self.spent
            .iter()
            .filter(move |((_, period), (number, _))| current((*period, *number)))
            .map(|((holder, period), (_, amount))| (holder, *period, *amount))
    }

    /// Takes what is not stored yet, for whoever stores it.
    pub fn take_unsaved(&mut self) -> BTreeMap<Row, Money> {
        std::mem::take(&mut self.unsaved)
    }

    /// Gives back what could not be stored.
    pub fn give_back(&mut self, rows: BTreeMap<Row, Money>) {
        for (row, amount) in rows {
            *self.unsaved.entry(row).or_default() += amount;
        }
    }

    /// Rows that are not stored yet.
    #[must_use]
    pub fn unsaved(&self) -> usize {
        self.unsaved.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        let day = |days: u64| days * DAY_MS + 12_345;
        let check = |days: u64, year: u64, month: u64| {
            assert_eq!(Period::Month.number(day(days)), year * 12 + month - 1, "{days}");
        };
        check(0, 1970, 1);
        check(30, 1970, 1);
        check(31, 1970, 2);
        check(58, 1970, 2);
        check(59, 1970, 3);
        check(11_016, 2000, 2); // 29 February 2000
        check(11_017, 2000, 3);
        check(20_453, 2025, 12); // 31 December 2025
        check(20_454, 2026, 1);
        assert_eq!(Period::Day.end_ms(day(7)), 8 * DAY_MS);
        assert_eq!(Period::Month.end_ms(day(31)), 59 * DAY_MS);
        assert_eq!(Period::Month.end_ms(day(20_453)), 20_454 * DAY_MS);
    }

    #[test]
    fn what_is_given_back_is_stored_later() {
        let mut ledger = Ledger::default();
        ledger.spend("t", "k", Money::from_nanos(5), 0);
        let rows = ledger.take_unsaved();
        assert_eq!((rows.len(), ledger.unsaved()), (4, 0));
        ledger.spend("t", "k", Money::from_nanos(2), 1);
        ledger.give_back(rows);
        assert!(ledger.take_unsaved().values().all(|amount| amount.nanos() == 7));
    }

    #[test]
    fn what_is_known_from_an_earlier_period_is_over() {
        let holder = Holder::Tenant("t".into());
        let known = [((holder.clone(), Period::Day, 6), Money::from_nanos(9))];
        let ledger = Ledger::new(vec![], 80, known);
        assert_eq!(ledger.spent(&holder, Period::Day, 6 * DAY_MS).nanos(), 9);
        assert_eq!(ledger.spent(&holder, Period::Day, 7 * DAY_MS), Money::ZERO);
    }

    fn holder() -> impl Strategy<Value = Holder> {
        prop_oneof!["[ab]".prop_map(Holder::Tenant), "[xy]".prop_map(Holder::Key)]
    }

    fn budget() -> impl Strategy<Value = Budget> {
        let period = prop_oneof![Just(Period::Day), Just(Period::Month)];
        (holder(), period, 1_u64..200).prop_map(|(holder, period, nanos)| Budget {
            holder,
            period,
            amount: Money::from_nanos(nanos),
        })
    }

    proptest! {
        /// Against adding up the whole history at each question.
        #[test]
        fn standing_is_what_the_history_adds_up_to(
            budgets in prop::collection::vec(budget(), 0..5),
            steps in prop::collection::vec(("[ab]", "[xy]", 0_u64..40, 0_u64..20 * DAY_MS), 0..40),
        ) {
            let mut ledger = Ledger::new(budgets.clone(), 80, []);
            let mut history: Vec<(String, String, u64, u64)> = Vec::new();
            let mut now = 19_000 * DAY_MS;
            for (tenant, key, nanos, pause) in steps {
                now += pause;
                let (mut until, mut near) = (None, None);
                for budget in &budgets {
                    let mine = |tenant: &str, key: &str| match &budget.holder {
                        Holder::Tenant(name) => name == tenant,
                        Holder::Key(name) => name == key,
                    };
                    if !mine(&tenant, &key) {
                        continue;
                    }
                    let now_in = budget.period.number(now);
                    let spent: u64 = history
                        .iter()
                        .filter(|(tenant, key, _, at)| mine(tenant, key) && budget.period.number(*at) == now_in)
                        .map(|(_, _, nanos, _)| nanos)
                        .sum();
                    let percent = spent * 100 / budget.amount.nanos();
                    if spent >= budget.amount.nanos() {
                        until = until.max(Some(budget.period.end_ms(now)));
                    } else if percent >= 80 {
                        near = near.max(Some(percent));
                    }
                }
                let expected = match (until, near) {
                    (Some(until_ms), _) => Standing::UsedUp { until_ms },
                    (None, Some(percent)) => Standing::Near { percent },
                    _ => Standing::Free,
                };
                prop_assert_eq!(ledger.standing(&tenant, &key, now), expected);
                ledger.spend(&tenant, &key, Money::from_nanos(nanos), now);
                history.push((tenant, key, nanos, now));
            }
        }
    }
}
