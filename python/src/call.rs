//! Long work without Python's lock, which Ctrl-C ends.

use std::io::IsTerminal;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use echo_zoo::{CliError, Display, Observer};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::messages::{EchoZooError, exception, hand_over};

/// Between two looks whether Ctrl-C was pressed.
const POLL: Duration = Duration::from_millis(100);

/// As much stack as a program's first thread has: a thread of Python's may have less than deep encoders need.
const STACK: usize = 8 << 20;

/// Shows progress where there is a terminal, and hears of Ctrl-C.
#[derive(Debug)]
struct Watcher {
    screen: Option<Display>,
    is_stopped: AtomicBool,
}

impl Observer for Watcher {
    fn line(&self, text: &str) {
        echo_files::say(text);
    }

    fn progress(&self, what: &str, done: usize, total: usize, last: &str) {
        if let Some(screen) = &self.screen {
            screen.progress(what, done, total, last);
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}

/// A process that was forked has none of its parent's threads, and would wait for them without an end.
fn check_process() -> PyResult<()> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    let here = std::process::id();
    if *FIRST.get_or_init(|| here) == here {
        return Ok(());
    }
    let reason = "echozoo was used before this process was forked, and its threads are not in the fork: start processes with \
                  multiprocessing.get_context(\"spawn\"), or use echozoo in them alone";
    Err(EchoZooError::new_err(reason))
}

/// Does `work` on a thread of its own, while other threads of Python's run.
///
/// Python hears of Ctrl-C on its main thread, which waits here. What is being computed is ended before the exception is raised.
pub(crate) fn released<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(Arc<dyn Observer>) -> Result<T, CliError> + Send,
) -> PyResult<T> {
    check_process()?;
    let screen = std::io::stderr().is_terminal().then(Display::default);
    let watcher = Arc::new(Watcher { screen, is_stopped: AtomicBool::new(false) });
    let (interrupted, outcome) = py
        .detach(|| {
            std::thread::scope(|scope| {
                let (ended, end) = channel::<()>();
                let observer = watcher.clone();
                let worker = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
                    // Dropped at the end, also of a panic.
                    let _ended = ended;
                    work(observer)
                })?;
                let mut interrupted = Ok(());
                while interrupted.is_ok() && end.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                    interrupted = Python::attach(|py| py.check_signals());
                }
                if interrupted.is_err() {
                    watcher.is_stopped.store(true, Ordering::Relaxed);
                }
                let outcome = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
                Ok::<_, std::io::Error>((interrupted, outcome))
            })
        })
        .map_err(PyOSError::new_err)?;
    interrupted?;
    hand_over(py)?;
    outcome.map_err(|error| exception(&error))
}
