//! A lower bound of the banded warping distance that costs O(n).

use std::collections::VecDeque;

use super::{Real, SeriesError, Side, check};

/// The smallest and the largest value within a radius of each place of a series, kept to bound its warping distance to
/// many others.
///
/// Keogh and Ratanamahatana, *Exact indexing of dynamic time warping*, 2005; built in O(n) as in Lemire, *Streaming
/// maximum-minimum filter*, 2006.
///
/// ```
/// let envelope = aimds_sequence::Envelope::new(&[0.0, 1.0, 0.0], 1)?;
/// assert_eq!(envelope.lower_bound(&[1.0, 1.0, 3.0])?, 2.0);
/// # Ok::<(), aimds_sequence::SeriesError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope<T> {
    lower: Vec<T>,
    upper: Vec<T>,
}

impl<T: Real> Envelope<T> {
    /// The envelope of `series`.
    ///
    /// # Errors
    ///
    /// [`SeriesError::Empty`] and [`SeriesError::NonFinite`].
    pub fn new(series: &[T], radius: usize) -> Result<Self, SeriesError> {
        check(series, series)?;
        Ok(Self {
            lower: extremes(series, radius, |a, b| a <= b),
            upper: extremes(series, radius, |a, b| a >= b),
        })
    }

    /// At most [`dtw_banded`](crate::dtw_banded) of the two series with this radius, up to rounding. O(n).
    ///
    /// # Errors
    ///
    /// [`SeriesError::LengthMismatch`] where `candidate` has not the length of the series (the bound is defined for no
    /// others), [`SeriesError::NonFinite`].
    pub fn lower_bound(&self, candidate: &[T]) -> Result<T, SeriesError> {
        if candidate.len() != self.lower.len() {
            return Err(SeriesError::LengthMismatch { first: self.lower.len(), second: candidate.len() });
        }
        let mut finite = true;
        // Eight independent sums, which is what makes it fast; the result depends on it only by rounding.
        let mut sums = [T::ZERO; 8];
        let bounds = self.lower.chunks(8).zip(self.upper.chunks(8));
        for (values, (lower, upper)) in candidate.chunks(8).zip(bounds) {
            for ((sum, &value), (&lower, &upper)) in sums.iter_mut().zip(values).zip(lower.iter().zip(upper))
            {
                finite &= value.is_finite();
                let above = if value > upper { value - upper } else { T::ZERO };
                let below = if value < lower { lower - value } else { T::ZERO };
                *sum = *sum + above * above + below * below;
            }
        }
        if !finite && let Some(index) = candidate.iter().position(|value| !value.is_finite()) {
            return Err(SeriesError::NonFinite { series: Side::Second, index });
        }
        Ok(sums.into_iter().fold(T::ZERO, |sum, part| sum + part).sqrt())
    }
}

/// Keogh's lower bound of [`dtw_banded`](crate::dtw_banded)`(first, second, radius)`. See [`Envelope`], which is cheaper
/// where one series is compared with many.
///
/// # Errors
///
/// As for [`Envelope::new`] and [`Envelope::lower_bound`].
///
/// ```
/// assert_eq!(aimds_sequence::lb_keogh(&[0.0, 1.0, 0.0], &[1.0, 1.0, 3.0], 1), Ok(2.0));
/// ```
pub fn lb_keogh<T: Real>(first: &[T], second: &[T], radius: usize) -> Result<T, SeriesError> {
    check(first, second)?;
    Envelope::new(first, radius)?.lower_bound(second)
}

/// For each place the value within `radius` that precedes all others by `keeps`: a queue of the places that may still be
/// it, from the best to the last.
fn extremes<T: Real>(series: &[T], radius: usize, keeps: impl Fn(T, T) -> bool) -> Vec<T> {
    let mut queue: VecDeque<(usize, T)> = VecDeque::new();
    let mut ahead = series.iter().copied().enumerate();
    let mut next = 0;
    let mut found = Vec::with_capacity(series.len());
    for center in 0..series.len() {
        let end = center.saturating_add(radius).saturating_add(1).min(series.len());
        while next < end {
            let Some((place, value)) = ahead.next() else { break };
            while queue.back().is_some_and(|&(_, last)| keeps(value, last)) {
                queue.pop_back();
            }
            queue.push_back((place, value));
            next = place + 1;
        }
        while queue.front().is_some_and(|&(place, _)| place.saturating_add(radius) < center) {
            queue.pop_front();
        }
        found.extend(queue.front().map(|&(_, value)| value));
    }
    found
}
