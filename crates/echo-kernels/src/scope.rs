//! Settings of the layers that a thread calls, for as long as some work is done.

use std::cell::Cell;
use std::thread::LocalKey;

/// Does `work` with `setting` at `value`. What was there comes back, after a panic too.
pub(crate) fn with<V: Copy, T>(setting: &'static LocalKey<Cell<V>>, value: V, work: impl FnOnce() -> T) -> T {
    struct Before<V: Copy + 'static>(&'static LocalKey<Cell<V>>, V);
    impl<V: Copy> Drop for Before<V> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _before = Before(setting, setting.replace(value));
    work()
}
