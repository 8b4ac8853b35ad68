//! Several tensors of a file that are one parameter of the module, as a [`Join`](crate::Join) of its key table says.

use burn::store::bridge;
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::tensor::{DType, Shape, TensorData};

use crate::checkpoint::Stored;
use crate::key_table::Part;

/// The tensors of one parameter, those found in the order that they are stacked in.
#[derive(Default)]
pub(crate) struct Joined<'a> {
    /// Names as the key table is for them.
    wanted: Vec<String>,
    found: Vec<Option<(&'a str, &'a Stored)>>,
}

impl<'a> Joined<'a> {
    pub(crate) fn put(&mut self, part: Part, key: &'a str, stored: &'a Stored) {
        self.found.resize(part.names.len(), None);
        self.found[part.index] = Some((key, stored));
        self.wanted = part.names;
    }

    fn in_file(&self) -> impl Iterator<Item = &'a str> {
        self.found.iter().flatten().map(|(_, stored)| stored.in_file.as_str())
    }

    /// Those found, as messages call them.
    pub(crate) fn names(&self) -> String {
        self.in_file().collect::<Vec<_>>().join(" + ")
    }

    /// Names in the file of those that it lacks.
    pub(crate) fn missing(&self) -> Vec<String> {
        let before = self.found.iter().flatten().next().and_then(|(key, stored)| {
            let name = key.strip_prefix(stored.part)?;
            Some((stored.part, stored.in_file.strip_suffix(name)?))
        });
        let (part, before) = before.unwrap_or_default();
        let lacking = self.wanted.iter().zip(&self.found).filter(|(_, found)| found.is_none());
        lacking.map(|(name, _)| format!("{before}{}", name.strip_prefix(part).unwrap_or(name))).collect()
    }

    /// The parameter called `path`: the tensors, which `read` gives, along their first axis, as 32-bit floats.
    ///
    /// # Errors
    /// One cannot be read, or they do not fit together.
    pub(crate) fn tensor(
        &self,
        path: &str,
        read: impl Fn(&str, &Stored) -> Result<StoredTensor, String>,
    ) -> Result<StoredTensor, String> {
        let found = self.found.iter().flatten();
        let parts = found.map(|(key, stored)| read(key, stored)).collect::<Result<Vec<_>, _>>()?;
        let shapes: Vec<Vec<usize>> = parts.iter().map(|part| part.shape.to_vec()).collect();
        let Some((_, rest)) = shapes.first().and_then(|shape| shape.split_first()) else {
            return Err(format!("{} (without an axis to stack along)", self.names()));
        };
        if shapes.iter().any(|shape| shape.get(1..) != Some(rest)) {
            return Err(format!("{} (shapes {shapes:?}, which cannot be stacked)", self.names()));
        }
        let mut shape = shapes[0].clone();
        shape[0] = shapes.iter().map(|shape| shape[0]).sum();
        let shape = Shape::from(shape);
        let stacked = shape.clone();
        Ok(bridge::deferred(path.to_owned(), DType::F32, shape, None, move || {
            let mut values: Vec<f32> = Vec::with_capacity(stacked.num_elements());
            for part in &parts {
                values.extend(bridge::into_data(part.clone())?.iter::<f32>());
            }
            Ok(TensorData::new(values, stacked.clone()))
        }))
    }
}
