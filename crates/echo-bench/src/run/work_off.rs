//! A queue of cells and the threads that work it off.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two looks at what another process is at.
const POLL: Duration = Duration::from_millis(100);

/// As much stack as a program's first thread has: the graphs of deep encoders are walked by recursion.
const STACK: usize = 8 << 20;

/// What is left to do and what was done.
struct Board<T, E> {
    /// Indices, each with whether it was put off before.
    queue: VecDeque<(usize, bool)>,
    results: Vec<Option<T>>,
    error: Option<E>,
}

/// Results of `attempt` for all indices below `count`, in their order, computed by at most `jobs` threads at a time, of
/// which the calling one is the first.
///
/// What `attempt` gives nothing for, because another process is at it, is put off to the end, and tried again until
/// there is a result; `on_wait` is called when nothing else is left.
///
/// # Errors
/// The first error of `attempt`; what runs beside it is ended, and nothing new begun.
pub(crate) fn work_off<T: Send, E: Send>(
    count: usize,
    jobs: usize,
    attempt: impl Fn(usize) -> Result<Option<T>, E> + Sync,
    on_wait: impl Fn(usize) + Sync,
) -> Result<Vec<T>, E> {
    let board = Mutex::new(Board {
        queue: (0..count).map(|index| (index, false)).collect(),
        results: (0..count).map(|_| None).collect(),
        error: None,
    });
    let worker = || {
        loop {
            let mut locked = lock(&board);
            if locked.error.is_some() {
                return;
            }
            let Some((index, put_off)) = locked.queue.pop_front() else { return };
            drop(locked);
            let outcome = attempt(index);
            if put_off && matches!(outcome, Ok(None)) {
                on_wait(index);
                std::thread::sleep(POLL);
            }
            let mut locked = lock(&board);
            match outcome {
                Ok(Some(result)) => locked.results[index] = Some(result),
                Ok(None) => locked.queue.push_back((index, true)),
                Err(error) => drop(locked.error.get_or_insert(error)),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(count) {
            if let Err(error) = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, worker) {
                tracing::warn!("fewer cells at a time than asked for: no thread can be started: {error}");
                break;
            }
        }
        worker();
    });
    let Board { results, error, .. } = board.into_inner().unwrap_or_else(PoisonError::into_inner);
    match error {
        Some(error) => Err(error),
        None => Ok(results.into_iter().flatten().collect()),
    }
}

/// A thread that panicked ends the scope with its panic; what the others do until then needs no second one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_keep_their_order_whatever_is_put_off() {
        for jobs in [1, 3, 40] {
            let order = Mutex::new(Vec::new());
            let tries = AtomicUsize::new(0);
            let results = work_off::<_, ()>(
                20,
                jobs,
                |index| {
                    // Another process is at number 3 for a while.
                    let busy = index == 3 && tries.fetch_add(1, Ordering::SeqCst) < 3;
                    if !busy {
                        lock(&order).push(index);
                    }
                    Ok((!busy).then_some(index * 10))
                },
                |index| assert_eq!(index, 3),
            );
            assert_eq!(results.unwrap(), (0..20).map(|index| index * 10).collect::<Vec<_>>());
            assert_eq!(lock(&order).last(), Some(&3), "it was left for the end");
        }
    }

    #[test]
    fn as_many_run_at_a_time_as_was_asked_for() {
        // Were they fewer, the first would wait for ever.
        let together = Barrier::new(3);
        let attempt = |_| {
            together.wait();
            Ok::<_, ()>(Some(()))
        };
        assert_eq!(work_off(6, 3, attempt, |_| ()).unwrap().len(), 6);
    }

    #[test]
    fn nothing_new_is_begun_after_an_error() {
        let begun = AtomicUsize::new(0);
        let attempt = |index| {
            begun.fetch_add(1, Ordering::SeqCst);
            if index == 2 { Err("the disk is full") } else { Ok(Some(())) }
        };
        assert_eq!(work_off(100, 1, attempt, |_| ()), Err("the disk is full"));
        assert_eq!(begun.into_inner(), 3);
    }
}
