//! The tensors of a pickle, each under its path: dictionaries within dictionaries, and the parameters of whole modules.

use std::collections::{BTreeMap, HashSet};

use burn::tensor::{BoolStore, DType};

use crate::pickle::{Entries, Id, Instance, Object, Pickle};

/// Objects that are looked at: more are met where some contain themselves, or each other many times over.
const MAX_STEPS: usize = 2_000_000;

/// Dictionaries within each other.
const MAX_DEPTH: usize = 200;

/// The largest tensor, in bytes.
const MAX_TENSOR: usize = 1 << 34;

/// What functions are called that rebuild tensors.
const REBUILD: &str = "torch._utils._rebuild_tensor";

/// The tables of a `torch.nn.Module`'s attributes.
const MODULE_TABLES: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// Where a storage's values are, as the pickle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) key: String,
    /// `None` where only its tensors say.
    pub(crate) dtype: Option<DType>,
    /// How many values, or bytes where there is no type.
    pub(crate) length: usize,
    /// Where in it a view of it begins.
    start: usize,
}

/// A tensor in a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) storage: Storage,
    pub(crate) dtype: DType,
    /// First value.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) stride: Vec<usize>,
    /// How many values of the storage, from `offset` on, it may reach.
    pub(crate) extent: usize,
}

/// What a pickle holds.
#[derive(Debug, Default)]
pub(crate) struct StateDict {
    pub(crate) tensors: BTreeMap<String, View>,
    /// Tensors in a form that is not read, with what it is.
    pub(crate) unreadable: BTreeMap<String, String>,
}

impl StateDict {
    /// # Errors
    /// The pickle is of no dictionary, no module and no list of such, or of what has no end.
    pub(crate) fn of(pickle: &Pickle) -> Result<Self, String> {
        let mut walk = Walk { pickle, found: Self::default(), steps: 0 };
        let is_model = |id| pickle.entries(id).is_some() || module_tables(pickle, id).is_some();
        let is_list = || pickle.sequence(pickle.root).is_some_and(|members| members.iter().any(|&id| is_model(id)));
        if !is_model(pickle.root) && !is_list() {
            let what = match pickle.get(pickle.root) {
                Object::Sequence(members) => format!("a list of {} things that are no dictionaries", members.len()),
                Object::Instance(instance) if is_tensor(instance) => "one tensor without a name".to_owned(),
                _ => "no dictionary of tensors and no module".to_owned(),
            };
            return Err(format!(
                "it holds {what}; save the weights with torch.save(model.state_dict(), \"weights.pt\")"
            ));
        }
        walk.at(pickle.root, "", 0)?;
        Ok(walk.found)
    }
}

struct Walk<'a> {
    pickle: &'a Pickle,
    found: StateDict,
    steps: usize,
}

impl Walk<'_> {
    fn at(&mut self, id: Id, path: &str, depth: usize) -> Result<(), String> {
        self.step()?;
        if depth > MAX_DEPTH {
            return Err(format!("its dictionaries lie more than {MAX_DEPTH} deep in each other"));
        }
        match self.pickle.get(id) {
            Object::Dictionary(entries) => self.entries(entries, path, depth),
            Object::Sequence(members) => {
                for (index, &member) in members.iter().enumerate() {
                    self.at(member, &joined(path, &index.to_string()), depth + 1)?;
                }
                Ok(())
            }
            Object::Instance(instance) => self.instance(id, instance, path, depth),
            _ => Ok(()),
        }
    }

    fn entries(&mut self, entries: &Entries, path: &str, depth: usize) -> Result<(), String> {
        for &(key, value) in entries {
            // What stands under another key (a tuple) is no parameter of a model.
            if let Some(key) = self.pickle.key(key) {
                self.at(value, &joined(path, &key), depth + 1)?;
            }
        }
        Ok(())
    }

    fn instance(&mut self, id: Id, instance: &Instance, path: &str, depth: usize) -> Result<(), String> {
        let pickle = self.pickle;
        if let Some(kind) = instance.class.as_str().strip_prefix(REBUILD) {
            match view(pickle, kind, instance.arguments)? {
                Ok(view) => drop(self.found.tensors.insert(path.to_owned(), view)),
                Err(reason) => drop(self.found.unreadable.insert(path.to_owned(), reason)),
            }
            return Ok(());
        }
        if let Some([parameters, buffers, modules]) = module_tables(pickle, id) {
            let transient: HashSet<String> = attribute(pickle, instance, "_non_persistent_buffers_set")
                .and_then(|set| pickle.sequence(set))
                .map(|names| names.iter().filter_map(|&name| pickle.key(name)).collect())
                .unwrap_or_default();
            let kept: Entries = buffers
                .iter()
                .copied()
                .filter(|&(key, _)| !pickle.key(key).is_some_and(|key| transient.contains(&key)))
                .collect();
            for table in [parameters, &kept, modules] {
                self.entries(table, path, depth)?;
            }
            return Ok(());
        }
        if !instance.entries.is_empty() {
            return self.entries(&instance.entries, path, depth);
        }
        if self.reaches_a_storage(id)? {
            self.found.unreadable.insert(path.to_owned(), format!("{} is no plain tensor", instance.class));
        }
        Ok(())
    }

    /// Whether an object of an unknown class holds tensors somewhere.
    fn reaches_a_storage(&mut self, id: Id) -> Result<bool, String> {
        let (mut open, mut seen) = (vec![id], HashSet::new());
        while let Some(id) = open.pop() {
            if matches!(self.pickle.get(id), Object::Storage(_)) {
                return Ok(true);
            }
            if seen.insert(id) {
                self.step()?;
                open.extend(self.pickle.children(id));
            }
        }
        Ok(false)
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        match self.steps > MAX_STEPS {
            true => Err("its objects contain each other without end".to_owned()),
            false => Ok(()),
        }
    }
}

fn is_tensor(instance: &Instance) -> bool {
    instance.class.as_str().starts_with(REBUILD)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn attribute(pickle: &Pickle, instance: &Instance, name: &str) -> Option<Id> {
    let attributes = pickle.entries(instance.state?)?;
    let is_named = |key: Id| matches!(pickle.get(key), Object::Text(text) if text == name);
    attributes.iter().rev().find(|&&(key, _)| is_named(key)).map(|&(_, value)| value)
}

/// The tables of parameters, buffers and parts, if the object is a pickled `torch.nn.Module`. Its class is not looked at:
/// a model is pickled under its own.
fn module_tables(pickle: &Pickle, id: Id) -> Option<[&Entries; 3]> {
    let Object::Instance(instance) = pickle.get(id) else { return None };
    let table = |name| pickle.entries(attribute(pickle, instance, name)?);
    let [parameters, buffers, modules] = MODULE_TABLES;
    Some([table(parameters)?, table(buffers)?, table(modules)?])
}

/// The tensor that a call of `torch._utils._rebuild_tensor*` gives; the inner error is of a kind that is not read.
fn view(pickle: &Pickle, kind: &str, arguments: Id) -> Result<Result<View, String>, String> {
    let damaged = || "its pickle is damaged: it describes a tensor by what is none".to_owned();
    let fields = pickle.sequence(arguments).ok_or_else(damaged)?;
    let (&[storage, offset, shape, stride], rest) = fields.split_first_chunk::<4>().ok_or_else(damaged)?;
    let Object::Storage(id) = pickle.get(storage) else { return Err(damaged()) };
    let storage = match self::storage(pickle, *id)? {
        Ok(storage) => storage,
        Err(reason) => return Ok(Err(reason)),
    };
    let counts = |id| pickle.sequence(id)?.iter().map(|&count| pickle.count(count)).collect::<Option<Vec<usize>>>();
    let (shape, stride) = counts(shape).zip(counts(stride)).ok_or_else(damaged)?;
    let offset = pickle.count(offset).and_then(|offset| offset.checked_add(storage.start)).ok_or_else(damaged)?;
    let dtype = match (kind, rest.get(2).map(|&dtype| pickle.get(dtype)), storage.dtype) {
        ("_v3", Some(Object::Global(name)), _) => match dtype_of(name.as_str().trim_start_matches("torch.")) {
            Some(dtype) => dtype,
            None => return Ok(Err(format!("its values are {name}"))),
        },
        ("" | "_v2", _, Some(dtype)) => dtype,
        _ => return Err(damaged()),
    };
    if shape.len() != stride.len() {
        return Err(damaged());
    }
    let too_large = || format!("its pickle describes a tensor of shape {shape:?}, which its storage cannot hold");
    let count = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length)).ok_or_else(too_large)?;
    let reach = |extent: usize, (&length, &step): (&usize, &usize)| extent.checked_add((length - 1).checked_mul(step)?);
    let extent = match count {
        0 => 0,
        _ => shape.iter().zip(&stride).try_fold(1, reach).ok_or_else(too_large)?,
    };
    let bytes = count.checked_mul(dtype.size()).filter(|&bytes| bytes <= MAX_TENSOR);
    let end = offset.checked_add(extent).and_then(|end| end.checked_mul(dtype.size()));
    let held = storage.length.checked_mul(storage.dtype.map_or(1, |dtype| dtype.size()));
    match (bytes, end, held) {
        (Some(_), Some(end), Some(held)) if end <= held => {
            Ok(Ok(View { storage, dtype, offset, shape, stride, extent }))
        }
        _ => Err(too_large()),
    }
}

/// What a persistent id says; the inner error is of values that are not read.
pub(crate) fn storage(pickle: &Pickle, id: Id) -> Result<Result<Storage, String>, String> {
    let damaged = || "its pickle is damaged: it describes a storage by what is none".to_owned();
    let fields = pickle.sequence(id).ok_or_else(damaged)?;
    let (&[_tag, class, key, _device, length], rest) = fields.split_first_chunk::<5>().ok_or_else(damaged)?;
    let Object::Global(class) = pickle.get(class) else { return Err(damaged()) };
    let key = pickle.key(key).ok_or_else(damaged)?;
    let length = pickle.count(length).ok_or_else(damaged)?;
    // Files from before PyTorch 1.0 may say that this is a part of another storage: (key, start, length).
    let part = rest.first().and_then(|&part| pickle.sequence(part));
    let start = match part {
        Some(&[_, start, _]) => pickle.count(start).ok_or_else(damaged)?,
        _ => 0,
    };
    let kind = class.as_str().rsplit('.').next().unwrap_or_default();
    let dtype = match kind.strip_suffix("Storage") {
        Some("Untyped") => None,
        Some(kind) => match dtype_of(&kind.to_lowercase()) {
            Some(dtype) => Some(dtype),
            None => return Ok(Err(format!("its values are a {class}"))),
        },
        None => return Err(damaged()),
    };
    Ok(Ok(Storage { key, dtype, length, start }))
}

/// The type of values that PyTorch calls so.
fn dtype_of(name: &str) -> Option<DType> {
    Some(match name {
        "float" | "float32" => DType::F32,
        "double" | "float64" => DType::F64,
        "half" | "float16" => DType::F16,
        "bfloat16" => DType::BF16,
        "long" | "int64" => DType::I64,
        "int" | "int32" => DType::I32,
        "short" | "int16" => DType::I16,
        "char" | "int8" => DType::I8,
        "byte" | "uint8" => DType::U8,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "bool" => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}
