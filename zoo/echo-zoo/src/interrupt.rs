//! Ctrl-C and the other signals that ask a process to end, while something is made that must not be left half made.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::{flag, low_level};

/// What a terminal that is closed sends.
#[cfg(unix)]
const HANG_UP: Option<i32> = Some(signal_hook::consts::SIGHUP);
#[cfg(not(unix))]
const HANG_UP: Option<i32> = None;

/// What the handlers see and set. They are registered once, since none can be taken back.
struct Handlers {
    /// Whether a signal ends the process at once, as it does without handlers.
    at_once: Arc<AtomicBool>,
    /// The signal that came in, or 0.
    signal: Arc<AtomicUsize>,
}

static HANDLERS: LazyLock<Handlers> = LazyLock::new(|| {
    let handlers = Handlers { at_once: Arc::new(AtomicBool::new(true)), signal: Arc::default() };
    for signal in TERM_SIGNALS.iter().copied().chain(HANG_UP) {
        // In this order: the second signal finds what the first has set. One that cannot be registered ends the process
        // as before.
        let _ = flag::register_conditional_default(signal, handlers.at_once.clone())
            .and_then(|_| flag::register(signal, handlers.at_once.clone()))
            .and_then(|_| flag::register_usize(signal, handlers.signal.clone(), signal as usize));
    }
    handlers
});

/// Does `work`, which asks now and then whether a signal came in, and then ends; the process then ends by that signal. A
/// second signal does not wait for that.
pub(crate) fn hold<T>(work: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> T) -> T {
    let Handlers { at_once, signal } = &*HANDLERS;
    at_once.store(false, Ordering::SeqCst);
    let outcome = work(&|| signal.load(Ordering::SeqCst) != 0);
    at_once.store(true, Ordering::SeqCst);
    if let Some(signal) = i32::try_from(signal.load(Ordering::SeqCst)).ok().filter(|&signal| signal != 0) {
        // Does not return, but for a signal that the system does not know.
        let _ = low_level::emulate_default_handler(signal);
    }
    outcome
}
