//! One linear layer per task on the clip's embedding.

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use echo_core::{Error, Head};
use echo_nn::linear;

/// The container type that visitors are told.
const CONTAINER: &str = "Heads";

/// Heads of any of the tasks.
///
/// A parameter's path holds its task's name (`heads.EF.weight`), not a number, so that a file saved with some of the
/// heads cannot be taken for others.
#[derive(Clone, Debug)]
pub struct Heads(Vec<(&'static Head, Linear)>);

impl Heads {
    /// Heads with constant parameters on embeddings of length `width`.
    pub fn init(tasks: impl IntoIterator<Item = &'static Head>, width: usize, device: &Device) -> Self {
        Self(tasks.into_iter().map(|task| (task, linear(width, task.outputs(), device))).collect())
    }

    /// The tasks, in the order of the heads.
    pub fn tasks(&self) -> impl Iterator<Item = &'static Head> {
        self.0.iter().map(|(task, _)| *task)
    }

    /// The heads of `names` alone, in their present order.
    ///
    /// # Errors
    /// [`Error::UnknownName`] when there is no head of a name.
    pub fn keep(self, names: &[&str]) -> Result<Self, Error> {
        let known: Vec<&str> = self.tasks().map(|task| task.name).collect();
        match names.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(Error::unknown_name("task", name, &known)),
            None => Ok(Self(self.0.into_iter().filter(|(task, _)| names.contains(&task.name)).collect())),
        }
    }

    /// What every head reports of `embedding`.
    ///
    /// - embedding: `[batch, width]`
    /// - output: `[batch, outputs]` each, see [`Head::activate`]
    pub fn report(&self, embedding: Tensor<2>) -> Vec<(&'static Head, Tensor<2>)> {
        self.0.iter().map(|(task, layer)| (*task, task.activate(layer.forward(embedding.clone())))).collect()
    }
}

impl Heads {
    fn each(self, mut change: impl FnMut(&'static Head, Linear) -> Linear) -> Self {
        Self(self.0.into_iter().map(|(task, layer)| (task, change(task, layer))).collect())
    }
}

// Written out because Burn's collections number their entries.
impl Module for Heads {
    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        for (task, layer) in &self.0 {
            visitor.enter_module(task.name, CONTAINER);
            layer.visit(visitor);
            visitor.exit_module(task.name, CONTAINER);
        }
    }
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        self.each(|task, layer| {
            mapper.enter_module(task.name, CONTAINER);
            let layer = layer.map(mapper);
            mapper.exit_module(task.name, CONTAINER);
            layer
        })
    }
    fn to_device(self, device: &Device) -> Self {
        self.each(|_, layer| layer.to_device(device))
    }
    fn fork(self, device: &Device) -> Self {
        self.each(|_, layer| layer.fork(device))
    }
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.iter().fold(devices, |devices, (_, layer)| layer.collect_devices(devices))
    }
    fn valid(&self) -> Self {
        Self(self.0.iter().map(|(task, layer)| (*task, layer.valid())).collect())
    }
    fn train(self) -> Self {
        self.each(|_, layer| layer.train())
    }
    fn materialize(self) -> Self {
        self.each(|_, layer| layer.materialize())
    }
}

impl ModuleDisplayDefault for Heads {
    fn content(&self, content: Content) -> Option<Content> {
        self.0.iter().fold(content, |content, (task, layer)| content.add(task.name, layer)).optional()
    }
    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for Heads {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TASKS;

    #[test]
    fn some_heads_can_be_kept_and_an_unknown_one_is_named() {
        let heads = Heads::init(&TASKS, 4, &Device::flex());
        let kept = heads.clone().keep(&["E|EAvg", "EF"]).unwrap();
        assert_eq!(kept.tasks().map(|task| task.name).collect::<Vec<_>>(), ["EF", "E|EAvg"]);
        let embedding = Tensor::<2>::zeros([2, 4], &Device::flex());
        let reported = kept.report(embedding);
        assert_eq!(
            reported.iter().map(|(head, x)| (head.name, x.dims())).collect::<Vec<_>>(),
            [("EF", [2, 1]), ("E|EAvg", [2, 1])]
        );
        assert!(heads.keep(&["EF", "GLSS"]).unwrap_err().to_string().contains("did you mean \"GLS\"?"));
    }
}
