//! Results, and how their gradients come about.

use std::fmt;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, AutodiffBackend, Flex};
use burn::tensor::Tensor;

use crate::cpu::{Input, Values};
use crate::precision::Precision;

/// Gradients of an operation's inputs: of those at least that are asked for.
pub(crate) type Given<const N: usize> = [Option<Values>; N];

/// Whether the gradient of any input is asked for.
pub(crate) fn is_tracked<const N: usize>(inputs: &[Option<&Input>; N]) -> bool {
    inputs.iter().flatten().any(|input| input.is_tracked())
}

/// The precision of an operation on these inputs: what is asked for, but where gradients are.
pub(crate) fn precision_of<const N: usize>(inputs: &[Option<&Input>; N]) -> Precision {
    if is_tracked(inputs) { Precision::F32 } else { Precision::current() }
}

/// The tensor of an operation's result.
///
/// `gradients` gives those of the inputs from that of the result, and is told which are asked for. What it holds is kept until
/// the backward pass, and dropped at once where nothing is asked for.
pub(crate) fn result<const N: usize, const D: usize>(
    inputs: [Option<&Input>; N],
    values: impl Into<Values>,
    shape: [usize; D],
    gradients: impl Fn(&Values, [bool; N]) -> Given<N> + Send + Sync + 'static,
) -> Tensor<D> {
    let output = values.into().shaped(&shape);
    if inputs.iter().flatten().all(|input| input.recorded.is_none()) {
        return Tensor::from_primitive::<Flex>(output);
    }
    let nodes = inputs.map(|input| match input {
        Some(Input { recorded: Some(tensor), .. }) => tensor.node(),
        // A constant.
        _ => Autodiff::<Flex>::from_inner(Values::from(Vec::new()).shaped(&[0])).node(),
    });
    let shapes = inputs.map(|input| input.map_or(Vec::new(), |input| input.shape().to_vec()));
    let step = Step { gradients: Arc::new(gradients), shapes, length: shape.iter().product() };
    let operation = Operation.prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match operation {
        OpsKind::Tracked(operation) => operation.finish(step, output),
        OpsKind::UnTracked(operation) => operation.finish(output),
    })
}

/// Any operation of this crate.
#[derive(Debug)]
struct Operation;

type Gradient<const N: usize> = dyn Fn(&Values, [bool; N]) -> Given<N> + Send + Sync;

/// What an operation's backward pass rests on.
#[derive(Clone)]
struct Step<const N: usize> {
    gradients: Arc<Gradient<N>>,
    /// Of the inputs.
    shapes: [Vec<usize>; N],
    /// Numbers of the result.
    length: usize,
}

impl<const N: usize> fmt::Debug for Step<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("shapes", &self.shapes).finish_non_exhaustive()
    }
}

impl<const N: usize> Backward<Flex, N> for Operation {
    type State = Step<N>;

    fn backward(self, operation: Ops<Step<N>, N>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { parents, node, state: Step { gradients, shapes, length } } = operation;
        let gradient = Values::new(graph.consume::<Flex>(&node));
        assert_eq!(gradient.len(), length, "numbers of the result's gradient");
        let wanted = parents.each_ref().map(Option::is_some);
        for ((parent, gradient), shape) in parents.into_iter().zip(gradients(&gradient, wanted)).zip(shapes) {
            if let Some(parent) = parent {
                let gradient = gradient.expect("a gradient that was asked for");
                graph.register::<Flex>(parent.id, gradient.shaped(&shape));
            }
        }
    }
}
