//! The memory of a process over time.

use std::fs;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Samples that a report shows.
const SHOWN: usize = 60;
/// The share of the time that is warm-up: caches fill, the allocator finds its size.
const WARM_UP: f64 = 0.1;

/// Watches a process once a second until it is told to end.
pub(super) struct Memory {
    stop: mpsc::Sender<()>,
    watcher: JoinHandle<Vec<Sample>>,
    seconds: f64,
}

/// One look.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    resident: Kib,
    /// What of it is huge pages, which the kernel makes of small ones beside free room when it likes to: growth that is
    /// nobody's data.
    huge: Kib,
}

type Kib = f64;

/// In order of time.
pub(super) struct Samples {
    all: Vec<Sample>,
    /// From here on it is warm.
    warm: f64,
}

impl Memory {
    pub(super) fn watch(process: u32, seconds: u64) -> Self {
        let (stop, stopped) = mpsc::channel();
        let watcher = std::thread::spawn(move || {
            let began = Instant::now();
            let mut all = Vec::new();
            loop {
                // Where the system does not tell, there are no samples.
                all.extend(resident_and_huge(process).map(|(resident, huge)| Sample {
                    seconds: began.elapsed().as_secs_f64(),
                    resident,
                    huge,
                }));
                if stopped.recv_timeout(Duration::from_secs(1)) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return all;
                }
            }
        });
        Self { stop, watcher, seconds: seconds as f64 }
    }

    pub(super) fn end(self) -> Samples {
        let _ = self.stop.send(());
        Samples { all: self.watcher.join().unwrap_or_default(), warm: self.seconds * WARM_UP }
    }
}

impl Samples {
    fn warm(&self) -> &[Sample] {
        let from = self.all.partition_point(|sample| sample.seconds < self.warm);
        self.all.get(from..).unwrap_or_default()
    }

    pub(super) fn line(&self) -> Option<String> {
        let [first, .., last] = self.warm() else { return None };
        let begin = self.all.first()?;
        Some(format!(
            "resident memory: {:.0} KiB at the begin, {:.0} KiB after {:.0} s, {:.0} KiB after {:.0} s, of these {:.0} and {:.0} KiB in huge pages; slope from then on {}",
            begin.resident,
            first.resident,
            first.seconds,
            last.resident,
            last.seconds,
            first.huge,
            last.huge,
            slope(self.warm()).map_or("unknown".to_owned(), |kib| format!("{:+.1} KiB a minute", kib * 60.0))
        ))
    }

    pub(super) fn json(&self) -> Value {
        let every = self.all.len().div_ceil(SHOWN).max(1);
        json!({
            "warm_after_seconds": self.warm,
            "first_kib": self.warm().first().map(|sample| sample.resident),
            "last_kib": self.warm().last().map(|sample| sample.resident),
            "slope_kib_per_minute": slope(self.warm()).map(|kib| kib * 60.0),
            "columns": ["seconds", "resident_kib", "huge_pages_kib"],
            "samples": self.all.iter().step_by(every).map(|s| [s.seconds, s.resident, s.huge]).collect::<Vec<_>>(),
        })
    }
}

/// KiB a second, by least squares; `None` for fewer than two moments.
fn slope(samples: &[Sample]) -> Option<f64> {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.seconds), mean(|sample| sample.resident));
    let spread: f64 = samples.iter().map(|sample| (sample.seconds - x).powi(2)).sum();
    let together: f64 = samples.iter().map(|sample| (sample.seconds - x) * (sample.resident - y)).sum();
    (samples.len() > 1 && spread > 0.0).then(|| together / spread)
}

/// What the system tells about the memory of a process, where it does.
fn resident_and_huge(process: u32) -> Option<(Kib, Kib)> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let kib = |name: &str| -> Option<Kib> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kib("Rss:")?, kib("AnonHugePages:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: f64, resident: f64) -> Sample {
        Sample { seconds, resident, huge: 1.0 }
    }

    #[test]
    fn a_slope_is_that_of_the_line_through_the_samples() {
        let line: Vec<_> =
            (0..10).map(|second| sample(f64::from(second), 100.0 + 3.0 * f64::from(second))).collect();
        assert!((slope(&line).unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(slope(&[sample(0.0, 5.0), sample(1.0, 5.0)]), Some(0.0));
        assert_eq!((slope(&[]), slope(&[sample(1.0, 1.0), sample(1.0, 2.0)])), (None, None));
    }

    #[test]
    fn the_warm_up_does_not_count() {
        let all =
            (0..100).map(|second| sample(f64::from(second), if second < 10 { 0.0 } else { 7.0 })).collect();
        let samples = Samples { all, warm: 10.0 };
        assert_eq!(samples.json()["first_kib"], 7.0);
        assert_eq!(samples.json()["slope_kib_per_minute"], 0.0);
        assert_eq!(samples.json()["samples"].as_array().unwrap().len(), 50);
        let end =
            "7 KiB after 99 s, of these 1 and 1 KiB in huge pages; slope from then on +0.0 KiB a minute";
        assert!(samples.line().unwrap().ends_with(end));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_watched() {
        let memory = Memory::watch(std::process::id(), 1);
        let first = memory.end().all[0];
        assert!(first.resident > 100.0 && first.huge <= first.resident);
    }
}
