//! Plain data of a pickle: numbers, texts, lists, dicts, and arrays of NumPy.
//!
//! A pickle is a graph of objects. Whether it is of plain data is decided once, when the file is opened: every class is
//! one of a few, nothing contains itself, and with all repetitions it comes to no more values than its size warrants.
//! Whoever then walks it, at whatever depth, walks a tree that is bounded by the size of the file.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::pickle::{DATA, Id, Object, Pickle};
use crate::pickle_numpy::Array;

/// Lists and dicts within each other.
const MAX_DEPTH: usize = 100;

/// Values for each byte of the file, and those that any file may come to. An object that is repeated counts as often as
/// it is met; a reference to it has two bytes at least.
const VALUES_PER_BYTE: u64 = 16;
const VALUES_OF_ANY_FILE: u64 = 1 << 20;

/// How an object of pandas is made plain data.
const CONVERT_LIST: &str = "python -c \"import pandas as p; p.to_pickle(list(p.read_pickle('OLD.pkl')), 'NEW.pkl')\"";
const CONVERT_DICT: &str = "python -c \"import pandas as p; d = lambda v: {k: d(w) for k, w in v.items()} if \
                            hasattr(v, 'items') else v; p.to_pickle(d(p.read_pickle('OLD.pkl')), 'NEW.pkl')\"";

/// A file of data that cannot be read. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum DataFileError {
    /// The file cannot be opened.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is damaged, or holds something else.
    #[error("cannot use {path}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// A pickle of plain data, of protocols 0 to 5. It is read without calling anything that it names.
///
/// Plain data are `None`, bools, integers of 64 bits, floats, texts, bytes, lists, tuples, sets, dicts, and scalars and
/// arrays of NumPy (bool, int, uint, float32, float64, str and object).
#[derive(Debug)]
pub struct PickledData {
    pickle: Pickle,
}

impl PickledData {
    /// Reads a file of up to 1 GiB. Memory is bounded by a multiple of its size.
    ///
    /// # Errors
    /// The file cannot be opened, is cut or damaged, names something that reaches outside of it, or holds anything that
    /// is no plain data: an object of another class, or one that contains itself.
    pub fn open(path: &Path) -> Result<Self, DataFileError> {
        let io = |source| DataFileError::Io { path: path.to_owned(), source };
        let file = echo_files::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let read = Self::read(BufReader::with_capacity(1 << 16, file), size);
        read.map_err(|reason| DataFileError::Format { path: path.to_owned(), reason })
    }

    /// Reads `size` bytes.
    fn read(input: impl BufRead, size: u64) -> Result<Self, String> {
        Ok(Self { pickle: plain(Pickle::read_for(&DATA, input)?, size)? })
    }

    /// What the file holds.
    pub fn root(&self) -> PickledValue<'_> {
        self.value(self.pickle.root)
    }

    fn value(&self, id: Id) -> PickledValue<'_> {
        match self.pickle.get(id) {
            Object::None => PickledValue::None,
            Object::Bool(value) => PickledValue::Bool(*value),
            Object::Int(value) => PickledValue::Int(*value),
            Object::Float32(value) => PickledValue::Float32(*value),
            Object::Float(value) => PickledValue::Float(*value),
            Object::Text(text) => PickledValue::Text(text),
            Object::Bytes(bytes) => PickledValue::Bytes(bytes),
            Object::Sequence(members) => PickledValue::List(PickledList { data: self, members }),
            Object::Dictionary(entries) => PickledValue::Dict(PickledDict { data: self, entries }),
            other => unreachable!("a file with {other:?} is not opened"),
        }
    }
}

/// A value in a pickle.
#[derive(Clone, Copy, Debug)]
pub enum PickledValue<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float32 of NumPy.
    Float32(f32),
    /// A float.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list, tuple, set or frozenset, or an array as a list of rows.
    List(PickledList<'a>),
    /// A dict, or a subclass of the standard library.
    Dict(PickledDict<'a>),
}

impl PickledValue<'_> {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float32(_) | Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
        }
    }
}

/// A list, tuple, set or frozenset, or an array as a list of rows.
#[derive(Clone, Copy, Debug)]
pub struct PickledList<'a> {
    data: &'a PickledData,
    members: &'a [Id],
}

impl<'a> PickledList<'a> {
    /// How many members it has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Its members, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = PickledValue<'a>> + use<'a> {
        let data = self.data;
        self.members.iter().map(move |&id| data.value(id))
    }
}

/// A dict.
#[derive(Clone, Copy, Debug)]
pub struct PickledDict<'a> {
    data: &'a PickledData,
    entries: &'a [(Id, Id)],
}

impl<'a> PickledDict<'a> {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its keys and values, in their order. A key that is set again appears again; Python keeps the last value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (PickledValue<'a>, PickledValue<'a>)> + use<'a> {
        let data = self.data;
        self.entries.iter().map(move |&(key, value)| (data.value(key), data.value(value)))
    }
}

/// How many values an object comes to that is not counted yet, and one that is being counted.
const UNCOUNTED: u64 = 0;
const OPEN: u64 = u64::MAX;

/// An object whose members are being counted.
struct Count {
    id: Id,
    /// The next member.
    next: usize,
    /// Values so far, with itself.
    values: u64,
}

/// The pickle with every object that its root reaches as plain data: arrays are lists then.
///
/// # Errors
/// An object is no plain data, contains itself, lies too deep, or there are too many for a file of `size` bytes.
fn plain(mut pickle: Pickle, size: u64) -> Result<Pickle, String> {
    let limit = size.saturating_mul(VALUES_PER_BYTE).saturating_add(VALUES_OF_ANY_FILE);
    // Each value of an array has a byte in the file at least.
    let mut left_for_arrays = size;
    let mut counts = vec![UNCOUNTED; pickle.objects.len()];
    let mut open: Vec<Count> = Vec::new();
    let mut entered = Some(pickle.root);
    loop {
        if let Some(id) = entered.take() {
            if open.len() == MAX_DEPTH {
                return Err(format!("its lists and dicts lie more than {MAX_DEPTH} deep in each other"));
            }
            make_plain(&mut pickle, id, &mut left_for_arrays)?;
            counts.resize(pickle.objects.len(), UNCOUNTED);
            counts[id as usize] = OPEN;
            open.push(Count { id, next: 0, values: 1 });
        }
        let Some(top) = open.last_mut() else { return Ok(pickle) };
        let Some(member) = member(pickle.get(top.id), top.next) else {
            counts[top.id as usize] = top.values;
            open.pop();
            continue;
        };
        match counts[member as usize] {
            // The same member is met again when it is counted.
            UNCOUNTED => entered = Some(member),
            OPEN => return Err("it holds a list or dict that contains itself".to_owned()),
            values => {
                top.next += 1;
                top.values = top.values.saturating_add(values);
                if top.values > limit {
                    return Err(format!(
                        "its objects repeat each other so often that they come to over {limit} values"
                    ));
                }
            }
        }
    }
}

/// What a list or dict holds at a place: of a dict keys and values in turn.
fn member(object: &Object, place: usize) -> Option<Id> {
    match object {
        Object::Sequence(members) => members.get(place).copied(),
        Object::Dictionary(entries) => {
            let &(key, value) = entries.get(place / 2)?;
            Some(if place.is_multiple_of(2) { key } else { value })
        }
        _ => None,
    }
}

/// Turns an object into plain data if it is an array or a kind of dict.
fn make_plain(pickle: &mut Pickle, id: Id, left_for_arrays: &mut u64) -> Result<(), String> {
    let class = match pickle.get(id) {
        Object::Instance(instance) if instance.class.as_str() == "collections.defaultdict" => {
            pickle.objects[id as usize] = Object::Dictionary(instance.entries.clone());
            return Ok(());
        }
        Object::Instance(instance) => match Array::of(&pickle.objects, instance) {
            Some(array) => {
                let array = array?;
                let count = array.count(&pickle.objects)? as u64;
                *left_for_arrays = left_for_arrays
                    .checked_sub(count)
                    .ok_or("its arrays share their values so often that it holds more than it has bytes")?;
                pickle.objects[id as usize] = Object::Sequence(array.to_list(&mut pickle.objects)?);
                return Ok(());
            }
            None => instance.class.to_string(),
        },
        Object::Global(name) => format!("the name {name}"),
        Object::Storage(_) => return Err("its pickle refers to values outside of it".to_owned()),
        Object::OtherText(_) => return Err("it holds a text that is not UTF-8".to_owned()),
        Object::OtherNumber => return Err("it holds an integer of more than 64 bits, or a damaged number".to_owned()),
        _ => return Ok(()),
    };
    let is_list = ["Series", "Index", "Array"].iter().any(|end| class.ends_with(end)) && id == pickle.root;
    let advice = match class.starts_with("pandas.") {
        true if is_list => format!("convert it once with: {CONVERT_LIST}"),
        true => format!("convert it once with: {CONVERT_DICT}"),
        false => "in Python, make numbers, texts, lists and dicts of it and pickle those".to_owned(),
    };
    Err(format!("it holds {}, which is no plain data; if you trust it, {advice}", echo_files::printable(&class)))
}

#[cfg(test)]
mod tests;
