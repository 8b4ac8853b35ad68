//! Outputs of frozen stages on disk: computed once, shared by every run that needs them.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use echo_files::{UNFINISHED, write_cached};

use crate::DataError;

/// First bytes of every file; the digit is the format's version.
const MAGIC: &[u8; 8] = b"EZFEAT2\n";

/// Age at which such a file is no longer being written: who began it was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

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

impl Usage {
    fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }
}

/// A feature's file.
struct CacheFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// A folder of features, one file each, named by the hashes of the stage and of the video's bytes. A file's time of
/// modification is when it was last used.
///
/// A file is written under another name and renamed, and carries its key and a checksum: what is read back is what
/// was computed for this stage and these bytes, or it is computed again.
#[derive(Clone, Debug)]
pub struct FeatureCache {
    dir: PathBuf,
}

impl FeatureCache {
    /// The cache in `dir`, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The feature of a stage for a video, if it is there and intact.
    pub fn get(&self, stage: &StageKey, video: &blake3::Hash) -> Option<Feature> {
        let path = self.path(stage, video);
        let mut file = echo_files::open(&path).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
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
        self.path(stage, video).is_file()
    }

    /// Stores a feature. The file appears whole or not at all, whatever happens meanwhile.
    ///
    /// # Errors
    /// The file cannot be written, for instance because the disk is full.
    pub fn put(&self, stage: &StageKey, video: &blake3::Hash, feature: &Feature) -> Result<(), DataError> {
        let path = self.path(stage, video);
        let io = |source| DataError::Io { path: path.clone(), source };
        let folder = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(folder).map_err(io)?;
        write_cached(&path, |file| file.write_all(&encode(stage, video, feature))).map_err(io)
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
        self.files()?.iter().for_each(|file| usage.add(file.bytes));
        Ok(usage)
    }

    /// Removes the features that were not used for longest until at most `limit` bytes are left; says what went.
    ///
    /// Other processes may use the cache meanwhile: what they miss they compute again.
    ///
    /// # Errors
    /// A folder cannot be read or a file not be removed.
    pub fn evict(&self, limit: u64) -> Result<Usage, DataError> {
        let mut files = self.files()?;
        let mut left: u64 = files.iter().map(|file| file.bytes).sum();
        files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut gone = Usage::default();
        for file in files {
            if left <= limit {
                break;
            }
            remove(&file.path)?;
            left -= file.bytes;
            gone.add(file.bytes);
        }
        Ok(gone)
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
            remove(&file.path)?;
            gone.add(file.bytes);
        }
        Ok(gone)
    }

    /// The features' files; what processes that were killed left unfinished is removed, and nothing else in the folder
    /// is touched.
    fn files(&self) -> Result<Vec<CacheFile>, DataError> {
        let mut files = Vec::new();
        for stage in entries(&self.dir)? {
            // Not what a link leads to: that is nobody's cache.
            if !fs::symlink_metadata(&stage).is_ok_and(|found| found.is_dir()) {
                continue;
            }
            for path in entries(&stage)? {
                let is_unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED));
                if !is_unfinished && path.extension().is_none_or(|extension| extension != "feature") {
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
                files.push(CacheFile { path, bytes: metadata.len(), used });
            }
        }
        Ok(files)
    }

    fn path(&self, stage: &StageKey, video: &blake3::Hash) -> PathBuf {
        let (stage, video) = (stage.0.to_hex(), video.to_hex());
        self.dir.join(&stage[..32]).join(format!("{}.feature", &video[..32]))
    }
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect(),
    }
}

fn remove(path: &Path) -> Result<(), DataError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(DataError::Io { path: path.to_owned(), source }),
        _ => Ok(()),
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
    let rest = bytes.strip_prefix(MAGIC)?;
    let (checksum, body) = rest.split_at_checked(32)?;
    let (key, body_rest) = body.split_at_checked(64)?;
    if blake3::hash(body).as_bytes() != checksum || key != [stage.as_bytes().as_slice(), video.as_bytes()].concat() {
        return None;
    }
    let (shape, values) = body_rest.split_at_checked(16)?;
    let length = |bytes: &[u8]| usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok();
    let shape = [length(&shape[..8])?, length(&shape[8..])?];
    let length = shape[0].checked_mul(shape[1])?.checked_mul(4)?;
    let (values, note) = values.split_at_checked(length)?;
    let values = values.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Some(Feature { shape, values, note: String::from_utf8(note.to_vec()).ok()? })
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
