//! Writing files that appear whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::path::Path;

use crate::read::what_is;

/// Beginning of the names of files that are being written. One that has not changed for long was left by a killed
/// process.
pub const UNFINISHED: &str = ".unfinished-";

/// Writes a file under another name, brings it to the disk and renames it: after a kill or a power cut at any instant
/// there is the old file or the new one. A link at `path` is replaced, not followed. Permissions are those of the
/// user's umask. What [`is_stream`] is written to instead, and may be closed by its reader at any time.
///
/// # Errors
/// It cannot be written, and the old file is then untouched; or as [`check_place`].
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Error>,
) -> Result<(), Error> {
    replace(path, write, true)
}

/// [`write_atomically`] for what can be made again and is checked when it is read: not brought to the disk at once,
/// which takes milliseconds for each file.
///
/// # Errors
/// It cannot be written.
pub fn write_cached(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Error>) -> Result<(), Error> {
    replace(path, write, false)
}

fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Error>,
    durable: bool,
) -> Result<(), Error> {
    if let Some(stream) = stream(path) {
        let mut writer = BufWriter::new(stream?);
        return match write(&mut writer).and_then(|()| writer.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written,
        };
    }
    check_place(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Temporary files are secret by default; these become the user's results.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let (file, name) = builder.tempfile_in(folder)?.into_parts();
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(|error| error.into_error())?;
    if durable {
        file.sync_all()?;
    }
    name.persist(path).map_err(|error| error.error)?;
    if durable {
        // A rename is durable once the folder is. Not every file system can do that, and then nothing is lost by it.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// Whether results may be written to what is there, so that a command can tell before it has worked for hours.
///
/// # Errors
/// It is a folder, a pipe, a socket or a device, also behind a link: a file would take its place. Or there is no folder to
/// hold it.
pub fn check_place(path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        let reason = format!("there is no folder {}; make it first", folder.display());
        return Err(Error::new(ErrorKind::NotFound, reason));
    }
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() && !is_stream(path) => {
            let what = what_is(found.file_type());
            Err(Error::new(ErrorKind::InvalidInput, format!("this is {what}, and results go to a file; name another")))
        }
        _ => Ok(()),
    }
}

/// Whether it is the terminal or nothing, by the names that systems have for them: `/dev/stdout`, `/dev/null`.
pub fn is_stream(path: &Path) -> bool {
    cfg!(unix) && ["/dev/stdout", "/dev/stderr", "/dev/null"].iter().any(|known| path == Path::new(known))
}

#[cfg(unix)]
fn stream(path: &Path) -> Option<Result<File, Error>> {
    use std::os::fd::AsFd;
    // Duplicates go on where the rest of the program writes; another handle on a file would begin at its beginning.
    let duplicate = match path.file_name().filter(|_| is_stream(path))?.to_str()? {
        "stdout" => std::io::stdout().as_fd().try_clone_to_owned(),
        "stderr" => std::io::stderr().as_fd().try_clone_to_owned(),
        _ => return Some(File::options().write(true).open(path)),
    };
    Some(duplicate.map(File::from))
}

#[cfg(not(unix))]
fn stream(_: &Path) -> Option<Result<File, Error>> {
    None
}

/// Opens a file for appending, made if there is none.
///
/// # Errors
/// It cannot be opened, or is no regular file: a link may lead to a file that is nobody's result.
pub fn append(path: &Path) -> Result<File, Error> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::new(
            ErrorKind::InvalidInput,
            "this is a link or no regular file; results are not appended to it",
        )),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => File::options().create(true).append(true).open(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.csv");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["results.csv"]);
    }

    #[test]
    fn a_place_without_a_folder_is_told_before_there_is_anything_to_write() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check_place(&dir.path().join("new.csv")).is_ok() && check_place(Path::new("new.csv")).is_ok());
        let error = check_place(&dir.path().join("absent/new.csv")).unwrap_err().to_string();
        assert!(error.contains("absent; make it first"), "{error}");
        assert!(check_place(dir.path()).unwrap_err().to_string().contains("a folder"));
    }

    #[test]
    fn the_new_file_takes_the_place_of_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.csv");
        for text in ["a longer old text", "new"] {
            write_cached(&path, |file| file.write_all(text.as_bytes())).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write_atomically(&ours, |file| file.write_all(b"a")).unwrap();
        File::create(&plain).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_replaced_and_not_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, "another's").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(append(&link).is_err());
        write_atomically(&link, |file| file.write_all(b"ours")).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"another's");
        append(&link).unwrap().write_all(b" and more").unwrap();
        assert_eq!(std::fs::read(&link).unwrap(), b"ours and more");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_replaced_by_one() {
        use std::os::unix::fs::FileTypeExt;
        let dir = tempfile::tempdir().unwrap();
        let (pipe, link) = (dir.path().join("pipe"), dir.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [(&pipe, "a pipe"), (&link, "a pipe"), (&dir.path().to_owned(), "a folder")] {
            let refused = write_atomically(path, |file| file.write_all(b"a")).unwrap_err().to_string();
            assert!(refused.contains(what) && refused.contains("results go to a file"), "{refused}");
        }
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(names(dir.path()).len(), 2);
        // The name of nothing is one that scripts give.
        write_atomically(Path::new("/dev/null"), |file| file.write_all(b"a")).unwrap();
        assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
