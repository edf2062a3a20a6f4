//! What other implementations say: `golden/make.py` wrote it with rapidfuzz and dtaidistance.

use aimds_sequence::{
    dtw, dtw_banded, dtw_path, dtw_subsequence, lb_keogh, lcs_len, levenshtein, levenshtein_cutoff,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Equal up to the order of additions.
#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.max(1.0), "{found} instead of {expected}");
}

#[test]
fn symbols_agree_with_rapidfuzz() {
    let golden = golden();
    let cases = golden["symbols"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let chars = |key: &str| -> Vec<char> { case[key].as_str().unwrap().chars().collect() };
        let (a, b) = (chars("a"), chars("b"));
        let distance = case["levenshtein"].as_u64().unwrap() as usize;
        assert_eq!(levenshtein(&a, &b), distance);
        assert_eq!(levenshtein_cutoff(&a, &b, distance), Some(distance));
        assert_eq!(lcs_len(&a, &b), case["lcs"].as_u64().unwrap() as usize);
        if a.iter().chain(&b).all(char::is_ascii) {
            let bytes = |key: &str| case[key].as_str().unwrap().as_bytes();
            assert_eq!(levenshtein(bytes("a"), bytes("b")), distance);
        }
    }
}

#[test]
fn series_agree_with_dtaidistance() {
    let golden = golden();
    let cases = golden["series"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let distance = case["dtw"].as_f64().unwrap();
        assert_close(dtw(&a, &b).unwrap(), distance);
        assert_close(dtw_path(&a, &b, usize::MAX).unwrap().distance, distance);
        let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|&value| value as f32).collect() };
        let in_f32 = f64::from(dtw(&narrow(&a), &narrow(&b)).unwrap());
        assert!((in_f32 - distance).abs() <= 1e-5 * distance.max(1.0), "{in_f32} instead of {distance}");
        let with_radius = |key: &str| -> Vec<(usize, f64)> {
            let pairs = case[key].as_array().into_iter().flatten();
            pairs.map(|pair| (pair[0].as_u64().unwrap() as usize, pair[1].as_f64().unwrap())).collect()
        };
        for (radius, expected) in with_radius("banded") {
            assert_close(dtw_banded(&a, &b, radius).unwrap(), expected);
        }
        for (radius, expected) in with_radius("lb_keogh") {
            assert_close(lb_keogh(&a, &b, radius).unwrap(), expected);
        }
        if let Some(part) = case["subsequence"].as_object() {
            let query = &a[..part["query"].as_u64().unwrap() as usize];
            let found = dtw_subsequence(query, &b).unwrap();
            assert_close(found.distance, part["distance"].as_f64().unwrap());
            assert_eq!(found.span.end as u64, part["end"].as_u64().unwrap());
        }
    }
}
