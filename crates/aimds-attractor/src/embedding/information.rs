//! How much a value says about the one some samples later (Fraser and Swinney, *Independent coordinates for strange
//! attractors from mutual information*, 1986).

use super::neighbours::SAME;

/// Average mutual information between the series and itself for the lags `0..=most`, in bits.
///
/// Values are sorted into bins that are equally full, so that only their order counts: no unit, no outlier and no monotone
/// transformation changes the result. 16 bins, 32 from 4,000 values on. O(n log n + n·lags).
///
/// Empty for fewer than two values; NaN sorts last.
///
/// ```
/// let sine: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 10.0).sin()).collect();
/// let information = aimds_attractor::mutual_information(&sine, 20);
/// assert!(information[0] > 3.9 && information[1] > information[15]);
/// ```
pub fn mutual_information(series: &[f64], most: usize) -> Vec<f64> {
    let bins = Bins::new(series);
    (0..=most.min(series.len())).map_while(|lag| bins.information(lag)).collect()
}

/// The first lag at which the mutual information is smaller than at both neighbours; `None` if there is none up to `most`.
///
/// A single sine without noise has no minimum worth the name: each of its values says all about every other.
///
/// ```
/// let wave = |i: i32| (f64::from(i) / 4.0).sin() + 0.7 * (f64::from(i) / 2.8).sin();
/// let series: Vec<f64> = (0..1000).map(wave).collect();
/// let quarter = aimds_attractor::first_minimum(&series, 50).unwrap();
/// assert!((5..=7).contains(&quarter));
/// ```
pub fn first_minimum(series: &[f64], most: usize) -> Option<usize> {
    let bins = Bins::new(series);
    let mut before = bins.information(0)?;
    let mut lag = 1;
    let mut current = bins.information(lag)?;
    while lag <= most {
        let after = bins.information(lag + 1)?;
        if current < before && current <= after {
            return Some(lag);
        }
        (before, current) = (current, after);
        lag += 1;
    }
    None
}

/// The bin of each value.
struct Bins {
    count: usize,
    of: Vec<u8>,
}

impl Bins {
    fn new(series: &[f64]) -> Self {
        let count = if series.len() < 4000 { 16 } else { 32 };
        let mut order: Vec<(f64, u32)> = series.iter().copied().zip(0..).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (lowest, highest) =
            series.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lowest, highest), &value| {
                (value.min(lowest), value.max(highest))
            });
        let same = Some(SAME * (highest - lowest)).filter(|same| same.is_finite()).unwrap_or(0.0);
        let mut of = vec![0; series.len()];
        let mut bin = 0;
        let mut last = f64::NAN;
        for (rank, &(value, index)) in order.iter().enumerate() {
            // Values that are equal up to rounding share the bin of the first: a cycle comes back to the same value only so
            // nearly as its unit and its zero allow.
            if last.is_nan() || value - last > same {
                bin = rank * count / series.len();
                last = value;
            }
            if let Some(place) = of.get_mut(index as usize) {
                *place = bin as u8;
            }
        }
        Self { count, of }
    }

    fn information(&self, lag: usize) -> Option<f64> {
        let later = self.of.get(lag..).filter(|later| later.len() >= 2)?;
        let mut joint = vec![0_u32; self.count * self.count];
        for (&a, &b) in self.of.iter().zip(later) {
            if let Some(cell) = joint.get_mut(usize::from(a) * self.count + usize::from(b)) {
                *cell += 1;
            }
        }
        let rows: Vec<u32> = joint.chunks(self.count).map(|row| row.iter().sum()).collect();
        let column = |at: usize| -> u32 { joint.iter().skip(at).step_by(self.count).sum() };
        let columns: Vec<u32> = (0..self.count).map(column).collect();
        let total = later.len() as f64;
        let entropy = |counts: &[u32]| -> f64 {
            let terms = counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / total);
            -terms.map(|share| share * share.log2()).sum::<f64>()
        };
        Some(entropy(&rows) + entropy(&columns) - entropy(&joint))
    }
}
