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
        let folder = self.folder(stage);
        let (bytes, path) = self.known(&folder, |known| known.packs.read(&packs::half(video)))?;
        let feature = decode(&bytes, stage, video);
        if feature.is_none() {
            self.known(&folder, |known| known.packs.pass_over(&packs::half(video)));
            tracing::warn!("{}: damaged, computed again", path.display());
        }
        feature
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
                let read = |video| self.known(folder, |known| known.packs.read_whatever(&video));
                let packed = named(&file.path).and_then(read);
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
mod tests {
    use std::fs::File;

    use super::*;

    fn feature() -> Feature {
        let values = vec![1.0, -2.5, f32::MIN_POSITIVE, 0.0, 4.0, 5.0];
        Feature { shape: [2, 3], values, note: "its frame times vary".to_owned() }
    }

    #[test]
    fn a_feature_comes_back_for_its_stage_and_video_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
        assert_eq!(cache.get(&stage, &video), None);
        cache.put(&stage, &video, &feature()).unwrap();
        assert_eq!(cache.get(&stage, &video), Some(feature()));
        assert_eq!(cache.get(&StageKey::new("other"), &video), None);
        assert_eq!(cache.get(&stage, &blake3::hash(b"other")), None);
        // A file put in another's place, as a copied cache might have it, is not taken for it.
        fs::create_dir_all(cache.path(&StageKey::new("other"), &video).parent().unwrap()).unwrap();
        fs::copy(cache.path(&stage, &video), cache.path(&StageKey::new("other"), &video)).unwrap();
        assert_eq!(cache.get(&StageKey::new("other"), &video), None);
    }

    #[test]
    fn what_was_used_last_stays_and_other_files_are_let_be() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(&dir.path().join("features"));
        assert_eq!(cache.usage().unwrap(), Usage::default(), "a cache that is not there yet is empty");
        let stage = StageKey::new("stage");
        let videos: Vec<blake3::Hash> = (0..4u8).map(|video| blake3::hash(&[video])).collect();
        for (age, video) in videos.iter().enumerate() {
            cache.put(&stage, video, &feature()).unwrap();
            let then = SystemTime::now() - std::time::Duration::from_secs(1000 - 100 * age as u64);
            File::options().write(true).open(cache.path(&stage, video)).unwrap().set_modified(then).unwrap();
        }
        let foreign = cache.path(&stage, &videos[0]).with_extension("txt");
        fs::write(&foreign, "mine").unwrap();
        let Usage { entries: 4, bytes } = cache.usage().unwrap() else { panic!("{:?}", cache.usage()) };
        let each = bytes / 4;

        // What a killed process was writing goes once it is old; what is being written stays, and neither is counted.
        let unfinished = ["old", "new"].map(|name| foreign.with_file_name(format!("{UNFINISHED}{name}")));
        unfinished.iter().for_each(|path| fs::write(path, "half").unwrap());
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        File::options().write(true).open(&unfinished[0]).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(cache.usage().unwrap(), Usage { entries: 4, bytes });
        assert_eq!(unfinished.map(|path| path.exists()), [false, true]);

        // The oldest is used again, and so outlives the next two.
        assert!(cache.get(&stage, &videos[0]).is_some());
        assert_eq!(cache.evict(bytes).unwrap(), Usage::default());
        assert_eq!(cache.evict(2 * each + 1).unwrap(), Usage { entries: 2, bytes: 2 * each });
        let left: Vec<bool> = videos.iter().map(|video| cache.path(&stage, video).exists()).collect();
        assert_eq!(left, [true, false, false, true]);

        assert_eq!(cache.clear().unwrap(), Usage { entries: 2, bytes: 2 * each });
        assert_eq!(cache.usage().unwrap(), Usage::default());
        assert!(foreign.exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_goes_that_a_link_leads_to() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let [cache, other] = ["cache", "other"].map(|name| FeatureCache::new(&dir.path().join(name)));
        let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
        other.put(&stage, &video, &feature()).unwrap();
        cache.put(&StageKey::new("another"), &video, &feature()).unwrap();
        let folder = |cache: &FeatureCache| cache.path(&stage, &video).parent().unwrap().to_owned();
        symlink(folder(&other), folder(&cache)).unwrap();
        assert_eq!(cache.usage().unwrap().entries, 1);
        assert_eq!(cache.clear().unwrap().entries, 1);
        assert_eq!(other.usage().unwrap().entries, 1);
        symlink(&other.dir, dir.path().join("link")).unwrap();
        assert!(FeatureCache::new(&dir.path().join("link")).clear().unwrap_err().to_string().contains("link"));
        assert_eq!(other.usage().unwrap().entries, 1);
    }

    fn videos(count: u32) -> Vec<blake3::Hash> {
        (0..count).map(|video| blake3::hash(&video.to_le_bytes())).collect()
    }

    /// The files below a folder with this ending.
    fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for path in entries(folder).unwrap() {
            if path.is_dir() {
                found.extend(files_below(&path, ending));
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
        found
    }

    #[test]
    fn packed_features_come_back_and_have_no_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, reader) = (FeatureCache::new(dir.path()), FeatureCache::new(dir.path()));
        let (stage, other) = (StageKey::new("stage"), StageKey::new("other"));
        let videos = videos(10);
        let of = |index: usize| Feature { shape: [1, 1], values: vec![index as f32], note: String::new() };
        for (index, video) in videos.iter().enumerate() {
            writer.put(&stage, video, &of(index)).unwrap();
        }
        writer.put(&other, &videos[0], &feature()).unwrap();
        // One that is large, and one that lies in another's place.
        let large = Feature { shape: [1, 1 << 18], values: vec![0.0; 1 << 18], note: String::new() };
        writer.put(&stage, &blake3::hash(b"large"), &large).unwrap();
        fs::copy(writer.path(&stage, &videos[0]), writer.path(&stage, &blake3::hash(b"wrong"))).unwrap();
        assert_eq!(reader.get(&stage, &videos[3]), Some(of(3)));

        let Usage { entries: 13, bytes } = writer.usage().unwrap() else { panic!("{:?}", writer.usage()) };
        assert_eq!(writer.pack(12).unwrap(), Usage::default(), "11 small files of one stage, 1 of the other");
        assert_eq!(writer.pack(11).unwrap().entries, 10);
        assert_eq!(writer.pack(1).unwrap().entries, 1, "of the other stage, and the wrong one is passed over");
        assert_eq!(files_below(dir.path(), "feature").len(), 2);
        assert_eq!(files_below(dir.path(), "pack").len(), 2);
        assert!(files_below(dir.path(), "lock").is_empty());
        let after = writer.usage().unwrap();
        assert_eq!(after.entries, 13);
        assert!(after.bytes > bytes && after.bytes < bytes + 1000, "{after:?} of {bytes}");

        // Whoever looked before they were packed finds them, and so does who comes later.
        for cache in [&writer, &reader, &FeatureCache::new(dir.path())] {
            for (index, video) in videos.iter().enumerate() {
                assert!(cache.has(&stage, video));
                assert_eq!(cache.get(&stage, video), Some(of(index)));
            }
            assert_eq!(cache.get(&other, &videos[0]), Some(feature()));
            assert_eq!(cache.get(&other, &videos[1]), None);
            assert_eq!(cache.get(&stage, &blake3::hash(b"wrong")), None);
        }

        // A process that was killed after it had packed leaves both; there is no second pack of them.
        let packs = || files_below(dir.path(), "pack");
        let before = packs();
        writer.put(&stage, &videos[5], &of(5)).unwrap();
        assert_eq!(writer.pack(1).unwrap(), Usage::default());
        assert_eq!((packs(), writer.path(&stage, &videos[5]).exists()), (before, false));

        // Packs go, the one that was used last as the last, and with them what others know of them.
        let old = SystemTime::now() - Duration::from_secs(1000);
        let of_stage = files_below(&writer.folder(&stage), "pack").remove(0);
        File::options().write(true).open(&of_stage).unwrap().set_modified(old).unwrap();
        let all = writer.usage().unwrap();
        assert_eq!(FeatureCache::new(dir.path()).evict(all.bytes - 1).unwrap().entries, 10);
        assert!(!of_stage.exists());
        assert_eq!(reader.get(&stage, &videos[3]), None);
        assert_eq!(reader.get(&other, &videos[0]), Some(feature()));
        assert_eq!(writer.clear().unwrap().entries, 3);
        assert_eq!(writer.usage().unwrap(), Usage::default());
    }

    #[test]
    fn threads_that_share_a_cache_all_find_what_was_packed_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, reader) = (FeatureCache::new(dir.path()), FeatureCache::new(dir.path()));
        let videos = videos(4);
        for round in 0..100 {
            let stage = StageKey::new(&round.to_string());
            videos.iter().for_each(|video| writer.put(&stage, video, &feature()).unwrap());
            assert!(reader.has(&stage, &videos[0]), "it has looked before there are packs");
            writer.pack(1).unwrap();
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        assert!(videos.iter().all(|video| reader.get(&stage, video) == Some(feature())));
                    });
                }
            });
        }
    }

    #[test]
    fn what_is_stored_anew_takes_the_place_of_what_was_packed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
        let other = Feature { note: "another".to_owned(), ..feature() };
        cache.put(&stage, &video, &feature()).unwrap();
        cache.pack(1).unwrap();
        cache.put(&stage, &video, &other).unwrap();
        assert_eq!(cache.get(&stage, &video), Some(other.clone()));
        assert_eq!(cache.pack(1).unwrap().entries, 1);
        for cache in [cache, FeatureCache::new(dir.path())] {
            assert_eq!(cache.get(&stage, &video), Some(other.clone()));
        }
        // What belongs to another stage is not packed in this one's folder, and keeps no good one out.
        let cache = FeatureCache::new(dir.path());
        let (here, elsewhere) = (StageKey::new("here"), StageKey::new("elsewhere"));
        cache.put(&elsewhere, &video, &other).unwrap();
        fs::create_dir_all(cache.folder(&here)).unwrap();
        fs::copy(cache.path(&elsewhere, &video), cache.path(&here, &video)).unwrap();
        assert_eq!(cache.pack(1).unwrap().entries, 1, "the one that is where it belongs");
        cache.put(&here, &video, &feature()).unwrap();
        assert_eq!(cache.pack(1).unwrap().entries, 1);
        assert_eq!(FeatureCache::new(dir.path()).get(&here, &video), Some(feature()));
    }

    #[test]
    fn a_pack_is_as_old_as_the_last_use_of_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let stage = StageKey::new("stage");
        let newest = SystemTime::now() - Duration::from_secs(1000);
        for (age, video) in videos(3).iter().enumerate() {
            cache.put(&stage, video, &feature()).unwrap();
            let file = File::options().write(true).open(cache.path(&stage, video)).unwrap();
            file.set_modified(newest - Duration::from_secs(age as u64)).unwrap();
        }
        cache.pack(1).unwrap();
        let pack = files_below(dir.path(), "pack").remove(0);
        assert_eq!(pack.metadata().unwrap().modified().unwrap(), newest);
    }

    #[test]
    fn use_of_a_pack_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
        cache.put(&stage, &video, &feature()).unwrap();
        cache.pack(1).unwrap();
        let pack = files_below(dir.path(), "pack").remove(0);
        let old = SystemTime::now() - Duration::from_secs(1000);
        File::options().write(true).open(&pack).unwrap().set_modified(old).unwrap();
        assert!(cache.get(&stage, &video).is_some());
        assert!(pack.metadata().unwrap().modified().unwrap() > old + Duration::from_secs(900));
    }

    #[test]
    fn many_features_are_packed_as_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let stage = StageKey::new("stage");
        let videos = videos(FeatureCache::PACKED_AT as u32 + 3);
        for video in &videos {
            cache.put(&stage, video, &feature()).unwrap();
        }
        assert_eq!(files_below(dir.path(), "pack").len(), 1);
        assert_eq!(files_below(dir.path(), "feature").len(), 3);
        assert!(videos.iter().all(|video| cache.get(&stage, video) == Some(feature())));
    }

    #[test]
    fn whoever_packs_meanwhile_nothing_that_was_stored_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let stage = StageKey::new("stage");
        let videos = videos(600);
        std::thread::scope(|scope| {
            for part in videos.chunks(150) {
                scope.spawn(|| {
                    // As processes, which know nothing of each other.
                    let (writer, reader) = (FeatureCache::new(dir.path()), FeatureCache::new(dir.path()));
                    for (index, video) in part.iter().enumerate() {
                        writer.put(&stage, video, &feature()).unwrap();
                        if index % 7 == 0 {
                            writer.pack(1).unwrap();
                        }
                        for stored in &part[..=index] {
                            assert!(reader.has(&stage, stored) && reader.get(&stage, stored).is_some());
                        }
                    }
                });
            }
        });
        let cache = FeatureCache::new(dir.path());
        cache.pack(1).unwrap();
        assert_eq!(cache.usage().unwrap().entries, videos.len());
    }

    #[test]
    fn no_damaged_pack_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let stage = StageKey::new("stage");
        let videos = videos(3);
        let fill = || {
            let cache = FeatureCache::new(dir.path());
            videos.iter().for_each(|video| cache.put(&stage, video, &feature()).unwrap());
            cache.pack(1).unwrap();
        };
        fill();
        let pack = files_below(dir.path(), "pack").remove(0);
        let whole = fs::read(&pack).unwrap();
        let found = || {
            let cache = FeatureCache::new(dir.path());
            let found: Vec<Feature> = videos.iter().filter_map(|video| cache.get(&stage, video)).collect();
            assert!(found.iter().all(|found| *found == feature()));
            found.len()
        };
        assert_eq!(found(), 3);
        for length in 0..whole.len() {
            fs::write(&pack, &whole[..length]).unwrap();
            assert_eq!(found(), 0, "cut to {length} bytes");
        }
        for position in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[position] ^= 1;
            fs::write(&pack, &flipped).unwrap();
            // What is damaged is one feature, or the index, and with it all; the first bytes say nothing.
            let left = if position < MAGIC.len() { 3 } else { 2 };
            assert!([0, left].contains(&found()), "byte {position} flipped");
        }
        // One that says that it has more features than a pack takes is not read into memory.
        let mut file = File::create(&pack).unwrap();
        file.write_all(b"EZPACK1\n").unwrap();
        let (size, rows) = (1u64 << 40, (1u64 << 40) / 48 - 1);
        file.set_len(size - 48).unwrap();
        let mut file = File::options().append(true).open(&pack).unwrap();
        file.write_all(&[&rows.to_le_bytes()[..], &[0; 32], b"EZPACK1\n"].concat()).unwrap();
        assert_eq!((found(), pack.metadata().unwrap().len()), (0, size));
        FeatureCache::new(dir.path()).pack(1).unwrap();
        assert!(!pack.exists(), "it is removed when it is asked for");
        // Damaged ones are computed again, and then the new ones count, before and after they are packed.
        let middle = whole.len() / 4;
        let mut flipped = whole.clone();
        flipped[middle] ^= 1;
        fs::write(&pack, &flipped).unwrap();
        assert_eq!(found(), 2);
        let cache = FeatureCache::new(dir.path());
        videos.iter().for_each(|video| {
            if cache.get(&stage, video).is_none() {
                cache.put(&stage, video, &feature()).unwrap();
            }
        });
        assert_eq!(found(), 3);
        assert_eq!(cache.pack(1).unwrap().entries, 1);
        assert_eq!(found(), 3);
    }

    #[test]
    fn no_damaged_file_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
        cache.put(&stage, &video, &feature()).unwrap();
        let path = cache.path(&stage, &video);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(cache.get(&stage, &video), None, "cut to {length} bytes");
        }
        for position in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[position] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(cache.get(&stage, &video), None, "byte {position} flipped");
        }
    }
}
