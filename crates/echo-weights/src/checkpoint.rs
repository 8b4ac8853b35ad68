//! A file of named tensors, whatever its format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::bridge;
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::{ModuleStore, SafetensorsStore};

use crate::save::OWN_NAMES;
use crate::{WeightsError, shards, torch_file};

/// A tensor of a file; its values are read when they are applied.
#[derive(Clone)]
pub(crate) struct Stored {
    /// Its name in the file: what messages call it by.
    pub(crate) in_file: String,
    /// The part that it belongs to, by its prefix; empty where the file is whole.
    pub(crate) part: &'static str,
    /// The tensor, or why it cannot be read.
    pub(crate) tensor: Result<StoredTensor, String>,
}

/// Named tensors of a file.
#[derive(Clone)]
pub struct Checkpoint {
    path: PathBuf,
    /// The files that it was read from.
    pub(crate) files: Vec<PathBuf>,
    /// Under the names that key tables are for: those in the file, with the prefix of their part.
    pub(crate) tensors: BTreeMap<String, Stored>,
    /// Tensors left out by [`fit`](Self::fit), by their names in the file.
    pub(crate) others: BTreeSet<String>,
    /// Entries left out by [`fit`](Self::fit) that hold the same values, with the entry that was taken.
    pub(crate) copies: Vec<String>,
    own_names: bool,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("path", &self.path).field("tensors", &self.tensors.len()).finish()
    }
}

impl Checkpoint {
    /// Opens `.safetensors` (one file, or any of several that belong together, or their index), or PyTorch's `.pt`,
    /// `.pth`, `.bin`; which one it is, is read from its bytes.
    ///
    /// Pickles are read as data, nothing in them is executed.
    ///
    /// # Errors
    /// The file cannot be read, is none of these, or holds no tensors.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let files = shards::files(path)?;
        if let [file] = files.as_slice() {
            return Self::open_file(path, file);
        }
        let mut whole = Self::empty(path);
        for file in &files {
            let shard = Self::open_file(file, file)?;
            whole.tensors.extend(shard.tensors);
        }
        Ok(Self { files, ..whole })
    }

    fn open_file(path: &Path, file: &Path) -> Result<Self, WeightsError> {
        let (container, head) = sniff(file)?;
        let (tensors, unreadable, own_names) = match container {
            Container::Pytorch => {
                let read = torch_file::read(file, &head)?;
                (read.tensors, read.unreadable, false)
            }
            Container::Safetensors => {
                let mut store = SafetensorsStore::from_file(file);
                let tensors = store.get_all_tensors().map_err(|error| not_readable(file, error))?;
                // Metadata comes first in what safetensors writes, so the head of the file shows it.
                (tensors.clone(), BTreeMap::new(), String::from_utf8_lossy(&head).contains(OWN_NAMES))
            }
        };
        Self::from_tensors(path, file, tensors, unreadable, own_names)
    }

    /// Upstream's several files as one checkpoint, each tensor under its part's prefix.
    ///
    /// `path` is either the folder that holds them, or one file, which is then the first part or, when written by
    /// [`save`](crate::save), whole already. Without parts this is [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open), for any part; the folder lacks a required part.
    pub fn open_parts(path: &Path, parts: &[Part]) -> Result<Self, WeightsError> {
        let Some(first) = parts.first() else { return Self::open(path) };
        if !path.is_dir() {
            let whole = Self::open(path)?;
            return Ok(if whole.own_names { whole } else { whole.into_part(first) });
        }
        let mut whole = Self::empty(path);
        for (part, file) in present_parts(path, parts)? {
            let part = Self::open(&file)?.into_part(part);
            whole.tensors.extend(part.tensors);
            whole.files.extend(part.files);
        }
        Ok(whole)
    }

    fn empty(path: &Path) -> Self {
        let (tensors, others) = (BTreeMap::new(), BTreeSet::new());
        Self { path: path.to_owned(), files: Vec::new(), tensors, others, copies: Vec::new(), own_names: false }
    }

    fn into_part(mut self, part: &Part) -> Self {
        let put_before = |(name, stored)| (format!("{}{name}", part.prefix), Stored { part: part.prefix, ..stored });
        self.tensors = self.tensors.into_iter().map(put_before).collect();
        self
    }

    /// The safetensors file `bytes`, known as `name` in messages, saved by [`save`](crate::save).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_safetensors_bytes(name: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        let path = Path::new(name);
        let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec()));
        let tensors = store.get_all_tensors().map_err(|error| not_readable(path, error))?;
        Self::from_tensors(path, path, tensors.clone(), BTreeMap::new(), true)
    }

    fn from_tensors(
        path: &Path,
        file: &Path,
        tensors: BTreeMap<String, StoredTensor>,
        unreadable: BTreeMap<String, String>,
        own_names: bool,
    ) -> Result<Self, WeightsError> {
        if tensors.is_empty() {
            return Err(match unreadable.first_key_value() {
                Some((name, reason)) => not_readable(path, format!("{name} cannot be read: {reason}")),
                None => not_readable(path, "it holds no tensors"),
            });
        }
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Ok(tensor)));
        let unreadable = unreadable.into_iter().map(|(name, reason)| (name, Err(reason)));
        let stored = |(name, tensor): (String, Result<StoredTensor, String>)| {
            (name.clone(), Stored { in_file: name, part: "", tensor })
        };
        Ok(Self {
            path: path.to_owned(),
            files: vec![file.to_owned()],
            tensors: tensors.chain(unreadable).map(stored).collect(),
            others: BTreeSet::new(),
            copies: Vec::new(),
            own_names,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor: what an encoder reads its widths from where they may differ.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.get(name)?.tensor.as_ref().ok()?.shape.to_vec())
    }

    /// Values of a tensor: by which an encoder sees whether files belong together. None where there is none, or where it cannot
    /// be read, which loading reports.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        let tensor = self.tensors.get(name)?.tensor.as_ref().ok()?;
        Some(bridge::into_data(tensor.clone()).ok()?.iter::<f32>().collect())
    }

    /// Whether the tensors bear the names of the module they were saved from, and not upstream's.
    pub fn has_own_names(&self) -> bool {
        self.own_names
    }
}

/// One of several files that an encoder's upstream weights are released in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// File name as released.
    pub file: &'static str,
    /// Put before the names of its tensors.
    pub prefix: &'static str,
    /// Whether a folder without it is refused.
    pub required: bool,
}

/// The parts that `folder` holds, with their paths.
fn present_parts<'a>(folder: &Path, parts: &'a [Part]) -> Result<Vec<(&'a Part, PathBuf)>, WeightsError> {
    let mut present = Vec::with_capacity(parts.len());
    for part in parts {
        let file = folder.join(part.file);
        if file.is_file() {
            present.push((part, file));
        } else if part.required {
            return Err(not_readable(folder, format!("it is a folder without {}", part.file)));
        }
    }
    match present.is_empty() {
        true => Err(not_readable(folder, format!("it is a folder without {}", file_names(parts)))),
        false => Ok(present),
    }
}

fn file_names(parts: &[Part]) -> String {
    parts.iter().map(|part| part.file).collect::<Vec<_>>().join(", ")
}

enum Container {
    Pytorch,
    Safetensors,
}

/// What a file is, and how it begins.
fn sniff(path: &Path) -> Result<(Container, Vec<u8>), WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(not_readable(path, "it is a folder; name the file in it"));
    }
    let mut head = Vec::new();
    echo_files::open(path).map_err(io)?.take(512).read_to_end(&mut head).map_err(io)?;
    let reason = match head.as_slice() {
        [b'P', b'K', 3, 4, ..] | [0x80, 1..=5, ..] => return Ok((Container::Pytorch, head)),
        // A little-endian header length, then the header's JSON object.
        [_, _, _, _, _, 0, 0, 0, b'{', ..] => return Ok((Container::Safetensors, head)),
        [] => "it is empty",
        head if head.get(257..262) == Some(b"ustar") => {
            "it is a tar archive of PyTorch before 0.1.10; convert it once with: python -c \"import torch; \
             torch.save(torch.load('OLD', weights_only=False), 'NEW.pt')\""
        }
        head if head.starts_with(b"version https://git-lfs") => {
            "it is a Git LFS pointer; fetch the file itself with `git lfs pull`"
        }
        head if head.starts_with(b"<") => "it is a web page, not weights; download it again",
        head if head.starts_with(b"\x93NUMPY") => {
            "it is a NumPy array (.npy); save it under a name with: python -c \"import numpy, safetensors.numpy as s; \
             s.save_file({'clip': numpy.load('OLD.npy')}, 'NEW.safetensors')\""
        }
        head if head.starts_with(b"\x89HDF") => {
            "it is an HDF5 file (Keras); weights of PyTorch or safetensors are read"
        }
        head if head.starts_with(b"GGUF") => "it is a GGUF file; weights of PyTorch or safetensors are read",
        head if head.starts_with(b"{") => {
            "it is JSON; name the weights, or the index of several files (*.safetensors.index.json)"
        }
        _ => "its first bytes are neither PyTorch's (zip or pickle) nor safetensors'",
    };
    Err(not_readable(path, reason))
}

pub(crate) fn not_readable(path: &Path, reason: impl ToString) -> WeightsError {
    WeightsError::Format { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let message = match Checkpoint::open(file.path()) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{bytes:?} was read"),
        };
        assert!(message.contains(file.path().to_str().unwrap()), "{message}");
        message
    }

    #[test]
    fn files_that_are_no_checkpoints_are_named_with_the_reason() {
        assert!(refused(b"").contains("empty"));
        assert!(refused(b"version https://git-lfs.github.com/spec/v1\noid").contains("git lfs pull"));
        assert!(refused(b"<!DOCTYPE html>").contains("web page"));
        assert!(refused(b"hello world, I am a text").contains("neither"));
        assert!(refused(b"PK\x03\x04 but no archive").contains("not a checkpoint"));
        let mut lying = (1u64 << 38).to_le_bytes().to_vec();
        lying.extend(b"{\"a\":0}");
        assert!(refused(&lying).contains("not a checkpoint"));
        assert!(
            Checkpoint::open(Path::new("/nonexistent/file.pt")).is_err_and(|e| e.to_string().contains("/nonexistent"))
        );
    }

    #[test]
    fn parts_of_a_folder_are_one_checkpoint_under_their_prefixes() {
        const PARTS: [Part; 2] = [
            Part { file: "a.safetensors", prefix: "image.", required: true },
            Part { file: "b.safetensors", prefix: "text.", required: false },
        ];
        let folder = tempfile::tempdir().unwrap();
        let names = |path: &Path| {
            let checkpoint = Checkpoint::open_parts(path, &PARTS)?;
            Ok::<_, WeightsError>(checkpoint.names().map(str::to_owned).collect::<Vec<_>>())
        };
        let write = |file: &str| {
            // One f32 called "x", as safetensors stores it.
            let header = br#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header);
            bytes.extend(1f32.to_le_bytes());
            std::fs::write(folder.path().join(file), bytes).unwrap();
        };
        assert!(names(folder.path()).unwrap_err().to_string().contains("without a.safetensors"));
        write("b.safetensors");
        assert!(names(folder.path()).unwrap_err().to_string().contains("without a.safetensors"));
        write("a.safetensors");
        assert_eq!(names(folder.path()).unwrap(), ["image.x", "text.x"]);
        assert_eq!(names(&folder.path().join("b.safetensors")).unwrap(), ["image.x"], "one file is the first part");
    }
}
