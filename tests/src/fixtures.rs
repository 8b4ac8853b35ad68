//! What the tests share.

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{AnyEncoder, Preset};
use echo_random::Stream;
use echo_weights::Weights;
use echo_zoo::{DeviceChoice, Entry, ZOO};

use crate::tinyecho::TinyEcho;

pub fn device() -> Device {
    DeviceChoice::Cpu.device().unwrap()
}

/// Every encoder of the zoo, and one from outside.
pub fn entries() -> Vec<Entry> {
    ZOO.iter().copied().chain([Entry::of::<TinyEcho>()]).collect()
}

/// The nano preset with random weights.
pub fn nano(entry: &Entry) -> AnyEncoder {
    entry.build(Preset::Nano, &Weights::Random(1), &device()).unwrap().encoder
}

/// Normal values, `[batch, 3, frames, size, size]` as the encoder's nano preset wants them.
pub fn clips(entry: &Entry, batch: usize, seed: u64) -> Tensor<5> {
    let spec = &entry.card.preset(Preset::Nano).clip;
    let shape = [batch, 3, spec.frames, spec.size, spec.size];
    let mut stream = Stream::new(seed, "test/clips", 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// Largest absolute difference.
pub fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a - b).abs().max().into_scalar::<f32>()
}
