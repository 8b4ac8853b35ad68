//! Sizes, and the cost of training.

#![allow(missing_docs)]

use std::time::Instant;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use echo_core::{EchoEncoder, Preset};
use echo_weights::{Pretrained, randomize};
use r2plus1d::R2Plus1d;

/// A clip of smooth values, different in every channel and frame.
fn clip(batch: usize, frames: usize, side: usize, device: &Device) -> Tensor<5> {
    let shape = [batch, 3, frames, side, side];
    let values = (0..shape.iter().product::<usize>()).map(|index| (index as f32 * 0.37).sin()).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[test]
fn parameters_and_widths_are_those_of_the_card() {
    for preset in R2Plus1d::CARD.presets {
        let model = R2Plus1d::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
        assert_eq!((model.width(), model.dim()), (preset.width, preset.dim), "{}", preset.name);
    }
    let nano = R2Plus1d::CARD.preset(Preset::NANO).unwrap();
    assert!(nano.clip.span() as f64 / 50.0 >= 1.4, "a whole beat at 50 frames a second");
}

/// A part of the encoder that no gradient reaches could not be trained; statistics must not be. Prints what a training step
/// costs.
#[test]
fn gradients_reach_every_parameter_and_no_statistic() {
    let card = R2Plus1d::CARD.preset(Preset::NANO).unwrap();
    let model = randomize(R2Plus1d::init(card, &Device::flex()), 1).unfreeze().train();
    let batch = 8;
    let clip = clip(batch, card.clip.frames, card.clip.size, &Device::flex().autodiff());
    for _ in 0..4 {
        let start = Instant::now();
        let (_, ef) = model.heads(model.encode(clip.clone())).remove(0);
        let gradients = ef.square().mean().backward();
        println!("forward and backward: {:.4} s a clip", start.elapsed().as_secs_f64() / batch as f64);
        let mut reached = Reached { gradients: &gradients, path: Vec::new(), without: Vec::new(), count: 0 };
        model.visit(&mut reached);
        assert!(reached.without.iter().all(|path| path.contains(".running_")), "{:?}", reached.without);
        let statistics = reached.without.len();
        // Weight, bias and two statistics of each norm, as many convolutions, and the head's two.
        assert_eq!(reached.count, statistics / 2 * 5 + 2);
    }
}

struct Reached<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    without: Vec<String>,
    count: usize,
}

impl ModuleVisitor for Reached<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.count += 1;
        if param.val().grad(self.gradients).is_none() {
            self.without.push(self.path.join("."));
        }
    }
}
