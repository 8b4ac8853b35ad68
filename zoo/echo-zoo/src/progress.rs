//! How far work of known length is: a bar on a terminal, plain lines elsewhere.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use echo_bench::Observer;
use echo_files::{printable, say};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Seconds between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Between two drawings of a bar of which nothing is heard, so that its clock goes on.
const TICK: Duration = Duration::from_secs(1);

/// Characters of a plain line.
const WIDTH: usize = 80;

/// Characters of the name of a bar.
const NAME: usize = 24;

/// A bar: its name, and below 80 columns all but the message, which takes what is left of the line.
const BAR: &str = "{prefix} {bar:20} {pos}/{len} {elapsed}{left}  {wide_msg}";

/// Progress of one task of known length, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    what: String,
    total: usize,
    last_line: Option<Instant>,
}

impl Progress {
    /// Starts; nothing is shown for a task of length zero.
    pub(crate) fn new(what: &str, total: usize) -> Self {
        let terminal = std::io::stderr().is_terminal() && total > 0;
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let last_line = (!terminal && total > 0).then(Instant::now);
        let bar = bar(what, total, target);
        if terminal {
            bar.enable_steady_tick(TICK);
        }
        Self { bar, what: what.to_owned(), total, last_line }
    }

    /// `done` of the whole is done; `message` says what was last, or what is being done.
    pub(crate) fn set(&mut self, done: usize, message: &str) {
        self.bar.set_position(done as u64);
        self.bar.set_message(printable(message).into_owned());
        if let Some(last) = self.last_line
            && (last.elapsed() >= LINE_EVERY || done == self.total)
        {
            say(&plain(&self.what, done, self.total, message));
            self.last_line = Some(Instant::now());
        }
    }

    /// Prints a line without disturbing the bar.
    pub(crate) fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            say(text);
        } else {
            // As `say` does: a bar prints what it is given.
            text.lines().for_each(|line| self.bar.println(printable(line)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(what: &str, total: usize, target: ProgressDrawTarget) -> ProgressBar {
    // Of nothing that is done follows no time that is left.
    let left = |state: &ProgressState, text: &mut dyn Write| {
        if state.pos() > 0 {
            let _ = write!(text, ", {:#} left", HumanDuration(state.eta()));
        }
    };
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total as u64), target).with_style(style.with_key("left", left));
    bar.with_prefix(printable(what).chars().take(NAME).collect::<String>())
}

fn plain(what: &str, done: usize, total: usize, message: &str) -> String {
    let message = if message.is_empty() { String::new() } else { format!("  {message}") };
    format!("{what}: {done}/{total}{message}").chars().take(WIDTH).collect()
}

/// Shows how far a benchmark is: one task at a time, the one that was heard of last.
#[derive(Debug, Default)]
pub struct Display(Mutex<Option<Progress>>);

impl Display {
    /// A thread that panicked while it showed something has spoiled no result.
    fn shown(&self) -> MutexGuard<'_, Option<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Display {
    fn line(&self, text: &str) {
        match &*self.shown() {
            Some(progress) => progress.line(text),
            None => say(text),
        }
    }

    fn progress(&self, what: &str, done: usize, total: usize, last: &str) {
        let mut shown = self.shown();
        if shown.as_ref().is_none_or(|progress| (progress.what.as_str(), progress.total) != (what, total)) {
            // The old bar goes before the new one comes.
            *shown = None;
            *shown = Some(Progress::new(what, total));
        }
        if let Some(progress) = shown.as_mut() {
            progress.set(done, last);
        }
        if done == total {
            *shown = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use indicatif::TermLike;

    use super::*;

    /// A terminal of 80 columns that remembers what was written.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<String>>);

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_fits_eighty_columns_and_knows_no_time_left_before_something_is_done() {
        let terminal = Terminal::default();
        let drawn = || std::mem::take(&mut *terminal.0.lock().unwrap());
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = bar("embedding with a model of a long name", 12_000, target);
        bar.set_message("encoding a-video-of-a-name-that-is-longer-than-the-line-has-room-for.avi");
        bar.force_draw();
        let first = drawn();
        assert!(first.contains("0/12000") && first.contains("encoding a-video") && !first.contains("left"), "{first}");
        bar.set_position(3);
        bar.force_draw();
        let second = drawn();
        assert!(second.contains("3/12000") && second.contains(" left"), "{second}");
        for line in first.lines().chain(second.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn a_plain_line_fits_eighty_columns() {
        assert_eq!(plain("cells", 3, 60, "echoclip + coop, 1 shot"), "cells: 3/60  echoclip + coop, 1 shot");
        assert_eq!(plain("clips", 0, 1, &"x".repeat(200)).chars().count(), WIDTH);
    }
}
