//! Features of many videos in one file: a million videos would be millions of files.
//!
//! A pack is written once and never changed. It begins with [`MAGIC`]; features follow, each with the bytes that it has as
//! a file of its own; then an index, for each feature the video's digest, where it begins and how long it is; then the
//! number of features, a checksum of index and number, and [`MAGIC`] again.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echo_files::write_cached;

/// First and last bytes; the digit is the format's version.
const MAGIC: &[u8; 8] = b"EZPACK1\n";

/// Bytes of an index for each feature: digest, offset, length.
const ROW: usize = 48;

/// Bytes at the end: number, checksum, magic.
const TRAILER: usize = 48;

/// Two changes of a folder within this time may leave it with one time of modification.
const TICK: Duration = Duration::from_secs(2);

/// Where a feature lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    pack: u32,
    offset: u64,
    length: u32,
}

/// The packs of a stage: which features they have. 64 bytes a feature, about.
#[derive(Debug)]
pub(super) struct Packs {
    folder: PathBuf,
    /// When the folder had last changed as it was listed.
    changed: Option<SystemTime>,
    /// In the order in which they were found.
    files: Vec<PathBuf>,
    known: HashSet<PathBuf>,
    /// Packs that were used by this process.
    used: HashSet<u32>,
    /// By the first half of a video's digest.
    places: HashMap<[u8; 16], Place>,
}

impl Packs {
    /// The packs of the stage whose features are in `stage`.
    pub(super) fn of(stage: &Path) -> Self {
        let mut packs = Self {
            folder: folder_of(stage),
            changed: None,
            files: Vec::new(),
            known: HashSet::new(),
            used: HashSet::new(),
            places: HashMap::new(),
        };
        packs.refresh();
        packs
    }

    /// Looks for packs that others have written since. Whether there were any.
    pub(super) fn refresh(&mut self) -> bool {
        let Ok(changed) = std::fs::metadata(&self.folder).and_then(|folder| folder.modified()) else { return false };
        if self.changed == Some(changed) {
            return false;
        }
        // What changes within a tick is seen next time.
        self.changed = changed.elapsed().is_ok_and(|age| age > TICK).then_some(changed);
        // Names begin with a time: what was packed again, since it was damaged, comes last and counts.
        let mut found: Vec<PathBuf> = std::fs::read_dir(&self.folder)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        found.retain(|path| is_pack(path) && !self.known.contains(path));
        found.sort();
        for path in &found {
            self.known.insert(path.clone());
            match read_index(path) {
                Ok(rows) => {
                    let pack = self.files.len() as u32;
                    self.files.push(path.clone());
                    let place = |Row { video, offset, length }| (video, Place { pack, offset, length });
                    self.places.extend(rows.into_iter().map(place));
                }
                // Another process may have removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => tracing::warn!("{}: {error}; its features are computed again", path.display()),
            }
        }
        !found.is_empty()
    }

    pub(super) fn has(&self, video: &[u8; 16]) -> bool {
        self.places.contains_key(video)
    }

    /// Passes a feature over from now on: it is damaged.
    pub(super) fn forget(&mut self, video: &[u8; 16]) {
        self.places.remove(video);
    }

    /// The bytes of a video's feature, as they were packed, and the pack; nothing where no pack has it, or the pack has gone.
    pub(super) fn read(&mut self, video: &[u8; 16]) -> Option<(Vec<u8>, PathBuf)> {
        let Place { pack, offset, length } = *self.places.get(video)?;
        let path = self.files[pack as usize].clone();
        let read = || -> Result<_, Error> {
            let mut file = echo_files::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes)?;
            Ok((file, bytes))
        };
        match read() {
            Ok((file, bytes)) => {
                if self.used.insert(pack) {
                    // Where the system refuses, packs leave the cache in the order in which they came.
                    let _ = file.set_modified(SystemTime::now());
                }
                Some((bytes, path))
            }
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!("{}: {error}", path.display());
                }
                self.forget(video);
                None
            }
        }
    }
}

/// The folder of a stage's packs.
pub(super) fn folder_of(stage: &Path) -> PathBuf {
    stage.join("packs")
}

/// Whether a file in such a folder is a pack.
pub(super) fn is_pack(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pack")
}

/// How many features a pack has; none of one that is damaged.
pub(super) fn count(path: &Path) -> usize {
    read_index(path).map_or(0, |rows| rows.len())
}

/// Writes features of `stage` into one new pack: of each the video's digest and its bytes, read when their turn comes. Those
/// of which there are no bytes any more are passed over. Gives the digests and lengths of those that are in it.
pub(super) fn write<T>(
    stage: &Path,
    features: &[T],
    read: impl Fn(&T) -> Option<(blake3::Hash, Vec<u8>)>,
) -> Result<Vec<(blake3::Hash, u64)>, Error> {
    let folder = folder_of(stage);
    std::fs::create_dir_all(&folder)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    // A clock may stand still between two packs, and where the file system has no locks two processes may write at once.
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{now:020}-{}-{number}.pack", std::process::id()));
    let mut videos = Vec::new();
    write_cached(&path, |file| {
        file.write_all(MAGIC)?;
        let (mut index, mut offset) = (Vec::new(), MAGIC.len() as u64);
        for feature in features {
            let Some((video, bytes)) = read(feature) else { continue };
            file.write_all(&bytes)?;
            index.extend_from_slice(video.as_bytes());
            index.extend(offset.to_le_bytes());
            let length = bytes.len() as u64;
            index.extend(length.to_le_bytes());
            offset += length;
            videos.push((video, length));
        }
        index.extend((videos.len() as u64).to_le_bytes());
        file.write_all(&index)?;
        file.write_all(blake3::hash(&index).as_bytes())?;
        file.write_all(MAGIC)
    })?;
    if videos.is_empty() {
        std::fs::remove_file(&path)?;
    }
    Ok(videos)
}

/// A line of an index.
struct Row {
    video: [u8; 16],
    offset: u64,
    length: u32,
}

/// # Errors
/// The file cannot be read, or its index is damaged.
fn read_index(path: &Path) -> Result<Vec<Row>, Error> {
    let damaged = || Error::new(ErrorKind::InvalidData, "this pack of features is damaged");
    let mut file = BufReader::new(echo_files::open(path)?);
    let size = file.get_ref().metadata()?.len();
    let trailer_at = size.checked_sub(TRAILER as u64).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(trailer_at))?;
    let trailer: [u8; TRAILER] = read_array(&mut file)?;
    let (count, rest) = trailer.split_at(8);
    let (checksum, magic) = rest.split_at(32);
    let rows = u64::from_le_bytes(count.try_into().expect("eight bytes"));
    let index_at =
        rows.checked_mul(ROW as u64).and_then(|length| trailer_at.checked_sub(length)).ok_or_else(damaged)?;
    if magic != MAGIC {
        return Err(damaged());
    }
    file.seek(SeekFrom::Start(index_at))?;
    let mut index = vec![0; (trailer_at - index_at) as usize];
    file.read_exact(&mut index)?;
    let mut hasher = blake3::Hasher::new();
    if hasher.update(&index).update(count).finalize().as_bytes() != checksum {
        return Err(damaged());
    }
    let row = |row: &[u8; ROW]| {
        let number = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes"));
        let (offset, length) = (number(32), number(40));
        let is_inside = offset.checked_add(length).is_some_and(|end| end <= index_at);
        let length = u32::try_from(length).ok().filter(|_| is_inside).ok_or_else(damaged)?;
        Ok(Row { video: row[..16].try_into().expect("16 bytes"), offset, length })
    };
    index.as_chunks::<ROW>().0.iter().map(row).collect()
}

fn read_array<const N: usize>(file: &mut BufReader<File>) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What a video is known by here and in names of files.
pub(super) fn half(digest: &blake3::Hash) -> [u8; 16] {
    digest.as_bytes()[..16].try_into().expect("a digest has 32 bytes")
}
