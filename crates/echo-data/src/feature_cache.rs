//! Outputs of frozen stages on disk: computed once, shared by every run that needs them.

mod packs;

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use echo_files::{FileLock, UNFINISHED, write_cached};

use crate::DataError;
use packs::Packs;

/// First bytes of every file; the digit is the format's version.
const MAGIC: &[u8; 8] = b"EZFEAT2\n";

/// Where a feature's body begins, after the first bytes and the checksum of the body: hashes of stage and video, shape, values,
/// note.
const BODY_AT: usize = MAGIC.len() + 32;

/// Age at which such a file is no longer being written: who began it was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Larger features, such as tokens of large encoders, keep files of their own: they are few for what they hold.
const LARGE: u64 = 1 << 20;

/// The features of a pack have no more bytes than this.
const PACK_BYTES: u64 = 256 << 20;

/// The output of a frozen stage for one video and view.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Clips and dim, or steps and width.
    pub shape: [usize; 2],
    /// `shape[0] * shape[1]` values.
    pub values: Vec<f32>,
    /// What a user should know of the video; empty for most.
    pub note: String,
}

/// Everything but the video that a stage's output depends on, as text: weights, preset, clip specification, view,
/// decoder, device, precision. Two texts that differ in anything never share an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageKey(blake3::Hash);

impl StageKey {
    /// The key of a full description.
    pub fn new(description: &str) -> Self {
        Self(blake3::hash(description.as_bytes()))
    }

    /// What tells it from others.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// How much a cache holds, or how much of it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Features.
    pub entries: usize,
    /// Bytes of their files.
    pub bytes: u64,
}

/// A file of one feature, or a pack of many.
struct CacheFile {
    path: PathBuf,
    is_pack: bool,
    bytes: u64,
    used: SystemTime,
}

impl CacheFile {
    fn entries(&self) -> usize {
        if self.is_pack { packs::count(&self.path) } else { 1 }
    }
}

/// A folder of features, with a folder for each stage. A feature gets a file of its own, named by the hash of the video's
/// bytes; a thousand of a stage are put together into a pack. A file's time of modification is when it was last used.
///
/// A file is written under another name and renamed, and a feature carries its key and a checksum: what is read back is
/// what was computed for this stage and these bytes, or it is computed again. Any number of processes may use the folder,
/// each with as many clones of one cache as it likes.
#[derive(Clone, Debug)]
pub struct FeatureCache {
    dir: PathBuf,
    /// By their folders.
    stages: Arc<Mutex<HashMap<PathBuf, Known>>>,
}

/// What this process knows of a stage.
#[derive(Debug)]
struct Known {
    packs: Packs,
    /// Features that were stored since features were packed.
    stored: usize,
}

impl FeatureCache {
    /// How many features of a stage have files of their own before they are packed, and how many a pack has at most.
    pub const PACKED_AT: usize = 1024;

    /// The cache in `dir`, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), stages: Arc::default() }
    }

    /// The feature of a stage for a video, if it is there and intact.
    pub fn get(&self, stage: &StageKey, video: &blake3::Hash) -> Option<Feature> {
        // What has no file any more may have been packed since packs were looked for, and another thread may have found it.
        let looked_again = || {
            self.known(&self.folder(stage), |known| known.packs.refresh());
            self.packed(stage, video)
        };
        self.packed(stage, video).or_else(|| self.alone(stage, video)).or_else(looked_again)
    }

    /// A feature that lies in a pack.
    fn packed(&self, stage: &StageKey, video: &blake3::Hash) -> Option<Feature> {
        let (folder, half) = (self.folder(stage), packs::half(video));
        if !self.known(&folder, |known| known.packs.has(&half)) {
            return None;
        }
        let (bytes, path) = self.read_packed(&folder, &half)?;
        let feature = decode(&bytes, stage, video);
        if feature.is_none() {
            self.known(&folder, |known| known.packs.pass_over(&half));
            tracing::warn!("{}: damaged, computed again", path.display());
        }
        feature
    }

    /// The bytes of a feature as they were packed, also of one that is passed over, and the pack; nothing where no pack has it, or
    /// the pack has gone.
    fn read_packed(&self, folder: &Path, video: &[u8; 16]) -> Option<(Vec<u8>, PathBuf)> {
        let packed = self.known(folder, |known| known.packs.find(video))?;
        match packed.read() {
            Ok(bytes) => Some((bytes, packed.path)),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!("{}: {error}", packed.path.display());
                }
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) {
                    self.known(folder, |known| known.packs.forget(video));
                }
                None
            }
        }
    }

    /// A feature that has a file of its own.
    fn alone(&self, stage: &StageKey, video: &blake3::Hash) -> Option<Feature> {
        let path = self.path(stage, video);
        let read = || -> std::io::Result<_> {
            let mut file = echo_files::open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = match read() {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("{}: {error}; computed again", path.display());
                return None;
            }
        };
        // Where the system refuses, features leave the cache in the order in which they came.
        let _ = file.set_modified(SystemTime::now());
        let feature = decode(&bytes, stage, video);
        if feature.is_none() {
            tracing::warn!("{}: damaged, computed again", path.display());
        }
        feature
    }

    /// Whether there is a feature of a stage for a video, intact or not. It does not count as used.
    pub fn has(&self, stage: &StageKey, video: &blake3::Hash) -> bool {
        let folder = self.folder(stage);
        let is_packed = |known: &mut Known| known.packs.has(&packs::half(video));
        let looked_again = |known: &mut Known| {
            known.packs.refresh();
            is_packed(known)
        };
        self.known(&folder, is_packed) || self.path(stage, video).is_file() || self.known(&folder, looked_again)
    }

    /// What this process knows of the stage in `folder`.
    fn known<T>(&self, folder: &Path, of: impl FnOnce(&mut Known) -> T) -> T {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = stages.get_mut(folder) {
            return of(known);
        }
        of(stages.entry(folder.to_owned()).or_insert(Known { packs: Packs::of(folder), stored: 0 }))
    }

    /// Stores a feature. The file appears whole or not at all, whatever happens meanwhile.
    ///
    /// # Errors
    /// The file cannot be written, for instance because the disk is full.
    pub fn put(&self, stage: &StageKey, video: &blake3::Hash, feature: &Feature) -> Result<(), DataError> {
        let path = self.path(stage, video);
        let io = |source| DataError::Io { path: path.clone(), source };
        let folder = self.folder(stage);
        fs::create_dir_all(&folder).map_err(io)?;
        write_cached(&path, |file| file.write_all(&encode(stage, video, feature))).map_err(io)?;
        let is_due = self.known(&folder, |known| {
            // Whoever stores a feature had no use for a packed one.
            known.packs.pass_over(&packs::half(video));
            known.stored += 1;
            let is_due = known.stored >= Self::PACKED_AT;
            if is_due {
                known.stored = 0;
            }
            is_due
        });
        // Features that cannot be packed are there all the same.
        if is_due && let Err(error) = self.pack_stage(&folder, Self::PACKED_AT, &mut Usage::default()) {
            tracing::warn!("features are not packed: {error}");
        }
        Ok(())
    }

    /// Packs the features of every stage as long as at least `at_least` of it have files of their own, and says what was
    /// packed. With 1, all are packed, and damaged packs are removed. Features above a megabyte stay as they are, and so does a
    /// stage that another process is packing.
    ///
    /// # Errors
    /// A folder cannot be read, a pack not be written or a file not be removed. What else there is was packed all the same.
    pub fn pack(&self, at_least: usize) -> Result<Usage, DataError> {
        let mut packed = Usage::default();
        let mut result = Ok(());
        for folder in self.stage_folders()? {
            result = result.and(self.pack_stage(&folder, at_least, &mut packed));
        }
        result.map(|()| packed)
    }

    fn pack_stage(&self, folder: &Path, at_least: usize, packed: &mut Usage) -> Result<(), DataError> {
        let at_least = at_least.max(1);
        if at_least == 1 {
            self.known(folder, |known| known.packs.refresh());
            for damaged in self.known(folder, |known| known.packs.take_damaged()) {
                remove(&damaged)?;
            }
        }
        if entries(folder)?.iter().filter(|path| is_feature(path)).count() < at_least {
            return Ok(());
        }
        let lock = folder.join("packs.lock");
        let io = |path: &Path| {
            let path = path.to_owned();
            |source| DataError::Io { path, source }
        };
        let Some(_lock) = FileLock::claim(&lock).map_err(io(&lock))? else {
            tracing::info!("{}: another process is packing it", folder.display());
            return Ok(());
        };
        self.known(folder, |known| known.packs.refresh());
        let mut files = files_in(folder, is_feature)?;
        files.retain(|file| file.bytes <= LARGE);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut rest = files.as_slice();
        while rest.len() >= at_least {
            let mut bytes = 0;
            let fits = |file: &&CacheFile| {
                bytes += file.bytes;
                bytes <= PACK_BYTES
            };
            let count = rest.iter().take(Self::PACKED_AT).take_while(fits).count().max(1);
            let (chunk, later) = rest.split_at(count);
            rest = later;
            // What came to be in a pack and was not removed needs no second place; but what is different there does.
            let is_packed = |file: &&CacheFile| {
                let packed = named(&file.path).and_then(|video| self.read_packed(folder, &video));
                packed.is_some_and(|(packed, _)| read_feature(file).is_some_and(|alone| alone == packed))
            };
            let (twice, once): (Vec<&CacheFile>, Vec<&CacheFile>) = chunk.iter().partition(is_packed);
            for file in twice {
                remove(&file.path)?;
                named(&file.path).inspect(|video| self.known(folder, |known| known.packs.trust(video)));
            }
            if once.is_empty() {
                continue;
            }
            let read = |file: &&CacheFile| {
                let bytes = read_feature(file)?;
                let (stage, video) = intact(&bytes)?;
                // What is not what its place says stays as it is: whoever needs it computes it again.
                let is_of_place = [named(folder)?, named(&file.path)?] == [&stage, &video].map(packs::half);
                is_of_place.then_some((video, bytes))
            };
            let used = once.iter().map(|file| file.used).max().unwrap_or(SystemTime::UNIX_EPOCH);
            let videos = packs::write(folder, &once, read, used).map_err(io(&packs::folder_of(folder)))?;
            // What is in it takes the place of what this process knew.
            self.known(folder, |known| known.packs.refresh());
            for (video, bytes) in videos {
                remove(&folder.join(format!("{}.feature", &video.to_hex()[..32])))?;
                packed.entries += 1;
                packed.bytes += bytes;
            }
        }
        Ok(())
    }

    /// A file in the cache's folder for processes to agree on who computes `what`; the folder is made.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn lock_file(&self, what: &blake3::Hash) -> Result<PathBuf, DataError> {
        let path = self.dir.join(format!("{}.lock", &what.to_hex()[..32]));
        fs::create_dir_all(&self.dir).map_err(|source| DataError::Io { path: path.clone(), source })?;
        Ok(path)
    }

    /// What is in the cache.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn usage(&self) -> Result<Usage, DataError> {
        let mut usage = Usage::default();
        for file in self.files()? {
            usage.entries += file.entries();
            usage.bytes += file.bytes;
        }
        Ok(usage)
    }

    /// Removes the features that were not used for longest until at most `limit` bytes are left; says what went. A pack
    /// goes as a whole.
    ///
    /// Other processes may use the cache meanwhile: what they miss they compute again.
    ///
    /// # Errors
    /// A folder cannot be read, or more than `limit` is left because a file cannot be removed.
    pub fn evict(&self, limit: u64) -> Result<Usage, DataError> {
        let mut files = self.files()?;
        let mut left: u64 = files.iter().map(|file| file.bytes).sum();
        files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut gone = Usage::default();
        let mut result = Ok(());
        for file in files {
            if left <= limit {
                return Ok(gone);
            }
            let entries = file.entries();
            match remove(&file.path) {
                Ok(true) => {
                    gone.entries += entries;
                    gone.bytes += file.bytes;
                }
                // Another process has removed it.
                Ok(false) => {}
                Err(error) => {
                    result = result.and(Err(error));
                    continue;
                }
            }
            left -= file.bytes;
        }
        result.map(|()| gone)
    }

    /// Removes all features; says what went. Nothing goes that a link leads to.
    ///
    /// # Errors
    /// A folder cannot be read or a file not be removed; or the cache's own folder is a link: whoever made it knows what
    /// else is there.
    pub fn clear(&self) -> Result<Usage, DataError> {
        if fs::symlink_metadata(&self.dir).is_ok_and(|found| found.is_symlink()) {
            let source =
                std::io::Error::other("this is a link, which is not followed; empty the folder behind it yourself");
            return Err(DataError::Io { path: self.dir.clone(), source });
        }
        let mut gone = Usage::default();
        for file in self.files()? {
            let entries = file.entries();
            if remove(&file.path)? {
                gone.entries += entries;
                gone.bytes += file.bytes;
            }
        }
        Ok(gone)
    }

    /// The features' files and packs.
    fn files(&self) -> Result<Vec<CacheFile>, DataError> {
        let mut files = Vec::new();
        for stage in self.stage_folders()? {
            files.extend(files_in(&stage, is_feature)?);
            let packs = packs::folder_of(&stage);
            if is_own_folder(&packs) {
                files.extend(files_in(&packs, packs::is_pack)?);
            }
        }
        Ok(files)
    }

    fn stage_folders(&self) -> Result<Vec<PathBuf>, DataError> {
        Ok(entries(&self.dir)?.into_iter().filter(|path| is_own_folder(path)).collect())
    }

    fn folder(&self, StageKey(stage): &StageKey) -> PathBuf {
        self.dir.join(&stage.to_hex()[..32])
    }

    fn path(&self, stage: &StageKey, video: &blake3::Hash) -> PathBuf {
        self.folder(stage).join(format!("{}.feature", &video.to_hex()[..32]))
    }
}

/// The bytes of a feature's file, if it is still there and no larger than a pack takes.
fn read_feature(file: &CacheFile) -> Option<Vec<u8>> {
    echo_files::read_bytes(&file.path).ok().filter(|bytes| bytes.len() as u64 <= LARGE)
}

/// The first half of the digest that a feature's file has in its name.
fn named(path: &Path) -> Option<[u8; 16]> {
    let name = path.file_stem()?.to_str()?;
    let bytes = name.as_bytes().as_chunks::<2>().0.iter();
    let bytes: Vec<u8> =
        bytes.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

fn is_feature(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "feature")
}

/// The files in `folder` that are `wanted`, links to them too. What processes that were killed left unfinished is removed, and nothing else in
/// the folder is touched.
fn files_in(folder: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<CacheFile>, DataError> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        let is_unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED));
        if !is_unfinished && !wanted(&path) {
            continue;
        }
        // Another process may have removed it.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if is_unfinished {
            if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                remove(&path)?;
            }
            continue;
        }
        if !metadata.is_file() && !metadata.is_symlink() {
            continue;
        }
        files.push(CacheFile { is_pack: packs::is_pack(&path), path, bytes: metadata.len(), used });
    }
    Ok(files)
}

/// Whether this is a folder, and not what a link leads to: that is nobody's cache.
fn is_own_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect(),
    }
}

/// Whether it was still there.
fn remove(path: &Path) -> Result<bool, DataError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(DataError::Io { path: path.to_owned(), source }),
    }
}

fn encode(StageKey(stage): &StageKey, video: &blake3::Hash, feature: &Feature) -> Vec<u8> {
    let mut body = Vec::with_capacity(80 + feature.values.len() * 4);
    body.extend(stage.as_bytes());
    body.extend(video.as_bytes());
    feature.shape.iter().for_each(|&length| body.extend((length as u64).to_le_bytes()));
    feature.values.iter().for_each(|value| body.extend(value.to_le_bytes()));
    body.extend(feature.note.as_bytes());
    [MAGIC.as_slice(), blake3::hash(&body).as_bytes(), &body].concat()
}

fn decode(bytes: &[u8], StageKey(stage): &StageKey, video: &blake3::Hash) -> Option<Feature> {
    if intact(bytes)? != (*stage, *video) {
        return None;
    }
    let (shape, values) = bytes[BODY_AT + 64..].split_at_checked(16)?;
    let length = |bytes: &[u8]| usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok();
    let shape = [length(&shape[..8])?, length(&shape[8..])?];
    let length = shape[0].checked_mul(shape[1])?.checked_mul(4)?;
    let (values, note) = values.split_at_checked(length)?;
    let values = values.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Some(Feature { shape, values, note: String::from_utf8(note.to_vec()).ok()? })
}

/// The hashes of stage and video of a feature's bytes, if these are what was written.
fn intact(bytes: &[u8]) -> Option<(blake3::Hash, blake3::Hash)> {
    let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
    let hash = |at: usize| Some(blake3::Hash::from_bytes(body.get(at..at + 32)?.try_into().ok()?));
    (blake3::hash(body).as_bytes() == checksum).then_some((hash(0)?, hash(32)?))
}

#[cfg(test)]
mod tests;
