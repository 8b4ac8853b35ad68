//! Arrays to files that other tools read: `.npy`, `.safetensors`, `.csv`.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use echo_files::{check_place, is_stream, write_atomically};
use echo_weights::Checkpoint;
use half::{bf16, f16};
use npyz::{AutoSerialize, NpyWriter, WriteOptions, WriterBuilder};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::CliError;

/// Writes `bytes` to `path`: the file is whole or not there.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_atomically(path, |file| file.write_all(bytes)).map_err(CliError::file(path))
}

/// The ending of the file `path` for results, one of `endings`; of a stream, which has none, it is a table's where there
/// may be one. What cannot be written is found before hours of work.
pub(crate) fn out_format<'a>(path: &Path, endings: &[&'a str]) -> Result<&'a str, CliError> {
    format_of("--out", path, endings)
}

/// The same of the file of another flag.
pub(crate) fn format_of<'a>(flag: &str, path: &Path, endings: &[&'a str]) -> Result<&'a str, CliError> {
    check_place(path).map_err(CliError::file(path))?;
    let ending = path.extension().and_then(|ending| ending.to_str());
    let wanted = if is_stream(path) { Some("csv") } else { ending };
    endings.iter().copied().find(|ending| Some(*ending) == wanted).ok_or_else(|| {
        let known = endings.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(" or ");
        CliError::Usage(format!("{flag} {}: give a file that ends in {known}", path.display()))
    })
}

/// Refuses to write where a file lies that is read: results would take its place.
///
/// # Errors
/// One of `outs` is one of `inputs`, by whatever path.
pub(crate) fn refuse_inputs<'o, 'i>(
    outs: impl IntoIterator<Item = &'o Path>,
    inputs: impl IntoIterator<Item = &'i Path>,
) -> Result<(), CliError> {
    let real = |path: &Path| path.canonicalize().ok();
    let read: BTreeSet<PathBuf> = inputs.into_iter().filter_map(real).collect();
    match outs.into_iter().find(|out| real(out).is_some_and(|out| read.contains(&out))) {
        Some(out) => Err(CliError::Usage(format!(
            "{}: this file is read, and results would take its place; name another for them",
            out.display()
        ))),
        None => Ok(()),
    }
}

/// What is there already must be a folder, where results are to be in one.
pub(crate) fn check_folder(path: &Path) -> Result<(), CliError> {
    match path.exists() && !path.is_dir() {
        true => Err(CliError::file(path)("this is no folder, and results go to one; name another")),
        false => Ok(()),
    }
}

/// Values as little-endian bytes.
pub(crate) fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A C-ordered array in NumPy's format, of which all values are yet to come.
pub(crate) fn npy<T: AutoSerialize, W: Write>(file: W, shape: &[usize]) -> io::Result<NpyWriter<T, W>> {
    let shape: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
    WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()
}

/// One that is all there.
pub(crate) fn npy_of(values: &[f32], shape: &[usize]) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut array = npy(&mut file, shape)?;
    array.extend(values.iter().copied())?;
    array.finish()?;
    Ok(file)
}

/// A safetensors file with one f32 tensor.
pub(crate) fn safetensors(
    path: &Path,
    name: &str,
    shape: &[usize],
    values: &[f32],
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, CliError> {
    let bytes = bytes_of(values);
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &bytes).map_err(CliError::file(path))?;
    safetensors::serialize([(name, view)], Some(metadata)).map_err(CliError::file(path))
}

/// The floating-point tensor `name` of a safetensors file as f32, with its shape.
pub(crate) fn read_safetensors(path: &Path, name: &str) -> Result<(Vec<usize>, Vec<f32>), CliError> {
    let mut bytes = Vec::new();
    echo_files::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(CliError::file(path))?;
    if let Some(reason) = of_another_kind(path, &bytes, name) {
        return Err(CliError::File { path: path.to_owned(), reason });
    }
    let file = SafeTensors::deserialize(&bytes).map_err(CliError::file(path))?;
    let view = file.tensor(name).map_err(|_| {
        let found = file.names().into_iter().take(10).collect::<Vec<_>>().join(", ");
        CliError::File { path: path.to_owned(), reason: format!("no tensor {name:?}; found: {found}") }
    })?;
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
        other => {
            let reason = format!("tensor {name:?} is {other:?}; save it as floating-point numbers");
            return Err(CliError::File { path: path.to_owned(), reason });
        }
    };
    Ok((view.shape().to_vec(), values))
}

/// What a file is that is no safetensors file, and how to make one of it.
fn of_another_kind(path: &Path, bytes: &[u8], name: &str) -> Option<String> {
    let is_archive = bytes.starts_with(b"PK\x03\x04");
    // The name of an archive's first member is near its beginning.
    let is_npz = is_archive && bytes[..bytes.len().min(256)].windows(4).any(|part| part == b".npy");
    let (what, load) = if bytes.starts_with(b"\x93NUMPY") {
        ("a NumPy array (.npy)".to_owned(), "import numpy as n; a = n.load('IN')".to_owned())
    } else if is_npz {
        let what = "an archive of NumPy arrays (.npz), of which one is to be saved alone (here the first)";
        (what.to_owned(), "import numpy as n; z = n.load('IN'); a = z[z.files[0]]".to_owned())
    } else if is_archive || matches!(bytes, [0x80, 2..=5, ..]) {
        let load = "import torch; a = torch.load('IN', weights_only=True)";
        // A dictionary, or a list of them; what is no checkpoint at all may still be one tensor.
        match Checkpoint::open(path) {
            Ok(dictionary) => {
                let names: Vec<&str> = dictionary.names().collect();
                let entry = names.iter().find(|&&entry| entry == name).or(names.first()).copied().unwrap_or(name);
                let shown = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
                let what = format!("PyTorch's, of several tensors ({shown}), of which one is to be saved alone");
                (what, format!("{load}['{entry}'].numpy()"))
            }
            Err(_) => ("a file of PyTorch or an archive".to_owned(), format!("{load}.numpy()")),
        }
    } else {
        return None;
    };
    Some(format!(
        "it is {what}; save it as safetensors: python -c \"{load}; import safetensors.numpy as s; \
         s.save_file({{'{name}': a.astype('float32')}}, 'OUT.safetensors')\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `torch.save` makes of a dictionary of two tensors of one value.
    fn of_pytorch() -> Vec<u8> {
        let tensor = "ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI1\ntQ\
                      I0\n(I1\nt(I1\ntI00\nccollections\nOrderedDict\n)RtR";
        let pickle = format!("}}(S'clip'\n{tensor}S'label'\n{tensor}u.");
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in [("a/data.pkl", pickle.as_bytes()), ("a/data/0", &[0; 4])] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn arrays_of_numpy_and_pytorch_are_named_with_the_way_to_safetensors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        for (bytes, what) in [
            (npy_of(&[0.0], &[1]).unwrap(), "NumPy array (.npy)"),
            (b"PK\x03\x04clip.npy".to_vec(), "NumPy arrays (.npz)"),
            (b"PK\x03\x04abc".to_vec(), "PyTorch"),
            (of_pytorch(), "of several tensors (clip, label), of which one is to be saved alone"),
        ] {
            write_file(&path, &bytes).unwrap();
            let message = read_safetensors(&path, "clip").unwrap_err().to_string();
            assert!(message.contains(what) && message.contains("s.save_file({'clip': a"), "{message}");
            assert_eq!(message.contains("['clip'].numpy()"), what.contains("several"), "{message}");
        }
    }

    #[test]
    fn npy_has_numpys_header_and_alignment() {
        let file = npy_of(&[0.0; 6], &[2, 3]).unwrap();
        // As many values as the shape says.
        assert!(npy_of(&[0.0; 5], &[2, 3]).is_err());
        let header = std::str::from_utf8(&file[10..file.len() - 24]).unwrap();
        assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
        assert_eq!((file.len() - 24) % 64, 0);
        assert_eq!(usize::from(u16::from_le_bytes([file[8], file[9]])), header.len());
        assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, ), }"), "{header}");
        assert!(header.ends_with('\n'));
    }

    #[test]
    fn a_tensor_comes_back_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let bytes = safetensors(&path, "clip", &[1, 2], &[1.5, -2.0], HashMap::new()).unwrap();
        write_file(&path, &bytes).unwrap();
        assert_eq!(read_safetensors(&path, "clip").unwrap(), (vec![1, 2], vec![1.5, -2.0]));
        let half: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F16, vec![2], &half).unwrap();
        write_file(&path, &safetensors::serialize([("clip", view)], None).unwrap()).unwrap();
        assert_eq!(read_safetensors(&path, "clip").unwrap(), (vec![2], vec![1.5, -2.0]));
        assert!(read_safetensors(&path, "other").unwrap_err().to_string().contains("found: clip"));
    }
}
