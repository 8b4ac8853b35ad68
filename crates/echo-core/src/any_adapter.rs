//! Any adapter as a Burn module.

use std::any::Any;
use std::ops::{Deref, DerefMut};

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;

use crate::Adapter;
use crate::boxed_module::{ByRank, RankMapper, RankVisitor, boxed_module};

boxed_module! {
    /// Any adapter on any encoder; dereferences to [`Adapter`].
    AnyAdapter, DynAdapter: Adapter
}

impl DerefMut for AnyAdapter {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.0
    }
}

impl ModuleDisplayDefault for AnyAdapter {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("an adapter of {}", self.0.stage().name())).optional()
    }
    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}
