//! What a person sees: live progress on a terminal, plain lines elsewhere, results and errors. It
//! owns colours and layout; it refuses to decide anything.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use converge::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::{Color, Global, Output};

/// Prints for one invocation.
#[derive(Debug)]
pub(crate) struct Console {
    output: Output,
    quiet: bool,
    colors: ColorChoice,
    live: bool,
}

impl Console {
    /// Decides once how to print. Each stream has colours if it is a terminal and `NO_COLOR`
    /// (no-color.org) is not set, unless the user says otherwise; live lines are for terminals only.
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            output: global.output,
            quiet: global.quiet,
            colors: match global.color {
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
                Color::Auto => ColorChoice::Auto,
            },
            live: std::io::stderr().is_terminal() && !global.quiet,
        }
    }

    /// Whether results are for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// A result: text for people, one JSON document for programs.
    pub(crate) fn result(&self, text: &str, json: &impl Serialize) {
        match self.output {
            Output::Text => {
                let text = text.trim_end_matches('\n');
                let mut stdout = AutoStream::new(std::io::stdout(), self.colors).lock();
                // A closed pipe is the reader's wish, not an error.
                let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
            }
            Output::Json => line(&serde_json::to_string_pretty(json).unwrap_or_default()),
        }
    }

    /// A remark on standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            self.error_line(text);
        }
    }

    /// A line on standard error.
    pub(crate) fn error_line(&self, text: &str) {
        let _ = writeln!(
            AutoStream::new(std::io::stderr(), self.colors).lock(),
            "{text}"
        );
    }

    /// Follows a run.
    pub(crate) fn progress(&self) -> Progress<'_> {
        Progress {
            console: self,
            bars: MultiProgress::new(),
            running: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Whether standard error shows colours.
    fn colors_progress(&self) -> bool {
        let choice = match self.colors {
            ColorChoice::Auto => AutoStream::choice(&std::io::stderr()),
            chosen => chosen,
        };
        choice != ColorChoice::Never
    }
}

/// What a colour means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    /// Done.
    Good,
    /// Under way.
    Busy,
    /// Failed.
    Bad,
    /// Less important.
    Dim,
}

impl Paint {
    /// A word in this colour; the stream it goes to takes the colour off where none is wanted.
    pub(crate) fn on(self, text: &str) -> String {
        format!("\u{1b}[{}m{text}\u{1b}[0m", self.code())
    }

    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Busy => "36",
            Self::Bad => "31",
            Self::Dim => "2",
        }
    }
}

/// Standard output; a closed pipe is the reader's wish, not an error.
pub(crate) fn line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = stdout.write_all(b"\n");
    }
    let _ = stdout.flush();
}

/// A remark on standard error, from where no console is at hand.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The lines of a run under way.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    console: &'a Console,
    bars: MultiProgress,
    running: BTreeMap<&'static str, ProgressBar>,
    told: BTreeMap<&'static str, String>,
}

const STEP_WIDTH: usize = 22;

impl Progress<'_> {
    /// Shows one event.
    pub(crate) fn show(&mut self, event: &Event) {
        if self.console.quiet || self.console.is_json() {
            return;
        }
        match event {
            Event::StepStarted { step } => self.busy(step, "…"),
            Event::Waiting {
                step,
                reason,
                elapsed,
                limit,
            } => {
                let text = format!("{reason}; {} of {}", short(*elapsed), short(*limit));
                if self.console.live {
                    self.busy(step, &text);
                } else if self.told.insert(step, reason.clone()).as_ref() != Some(reason) {
                    self.settled(Paint::Busy, '…', step, reason);
                }
            }
            Event::Progress { step, message } => {
                if self.console.live {
                    self.busy(step, message);
                } else {
                    self.settled(Paint::Busy, '…', step, message);
                }
            }
            Event::Warning { step, message } => self.settled(Paint::Bad, '!', step, message),
            Event::StepFinished {
                step, did, took, ..
            } => {
                self.clear(step);
                let text = format!("{did:<34} {}", Paint::Dim.on(&short(*took)));
                self.settled(Paint::Good, '✔', step, &text);
            }
            Event::StepFailed { step, error } => {
                self.clear(step);
                self.settled(Paint::Bad, '✘', step, error);
            }
            _ => {}
        }
    }

    /// Takes the live lines away.
    pub(crate) fn end(self) {
        for bar in self.running.values() {
            bar.finish_and_clear();
        }
    }

    fn busy(&mut self, step: &'static str, text: &str) {
        if !self.console.live {
            return;
        }
        let bars = &self.bars;
        let colors = self.console.colors_progress();
        let bar = self.running.entry(step).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            let template = if colors {
                "{spinner:.cyan} {prefix} {wide_msg}"
            } else {
                "{spinner} {prefix} {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(
                    style.tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]),
                );
            }
            bar.set_prefix(format!("{step:<STEP_WIDTH$}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(text.to_owned());
    }

    fn clear(&mut self, step: &'static str) {
        if let Some(bar) = self.running.remove(step) {
            bar.finish_and_clear();
        }
    }

    fn settled(&self, paint: Paint, sign: char, step: &str, text: &str) {
        let text = format!("{} {step:<STEP_WIDTH$} {text}", paint.on(&sign.to_string()));
        if self.console.live {
            let text = if self.console.colors_progress() {
                text
            } else {
                anstream::adapter::strip_str(&text).to_string()
            };
            let _ = self.bars.println(text);
        } else {
            self.console.error_line(&text);
        }
    }
}

/// A duration for people: `0.2s`, `41s`, `3m10s`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..120 => format!("{seconds}s"),
        _ => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_size() {
        assert_eq!(short(Duration::from_millis(240)), "0.2s");
        assert_eq!(short(Duration::from_secs(41)), "41s");
        assert_eq!(short(Duration::from_secs(190)), "3m10s");
    }
}
