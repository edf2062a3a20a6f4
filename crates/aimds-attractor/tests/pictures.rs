//! Pictures as they were when someone last looked at them: `UPDATE_SNAPSHOTS=1 cargo test` writes them anew.

use std::path::Path;

use aimds_attractor::systems::*;
use aimds_attractor::{Embedding, Error, phase_portrait, recurrence_plot};

fn check(name: &str, picture: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(picture == expected, "{name} is not what it was");
}

#[test]
fn the_lorenz_butterfly() {
    check("lorenz-phase.svg", &phase_portrait(&lorenz(1500), 17, "Lorenz <x>").unwrap());
}

#[test]
fn the_henon_map_is_dots() {
    let picture = phase_portrait(&henon(500), 1, "Hénon").unwrap();
    assert!(picture.contains("class=\"dots\""));
    check("henon-phase.svg", &picture);
}

#[test]
fn the_recurrences_of_a_sine() {
    let embedding = Embedding::new(10, 2, 0).unwrap();
    let picture = recurrence_plot(&sines(300, &[(40.0, 1.0)]), &embedding, 0.3, "Sine").unwrap().unwrap();
    check("sine-recurrence.svg", &picture);
}

/// Marks counted from the picture are those of the series.
#[test]
fn every_recurrence_is_drawn() {
    let series = henon(120);
    let picture = recurrence_plot(&series, &Embedding::new(1, 2, 0).unwrap(), 0.4, "x").unwrap().unwrap();
    let path = picture.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let drawn: usize =
        path.split('h').skip(1).filter_map(|run| run.split('v').next()?.parse::<usize>().ok()).sum();
    let mean = series.iter().sum::<f64>() / 120.0;
    let deviation = (series.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 120.0).sqrt();
    let near = |i: usize, j: usize| (0..2).all(|d| (series[i + d] - series[j + d]).abs() / deviation <= 0.4);
    assert_eq!(
        drawn,
        (0..119).flat_map(|i| (0..119).map(move |j| (i, j))).filter(|&(i, j)| near(i, j)).count()
    );
}

#[test]
fn pictures_stay_small_and_have_words() {
    let long = noise(20_000, 1);
    let portrait = phase_portrait(&long, 1, "n").unwrap();
    let plot = recurrence_plot(&long, &Embedding::new(1, 1, 0).unwrap(), 0.2, "n").unwrap().unwrap();
    for picture in [portrait, plot] {
        assert!(picture.len() < 400_000, "{}", picture.len());
        assert!(
            picture.contains("<title")
                && picture.contains("<desc")
                && picture.contains("prefers-color-scheme")
        );
    }
}

#[test]
fn a_constant_series_is_a_point_and_a_square() {
    assert!(phase_portrait(&[2.0; 50], 1, "c").unwrap().contains("M200.0,200.0"));
    let plot = recurrence_plot(&[2.0; 50], &Embedding::new(1, 1, 0).unwrap(), 0.1, "c").unwrap().unwrap();
    assert!(plot.contains("M0,0h50v1h-50z"));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let embedding = Embedding::new(5, 3, 0).unwrap();
    assert!(matches!(phase_portrait(&[1.0, 2.0], 0, ""), Err(Error::Setting { name: "delay", .. })));
    assert!(matches!(phase_portrait(&[1.0, 2.0], 2, ""), Err(Error::Setting { name: "delay", .. })));
    assert!(matches!(phase_portrait(&[], 1, ""), Err(Error::Setting { name: "delay", .. })));
    assert_eq!(phase_portrait(&[1.0, f64::NAN], 1, ""), Err(Error::NonFinite { index: 1 }));
    assert_eq!(recurrence_plot(&[f64::NAN], &embedding, 0.1, ""), Err(Error::NonFinite { index: 0 }));
    assert!(matches!(
        recurrence_plot(&[1.0], &embedding, 0.0, ""),
        Err(Error::Setting { name: "radius", .. })
    ));
    assert_eq!(recurrence_plot(&[1.0, 2.0], &embedding, 0.1, ""), Ok(None));
}
