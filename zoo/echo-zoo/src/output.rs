//! Standard output.

use std::io::{ErrorKind, Write};

use crate::CliError;

/// Prints `text`. A reader that has gone, as in `echozoo list | head -1`, wants no more of it: that is no failure, and
/// the exit code still tells how the work went. Commands write their files first.
///
/// # Errors
/// It cannot be written, for instance to a full disk.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CliError::Output),
    }
}
