//! Named tensors and a text in one safetensors file: what is kept of a training.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, View};

/// A file that says more than this is refused before it is read.
const MAX_BYTES: u64 = 1 << 36;

/// Writes float tensors and `text`, which goes to the metadata under `key` behind a checksum of everything. A kill or a
/// power cut at any instant leaves the old file or the new one.
///
/// # Errors
/// It cannot be written, or a value is not finite.
pub fn write_tensors(
    file: &Path,
    mut tensors: Vec<(String, TensorData)>,
    key: &str,
    text: String,
) -> Result<(), Error> {
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    check_finite(&tensors)?;
    let text = format!("{}\n{text}", checksum(&tensors, &text));
    let metadata = HashMap::from([(key.to_owned(), text)]);
    let tensors = tensors.into_iter().map(|(name, data)| (name, Stored(data)));
    let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(invalid)?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    echo_files::write_atomically(file, |writer| writer.write_all(&bytes))
}

/// Reads what [`write_tensors`] wrote.
///
/// # Errors
/// It cannot be read, its metadata has no `key`, its content is not what was written, or a value is not finite.
pub fn read_tensors(file: &Path, key: &str) -> Result<(Vec<(String, TensorData)>, String), Error> {
    let mut opened = echo_files::open(file)?;
    if opened.metadata()?.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "the file is too large"));
    }
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(invalid)?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(key)).cloned();
    let text = text.ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("its metadata lacks {key:?}")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(invalid)?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, tensor) in file.iter() {
        if tensor.dtype() != Dtype::F32 {
            return Err(Error::new(ErrorKind::InvalidData, format!("{name} is {:?}, not F32", tensor.dtype())));
        }
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        tensors.push((name.to_owned(), TensorData::new(values, tensor.shape().to_vec())));
    }
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    check_finite(&tensors)?;
    match text.split_once('\n') {
        Some((sum, text)) if sum == checksum(&tensors, text) => Ok((tensors, text.to_owned())),
        _ => Err(Error::new(ErrorKind::InvalidData, "it is damaged: its checksum is not that of what it holds")),
    }
}

/// A hash of names, shapes, values and the text.
fn checksum(sorted: &[(String, TensorData)], text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    for (name, data) in sorted {
        hasher.update(format!("\n{name} {:?}\n", data.shape().as_slice()).as_bytes());
        hasher.update(data.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn check_finite(tensors: &[(String, TensorData)]) -> Result<(), Error> {
    let is_wrong = |data: &TensorData| !data.iter::<f32>().all(f32::is_finite);
    match tensors.iter().find(|(_, data)| is_wrong(data)) {
        Some((name, _)) => Err(Error::new(
            ErrorKind::InvalidData,
            format!("{name} holds values that are not finite (NaN or infinity)"),
        )),
        None => Ok(()),
    }
}

fn invalid(error: safetensors::SafeTensorError) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

/// A tensor on its way to a file.
struct Stored(TensorData);

impl View for Stored {
    fn dtype(&self) -> Dtype {
        match self.0.dtype() {
            DType::F32 => Dtype::F32,
            other => unreachable!("parameters are f32, not {other:?}"),
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape().as_slice()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn data_len(&self) -> usize {
        self.0.as_bytes().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f32) -> (tempfile::TempDir, std::path::PathBuf, Result<(), Error>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.safetensors");
        let tensors =
            vec![("b".to_owned(), TensorData::from([1.0f32, value])), ("a".to_owned(), TensorData::from([3.0f32]))];
        let written = write_tensors(&file, tensors, "key", "{\"of\": 3}".to_owned());
        (folder, file, written)
    }

    #[test]
    fn what_was_written_is_read_and_every_other_byte_is_noticed() {
        let (_folder, file, result) = written(2.0);
        result.unwrap();
        let (tensors, text) = read_tensors(&file, "key").unwrap();
        assert_eq!(text, "{\"of\": 3}");
        let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, tensors[1].1.as_slice::<f32>().unwrap()), (vec!["a", "b"], &[1.0, 2.0][..]));
        let whole = std::fs::read(&file).unwrap();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            std::fs::write(&file, &bytes).unwrap();
            // White space at the end of the header is no content.
            assert!(read_tensors(&file, "key").is_err() || whole[place] == b' ', "byte {place}");
        }
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert!(read_tensors(&file, "key").is_err());
    }

    #[test]
    fn values_that_are_not_finite_are_neither_written_nor_read() {
        for value in [f32::NAN, f32::INFINITY] {
            let (_folder, file, result) = written(value);
            assert!(result.unwrap_err().to_string().starts_with("b holds values that are not finite"));
            assert!(!file.exists());
            let tensors = vec![("b".to_owned(), TensorData::from([1.0f32, value]))];
            let text = format!("{}\nx", checksum(&tensors, "x"));
            let stored = tensors.into_iter().map(|(name, data)| (name, Stored(data)));
            let bytes = safetensors::serialize(stored, Some(HashMap::from([("key".to_owned(), text)]))).unwrap();
            std::fs::write(&file, bytes).unwrap();
            assert!(read_tensors(&file, "key").unwrap_err().to_string().contains("not finite"));
        }
    }
}
