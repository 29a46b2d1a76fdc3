//! A progress bar for those who wait at a terminal, who also see the bad lines.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Watch;
use crate::exit::{Failure, tell};

/// A replay that ends sooner than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The clock is looked at once in so many bytes.
const STEP: u64 = 1 << 20;

const REDRAWS_A_SECOND: u8 = 4;

const BAR: &str = "{bar:40} {percent}% of {total_bytes}, {binary_bytes_per_sec}, {eta} left";
const SPINNER: &str = "{spinner} {bytes} read, {binary_bytes_per_sec}, {elapsed}";

/// Watches a replay for the person who started it.
pub(crate) struct Progress {
    keep_going: bool,
    started: Instant,
    /// Where nobody would see it, there is none.
    bar: Option<ProgressBar>,
    next_look: u64,
}

impl Progress {
    pub(crate) fn new(length: Option<u64>, keep_going: bool) -> Self {
        let bar = io::stderr().is_terminal().then(|| hidden_bar(length));
        let next_look = if bar.is_some() { STEP } else { u64::MAX };
        Self { keep_going, started: Instant::now(), bar, next_look }
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn look(&mut self, bytes: u64) {
        self.next_look = bytes.saturating_add(STEP);
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            if bar.is_hidden() && self.elapsed() >= PATIENCE {
                bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND));
            }
        }
    }
}

impl Watch for Progress {
    #[inline]
    fn at(&mut self, bytes: u64) {
        if bytes >= self.next_look {
            self.look(bytes);
        }
    }

    fn bad_line(&mut self, bad: Failure) -> Result<(), Failure> {
        if !self.keep_going {
            return Err(bad);
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(&bad)),
            None => tell(&bad),
        }
        Ok(())
    }
}

impl Drop for Progress {
    /// However a replay ends, the bar goes: what is written next must not stand in its line.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// It measures the speed from the start, also while it is not shown.
fn hidden_bar(length: Option<u64>) -> ProgressBar {
    let template = if length.is_some() { BAR } else { SPINNER };
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
    // The templates are right (a test holds it); with a wrong one the default style would do.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_right() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
