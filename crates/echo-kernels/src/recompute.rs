//! Gradient checkpointing (Chen et al., "Training deep nets with sublinear memory cost", 2016): a block keeps what goes into it
//! and nothing of what it computes, and is computed again on the way back.

use std::cell::Cell;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use crate::cpu::{Input, Values};
use crate::graph::{is_tracked, result};
use crate::precision::Precision;
use crate::scope;

/// Parameters of a block at most.
const MOST: usize = 64;

thread_local! {
    static RECOMPUTES: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which blocks keep only what goes into them, if `recomputes`. It is for tensors of the CPU backend.
pub fn recomputing<T>(recomputes: bool, work: impl FnOnce() -> T) -> T {
    scope::with(&RECOMPUTES, recomputes, work)
}

/// `forward(block, x)`, computed again on the way back where this thread is [`recomputing`].
///
/// # Panics
/// When a block has more than 64 parameters.
pub fn recomputed<M: Module + Sync + 'static, const D: usize>(
    block: &M,
    x: Tensor<D>,
    forward: impl Fn(&M, Tensor<D>) -> Tensor<D> + Send + Sync + 'static,
) -> Tensor<D> {
    let Some((input, parameters)) = Input::of(&x).filter(|_| RECOMPUTES.get()).zip(Inputs::of(block)) else {
        return forward(block, x);
    };
    assert!(parameters.len() <= MOST, "a block of {} parameters", parameters.len());
    let mut inputs = [const { None }; MOST + 1];
    inputs[0] = Some(&input);
    inputs[1..].iter_mut().zip(&parameters).for_each(|(input, parameter)| *input = Some(parameter));
    if !is_tracked(&inputs) {
        return forward(block, x);
    }
    let (plain, start) = (block.valid(), x.without_autodiff());
    let out = Precision::F32.run(|| forward(&plain, start.clone()));
    let values = Input::of(&out).expect("a layer's result is of the same backend and type").values();
    result(inputs, values, out.dims(), move |gradient, wanted| {
        let block = plain.clone().train();
        let x = Tensor::from_inner(start.clone()).set_require_grad(wanted[0]);
        let out = Precision::F32.run(|| forward(&block, x.clone()));
        let along = Tensor::from_inner(gradient.clone().tensor(out.dims()));
        let gradients = (out * along).sum().backward();
        let mut found = vec![gradient_of(&x, &gradients)];
        block.visit(&mut Found { gradients: &gradients, found: &mut found });
        let mut found = found.into_iter();
        std::array::from_fn(|_| found.next().flatten())
    })
}

/// The gradient of a tensor, zeros where nothing depends on it; nothing of what is not tracked.
fn gradient_of<const D: usize>(x: &Tensor<D>, gradients: &Gradients) -> Option<Values> {
    x.is_require_grad().then(|| {
        let gradient = x.grad(gradients).unwrap_or_else(|| x.clone().without_autodiff().zeros_like());
        Input::of(&gradient).expect("gradients are of the same backend and type").values()
    })
}

/// Gradients of a block's parameters, in their order.
struct Found<'a> {
    gradients: &'a Gradients,
    found: &'a mut Vec<Option<Values>>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.found.push(gradient_of(&parameter.val(), self.gradients));
    }
}

/// A block's parameters, in their order; nothing if one of them is not ours.
struct Inputs(Option<Vec<Input>>);

impl Inputs {
    fn of(block: &impl Module) -> Option<Vec<Input>> {
        let mut inputs = Self(Some(Vec::new()));
        block.visit(&mut inputs);
        inputs.0
    }
}

impl ModuleVisitor for Inputs {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let input = Input::of(&parameter.val());
        self.0 = self.0.take().zip(input).map(|(mut inputs, input)| {
            inputs.push(input);
            inputs
        });
    }
}
