//! The kernels against Burn's own operations: results, and gradients.

#![allow(missing_docs)]

mod composed;
mod gradients;

use burn::tensor::{Device, Tensor, TensorData};
use echo_random::Stream;

/// Of every norm.
const EPSILON: f64 = 1e-6;

fn values<const D: usize>(rng: &mut Stream, shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// All of this with narrower vectors, and with none, as other processors have them.
#[test]
fn other_processors() {
    if std::env::var_os("ECHOZOO_SIMD").is_some() {
        return;
    }
    for vectors in ["avx2", "plain"] {
        let output =
            std::process::Command::new(std::env::current_exe().unwrap()).env("ECHOZOO_SIMD", vectors).output().unwrap();
        assert!(output.status.success(), "{vectors}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
