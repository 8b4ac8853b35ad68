//! A file of one tensor without a name, as `torch.save(tensor, path)` writes it.

use std::fs::File;
use std::io::{BufReader, Read, copy, sink};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, bf16, f16};
use zip::ZipArchive;
use zip::read::{ZipFile, ZipReadOptions};

use crate::pickle::{MAX_BYTES, Object, Pickle};
use crate::state_dict::storage;
use crate::{DataFileError, zip_file};

/// How to make a file that is read.
const ADVICE: &str = "save it again with: python -c \"import torch; torch.save(torch.load('OLD.pt', \
                      map_location='cpu').float().contiguous().clone(), 'NEW.pt')\"";

/// A file of one tensor of floats (16, 32 or 64 bits), of PyTorch 1.6 or later. Its values are read when they are asked
/// for.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    tensor: Described,
}

/// What the pickle says of a tensor.
#[derive(Debug)]
struct Described {
    /// The archive's member that holds the values.
    storage: String,
    dtype: DType,
    shape: Vec<usize>,
    /// Its first byte in the storage, and how many it has.
    start: u64,
    length: u64,
}

impl TensorFile {
    /// Opens a file, and reads the tensor's shape. Pickles are read as data, nothing in them is executed.
    ///
    /// # Errors
    /// The file cannot be opened, is cut or damaged, or holds anything but one tensor of floats whose values lie in
    /// order.
    pub fn open(path: &Path) -> Result<Self, DataFileError> {
        let io = |source| DataFileError::Io { path: path.to_owned(), source };
        let file = echo_files::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let described = zip_file::open(file).and_then(|mut archive| {
            let tensor = Described::read(&mut archive)?;
            // Nothing is allocated that the file does not hold.
            match tensor.start.saturating_add(tensor.length) <= size {
                true => Ok((archive, tensor)),
                false => Err(format!("it is cut or compressed: it has {size} bytes, its tensor more; {ADVICE}")),
            }
        });
        let (archive, tensor) = described.map_err(|reason| DataFileError::Format { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), archive, tensor })
    }

    /// Lengths of the tensor's axes.
    pub fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    /// Appends the tensor's values to `values`, the last axis running fastest.
    ///
    /// # Errors
    /// The file is cut or damaged; `values` then has those before.
    pub fn append_to(mut self, values: &mut Vec<f32>) -> Result<(), DataFileError> {
        let read = self.tensor.values(&mut self.archive, values);
        read.map_err(|reason| DataFileError::Format { path: self.path, reason })
    }
}

impl Described {
    fn read(archive: &mut ZipArchive<BufReader<File>>) -> Result<Self, String> {
        let names = archive.file_names().flatten();
        let roots: Vec<String> = names.filter_map(|name| name.strip_suffix("data.pkl").map(str::to_owned)).collect();
        let roots = roots.into_iter().filter(|root| root.is_empty() || root.ends_with('/'));
        let root = roots.min_by_key(String::len).ok_or("it is a zip archive, but none that torch.save wrote")?;
        if archive.index_for_name(&format!("{root}byteorder")).is_some() {
            let mut order = String::new();
            let read = member(archive, &format!("{root}byteorder"))?.take(64).read_to_string(&mut order);
            if read.is_err() || order != "little" {
                return Err(format!("it was saved on a big-endian machine; {ADVICE}"));
            }
        }
        let mut bytes = Vec::new();
        let read = member(archive, &format!("{root}data.pkl"))?.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("its pickle is damaged: {error}"))?;
        Self::of(&Pickle::read(&bytes[..])?, &root)
    }

    fn of(pickle: &Pickle, root: &str) -> Result<Self, String> {
        let what = match pickle.get(pickle.root) {
            Object::Instance(instance) if instance.class.as_str().starts_with("torch._utils._rebuild_tensor") => {
                return Self::of_arguments(pickle, instance.arguments, root);
            }
            Object::Instance(instance) => echo_files::printable(instance.class.as_str()).into_owned(),
            Object::Dictionary(_) => "a dict".to_owned(),
            Object::Sequence(_) => "a list".to_owned(),
            _ => "something else".to_owned(),
        };
        Err(format!("it holds {what}, where one tensor is expected"))
    }

    fn of_arguments(pickle: &Pickle, arguments: u32, root: &str) -> Result<Self, String> {
        let damaged = || "its pickle is damaged: it describes a tensor by what is none".to_owned();
        let (&[values, offset, shape, stride], _) =
            pickle.sequence(arguments).and_then(|fields| fields.split_first_chunk()).ok_or_else(damaged)?;
        let Object::Storage(id) = pickle.get(values) else { return Err(damaged()) };
        let storage = storage(pickle, *id)??;
        let counts = |id| pickle.sequence(id)?.iter().map(|&count| pickle.count(count)).collect::<Option<Vec<usize>>>();
        let (offset, shape, stride) = (pickle.count(offset), counts(shape), counts(stride));
        let (Some(offset), Some(shape), Some(stride)) = (offset, shape, stride) else { return Err(damaged()) };
        let dtype = match storage.dtype {
            Some(dtype @ (DType::F16 | DType::BF16 | DType::F32 | DType::F64)) => dtype,
            _ => return Err(format!("its tensor is not of 16, 32 or 64-bit floats; {ADVICE}")),
        };
        let too_large = || format!("its pickle describes a tensor of shape {shape:?}, which it cannot hold");
        let count = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length)).ok_or_else(too_large)?;
        let end = offset.checked_add(count).filter(|&end| end <= storage.length).ok_or_else(too_large)?;
        let end = end.checked_mul(dtype.size()).ok_or_else(too_large)?;
        if shape.len() != stride.len() || !is_in_order(&shape, &stride) {
            return Err(format!("its tensor is transposed or a part of another; {ADVICE}"));
        }
        let (start, end) = ((offset * dtype.size()) as u64, end as u64);
        Ok(Self { storage: format!("{root}data/{}", storage.key), dtype, shape, start, length: end - start })
    }

    fn values(&self, archive: &mut ZipArchive<BufReader<File>>, values: &mut Vec<f32>) -> Result<(), String> {
        let damaged = |error: std::io::Error| format!("{} in its archive is cut or damaged: {error}", self.storage);
        let mut member = member(archive, &self.storage)?;
        copy(&mut member.by_ref().take(self.start), &mut sink()).map_err(damaged)?;
        let width = self.dtype.size();
        let mut left = self.length as usize;
        values.reserve_exact(left / width);
        let mut buffer = [0; 1 << 16];
        while left > 0 {
            let part = &mut buffer[..left.min(1 << 16)];
            member.read_exact(part).map_err(damaged)?;
            left -= part.len();
            match self.dtype {
                DType::F16 => values.extend(part.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32())),
                DType::BF16 => {
                    values.extend(part.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()))
                }
                DType::F64 => values.extend(part.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32)),
                _ => values.extend(part.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
            }
        }
        // The checksum is compared when the end is met.
        copy(&mut member, &mut sink()).map_err(damaged)?;
        Ok(())
    }
}

/// Whether values lie in the order of the shape, without gaps. The step of an axis of one means nothing.
fn is_in_order(shape: &[usize], stride: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(stride).rev().all(|(&length, &step)| {
        let fits = length <= 1 || step == expected;
        expected = expected.saturating_mul(length.max(1));
        fits
    })
}

fn member<'a>(
    archive: &'a mut ZipArchive<BufReader<File>>,
    name: &str,
) -> Result<ZipFile<'a, BufReader<File>>, String> {
    let damaged = |error: zip::result::ZipError| format!("{name} in its archive is damaged: {error}");
    let index = archive.index_for_name(name).ok_or_else(|| format!("there is no {name} in its archive"))?;
    let crc = archive.by_index_raw(index).map_err(damaged)?.crc32();
    // PyTorch can save without checksums, which are 0 then.
    let options = ZipReadOptions::new().ignore_crc32(crc == 0);
    archive.by_index_with_options(index, options).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    const SIX: [f32; 6] = [1.0, -2.0, 3.5, 0.0, 5.0, 6.0];

    /// `torch.save` of a tensor in a storage of `length` values.
    fn pickle(kind: &str, length: u32, offset: u8, shape: &[u8], stride: &[u8]) -> Vec<u8> {
        let counts = |counts: &[u8]| {
            [b"(", counts.iter().flat_map(|&count| [b'K', count]).collect::<Vec<_>>().as_slice(), b"t"].concat()
        };
        let storage = format!("X\x07\0\0\0storagectorch\n{kind}Storage\nX\x01\0\0\00X\x03\0\0\0cpuJ");
        let call = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((";
        let (shape, stride) = (counts(shape), counts(stride));
        let rest = b"\x89ccollections\nOrderedDict\n)RtR.";
        [call, storage.as_bytes(), &length.to_le_bytes(), b"tQK", &[offset], &shape, &stride, rest].concat()
    }

    fn archive(pickle: &[u8], values: &[u8]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, bytes) in [("p1/data.pkl", pickle), ("p1/byteorder", b"little"), ("p1/data/0", values)] {
            writer.start_file(name, stored).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Shape and values of a file of these bytes, or the message, which must name the file.
    fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let read = TensorFile::open(file.path()).and_then(|tensor| {
            let (shape, mut values) = (tensor.shape().to_vec(), Vec::new());
            tensor.append_to(&mut values).map(|()| (shape, values))
        });
        read.map_err(|error| {
            let message = error.to_string();
            assert!(message.contains(file.path().to_str().unwrap()), "{message}");
            message
        })
    }

    fn floats() -> Vec<u8> {
        SIX.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn floats_of_any_width_are_read_from_where_the_tensor_begins() {
        let half = SIX.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        let brain = SIX.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect();
        let double = SIX.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
        for (kind, bytes) in [("Float", floats()), ("Half", half), ("BFloat16", brain), ("Double", double)] {
            let whole = archive(&pickle(kind, 6, 0, &[2, 3], &[3, 1]), &bytes);
            assert_eq!(read(&whole), Ok((vec![2, 3], SIX.to_vec())), "{kind}");
            let part = archive(&pickle(kind, 6, 2, &[2, 2], &[2, 1]), &bytes);
            assert_eq!(read(&part), Ok((vec![2, 2], SIX[2..].to_vec())), "{kind}");
        }
        assert_eq!(read(&archive(&pickle("Float", 6, 0, &[0, 3], &[3, 1]), &floats())), Ok((vec![0, 3], Vec::new())));
    }

    #[test]
    fn many_values_are_read_in_parts() {
        let values: Vec<f32> = (0..255 * 200).map(|value| value as f32).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let read = read(&archive(&pickle("Float", values.len() as u32, 0, &[255, 200], &[200, 1]), &bytes));
        assert_eq!(read, Ok((vec![255, 200], values)));
    }

    #[test]
    fn other_files_are_refused_with_what_they_hold() {
        let refused = |pickle: &[u8]| read(&archive(pickle, &floats())).unwrap_err();
        assert!(refused(&pickle("Float", 6, 0, &[3, 2], &[1, 3])).contains(".contiguous()"));
        assert!(refused(&pickle("Long", 6, 0, &[3], &[1])).contains("floats"));
        assert!(refused(b"\x80\x02}.").contains("holds a dict, where one tensor is expected"));
        assert!(refused(b"\x80\x02cos\nsystem\n)R.").contains("os.system"));
        for (length, shape) in [(6, [7, 1]), (6, [255, 255]), (u32::MAX >> 1, [255, 255])] {
            let message = refused(&pickle("Float", length, 0, &shape, &[shape[1], 1]));
            assert!(message.contains("cannot hold") || message.contains("its tensor more"), "{message}");
        }
        assert!(read(b"PK\x03\x04 but no archive").unwrap_err().contains("not a whole zip archive"));
        let whole = archive(&pickle("Float", 6, 0, &[2, 3], &[3, 1]), &floats());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} bytes");
        }
        let mut changed = whole.clone();
        let place = whole.windows(24).position(|window| window == floats()).unwrap();
        changed[place] ^= 1;
        assert!(read(&changed).unwrap_err().contains("p1/data/0 in its archive is cut or damaged"));
    }
}
