//! Features of many videos in one file: a million videos would be millions of files.
//!
//! A pack is written once and never changed. It begins with [`MAGIC`]; features follow, each with the bytes that it has as
//! a file of its own; then an index, for each feature the video's digest, where it begins and how long it is; then the
//! number of features, a checksum of index and number, and [`MAGIC`] again.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{BufReader, Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use echo_files::write_atomically;

use super::{FeatureCache, LARGE};

/// First and last bytes; the digit is the format's version.
const MAGIC: &[u8; 8] = b"EZPACK1\n";

/// Bytes of an index for each feature: digest, offset, length.
const ROW: usize = 48;

/// Bytes at the end: number, checksum, magic.
const TRAILER: usize = 48;

/// Two changes of a folder within this time may leave it with one time of modification.
const TICK: Duration = Duration::from_secs(2);

/// How often a pack that is in use is marked as used.
const MARKED: Duration = Duration::from_secs(60);

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
    /// Packs of this format that are damaged, and not of a newer one.
    damaged: Vec<PathBuf>,
    /// When this process marked a pack as used.
    marked: HashMap<u32, Instant>,
    /// By the first half of a video's digest.
    places: HashMap<[u8; 16], Place>,
    /// Those that are damaged, or whose place another takes: what lies in files of their own counts.
    passed_over: HashSet<[u8; 16]>,
}

impl Packs {
    /// The packs of the stage whose features are in `stage`.
    pub(super) fn of(stage: &Path) -> Self {
        let mut packs = Self {
            folder: folder_of(stage),
            changed: None,
            files: Vec::new(),
            known: HashSet::new(),
            damaged: Vec::new(),
            marked: HashMap::new(),
            places: HashMap::new(),
            passed_over: HashSet::new(),
        };
        packs.refresh();
        packs
    }

    /// Looks for packs that were written since.
    pub(super) fn refresh(&mut self) {
        match self.changed_since() {
            Ok(None) => {}
            // No packs yet.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("{}: {error}; its packs of features are passed over", self.folder.display()),
            Ok(Some(changed)) => {
                let is_whole = self.list();
                // What changes within a tick is seen next time.
                let is_settled = is_whole && changed.elapsed().is_ok_and(|age| age > TICK);
                self.changed = is_settled.then_some(changed);
            }
        }
    }

    /// When the folder changed, if it did since it was listed.
    fn changed_since(&self) -> Result<Option<SystemTime>, Error> {
        let changed = metadata_of_folder(&self.folder)?.modified()?;
        Ok((self.changed != Some(changed)).then_some(changed))
    }

    /// Reads what packs there are of which nothing is known. Whether all could be read.
    fn list(&mut self) -> bool {
        let entries = std::fs::read_dir(&self.folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>, Error>>());
        let mut found = match entries {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!("{}: {error}; its packs of features are passed over", self.folder.display());
                return false;
            }
        };
        found.retain(|path| is_pack(path) && !self.known.contains(path));
        // Names begin with a time: what was packed again, since it was damaged, comes last and counts.
        found.sort();
        let mut is_whole = true;
        for path in found {
            match read_index(&path) {
                Ok(rows) => {
                    let pack = self.files.len() as u32;
                    self.files.push(path.clone());
                    for Row { video, offset, length } in rows {
                        self.places.insert(video, Place { pack, offset, length });
                        self.passed_over.remove(&video);
                    }
                }
                // Another process may have removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                // What the machine refused today it may give the next time.
                Err(error) if error.kind() != ErrorKind::InvalidData => {
                    tracing::warn!("{}: {error}; what it has is computed again", path.display());
                    is_whole = false;
                    continue;
                }
                Err(error) => {
                    let what_to_do = if begins_as_pack(&path) { " (`echozoo cache --pack` removes it)" } else { "" };
                    tracing::warn!("{}: {error}, and is passed over{what_to_do}", path.display());
                    if !what_to_do.is_empty() {
                        self.damaged.push(path.clone());
                    }
                }
            }
            self.known.insert(path);
        }
        is_whole
    }

    /// The damaged packs that were found since it was asked.
    pub(super) fn take_damaged(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.damaged)
    }

    pub(super) fn has(&self, video: &[u8; 16]) -> bool {
        self.places.contains_key(video) && !self.passed_over.contains(video)
    }

    /// Passes a feature over until there is a newer pack that has it, or it is trusted again.
    pub(super) fn pass_over(&mut self, video: &[u8; 16]) {
        if self.places.contains_key(video) {
            self.passed_over.insert(*video);
        }
    }

    /// Takes a feature that was passed over for good.
    pub(super) fn trust(&mut self, video: &[u8; 16]) {
        self.passed_over.remove(video);
    }

    /// Where a video's feature lies; nothing where no pack has it.
    pub(super) fn find(&mut self, video: &[u8; 16]) -> Option<Packed> {
        let Place { pack, offset, length } = *self.places.get(video)?;
        let is_due = self.marked.get(&pack).is_none_or(|marked| marked.elapsed() > MARKED);
        if is_due {
            self.marked.insert(pack, Instant::now());
        }
        Some(Packed { path: self.files[pack as usize].clone(), offset, length, is_due })
    }

    /// Knows no longer where a feature lies: its pack has gone.
    pub(super) fn forget(&mut self, video: &[u8; 16]) {
        self.places.remove(video);
    }
}

/// Where a feature lies, for whoever reads it while others look for theirs.
#[derive(Debug)]
pub(super) struct Packed {
    /// The pack.
    pub(super) path: PathBuf,
    offset: u64,
    length: u32,
    /// Whether the pack is to be marked as used.
    is_due: bool,
}

impl Packed {
    /// The bytes, as they were packed.
    pub(super) fn read(&self) -> Result<Vec<u8>, Error> {
        let mut file = echo_files::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = vec![0; self.length as usize];
        file.read_exact(&mut bytes)?;
        if self.is_due {
            // Where the system refuses, packs leave the cache in the order in which they came.
            let _ = file.set_modified(SystemTime::now());
        }
        Ok(bytes)
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

/// Whether a file begins as packs of this format do, as far as it goes.
fn begins_as_pack(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = echo_files::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    read.is_ok() && MAGIC.starts_with(&head)
}

/// What the system knows of a folder. On a network drive that may be a minute old, unless the folder is opened for it.
fn metadata_of_folder(folder: &Path) -> Result<Metadata, Error> {
    if cfg!(unix) { File::open(folder)?.metadata() } else { std::fs::metadata(folder) }
}

/// Writes features of `stage` into one new pack: of each the video's digest and its bytes, read when their turn comes. Those
/// of which there are no bytes any more are passed over. `used` is when one of them was last used. Gives the digests and
/// lengths of those that are in it, which are on the disk then.
pub(super) fn write<T>(
    stage: &Path,
    features: &[T],
    read: impl Fn(&T) -> Option<(blake3::Hash, Vec<u8>)>,
    used: SystemTime,
) -> Result<Vec<(blake3::Hash, u64)>, Error> {
    let folder = folder_of(stage);
    std::fs::create_dir_all(&folder)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    // A clock may stand still between two packs, and where the file system has no locks two processes may write at once.
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{now:020}-{}-{number}.pack", std::process::id()));
    let mut videos = Vec::new();
    write_atomically(&path, |file| {
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
        file.write_all(MAGIC)?;
        file.flush()?;
        // Where the system refuses, packs leave the cache in the order in which they came.
        let _ = file.get_ref().set_modified(used);
        Ok(())
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
    if magic != MAGIC || rows > FeatureCache::PACKED_AT as u64 {
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
        if !is_inside || length > LARGE {
            return Err(damaged());
        }
        let length = length as u32;
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
