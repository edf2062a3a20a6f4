//! The recurrence plot: at which pairs of times the state is the same.

use std::fmt::Write as _;

use super::{Frame, SIDE};
use crate::embedding::{Embedding, vectors};
use crate::error::{Error, finite, setting};
use crate::recurrence::MAX_RECURRENCE;
use crate::standard::standardise;

/// States on each side of the picture at most.
const MOST: usize = 250;

/// The recurrences of the last 500 delay vectors (every second of them, so that the picture stays small) as an SVG
/// document. A mark at (i, j) says that no coordinate of the vectors i and j differs by more than `radius` standard
/// deviations. A constant series is always the same; `None` if there is no vector.
///
/// # Errors
///
/// [`Error::NonFinite`], and [`Error::Setting`] if the radius is not above 0.
///
/// ```
/// use aimds_attractor::{Embedding, recurrence_plot};
///
/// let sine: Vec<f64> = (0..200).map(|i| (f64::from(i) / 10.0).sin()).collect();
/// let picture = recurrence_plot(&sine, &Embedding::new(15, 2, 0)?, 0.2, "Requests a minute")?.unwrap();
/// assert!(picture.contains("class=\"cells\""));
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn recurrence_plot(
    series: &[f64],
    embedding: &Embedding,
    radius: f64,
    title: &str,
) -> Result<Option<String>, Error> {
    finite(series)?;
    setting("radius", radius, "above 0", radius > 0.0)?;
    let all = vectors(series.len(), embedding.delay, embedding.dimension);
    if all == 0 {
        return Ok(None);
    }
    let standard = standardise(series).unwrap_or_else(|| vec![0.0; series.len()]);
    let first = all.saturating_sub(MAX_RECURRENCE);
    let stride = (all - first).div_ceil(MOST);
    let states: Vec<Vec<f64>> =
        (first..all).step_by(stride).map(|index| state(&standard, embedding, index)).collect();
    let drawing = cells(&states, radius);
    let description = format!(
        "Recurrence plot of {} states, one every {stride} samples: time runs to the right and upwards, and a mark shows that \
         the states of both times differ by at most {} standard deviations.",
        states.len(),
        super::number(radius)
    );
    let (start, end) = (first as f64, (first + (states.len() - 1) * stride) as f64);
    let frame = Frame {
        name: "recurrence-plot",
        title,
        description: &description,
        across: ("sample", start, end),
        up: ("sample", start, end),
    };
    Ok(Some(frame.around(&drawing)))
}

fn state(standard: &[f64], embedding: &Embedding, index: usize) -> Vec<f64> {
    let coordinate = |place: usize| standard.get(index + place * embedding.delay).copied().unwrap_or(0.0);
    (0..embedding.dimension).map(coordinate).collect()
}

/// One bar for each run of marks in a row.
fn cells(states: &[Vec<f64>], radius: f64) -> String {
    let size = SIDE / states.len() as f64;
    let mut path = String::new();
    for (row, state) in states.iter().enumerate() {
        let near: Vec<bool> = states
            .iter()
            .map(|other| state.iter().zip(other).all(|(a, b)| (a - b).abs() <= radius))
            .collect();
        let mut column = 0;
        for run in near.chunk_by(|a, b| a == b) {
            if run.first() == Some(&true) {
                // Writing to a string does not fail.
                let _ = write!(path, "M{column},{}h{}v1h-{}z", states.len() - 1 - row, run.len(), run.len());
            }
            column += run.len();
        }
    }
    format!(r#"<path class="cells" transform="scale({size})" d="{path}"/>"#)
}
