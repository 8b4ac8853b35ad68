//! What the user sees meanwhile: a bar with an estimate on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use echo_files::{printable, say};
use indicatif::{ProgressBar, ProgressStyle};

/// Seconds between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Progress of one task of known length, on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    what: String,
    total: usize,
    last_line: Option<Instant>,
}

impl Progress {
    /// Starts; nothing is shown for a task of length zero.
    pub fn new(what: &str, total: usize) -> Self {
        let terminal = std::io::stderr().is_terminal() && total > 0;
        let bar = if terminal { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix:24} {bar:32} {pos}/{len}  {elapsed}, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what.to_owned());
        let last_line = (!terminal && total > 0).then(Instant::now);
        Self { bar, what: what.to_owned(), total, last_line }
    }

    /// `done` of the whole is done; `message` says what was last.
    pub fn set(&mut self, done: usize, message: &str) {
        self.bar.set_position(done as u64);
        self.bar.set_message(printable(message).into_owned());
        if let Some(last) = self.last_line
            && (last.elapsed() >= LINE_EVERY || done == self.total)
        {
            let message = if message.is_empty() { String::new() } else { format!("  {message}") };
            say(&format!("{}: {done}/{}{message}", self.what, self.total));
            self.last_line = Some(Instant::now());
        }
    }

    /// The whole is `total` after all.
    pub fn resize(&mut self, total: usize) {
        self.total = total;
        self.bar.set_length(total as u64);
    }

    /// Prints a line without disturbing the bar.
    pub fn line(&self, text: &str) {
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
