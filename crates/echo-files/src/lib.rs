//! Files and messages of a program that may be killed at any instant and whose input is anybody's.
//!
//! Reading never waits for a named pipe, writing never leaves half a file, and a message never ends the program.

#![warn(missing_docs)]

mod counted;
mod lock;
mod names;
mod read;
mod say;
mod spreadsheet;
mod write;

pub use counted::{counted, plural};
pub use lock::{FileLock, lock_file, remove_left_locks, without_locks};
pub use names::{last_name, path_for_others, short_names};
pub use read::{MAX_BYTES, is_of_machine, open, read_bytes, read_text};
pub use say::{excerpt, hand_messages_to, printable, say};
pub use spreadsheet::{from_cell, to_cell};
pub use write::{UNFINISHED, append, check_place, is_stream, write_atomically, write_cached};
