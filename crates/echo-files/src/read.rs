//! Reading files that the user names.

use std::fs::{File, FileType};
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

/// The longest file that is read as a whole: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;

/// Opens a regular file, or what a link to one leads to.
///
/// # Errors
/// It cannot be opened, or is a folder, a named pipe, a socket or a device: reading those may wait for ever.
pub fn open(path: &Path) -> Result<File, Error> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() {
        return File::open(path);
    }
    let what = if is_pipe(kind) { "a pipe (write its content to a file first)" } else { what_is(kind) };
    Err(Error::new(ErrorKind::InvalidInput, format!("this is {what}, not a file")))
}

/// What is no regular file, in words.
pub(crate) fn what_is(kind: FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a folder",
        () if is_pipe(kind) => "a pipe",
        () if is_socket(kind) => "a socket",
        () => "a device",
    }
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(unix)]
fn is_socket(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

#[cfg(not(unix))]
fn is_socket(_: FileType) -> bool {
    false
}

/// Whether an error is of the machine (a failing disk, a network share that went away, too many open files) and not of the file: it
/// may be readable in a moment. What is not there, may not be read or is no file stays so.
pub fn is_of_machine(error: &Error) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    let of_file = [InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied];
    error.raw_os_error().is_some() && !of_file.contains(&error.kind())
}

/// A whole file.
///
/// # Errors
/// As [`open`]; or it has more than [`MAX_BYTES`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    read_at_most(path, MAX_BYTES)
}

/// A whole text, without the byte-order mark that it may begin with.
///
/// # Errors
/// As [`read_bytes`]; or it is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let text = String::from_utf8(read_bytes(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::InvalidData, format!("byte {at} is not UTF-8: save the file as UTF-8 text"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("the file has more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}a = 1").unwrap();
        assert_eq!(read_text(file.path()).unwrap(), "a = 1");
    }

    #[test]
    fn a_text_that_is_none_says_where() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"ab\xff").unwrap();
        assert!(read_text(file.path()).unwrap_err().to_string().starts_with("byte 2 is not UTF-8"));
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        assert_eq!(read_at_most(file.path(), 3).unwrap(), b"abc");
        assert_eq!(read_at_most(file.path(), 2).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[cfg(unix)]
    #[test]
    fn a_failing_disk_is_of_the_machine_and_a_missing_file_is_not() {
        let (eio, emfile, estale) = (5, 24, 116);
        assert!([eio, emfile, estale].iter().all(|&code| is_of_machine(&Error::from_raw_os_error(code))));
        assert!(!is_of_machine(&open(Path::new("/nowhere")).unwrap_err()));
        assert!(!is_of_machine(&ErrorKind::UnexpectedEof.into()) && !is_of_machine(&Error::other("of a decoder")));
    }

    #[test]
    fn a_folder_is_named_as_one() {
        let error = open(tempfile::tempdir().unwrap().path()).unwrap_err();
        assert_eq!(error.to_string(), "this is a folder, not a file");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_instead_of_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(open(&pipe).unwrap_err().to_string().contains("a pipe"));
    }
}
