//! Modules behind a box.
//!
//! Burn's `Module` is generic over its visitor and mapper and so cannot be a trait object. [`boxed_module`] writes its
//! object-safe form beside a contract: visitors and mappers are forwarded through one method per tensor rank. So trainer,
//! stores and benchmark are compiled once for all encoders and adapters, also for those from outside the workspace.

use std::any::Any;

use burn::module::{Flag, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// Writes `$any`, a module behind a box that dereferences to the object-safe trait `$contract`, and the trait of what can be
/// in it, which is implemented for every `$contract + Module`.
macro_rules! boxed_module {
    ($(#[$doc:meta])* $any:ident, $object:ident: $contract:ident) => {
        #[doc(hidden)]
        pub trait $object: $contract {
            fn clone_dyn(&self) -> Box<dyn $object>;
            fn visit_dyn(&self, visitor: &mut dyn RankVisitor);
            fn map_dyn(self: Box<Self>, mapper: &mut dyn RankMapper) -> Box<dyn $object>;
            fn to_device_dyn(self: Box<Self>, device: &Device) -> Box<dyn $object>;
            fn fork_dyn(self: Box<Self>, device: &Device) -> Box<dyn $object>;
            fn collect_devices_dyn(&self, devices: Devices) -> Devices;
            fn valid_dyn(&self) -> Box<dyn $object>;
            fn train_dyn(self: Box<Self>) -> Box<dyn $object>;
            fn materialize_dyn(self: Box<Self>) -> Box<dyn $object>;
            fn as_any(&self) -> &dyn Any;
        }

        impl<M: $contract + Module + 'static> $object for M {
            fn clone_dyn(&self) -> Box<dyn $object> {
                Box::new(self.clone())
            }
            fn visit_dyn(&self, visitor: &mut dyn RankVisitor) {
                self.visit(&mut ByRank(visitor));
            }
            fn map_dyn(self: Box<Self>, mapper: &mut dyn RankMapper) -> Box<dyn $object> {
                Box::new((*self).map(&mut ByRank(mapper)))
            }
            fn to_device_dyn(self: Box<Self>, device: &Device) -> Box<dyn $object> {
                Box::new((*self).to_device(device))
            }
            fn fork_dyn(self: Box<Self>, device: &Device) -> Box<dyn $object> {
                Box::new((*self).fork(device))
            }
            fn collect_devices_dyn(&self, devices: Devices) -> Devices {
                self.collect_devices(devices)
            }
            fn valid_dyn(&self) -> Box<dyn $object> {
                Box::new(self.valid())
            }
            fn train_dyn(self: Box<Self>) -> Box<dyn $object> {
                Box::new((*self).train())
            }
            fn materialize_dyn(self: Box<Self>) -> Box<dyn $object> {
                Box::new((*self).materialize())
            }
            fn as_any(&self) -> &dyn Any {
                self
            }
        }

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $any(Box<dyn $object>);

        impl $any {
            /// Puts a module behind a box.
            pub fn new(module: impl $contract + Module + 'static) -> Self {
                Self(Box::new(module))
            }

            /// The module itself, when it is an `M`.
            pub fn downcast_ref<M: 'static>(&self) -> Option<&M> {
                self.0.as_any().downcast_ref()
            }
        }

        impl Deref for $any {
            type Target = dyn $object;

            fn deref(&self) -> &Self::Target {
                &*self.0
            }
        }

        impl Clone for $any {
            fn clone(&self) -> Self {
                Self(self.0.clone_dyn())
            }
        }

        impl Module for $any {
            fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
                self.0.visit_dyn(visitor);
            }
            fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
                Self(self.0.map_dyn(mapper))
            }
            fn to_device(self, device: &Device) -> Self {
                Self(self.0.to_device_dyn(device))
            }
            fn fork(self, device: &Device) -> Self {
                Self(self.0.fork_dyn(device))
            }
            fn collect_devices(&self, devices: Devices) -> Devices {
                self.0.collect_devices_dyn(devices)
            }
            fn valid(&self) -> Self {
                Self(self.0.valid_dyn())
            }
            fn train(self) -> Self {
                Self(self.0.train_dyn())
            }
            fn materialize(self) -> Self {
                Self(self.0.materialize_dyn())
            }
        }

        impl ModuleDisplay for $any {}
    };
}
pub(crate) use boxed_module;

/// Turns a rank-generic call into the object-safe one for that rank.
pub(crate) struct ByRank<'a, T: ?Sized>(pub(crate) &'a mut T);

/// Writes the object-safe visitor and mapper with one method per rank and kind, and the way there and back.
macro_rules! ranks {
    ($($rank:literal: $float:ident $int:ident $bool:ident),*) => {
        #[doc(hidden)]
        pub trait RankVisitor {
            $(
                fn $float(&mut self, param: &Param<Tensor<$rank>>);
                fn $int(&mut self, param: &Param<Tensor<$rank, Int>>);
                fn $bool(&mut self, param: &Param<Tensor<$rank, Bool>>);
            )*
            fn flag(&mut self, flag: &Param<Flag>);
            fn enter(&mut self, name: &str, container_type: &str);
            fn exit(&mut self, name: &str, container_type: &str);
        }

        impl<V: ModuleVisitor> RankVisitor for V {
            $(
                fn $float(&mut self, param: &Param<Tensor<$rank>>) { self.visit_float(param) }
                fn $int(&mut self, param: &Param<Tensor<$rank, Int>>) { self.visit_int(param) }
                fn $bool(&mut self, param: &Param<Tensor<$rank, Bool>>) { self.visit_bool(param) }
            )*
            fn flag(&mut self, flag: &Param<Flag>) { self.visit_flag(flag) }
            fn enter(&mut self, name: &str, container_type: &str) { self.enter_module(name, container_type) }
            fn exit(&mut self, name: &str, container_type: &str) { self.exit_module(name, container_type) }
        }

        impl ModuleVisitor for ByRank<'_, dyn RankVisitor + '_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                match D { $($rank => self.0.$float(same_rank(param)),)* rank => unsupported(rank) }
            }
            fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
                match D { $($rank => self.0.$int(same_rank(param)),)* rank => unsupported(rank) }
            }
            fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
                match D { $($rank => self.0.$bool(same_rank(param)),)* rank => unsupported(rank) }
            }
            fn visit_flag(&mut self, flag: &Param<Flag>) { self.0.flag(flag) }
            fn enter_module(&mut self, name: &str, container_type: &str) { self.0.enter(name, container_type) }
            fn exit_module(&mut self, name: &str, container_type: &str) { self.0.exit(name, container_type) }
        }

        #[doc(hidden)]
        pub trait RankMapper {
            $(
                fn $float(&mut self, param: Param<Tensor<$rank>>) -> Param<Tensor<$rank>>;
                fn $int(&mut self, param: Param<Tensor<$rank, Int>>) -> Param<Tensor<$rank, Int>>;
                fn $bool(&mut self, param: Param<Tensor<$rank, Bool>>) -> Param<Tensor<$rank, Bool>>;
            )*
            fn flag(&mut self, flag: Param<Flag>) -> Param<Flag>;
            fn enter(&mut self, name: &str, container_type: &str);
            fn exit(&mut self, name: &str, container_type: &str);
        }

        impl<M: ModuleMapper> RankMapper for M {
            $(
                fn $float(&mut self, param: Param<Tensor<$rank>>) -> Param<Tensor<$rank>> { self.map_float(param) }
                fn $int(&mut self, param: Param<Tensor<$rank, Int>>) -> Param<Tensor<$rank, Int>> { self.map_int(param) }
                fn $bool(&mut self, param: Param<Tensor<$rank, Bool>>) -> Param<Tensor<$rank, Bool>> { self.map_bool(param) }
            )*
            fn flag(&mut self, flag: Param<Flag>) -> Param<Flag> { self.map_flag(flag) }
            fn enter(&mut self, name: &str, container_type: &str) { self.enter_module(name, container_type) }
            fn exit(&mut self, name: &str, container_type: &str) { self.exit_module(name, container_type) }
        }

        impl ModuleMapper for ByRank<'_, dyn RankMapper + '_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                match D { $($rank => into_rank(self.0.$float(into_rank(param))),)* rank => unsupported(rank) }
            }
            fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
                match D { $($rank => into_rank(self.0.$int(into_rank(param))),)* rank => unsupported(rank) }
            }
            fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
                match D { $($rank => into_rank(self.0.$bool(into_rank(param))),)* rank => unsupported(rank) }
            }
            fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> { self.0.flag(flag) }
            fn enter_module(&mut self, name: &str, container_type: &str) { self.0.enter(name, container_type) }
            fn exit_module(&mut self, name: &str, container_type: &str) { self.0.exit(name, container_type) }
        }
    };
}

ranks!(
    1: float_1 int_1 bool_1,
    2: float_2 int_2 bool_2,
    3: float_3 int_3 bool_3,
    4: float_4 int_4 bool_4,
    5: float_5 int_5 bool_5,
    6: float_6 int_6 bool_6
);

/// `A` and `B` are the same type at every call: the match on the rank has just shown it.
fn same_rank<A: 'static, B: 'static>(param: &A) -> &B {
    (param as &dyn Any).downcast_ref().expect("the rank was matched")
}

/// As [`same_rank`], by value.
fn into_rank<A: 'static, B: 'static>(param: A) -> B {
    let boxed: Box<dyn Any> = Box::new(param);
    *boxed.downcast().expect("the rank was matched")
}

fn unsupported(rank: usize) -> ! {
    panic!("parameters of rank {rank} cannot pass through a boxed module; it forwards ranks 1 to 6")
}
