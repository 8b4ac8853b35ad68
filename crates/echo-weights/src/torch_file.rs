//! PyTorch's containers: the zip archive of 1.6 and later, and the stream of pickles and values before it.
//!
//! What the pickle says of shapes, strides and places is held against what the file holds before anything is read of
//! its values, and those are read when they are needed.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::store::bridge;
use burn::store::burn_pack::{Error as StoreError, Tensor as StoredTensor};
use burn::tensor::{Bytes, DType, Shape, TensorData};
use zip::ZipArchive;
use zip::read::ZipReadOptions;

use crate::checkpoint::not_readable;
use crate::pickle::{MAX_BYTES, Object, Pickle};
use crate::state_dict::{StateDict, Storage, View, storage};
use crate::{WeightsError, zip_file};

/// What the stream of old files begins with, in a pickle of its own.
const STREAM_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// How far into the file it is looked for: protocols frame it differently.
const MAGIC_WITHIN: usize = 64;

/// The largest tensor that has more bytes than its storage.
const MAX_REPEATED: u64 = 64 << 20;

/// Tensors by their paths, and those that are in a form that is not read, with what it is.
#[derive(Debug, Default)]
pub(crate) struct TorchFile {
    pub(crate) tensors: BTreeMap<String, StoredTensor>,
    pub(crate) unreadable: BTreeMap<String, String>,
}

/// Reads what `path`, which begins with `head`, says of its tensors.
///
/// # Errors
/// It is another file, cut or damaged, or means harm.
pub(crate) fn read(path: &Path, head: &[u8]) -> Result<TorchFile, WeightsError> {
    let file = echo_files::open(path).map_err(|source| WeightsError::Io { path: path.to_owned(), source })?;
    let beginning = head.get(..MAGIC_WITHIN).unwrap_or(head);
    let is_stream = beginning.windows(STREAM_MAGIC.len()).any(|window| window == STREAM_MAGIC);
    let opened = match (head.starts_with(b"PK"), is_stream) {
        (true, _) => open_archive(file),
        (false, true) => open_stream(file),
        (false, false) => {
            Err("it is a pickle that torch.save did not write; if you trust it, load it in Python and save its \
                      tensors with torch.save(state_dict, \"weights.pt\")"
                .to_owned())
        }
    };
    let (container, found) = opened.map_err(|reason| not_readable(path, reason))?;
    let source = Arc::new(Source { container: Mutex::new(container), last: Mutex::new(None) });
    let mut tensors = BTreeMap::new();
    for (name, view) in found.tensors {
        source.check(&view).map_err(|reason| not_readable(path, format!("{name}: {reason}")))?;
        let (dtype, shape, source) = (view.dtype, Shape::from(view.shape.clone()), source.clone());
        let values = move || {
            let bytes = source.values(&view).map_err(StoreError::ValidationError)?;
            TensorData::try_from_bytes(Bytes::from_bytes_vec(bytes), Shape::from(view.shape.clone()), view.dtype)
                .map_err(|error| StoreError::TensorBytesSizeMismatch(error.to_string()))
        };
        tensors.insert(name.clone(), bridge::deferred(name, dtype, shape, None, values));
    }
    Ok(TorchFile { tensors, unreadable: found.unreadable })
}

/// Where values are.
#[derive(Debug)]
enum Container {
    /// An archive, and the folder in it.
    Archive(ZipArchive<BufReader<File>>, String),
    /// A file, and each storage's first byte and length.
    Stream(File, HashMap<String, (u64, u64)>),
}

fn open_archive(file: File) -> Result<(Container, StateDict), String> {
    let mut archive = zip_file::open(file)?;
    let names: Vec<String> = archive.file_names().flatten().map(|name| name.into_owned()).collect();
    let roots = names.iter().filter_map(|name| name.strip_suffix("data.pkl"));
    let root = roots.filter(|root| root.is_empty() || root.ends_with('/')).min_by_key(|root| root.len());
    let Some(root) = root.map(str::to_owned) else {
        let is_numpy = names.iter().any(|name| name.ends_with(".npy"));
        return Err(match is_numpy {
            true => "it is an archive of NumPy arrays (.npz); save them as a dictionary of tensors with torch.save"
                .to_owned(),
            false => "it is a zip archive, but none that torch.save wrote: there is no data.pkl in it".to_owned(),
        });
    };
    let is_script = |name: &String| {
        name.strip_prefix(&root).is_some_and(|name| name == "constants.pkl" || name.starts_with("code/"))
    };
    if names.iter().any(is_script) {
        return Err("it is a TorchScript archive, which holds a program; save its weights alone with: python -c \
                    \"import torch; torch.save(torch.jit.load('OLD', map_location='cpu').state_dict(), 'NEW.pt')\""
            .to_owned());
    }
    if let Some(order) = entry(&mut archive, &format!("{root}byteorder"), 64)?
        && order != b"little"
    {
        return Err("it was saved on a big-endian machine; save it again on another".to_owned());
    }
    let pickle = entry(&mut archive, &format!("{root}data.pkl"), MAX_BYTES)?.unwrap_or_default();
    let found = StateDict::of(&Pickle::read(&pickle[..])?)?;
    Ok((Container::Archive(archive, root), found))
}

/// A whole member of an archive, with its checksum checked; `None` where there is none of that name.
fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("{name} in its archive is damaged: {error}");
    let Some(index) = archive.index_for_name(name) else { return Ok(None) };
    let crc = archive.by_index_raw(index).map_err(|error| damaged(&error))?.crc32();
    // PyTorch can save without checksums, which are 0 then.
    let options = ZipReadOptions::new().ignore_crc32(crc == 0);
    let mut member = archive.by_index_with_options(index, options).map_err(|error| damaged(&error))?;
    let size = member.size();
    if size > limit {
        return Err(format!("{name} in its archive has {size} bytes, more than the {limit} that are read"));
    }
    let mut bytes = Vec::new();
    // The checksum is compared when the end is met.
    member.by_ref().take(size + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
    match bytes.len() as u64 == size {
        true => Ok(Some(bytes)),
        false => Err(damaged(&format!("{} of {size} bytes are there", bytes.len()))),
    }
}

fn open_stream(file: File) -> Result<(Container, StateDict), String> {
    let damaged = |error: std::io::Error| format!("it is cut or damaged: {error}");
    let mut input = BufReader::new(file);
    // The magic number, the version of the format, what the machine was.
    let _magic = Pickle::read(&mut input)?;
    let version = Pickle::read(&mut input)?;
    if !matches!(version.get(version.root), Object::Int(1001)) {
        return Err("its format has another version than 1001; save it again with a PyTorch of today".to_owned());
    }
    let machine = Pickle::read(&mut input)?;
    let is_named = |&&(key, _): &&(_, _)| machine.key(key).as_deref() == Some("little_endian");
    if machine.entries(machine.root).and_then(|entries| entries.iter().find(is_named)).is_none() {
        return Err("it does not say what machine it was saved on, so it is damaged".to_owned());
    }
    let pickle = Pickle::read(&mut input)?;
    let found = StateDict::of(&pickle)?;
    let keys = Pickle::read(&mut input)?;
    let keys = keys.sequence(keys.root).map(|list| list.iter().map(|&key| keys.key(key)).collect::<Option<Vec<_>>>());
    let keys = keys.flatten().ok_or("its list of storages is damaged")?;
    let storages = pickle.storages()?;
    let mut at = input.stream_position().map_err(damaged)?;
    let end = input.seek(SeekFrom::End(0)).map_err(damaged)?;
    let mut places = HashMap::new();
    for key in keys {
        input.seek(SeekFrom::Start(at)).map_err(damaged)?;
        let mut length = [0; 8];
        input.read_exact(&mut length).map_err(damaged)?;
        let width = storages.get(&key).ok_or_else(|| format!("no tensor says of what type its storage {key} is"))?;
        let bytes = u64::from_le_bytes(length)
            .checked_mul(*width)
            .filter(|&bytes| bytes.checked_add(at + 8).is_some_and(|last| last <= end));
        let bytes = bytes.ok_or_else(|| format!("its storage {key} is cut: the file ends before it"))?;
        places.insert(key, (at + 8, bytes));
        at += 8 + bytes;
    }
    Ok((Container::Stream(input.into_inner(), places), found))
}

impl Pickle {
    /// Bytes of one value, for every storage that is named.
    fn storages(&self) -> Result<HashMap<String, u64>, String> {
        let mut widths = HashMap::new();
        for id in 0.. {
            match self.find(id) {
                None => break,
                Some(Object::Storage(fields)) => {
                    if let Ok(Storage { key, dtype, .. }) = storage(self, *fields)? {
                        widths.insert(key, dtype.map_or(1, |dtype| dtype.size() as u64));
                    }
                }
                Some(_) => {}
            }
        }
        Ok(widths)
    }
}

/// The values of all storages.
#[derive(Debug)]
struct Source {
    container: Mutex<Container>,
    /// The last storage of which a part was read: tensors that share one follow each other.
    last: Mutex<Option<(String, Arc<Vec<u8>>)>>,
}

impl Source {
    /// # Errors
    /// The file does not hold what the view is of.
    fn check(&self, view: &View) -> Result<(), String> {
        let key = &view.storage.key;
        let held = match &mut *self.container.lock().unwrap_or_else(PoisonError::into_inner) {
            Container::Archive(archive, root) => {
                let index = archive.index_for_name(&format!("{root}data/{key}"));
                let held = index.map(|index| archive.by_index_raw(index).map(|member| member.size()));
                held.transpose().map_err(|error| format!("storage {key} is damaged: {error}"))?
            }
            Container::Stream(_, places) => places.get(key).map(|&(_, bytes)| bytes),
        };
        let count: usize = view.shape.iter().product();
        let needed = ((view.offset + view.extent) * view.dtype.size()) as u64;
        match held {
            None => Err(format!("its storage {key} is not in the file")),
            Some(held) if held < needed => Err(format!("its storage {key} has {held} of {needed} bytes")),
            // A step of 0 repeats values without end.
            Some(held) if (count * view.dtype.size()) as u64 > held.max(MAX_REPEATED) => {
                Err(format!("shape {:?} repeats the {held} bytes of storage {key} too often", view.shape))
            }
            Some(_) => Ok(()),
        }
    }

    /// The view's values, in its order.
    fn values(&self, view: &View) -> Result<Vec<u8>, String> {
        let width = view.dtype.size();
        let (start, length) = (view.offset * width, view.extent * width);
        let key = &view.storage.key;
        let whole = match self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some((last, bytes)) if last == key => bytes.clone(),
            _ => Arc::new(self.storage(key)?),
        };
        let reach = whole.get(start..start + length).ok_or_else(|| format!("storage {key} is cut"))?;
        let is_whole = length == whole.len();
        let mut values = match is_contiguous(&view.shape, &view.stride) {
            true => reach.to_vec(),
            false => gathered(reach, &view.shape, &view.stride, width),
        };
        if let DType::Bool(_) = view.dtype {
            values.iter_mut().for_each(|value| *value = u8::from(*value != 0));
        }
        if !is_whole {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((key.clone(), whole));
        }
        Ok(values)
    }

    fn storage(&self, key: &str) -> Result<Vec<u8>, String> {
        match &mut *self.container.lock().unwrap_or_else(PoisonError::into_inner) {
            Container::Archive(archive, root) => {
                entry(archive, &format!("{root}data/{key}"), u64::MAX - 1)?.ok_or_else(|| format!("no storage {key}"))
            }
            Container::Stream(file, places) => {
                let &(start, length) = places.get(key).ok_or_else(|| format!("no storage {key}"))?;
                let mut bytes = Vec::new();
                let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(length).read_to_end(&mut bytes));
                read.map_err(|error| format!("storage {key}: {error}"))?;
                Ok(bytes)
            }
        }
    }
}

/// Whether values lie in the order of the shape. The step of an axis of one means nothing.
fn is_contiguous(shape: &[usize], stride: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(stride).rev().all(|(&length, &step)| {
        let fits = length <= 1 || step == expected;
        expected *= length.max(1);
        fits
    })
}

fn gathered(values: &[u8], shape: &[usize], stride: &[usize], width: usize) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let mut out = Vec::with_capacity(count * width);
    let mut place = vec![0; shape.len()];
    for _ in 0..count {
        let at: usize = place.iter().zip(stride).map(|(place, step)| place * step).sum::<usize>() * width;
        out.extend_from_slice(&values[at..at + width]);
        for (place, &length) in place.iter_mut().zip(shape).rev() {
            *place += 1;
            if *place < length {
                break;
            }
            *place = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_strides() {
        assert_eq!(gathered(&[0, 1, 2, 3, 4, 5], &[2, 3], &[1, 2], 1), [0, 2, 4, 1, 3, 5]);
        assert_eq!(gathered(&[7], &[2, 2], &[0, 0], 1), [7; 4]);
        assert!(is_contiguous(&[2, 1, 3], &[3, 99, 1]) && is_contiguous(&[0, 3], &[3, 1]));
        assert!(!is_contiguous(&[2, 3], &[1, 2]));
    }
}
