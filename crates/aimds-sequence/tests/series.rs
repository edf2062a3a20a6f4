//! Time warping against full matrices, and what must hold for it.

mod naive;

use aimds_sequence::{
    Envelope, SeriesError, Side, dtw, dtw_banded, dtw_banded_cutoff, dtw_cutoff, dtw_path, dtw_subsequence,
    dtw_subsequence_cutoff, lb_keogh,
};
use proptest::prelude::*;

/// Multiples of 1/4, of which sums are exact: equal means equal.
fn series(len: impl Strategy<Value = usize>) -> impl Strategy<Value = Vec<f64>> {
    len.prop_flat_map(|len| {
        prop::collection::vec((-12..12_i32).prop_map(|value| f64::from(value) / 4.0), len)
    })
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![1..20_usize, prop::sample::select(vec![1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129])]
}

/// The band as it is documented.
fn band(n: usize, m: usize, radius: usize) -> impl Fn(usize, usize) -> bool {
    let below = radius + n.saturating_sub(m);
    let above = radius + m.saturating_sub(n);
    move |i, j| i <= j + below && j <= i + above
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dtw_is_that_of_the_full_matrix(a in series(len()), b in series(len())) {
        let expected = naive::dtw(&a, &b, |_, _| true, false);
        prop_assert_eq!(dtw(&a, &b), Ok(expected));
        prop_assert_eq!(dtw(&b, &a), Ok(expected));
        let (a32, b32): (Vec<f32>, Vec<f32>) = (a.iter().map(|&x| x as f32).collect(), b.iter().map(|&x| x as f32).collect());
        prop_assert_eq!(dtw(&a32, &b32), Ok(expected as f32));
        prop_assert_eq!(dtw(&a, &a), Ok(0.0));
    }

    #[test]
    fn banded_dtw_is_that_of_the_banded_matrix(a in series(len()), b in series(len()), radius in 0..140_usize) {
        let expected = naive::dtw(&a, &b, band(a.len(), b.len(), radius), false);
        let found = dtw_banded(&a, &b, radius)?;
        prop_assert_eq!(found, expected);
        prop_assert_eq!(dtw_banded(&b, &a, radius), Ok(expected));
        prop_assert!(dtw_banded(&a, &b, radius + 1)? <= found);
        prop_assert_eq!(dtw_banded(&a, &b, a.len().max(b.len())), dtw(&a, &b));
        for cutoff in [expected, expected - 0.01, expected / 2.0, expected * 2.0] {
            let within = (expected <= cutoff).then_some(expected);
            prop_assert_eq!(dtw_banded_cutoff(&a, &b, radius, cutoff), Ok(within), "{}", cutoff);
        }
    }

    #[test]
    fn a_cutoff_gives_the_distance_or_nothing(a in series(len()), b in series(len()), cutoff in 0.0..40.0) {
        let expected = dtw(&a, &b)?;
        for cutoff in [cutoff, expected] {
            prop_assert_eq!(dtw_cutoff(&a, &b, cutoff), Ok((expected <= cutoff).then_some(expected)));
        }
    }

    #[test]
    fn paths_cost_what_they_say(a in series(len()), b in series(len()), radius in 0..140_usize) {
        let path = dtw_path(&a, &b, radius)?;
        prop_assert_eq!(path.distance, dtw_banded(&a, &b, radius)?);
        prop_assert_eq!(path.steps[0], (0, 0));
        prop_assert_eq!(path.steps[path.steps.len() - 1], (a.len() - 1, b.len() - 1));
        let inside = band(a.len(), b.len(), radius);
        let mut cost = 0.0;
        for (place, &(i, j)) in path.steps.iter().enumerate() {
            prop_assert!(inside(i, j));
            cost += (a[i] - b[j]).powi(2);
            if place > 0 {
                let (last_i, last_j) = path.steps[place - 1];
                prop_assert!(matches!((i - last_i, j - last_j), (1, 0) | (0, 1) | (1, 1)));
            }
        }
        prop_assert_eq!(cost.sqrt(), path.distance);
    }

    #[test]
    fn a_subsequence_is_the_best_part(query in series(1..20_usize), long in series(len())) {
        let expected = naive::dtw(&query, &long, |_, _| true, true);
        let found = dtw_subsequence(&query, &long)?;
        prop_assert_eq!(found.distance, expected);
        prop_assert_eq!(dtw(&query, &long[found.span.clone()])?, expected);
        prop_assert!(found.distance <= dtw(&query, &long)?);
        for end in 1..found.span.end {
            let earlier = naive::dtw(&query, &long[..end], |_, _| true, true);
            prop_assert!(earlier > expected, "one of the same distance ends at {}", end);
        }
        prop_assert_eq!(dtw_subsequence_cutoff(&query, &long, expected)?, Some(found));
        prop_assert_eq!(dtw_subsequence_cutoff(&query, &long, expected - 0.01)?, None);
    }

    #[test]
    fn keoghs_bound_is_one((a, b) in len().prop_flat_map(|len| (series(Just(len)), series(Just(len)))), radius in 0..140_usize) {
        let bound = lb_keogh(&a, &b, radius)?;
        prop_assert!(bound <= dtw_banded(&a, &b, radius)?);
        let expected: f64 = (0..a.len()).map(|i| {
            let window = &a[i.saturating_sub(radius)..(i + radius + 1).min(a.len())];
            let upper = window.iter().copied().fold(f64::MIN, f64::max);
            let lower = window.iter().copied().fold(f64::MAX, f64::min);
            (b[i] - upper).max(0.0).powi(2) + (lower - b[i]).max(0.0).powi(2)
        }).sum();
        prop_assert_eq!(bound, expected.sqrt());
        prop_assert_eq!(lb_keogh(&a, &a, radius), Ok(0.0));
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let empty = |series| SeriesError::Empty { series };
    let not_finite = |series, index| SeriesError::NonFinite { series, index };
    let cases: [(&[f64], &[f64], SeriesError); 6] = [
        (&[], &[1.0], empty(Side::First)),
        (&[1.0], &[], empty(Side::Second)),
        (&[], &[], empty(Side::First)),
        (&[1.0, f64::NAN], &[1.0, 2.0], not_finite(Side::First, 1)),
        (&[1.0, 2.0], &[f64::INFINITY, 1.0], not_finite(Side::Second, 0)),
        (&[1.0, 2.0], &[1.0, f64::NEG_INFINITY], not_finite(Side::Second, 1)),
    ];
    for (a, b, error) in cases {
        assert_eq!(dtw(a, b), Err(error));
        assert_eq!(dtw_cutoff(a, b, 1.0), Err(error));
        assert_eq!(dtw_banded(a, b, 1), Err(error));
        assert_eq!(dtw_banded_cutoff(a, b, 1, 1.0), Err(error));
        assert_eq!(dtw_path(a, b, 1), Err(error));
        assert_eq!(dtw_subsequence(a, b), Err(error));
        assert_eq!(dtw_subsequence_cutoff(a, b, 1.0), Err(error));
        assert_eq!(lb_keogh(a, b, 1), Err(error));
    }
    assert_eq!(lb_keogh(&[1.0], &[1.0, 2.0], 1), Err(SeriesError::LengthMismatch { first: 1, second: 2 }));
    let envelope = Envelope::new(&[1.0, 2.0], 1).unwrap();
    assert_eq!(envelope.lower_bound(&[1.0, f64::NAN]), Err(not_finite(Side::Second, 1)));
}

#[test]
fn distances_that_overflow_are_infinite_and_paths_still_whole() {
    let (a, b) = ([f64::MAX, f64::MIN, 0.0], [f64::MIN, f64::MAX]);
    assert_eq!(dtw(&a, &b), Ok(f64::INFINITY));
    let path = dtw_path(&a, &b, usize::MAX).unwrap();
    assert_eq!((path.steps[0], path.steps[path.steps.len() - 1]), ((0, 0), (2, 1)));
    assert_eq!(dtw_cutoff(&a, &b, f64::MAX), Ok(None));
    assert_eq!(dtw_cutoff(&[1.0], &[1.0], f64::NAN), Ok(None));
}
