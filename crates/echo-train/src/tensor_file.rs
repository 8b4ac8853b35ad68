//! Named tensors and a text in one safetensors file: what is kept of a training.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, View};

/// A file that says more than this is refused before it is read.
const MAX_BYTES: u64 = 1 << 36;

/// Writes float tensors and `text`, which goes to the metadata under `key`. The file is written under another name and
/// renamed, so that a kill at any instant leaves the old one or the new one.
///
/// # Errors
/// It cannot be written.
pub fn write_tensors(file: &Path, tensors: Vec<(String, TensorData)>, key: &str, text: String) -> Result<(), Error> {
    let metadata = HashMap::from([(key.to_owned(), text)]);
    let tensors = tensors.into_iter().map(|(name, data)| (name, Stored(data)));
    let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(invalid)?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension("new");
    let written = std::fs::write(&beside, &bytes).and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        // Half a file on a full disk would keep it full.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Reads what [`write_tensors`] wrote.
///
/// # Errors
/// It cannot be read, or its metadata has no `key`.
pub fn read_tensors(file: &Path, key: &str) -> Result<(Vec<(String, TensorData)>, String), Error> {
    if std::fs::metadata(file)?.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "the file is too large"));
    }
    let bytes = std::fs::read(file)?;
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
    Ok((tensors, text))
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
