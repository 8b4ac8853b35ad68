//! Any encoder as a Burn module.

use std::any::Any;
use std::ops::Deref;

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;

use crate::EchoEncoder;
use crate::boxed_module::{ByRank, RankMapper, RankVisitor, boxed_module};

boxed_module! {
    /// Any encoder; dereferences to [`EchoEncoder`].
    AnyEncoder, DynEncoder: EchoEncoder
}

impl ModuleDisplayDefault for AnyEncoder {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.0.card().title.to_owned()).optional()
    }
    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}
