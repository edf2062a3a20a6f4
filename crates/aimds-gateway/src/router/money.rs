//! Money in whole numbers: sums of floats drift, and whoever pays compares them with an invoice.

use std::fmt;

const NANOS: u64 = 1_000_000_000;

/// An amount in nano-dollars (10⁻⁹ dollars): up to 18 thousand million dollars, sums stop at the largest amount.
///
/// ```
/// use aimds_gateway::router::Money;
/// let amount = Money::parse("12.5").unwrap() + Money::from_nanos(1);
/// assert_eq!(amount.to_string(), "12.500000001");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount in nano-dollars.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-dollars.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Reads dollars as a decimal number of at most nine places, without sign or exponent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decimal(text, 9).map(Self)
    }

    /// The amount for so many of `count` things, rounded to the nearest nano-dollar; nothing where there are none.
    ///
    /// ```
    /// use aimds_gateway::router::Money;
    /// let spent = Money::parse("2").unwrap();
    /// assert_eq!(spent.share(1_000_000, 3).to_string(), "666666.666666667");
    /// ```
    #[must_use]
    pub fn share(self, part: u64, count: u64) -> Self {
        let (amount, count) = (u128::from(self.0) * u128::from(part), u128::from(count));
        Self(narrow((amount + count / 2).checked_div(count).unwrap_or_default()))
    }
}

impl std::ops::Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Money {
    /// Dollars, with as many places as needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % NANOS);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{point}{fraction}", self.0 / NANOS)
    }
}

/// What a target asks for tokens, in dollars for a million of them. The smallest step is a millionth of a dollar for a
/// million tokens.
///
/// ```
/// use aimds_gateway::router::Price;
/// let price = Price::parse("0.15", "0.60").unwrap();
/// assert_eq!(price.cost(600, 200).to_string(), "0.00021");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Pico-dollars for a token, which is as many micro-dollars for a million.
    input: u64,
    output: u64,
}

impl Price {
    /// Reads the dollars for a million tokens of input and of output, with at most six places.
    #[must_use]
    pub fn parse(input: &str, output: &str) -> Option<Self> {
        Some(Self { input: decimal(input, 6)?, output: decimal(output, 6)? })
    }

    /// What tokens cost, rounded up to the next nano-dollar once.
    #[must_use]
    pub fn cost(&self, input: u64, output: u64) -> Money {
        let part = |price: u64, tokens: u64| u128::from(price) * u128::from(tokens);
        let picos = part(self.input, input).saturating_add(part(self.output, output));
        Money(narrow(picos.div_ceil(1000)))
    }
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// A decimal number as a whole number of its last place.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > places {
        return None;
    }
    if text.ends_with('.') {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(Money::parse(text).map(Money::nanos), expected, "{text}");
        };
        check("0", Some(0));
        check("1", Some(NANOS));
        check("0.1", Some(100_000_000));
        check("0.000000001", Some(1));
        check("0.0000000001", None);
        check("18446744073.709551615", Some(u64::MAX));
        check("18446744073.709551616", None);
        for text in ["", ".5", "5.", "-1", "1e3", "1,5", "+1", " 1", "1.-1"] {
            check(text, None);
        }
    }

    #[test]
    fn a_cost_is_rounded_up_once() {
        let price = Price::parse("0.000001", "0.000001").unwrap();
        assert_eq!(price.cost(1, 0).nanos(), 1);
        assert_eq!(price.cost(500, 500).nanos(), 1);
        assert_eq!(price.cost(500, 501).nanos(), 2);
        assert_eq!(price.cost(0, 0), Money::ZERO);
        let dear = Price::parse("18446744073709.551615", "1").unwrap();
        assert_eq!(dear.cost(u64::MAX, u64::MAX).nanos(), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos: u64) {
            let amount = Money::from_nanos(nanos);
            prop_assert_eq!(Money::parse(&amount.to_string()), Some(amount));
        }

        #[test]
        fn a_share_is_the_nearest(nanos in 0_u64..1 << 50, count in 1_u64..1 << 20) {
            let share = i128::from(Money::from_nanos(nanos).share(1, count).nanos());
            let off = share * i128::from(count) - i128::from(nanos);
            prop_assert!(2 * off.abs() <= i128::from(count));
        }
    }
}
