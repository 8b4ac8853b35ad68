//! NumPy's numbers and arrays in a pickle.
//!
//! An array is pickled in one of two ways: as `_reconstruct` of an empty one whose state is set after it, or, of
//! numbers in protocol 5, as `_frombuffer`. Both hold its type, shape, order, and values: bytes, or a list for Python's
//! objects. The module `numpy.core` became `numpy._core` in NumPy 2.

use crate::pickle::{Id, Instance, Object, integer};

/// More axes would let a file grow: an axis of length one is another list for each value.
const MAX_AXES: usize = 4;

/// The type of an array's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dtype {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float32,
    Float64,
    /// Unicode, of so many characters, four bytes each.
    Text(usize),
    /// Python's objects.
    Object,
}

impl Dtype {
    /// The type that a pickled `numpy.dtype` is of.
    fn of(objects: &[Object], id: Id) -> Result<Self, String> {
        let Object::Instance(instance) = &objects[id as usize] else { return Err(damaged()) };
        let arguments = sequence(objects, instance.arguments)?;
        let Some(Object::Text(code)) = arguments.first().map(|&code| &objects[code as usize]) else {
            return Err(damaged());
        };
        let order = match instance.state {
            Some(state) => sequence(objects, state)?.get(1).map(|&order| &objects[order as usize]),
            None => None,
        };
        let refused = |what: &str| Err(format!("its pickle holds an array of NumPy's type {code:?}{what}"));
        match order {
            Some(Object::Text(order)) if matches!(order.as_str(), "<" | "|" | "=") => {}
            _ => return refused(", which is not little-endian"),
        }
        Ok(match (code.as_str(), code.strip_prefix('U').map(str::parse)) {
            ("b1", _) => Self::Bool,
            ("i1", _) => Self::Signed(1),
            ("i2", _) => Self::Signed(2),
            ("i4", _) => Self::Signed(4),
            ("i8", _) => Self::Signed(8),
            ("u1", _) => Self::Unsigned(1),
            ("u2", _) => Self::Unsigned(2),
            ("u4", _) => Self::Unsigned(4),
            ("u8", _) => Self::Unsigned(8),
            ("f4", _) => Self::Float32,
            ("f8", _) => Self::Float64,
            ("O8" | "O4", _) => Self::Object,
            (_, Some(Ok(length @ 1..=0xffff))) => Self::Text(length),
            _ => return refused("; bool, int, uint, float32, float64, str and object are read"),
        })
    }

    /// Bytes of a value.
    fn width(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Signed(width) | Self::Unsigned(width) => width,
            Self::Float32 => 4,
            Self::Float64 | Self::Object => 8,
            Self::Text(length) => 4 * length,
        }
    }

    /// The value that so many bytes are of.
    fn value(self, bytes: &[u8]) -> Option<Object> {
        Some(match self {
            Self::Bool => Object::Bool(bytes != [0]),
            Self::Signed(_) => Object::Int(integer(bytes)?),
            Self::Unsigned(_) => {
                let number = bytes.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
                i64::try_from(number).map_or(Object::OtherNumber, Object::Int)
            }
            Self::Float32 => Object::Float32(f32::from_le_bytes(bytes.try_into().ok()?)),
            Self::Float64 => Object::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
            Self::Text(_) => {
                let (characters, _) = bytes.as_chunks::<4>();
                let text = characters.iter().map(|&code| char::from_u32(u32::from_le_bytes(code)));
                // Shorter texts end in zeros.
                Object::Text(text.collect::<Option<String>>()?.trim_end_matches('\0').to_owned())
            }
            Self::Object => return None,
        })
    }
}

/// A number or text that `scalar(dtype, bytes)` gives; `None` where the call is another.
pub(crate) fn scalar(objects: &[Object], arguments: &[Id]) -> Option<Object> {
    let &[dtype, bytes] = arguments else { return None };
    let (dtype, Object::Bytes(bytes)) = (Dtype::of(objects, dtype).ok()?, &objects[bytes as usize]) else {
        return None;
    };
    dtype.value(bytes).filter(|_| bytes.len() == dtype.width())
}

/// An array as a pickle describes it.
#[derive(Debug)]
pub(crate) struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    is_fortran: bool,
    /// Bytes, or a list of objects.
    values: Id,
}

impl Array {
    /// The array that an instance is, if it is one.
    ///
    /// # Errors
    /// It is damaged, or of values that are not read.
    pub(crate) fn of(objects: &[Object], instance: &Instance) -> Option<Result<Self, String>> {
        let name = instance.class.as_str().strip_prefix("numpy.")?.trim_start_matches('_');
        match name {
            "core.multiarray._reconstruct" => Some(Self::reconstructed(objects, instance)),
            "core.numeric._frombuffer" => Some(Self::from_buffer(objects, instance)),
            _ => None,
        }
    }

    fn reconstructed(objects: &[Object], instance: &Instance) -> Result<Self, String> {
        let class = sequence(objects, instance.arguments)?.first().map(|&class| &objects[class as usize]);
        match class {
            Some(Object::Global(name)) if name.as_str() == "numpy.ndarray" => {}
            Some(Object::Global(name)) => return Err(format!("its pickle holds an array of the class {name}")),
            _ => return Err(damaged()),
        }
        let state = sequence(objects, instance.state.ok_or_else(damaged)?)?;
        let &[_version, shape, dtype, order, values] = state else { return Err(damaged()) };
        let Object::Bool(is_fortran) = objects[order as usize] else { return Err(damaged()) };
        let dtype = Dtype::of(objects, dtype)?;
        // A list is in the order of C whatever the array is in.
        let is_fortran = is_fortran && dtype != Dtype::Object;
        Ok(Self { dtype, shape: self::shape(objects, shape)?, is_fortran, values })
    }

    fn from_buffer(objects: &[Object], instance: &Instance) -> Result<Self, String> {
        let &[values, dtype, shape, order] = sequence(objects, instance.arguments)? else { return Err(damaged()) };
        let is_fortran = matches!(&objects[order as usize], Object::Text(order) if order == "F");
        Ok(Self { dtype: Dtype::of(objects, dtype)?, shape: self::shape(objects, shape)?, is_fortran, values })
    }

    /// How many values it has.
    ///
    /// # Errors
    /// The file does not hold them.
    pub(crate) fn count(&self, objects: &[Object]) -> Result<usize, String> {
        let held = match (self.dtype, &objects[self.values as usize]) {
            (Dtype::Object, Object::Sequence(members)) => members.len(),
            (Dtype::Object, _) => return Err(damaged()),
            (dtype, Object::Bytes(bytes)) if bytes.len().is_multiple_of(dtype.width()) => bytes.len() / dtype.width(),
            _ => return Err(damaged()),
        };
        let count = self.shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length));
        match count == Some(held) {
            true => Ok(held),
            false => Err(format!("its pickle describes an array of shape {:?}, but holds {held} values", self.shape)),
        }
    }

    /// The members of the list that `tolist` would give, lists themselves where there are more axes than one.
    ///
    /// # Errors
    /// A value is no text, or there are no axes or too many.
    pub(crate) fn to_list(&self, objects: &mut Vec<Object>) -> Result<Vec<Id>, String> {
        let add = |objects: &mut Vec<Object>, object| {
            objects.push(object);
            (objects.len() - 1) as Id
        };
        let count = self.count(objects)?;
        let (1..=MAX_AXES, Some((&rows, inner))) = (self.shape.len(), self.shape.split_first()) else {
            return Err(format!("its pickle holds an array of {} axes; 1 to {MAX_AXES} are read", self.shape.len()));
        };
        if count == 0 {
            return match rows {
                0 => Ok(Vec::new()),
                _ => Err(format!("its pickle holds an array of shape {:?}, without values", self.shape)),
            };
        }
        let values: Vec<Id> = match &objects[self.values as usize] {
            Object::Sequence(members) => members.clone(),
            Object::Bytes(bytes) => {
                let values = bytes.chunks_exact(self.dtype.width()).map(|bytes| self.dtype.value(bytes));
                let values = values.collect::<Option<Vec<Object>>>().ok_or_else(damaged)?;
                values.into_iter().map(|value| add(objects, value)).collect()
            }
            _ => return Err(damaged()),
        };
        let mut members = match self.is_fortran {
            true => (0..count).map(|place| values[fortran_place(place, &self.shape)]).collect(),
            false => values,
        };
        for &length in inner.iter().rev() {
            members = members.chunks(length).map(|row| add(objects, Object::Sequence(row.to_vec()))).collect();
        }
        Ok(members)
    }
}

/// Where a value is if the first axis runs fastest; `place` is where it is if the last does.
fn fortran_place(mut place: usize, shape: &[usize]) -> usize {
    shape.iter().rev().fold(0, |at, &length| {
        let index = place % length;
        place /= length;
        at * length + index
    })
}

fn sequence(objects: &[Object], id: Id) -> Result<&[Id], String> {
    match &objects[id as usize] {
        Object::Sequence(members) => Ok(members),
        _ => Err(damaged()),
    }
}

fn shape(objects: &[Object], id: Id) -> Result<Vec<usize>, String> {
    let length = |&length: &Id| match objects[length as usize] {
        Object::Int(length) => usize::try_from(length).ok(),
        _ => None,
    };
    sequence(objects, id)?.iter().map(length).collect::<Option<_>>().ok_or_else(damaged)
}

fn damaged() -> String {
    "its pickle is damaged: it describes an array by what is none".to_owned()
}
