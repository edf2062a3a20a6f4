//! Distances of symbols against full matrices, and what must hold for all of them.

mod naive;

use aimds_sequence::{
    alignment, lcs_len, lcs_len_cutoff, levenshtein, levenshtein_cutoff, levenshtein_infix,
    levenshtein_infix_cutoff,
};
use proptest::prelude::*;

/// Lengths at which the code takes another way, and around them.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..20_usize,
        prop::sample::select(vec![0, 1, 2, 63, 64, 65, 127, 128, 129, 191, 193, 255, 256, 257, 300]),
        500..700_usize,
    ]
}

fn word(symbols: u32) -> impl Strategy<Value = Vec<u32>> {
    len().prop_flat_map(move |len| prop::collection::vec(0..symbols, len))
}

/// A sequence and one that was made from it by a few edits.
fn related(symbols: u32) -> impl Strategy<Value = (Vec<u32>, Vec<u32>)> {
    (word(symbols), prop::collection::vec((any::<prop::sample::Index>(), 0..3, 0..symbols), 0..160)).prop_map(
        |(first, edits)| {
            let mut second = first.clone();
            for (at, kind, symbol) in edits {
                let at = at.index(second.len() + 1);
                match kind {
                    0 => second.insert(at, symbol),
                    1 if at < second.len() => drop(second.remove(at)),
                    _ if at < second.len() => second[at] = symbol,
                    _ => {}
                }
            }
            (first, second)
        },
    )
}

fn pair() -> impl Strategy<Value = (Vec<u32>, Vec<u32>)> {
    prop_oneof![
        (word(2), word(2)),
        (word(4), word(4)),
        (word(40), word(40)),
        (word(1), word(1)),
        related(3),
        related(30),
        related(5000),
    ]
}

fn bytes(symbols: &[u32]) -> Vec<u8> {
    symbols.iter().map(|&symbol| (symbol % 256) as u8).collect()
}

fn chars(symbols: &[u32]) -> Vec<char> {
    symbols.iter().map(|&symbol| char::from_u32(symbol * 37 + 0x1_0000).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn levenshtein_is_that_of_the_full_matrix((a, b) in pair()) {
        let expected = naive::levenshtein(&a, &b);
        prop_assert_eq!(levenshtein(&a, &b), expected);
        prop_assert_eq!(levenshtein(&b, &a), expected);
        prop_assert_eq!(levenshtein(&chars(&a), &chars(&b)), expected);
        prop_assert_eq!(levenshtein(&bytes(&a), &bytes(&b)), naive::levenshtein(&bytes(&a), &bytes(&b)));
    }

    #[test]
    fn levenshtein_with_a_cutoff_is_the_distance_or_nothing((a, b) in pair(), cutoff in 0..700_usize) {
        let expected = naive::levenshtein(&a, &b);
        for cutoff in [cutoff, expected, expected.saturating_sub(1), expected + 1, 0, 1, 2] {
            prop_assert_eq!(levenshtein_cutoff(&a, &b, cutoff), (expected <= cutoff).then_some(expected), "{}", cutoff);
        }
    }

    #[test]
    fn lcs_is_that_of_the_full_matrix((a, b) in pair(), cutoff in 0..400_usize) {
        let expected = naive::lcs(&a, &b);
        prop_assert_eq!(lcs_len(&a, &b), expected);
        prop_assert_eq!(lcs_len(&b, &a), expected);
        prop_assert_eq!(lcs_len(&chars(&a), &chars(&b)), expected);
        for cutoff in [cutoff, expected, expected.saturating_sub(1), expected + 1] {
            prop_assert_eq!(lcs_len_cutoff(&a, &b, cutoff), (expected >= cutoff).then_some(expected), "{}", cutoff);
        }
    }

    #[test]
    fn infix_is_that_of_the_full_matrix((a, b) in pair(), before in word(4), after in word(4)) {
        let b = [before, b, after].concat();
        // The reference for the span is cubic.
        let b = if a.len() < 40 { &b[..] } else { &b[..b.len().min(300)] };
        let last = naive::edit_matrix(&a, b, true).pop().unwrap();
        let expected = *last.iter().min().unwrap();
        let found = levenshtein_infix(&a, b);
        prop_assert_eq!(found.distance, expected);
        prop_assert_eq!(found.span.end, last.iter().position(|&value| value == expected).unwrap());
        prop_assert_eq!(naive::levenshtein(&a, &b[found.span.clone()]), expected);
        if a.len() < 20 {
            let (distance, span) = naive::infix(&a, b);
            prop_assert_eq!((found.distance, found.span.clone()), (distance, span));
        }
        for cutoff in [expected, expected + 3, usize::MAX] {
            prop_assert_eq!(levenshtein_infix_cutoff(&a, b, cutoff), Some(found.clone()));
        }
        if expected > 0 {
            prop_assert_eq!(levenshtein_infix_cutoff(&a, b, expected - 1), None);
        }
    }

    #[test]
    fn alignments_explain_the_distance((a, b) in pair()) {
        let found = alignment(&a, &b);
        prop_assert_eq!(found.distance, naive::levenshtein(&a, &b));
        let mut cost = 0;
        let mut last = (0, 0);
        for &(i, j) in &found.matched {
            prop_assert_eq!(a[i], b[j]);
            prop_assert!(i >= last.0 && j >= last.1);
            cost += (i - last.0).max(j - last.1);
            last = (i + 1, j + 1);
        }
        cost += (a.len() - last.0).max(b.len() - last.1);
        prop_assert_eq!(cost, found.distance);
    }

    #[test]
    fn levenshtein_is_a_metric((a, b) in pair(), c in word(4)) {
        prop_assert_eq!(levenshtein(&a, &a), 0);
        prop_assert_eq!(levenshtein(&a, &b), levenshtein(&b, &a));
        prop_assert_eq!(levenshtein(&a, &b) == 0, a == b);
        prop_assert!(levenshtein(&a, &c) <= levenshtein(&a, &b) + levenshtein(&b, &c));
        prop_assert!(levenshtein(&a, &b) >= a.len().abs_diff(b.len()));
        prop_assert!(levenshtein(&a, &b) <= a.len() + b.len() - 2 * lcs_len(&a, &b));
        prop_assert!(levenshtein_infix(&a, &b).distance <= levenshtein(&a, &b));
    }
}

/// Sizes at which several groups of words follow each other, and the alignment is split.
#[test]
fn long_sequences_are_right_too() {
    let mut state = 1_u32;
    let mut random = |symbols: u32, len: usize| -> Vec<u32> {
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % symbols
        })
        .take(len)
        .collect()
    };
    for (n, m, symbols) in [(511, 513, 3), (1025, 1500, 8), (1900, 2200, 4), (1300, 1300, 900)] {
        let (a, b) = (random(symbols, n), random(symbols, m));
        let mut c = a.clone();
        for place in (0..c.len()).step_by(17) {
            c[place] = symbols;
        }
        c.drain(100..150);
        for (a, b) in [(&a, &b), (&a, &c), (&c, &b)] {
            let expected = naive::levenshtein(a, b);
            assert_eq!(levenshtein(a, b), expected);
            for cutoff in [expected, expected + 1, expected + 200] {
                assert_eq!(levenshtein_cutoff(a, b, cutoff), Some(expected));
            }
            assert_eq!(levenshtein_cutoff(a, b, expected - 1), None);
            assert_eq!(levenshtein_cutoff(a, b, expected / 2), None);
            assert_eq!(lcs_len(a, b), naive::lcs(a, b));
            assert_eq!(alignment(a, b).distance, expected);
            let last = naive::edit_matrix(a, b, true).pop().unwrap();
            let best = *last.iter().min().unwrap();
            let found = levenshtein_infix(a, b);
            assert_eq!(found.distance, best);
            assert_eq!(found.span.end, last.iter().position(|&value| value == best).unwrap());
            assert_eq!(levenshtein(a, &b[found.span]), best);
        }
    }
}

#[test]
fn empty_sequences_have_distances() {
    let none: [u32; 0] = [];
    assert_eq!(levenshtein(&none, &none), 0);
    assert_eq!(levenshtein(&none, &[1, 2]), 2);
    assert_eq!(levenshtein_cutoff(&none, &[1, 2], 1), None);
    assert_eq!(lcs_len(&none, &[1, 2]), 0);
    assert_eq!(lcs_len_cutoff(&none, &[1, 2], 1), None);
    let found = levenshtein_infix(&none, &[1, 2]);
    assert_eq!((found.distance, found.span), (0, 0..0));
    let found = levenshtein_infix(&[1, 2], &none);
    assert_eq!((found.distance, found.span), (2, 0..0));
    assert_eq!(alignment(&none, &[1, 2]).distance, 2);
    assert!(alignment(&none, &none).matched.is_empty());
}
