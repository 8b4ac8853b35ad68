//! A file of named tensors, whatever its format.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::pytorch_reader::PytorchReader;
use burn::store::{ModuleStore, SafetensorsStore, bridge};

use crate::WeightsError;
use crate::pickle::refuse_calls;
use crate::save::OWN_NAMES;

/// Dictionaries under which training scripts nest their weights.
const NESTED_UNDER: [&str; 4] = ["state_dict", "weights", "model", "model_state_dict"];

/// Prefixes that wrappers put before every name.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// Named tensors of a file; their values are read when they are applied.
pub struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, StoredTensor>,
    own_names: bool,
}

impl Checkpoint {
    /// Opens `.safetensors`, or PyTorch's `.pt`, `.pth`, `.bin`; which one it is, is read from its bytes.
    ///
    /// Pickles are parsed as data, nothing in them is executed. Weights nested under `state_dict`, `weights` or
    /// `model`, and names that all begin with `module.`, are unwrapped.
    ///
    /// # Errors
    /// The file cannot be read, is none of these, or holds no tensors.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        match sniff(path)? {
            Container::Pytorch => Self::from_tensors(path, read_pytorch(path)?, false),
            Container::Safetensors { own_names } => {
                let mut store = SafetensorsStore::from_file(path);
                let tensors = store.get_all_tensors().map_err(|error| not_readable(path, error))?;
                Self::from_tensors(path, tensors.clone(), own_names)
            }
        }
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
            let mut whole = Self::open(path)?;
            if !whole.own_names {
                whole.tensors = prefix(whole.tensors, first.prefix).collect();
            }
            return Ok(whole);
        }
        let mut tensors = BTreeMap::new();
        for (part, file) in present_parts(path, parts)? {
            tensors.extend(prefix(Self::open(&file)?.tensors, part.prefix));
        }
        Ok(Self { path: path.to_owned(), tensors, own_names: false })
    }

    /// The safetensors file `bytes`, known as `name` in messages, saved by [`save`](crate::save).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_safetensors_bytes(name: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec()));
        let tensors = store.get_all_tensors().map_err(|error| not_readable(Path::new(name), error))?;
        Self::from_tensors(Path::new(name), tensors.clone(), true)
    }

    fn from_tensors(
        path: &Path,
        tensors: BTreeMap<String, StoredTensor>,
        own_names: bool,
    ) -> Result<Self, WeightsError> {
        if tensors.is_empty() {
            return Err(not_readable(path, "it holds no tensors"));
        }
        Ok(Self { path: path.to_owned(), tensors: unwrap_names(tensors), own_names })
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
        self.tensors.get(name).map(|tensor| tensor.shape.to_vec())
    }

    /// Whether the tensors bear the names of the module they were saved from, and not upstream's.
    pub(crate) fn has_own_names(&self) -> bool {
        self.own_names
    }

    /// The tensors, by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, StoredTensor> {
        &self.tensors
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
pub(crate) fn present_parts<'a>(folder: &Path, parts: &'a [Part]) -> Result<Vec<(&'a Part, PathBuf)>, WeightsError> {
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
    Safetensors { own_names: bool },
}

fn sniff(path: &Path) -> Result<Container, WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(not_readable(path, "it is a folder; name the file in it"));
    }
    let mut head = Vec::new();
    file.by_ref().take(512).read_to_end(&mut head).map_err(io)?;
    match head.as_slice() {
        [b'P', b'K', 3, 4, ..] | [0x80, 1..=5, ..] => Ok(Container::Pytorch),
        // A little-endian header length, then the header's JSON object.
        [_, _, _, _, _, 0, 0, 0, b'{', ..] => {
            // Metadata comes first in what safetensors writes, so the head of the file shows it.
            let own_names = String::from_utf8_lossy(&head).contains(OWN_NAMES);
            Ok(Container::Safetensors { own_names })
        }
        [] => Err(not_readable(path, "it is empty")),
        head if head.get(257..262) == Some(b"ustar") => Err(not_readable(
            path,
            "it is a tar archive of PyTorch before 0.1.10; convert it once with: python -c \"import torch; \
             torch.save(torch.load('OLD', weights_only=False), 'NEW.pt')\"",
        )),
        head if head.starts_with(b"version https://git-lfs") => {
            Err(not_readable(path, "it is a Git LFS pointer; fetch the file itself with `git lfs pull`"))
        }
        head if head.starts_with(b"<") => Err(not_readable(path, "it is a web page, not weights; download it again")),
        _ => Err(not_readable(path, "its first bytes are neither PyTorch's (zip or pickle) nor safetensors'")),
    }
}

fn read_pytorch(path: &Path) -> Result<BTreeMap<String, StoredTensor>, WeightsError> {
    refuse_calls(path)?;
    let reader = PytorchReader::new(path).map_err(|error| not_readable(path, error))?;
    let tensors = reader.into_tensors().into_values().map(|tensor| (tensor.name.clone(), bridge::from_pytorch(tensor)));
    Ok(tensors.collect())
}

/// Leaves out what lies beside a nested dictionary of weights (an optimizer's state, say), and what wrappers prefix.
fn unwrap_names(mut tensors: BTreeMap<String, StoredTensor>) -> BTreeMap<String, StoredTensor> {
    for nested in NESTED_UNDER {
        let prefix = format!("{nested}.");
        // `model.` also begins real parameter names; it is a dictionary only if nothing else is there.
        let nested = match nested {
            "model" => tensors.keys().all(|name| name.starts_with(&prefix)),
            _ => tensors.keys().any(|name| name.starts_with(&prefix)),
        };
        if nested {
            tensors = strip(tensors, &prefix);
        }
    }
    // Wrappers come in any order, one around the other.
    while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| tensors.keys().all(|name| name.starts_with(**wrapper))) {
        tensors = strip(tensors, wrapper);
        if tensors.is_empty() {
            break;
        }
    }
    tensors
}

fn prefix(tensors: BTreeMap<String, StoredTensor>, prefix: &str) -> impl Iterator<Item = (String, StoredTensor)> {
    tensors.into_iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
}

fn strip(tensors: BTreeMap<String, StoredTensor>, prefix: &str) -> BTreeMap<String, StoredTensor> {
    let stripped =
        tensors.into_iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor)));
    stripped.collect()
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

    #[test]
    fn nested_and_wrapped_names_are_unwrapped() {
        let tensor = || {
            let data = burn::tensor::TensorData::from([1.0f32]);
            bridge::from_data(data, String::new(), None)
        };
        let names = |names: &[&str]| {
            let tensors = names.iter().map(|name| (name.to_string(), tensor())).collect();
            unwrap_names(tensors).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names(&["state_dict.module.a", "state_dict.module.b", "optimizer.a"]), ["a", "b"]);
        assert_eq!(names(&["model.a", "model.b"]), ["a", "b"]);
        assert_eq!(names(&["model.a", "head.b"]), ["head.b", "model.a"]);
        assert_eq!(names(&["weights.encoder.model.a"]), ["encoder.model.a"]);
    }
}
