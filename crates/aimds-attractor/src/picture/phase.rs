//! The phase portrait: each value over the one some samples later.

use std::fmt::Write as _;

use super::{Frame, SIDE};
use crate::error::{Error, finite, setting};
use crate::standard::range;

/// Points drawn at most: the last ones.
const MOST: usize = 2000;
/// Jumps of more than this share of the range are not a path: points are then not joined.
const JUMP: f64 = 0.1;

/// The last 2,000 points `(x[i], x[i + delay])` as an SVG document. They are joined if the series moves in small steps.
///
/// # Errors
///
/// [`Error::NonFinite`], and [`Error::Setting`] for a delay of 0 or one that leaves no point.
///
/// ```
/// let sine: Vec<f64> = (0..200).map(|i| (f64::from(i) / 10.0).sin()).collect();
/// let picture = aimds_attractor::phase_portrait(&sine, 15, "Requests a minute")?;
/// assert!(picture.starts_with("<svg") && picture.contains("<title"));
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn phase_portrait(series: &[f64], delay: usize, title: &str) -> Result<String, Error> {
    finite(series)?;
    let holds = (1..series.len()).contains(&delay);
    setting("delay", delay as f64, "at least 1 and below the number of values", holds)?;
    let shown = series.get(series.len().saturating_sub(MOST + delay)..).unwrap_or_default();
    let (low, high) = range(shown);
    let place =
        |value: f64| if high > low { (value * 0.5 - low * 0.5) / (high * 0.5 - low * 0.5) } else { 0.5 };
    let places: Vec<f64> = shown.iter().map(|&value| place(value)).collect();
    let jumps: f64 = places.iter().zip(places.iter().skip(1)).map(|(a, b)| (b - a).abs()).sum();
    let joined = jumps / (places.len() - 1).max(1) as f64 <= JUMP;
    let mut path = String::new();
    for (number, (x, y)) in places.iter().zip(places.iter().skip(delay)).enumerate() {
        let (x, y) = (x * SIDE, (1.0 - y) * SIDE);
        // Writing to a string does not fail.
        let _ = match (joined, number) {
            (true, 0) => write!(path, "M{x:.1},{y:.1}"),
            (true, _) => write!(path, "L{x:.1},{y:.1}"),
            (false, _) => write!(path, "M{x:.1},{y:.1}h0"),
        };
    }
    let class = if joined { "line" } else { "dots" };
    let description = format!(
        "Phase portrait of {} points: each value on the horizontal axis, the value {delay} samples later on the vertical \
         axis, both from {} to {}.",
        places.len() - delay,
        super::number(low),
        super::number(high)
    );
    let later = format!("x(t + {delay})");
    let frame = Frame {
        name: "phase-portrait",
        title,
        description: &description,
        across: ("x(t)", low, high),
        up: (&later, low, high),
    };
    Ok(frame.around(&format!(r#"<path class="{class}" d="{path}"/>"#)))
}
