//! A progress bar on standard error, by bytes or by steps; only where a person sees it.

use std::io::{IsTerminal as _, Read};

use indicatif::{ProgressBar, ProgressStyle};

use crate::chunks::Source;
use crate::cli::Global;

/// The bar, or its absence.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar over all the sources, if every one has a size, stderr is a terminal and nobody asked for quiet.
    pub(crate) fn over(sources: &[Source], global: &Global) -> Self {
        if global.quiet || !std::io::stderr().is_terminal() {
            return Self::none();
        }
        let Some(total) = sources.iter().map(Source::size).sum::<Option<u64>>() else { return Self::none() };
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
        ) {
            bar.set_style(style);
        }
        Self { bar: Some(bar) }
    }

    /// A bar over a number of steps, if stderr is a terminal and nobody asked for quiet.
    pub(crate) fn steps(total: u64, global: &Global) -> Self {
        let seen = !global.quiet && std::io::stderr().is_terminal();
        Self { bar: seen.then(|| ProgressBar::new(total)) }
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.advance(1);
    }

    /// Some steps are done.
    pub(crate) fn advance(&self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
        }
    }

    /// No bar.
    pub(crate) fn none() -> Self {
        Self { bar: None }
    }

    /// Counts what is read.
    pub(crate) fn count<R: Read>(&self, reader: R) -> Counted<R> {
        Counted { reader, bar: self.bar.clone() }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A reader that moves the bar.
pub(crate) struct Counted<R> {
    reader: R,
    bar: Option<ProgressBar>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Some(bar) = &self.bar {
            bar.inc(read as u64);
        }
        Ok(read)
    }
}
