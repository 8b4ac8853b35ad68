//! AdamW, in one pass over a parameter.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::memory::{load, put};
use crate::processor::vectors;
use crate::product::lanes;

/// Settings of a step of AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019).
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// The learning rate.
    pub lr: f64,
    /// How much of the mean and of the mean square of gradients stays.
    pub betas: [f64; 2],
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Times the learning rate, the part of itself that the parameter loses.
    pub weight_decay: f64,
    /// Steps, this one included.
    pub time: usize,
}

/// A parameter after a step against its gradient, and the moments of its gradients, mean and mean square: zeros at first.
///
/// # Panics
/// When their shapes differ.
pub fn adamw<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let AdamWStep { lr, betas: [beta_1, beta_2], epsilon, weight_decay, time } = step;
    let corrections = [beta_1, beta_2].map(|beta| 1.0 - beta.powf(time as f64));
    let [mean, square] = moments;
    let all = [&parameter, &gradient, &mean, &square];
    all.iter()
        .for_each(|tensor| assert_eq!(tensor.dims(), parameter.dims(), "shapes of parameter, gradient and moments"));
    if all.iter().all(|tensor| is_ours(tensor)) {
        let [mut parameter, gradient, mut mean, mut square] = [parameter, gradient, mean, square].map(flex);
        let moves = Moves {
            keep: (1.0 - lr * weight_decay) as f32,
            rate: (lr / corrections[0]) as f32,
            betas: [beta_1 as f32, beta_2 as f32],
            others: [(1.0 - beta_1) as f32, (1.0 - beta_2) as f32],
            root: (1.0 / corrections[1].sqrt()) as f32,
            epsilon: epsilon as f32,
        };
        moves.run([&mut parameter, &mut mean, &mut square].map(|tensor| tensor.storage_mut()), gradient.storage());
        return (Tensor::from_primitive::<Flex>(parameter), [mean, square].map(Tensor::from_primitive::<Flex>));
    }
    let mean = mean * beta_1 + gradient.clone() * (1.0 - beta_1);
    let square = square * beta_2 + gradient.square() * (1.0 - beta_2);
    let update = mean.clone() / corrections[0] / ((square.clone() / corrections[1]).sqrt() + epsilon);
    (parameter * (1.0 - lr * weight_decay) - update * lr, [mean, square])
}

fn is_ours<const D: usize>(tensor: &Tensor<D>) -> bool {
    let is_plain = |tensor: FlexTensor| tensor.dtype() == DType::F32;
    !tensor.is_autodiff() && tensor.clone().try_into_primitive::<Flex>().is_ok_and(is_plain)
}

/// All its numbers, one after the other.
fn flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = tensor.try_into_primitive::<Flex>().expect("a tensor of the CPU backend");
    let is_whole = tensor.is_contiguous() && tensor.storage::<f32>().len() == tensor.layout().num_elements();
    if is_whole { tensor } else { tensor.to_contiguous() }
}

/// What a step does to every number.
#[derive(Clone, Copy, Debug)]
struct Moves {
    keep: f32,
    rate: f32,
    betas: [f32; 2],
    /// One less the betas.
    others: [f32; 2],
    /// What the mean square's root is multiplied by.
    root: f32,
    epsilon: f32,
}

impl Moves {
    fn run(self, [parameter, mean, square]: [&mut [f32]; 3], gradient: &[f32]) {
        /// Numbers of a task.
        const PART: usize = 1 << 15;
        let moments = mean.par_chunks_mut(PART).zip(square.par_chunks_mut(PART));
        let parts = parameter.par_chunks_mut(PART).zip(moments).zip(gradient.par_chunks(PART));
        parts.for_each(|((parameter, (mean, square)), gradient)| {
            vectors().dispatch(Part { moves: self, parameter, mean, square, gradient });
        });
    }
}

struct Part<'a> {
    moves: Moves,
    parameter: &'a mut [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    gradient: &'a [f32],
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { moves, parameter, mean, square, gradient } = self;
        let lanes = lanes::<S>();
        let of = |x: f32| simd.splat_f32s(x);
        let (betas, others) = (moves.betas.map(of), moves.others.map(of));
        let [keep, rate, root, epsilon] = [moves.keep, moves.rate, moves.root, moves.epsilon].map(of);
        let moments = mean.chunks_mut(lanes).zip(square.chunks_mut(lanes));
        for ((parameter, (mean, square)), gradient) in
            parameter.chunks_mut(lanes).zip(moments).zip(gradient.chunks(lanes))
        {
            let x = load(simd, gradient);
            let m = simd.mul_f32s(load(simd, mean), betas[0]);
            let m = simd.mul_add_f32s(x, others[0], m);
            let v = simd.mul_f32s(load(simd, square), betas[1]);
            let v = simd.mul_add_f32s(simd.mul_f32s(x, x), others[1], v);
            let size = simd.mul_add_f32s(simd.sqrt_f32s(v), root, epsilon);
            let update = simd.div_f32s(simd.mul_f32s(m, rate), size);
            let p = simd.mul_f32s(load(simd, parameter), keep);
            put(simd, parameter, simd.sub_f32s(p, update));
            put(simd, mean, m);
            put(simd, square, v);
        }
    }
}
