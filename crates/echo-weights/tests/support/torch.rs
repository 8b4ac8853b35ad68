//! Writes PyTorch files byte by byte, and reads them into a module of one parameter.

#![allow(dead_code, missing_docs)]

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use echo_weights::{Checkpoint, KeyTable, LoadReport, WeightsError, load};

/// A pickle under construction.
pub struct Pickle {
    bytes: Vec<u8>,
    protocol: u8,
}

impl Pickle {
    pub fn new(protocol: u8) -> Self {
        Self { bytes: vec![0x80, protocol], protocol }
    }

    /// Whether names are those of Python 2.
    pub fn is_old(&self) -> bool {
        self.protocol < 3
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        match self.protocol {
            4.. => self.raw(&[0x8c, text.len() as u8]).raw(text.as_bytes()),
            _ => self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes()),
        }
    }

    pub fn int(self, value: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&value.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        match self.protocol {
            4.. => self.text(module).text(name).raw(&[0x93]),
            _ => self.raw(format!("c{module}\n{name}\n").as_bytes()),
        }
    }

    pub fn ints(mut self, values: &[i64]) -> Self {
        self = self.raw(b"(");
        for &value in values {
            self = self.int(value);
        }
        self.raw(b"t")
    }

    /// `key: _rebuild_tensor_v2(storage, offset, shape, stride)`, for an open dictionary.
    pub fn tensor(self, key: &str, view: &View) -> Self {
        self.text(key).view(view)
    }

    /// The tensor alone.
    pub fn view(self, view: &View) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", view.storage_type)
            .text(view.storage)
            .text("cpu")
            .int(view.storage_length)
            .raw(b"tQ")
            .int(view.offset)
            .ints(&view.shape)
            .ints(&view.stride)
            .raw(&[0x89])
            .global("collections", "OrderedDict")
            .raw(b")RtR")
    }

    pub fn dict(self, entries: impl FnOnce(Self) -> Self) -> Self {
        entries(self.raw(b"}(")).raw(b"u")
    }

    pub fn end(self) -> Vec<u8> {
        self.raw(b".").bytes
    }
}

pub struct View {
    pub storage: &'static str,
    pub storage_type: &'static str,
    pub storage_length: i64,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub stride: Vec<i64>,
}

pub fn view(storage: &'static str, storage_type: &'static str, storage_length: i64) -> View {
    View { storage, storage_type, storage_length, offset: 0, shape: vec![2, 3], stride: vec![3, 1] }
}

pub fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn zip_deflated(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The zip container of PyTorch 1.6 and later.
pub fn torch_zip(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<String> = storages.iter().map(|(name, _)| format!("archive/data/{name}")).collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("archive/data.pkl", pickle), ("archive/version", b"3\n")];
    entries.extend(names.iter().zip(storages).map(|(name, (_, bytes))| (name.as_str(), *bytes)));
    zip_of(&entries)
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub const SIX: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

#[derive(Module, Debug)]
pub struct Net {
    pub table: Param<Tensor<2>>,
}

pub fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The values of `table`, as a module gets them.
pub fn table(bytes: &[u8]) -> Vec<f32> {
    let (_folder, path) = file(bytes);
    loaded(&path, None).unwrap_or_else(|error| panic!("{error}")).0
}

/// The values of `table` in the file `path`, from its entry of that name, and what became of the file's tensors.
pub fn loaded(path: &Path, entry: Option<&str>) -> Result<(Vec<f32>, LoadReport), WeightsError> {
    let net = Net { table: Param::from_tensor(Tensor::zeros([2, 3], &Device::flex())) };
    let checkpoint = Checkpoint::open(path)?.fit(&net, &KeyTable::IDENTITY, entry)?;
    let (net, report) = load(net, "net", &checkpoint, &KeyTable::IDENTITY)?;
    Ok((net.table.val().into_data().try_to_vec::<f32>().unwrap(), report))
}

/// An archive as PyTorch's own writer makes it, byte by byte: stored members, their beginnings padded in local headers
/// alone, and the end records of ZIP64 always.
pub fn torch_like(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    fn put(out: &mut Vec<u8>, fields: &[(usize, u64)]) {
        fields.iter().for_each(|&(width, value)| out.extend(&value.to_le_bytes()[..width]));
    }
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let (start, size, length) = (file.len(), bytes.len() as u64, name.len() as u64);
        let padding = 64 - (start + 30 + name.len() + 4) % 64;
        // Flags, method, time and date, checksum (0 for none), sizes, length of the name.
        let common = [(2, 0x0800), (2, 0), (4, 0), (4, 0), (4, size), (4, size), (2, length)];
        file.extend(b"PK\x03\x04\0\0");
        put(&mut file, &common);
        put(&mut file, &[(2, padding as u64 + 4)]);
        file.extend(name.as_bytes());
        file.extend(b"FB");
        put(&mut file, &[(2, padding as u64)]);
        file.extend(vec![b'Z'; padding]);
        file.extend(bytes);
        directory.extend(b"PK\x01\x02\0\0\0\0");
        put(&mut directory, &common);
        put(&mut directory, &[(2, 0), (2, 0), (2, 0), (2, 0), (4, 0), (4, start as u64)]);
        directory.extend(name.as_bytes());
    }
    let (start, count, size) = (file.len() as u64, members.len() as u64, directory.len() as u64);
    file.extend(&directory);
    let end = file.len() as u64;
    file.extend(b"PK\x06\x06");
    put(&mut file, &[(8, 44), (2, 0x031e), (2, 45), (4, 0), (4, 0), (8, count), (8, count), (8, size), (8, start)]);
    file.extend(b"PK\x06\x07");
    put(&mut file, &[(4, 0), (8, end), (4, 1)]);
    file.extend(b"PK\x05\x06");
    put(&mut file, &[(2, 0), (2, 0), (2, count), (2, count), (4, size), (4, start), (2, 0)]);
    file
}
