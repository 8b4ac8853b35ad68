//! Sizes, saving and the cost of training.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{EchoEncoder, Preset};
use echo_weights::{Checkpoint, KeyTable, Precision, Pretrained, Weights, build, load, randomize, save};
use panecho::PanEcho;

/// A clip of smooth values, different in every channel and frame.
fn clip(batch: usize, frames: usize, side: usize, device: &Device) -> Tensor<5> {
    let shape = [batch, 3, frames, side, side];
    let values = (0..shape.iter().product::<usize>()).map(|index| (index as f32 * 0.37).sin()).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[test]
fn parameters_and_widths_are_those_of_the_card() {
    for preset in PanEcho::CARD.presets {
        let model = PanEcho::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
    }
    let nano = PanEcho::CARD.preset(Preset::NANO).unwrap();
    assert!(nano.parameters <= 1_200_000);
    assert!(nano.clip.span() as f64 / 50.0 >= 1.4, "a whole beat at 50 frames a second");
    let model = randomize(PanEcho::init(PanEcho::CARD.preset(Preset::NANO).unwrap(), &Device::flex()), 1);
    let clip = clip(2, nano.clip.frames, nano.clip.size, &Device::flex());
    assert_eq!(model.frame_features(&model.tokens(clip.clone())).dims(), [2, nano.clip.frames, nano.width]);
    assert_eq!(model.encode(clip).dims(), [2, nano.dim]);
}

#[test]
fn a_saved_model_keeps_the_heads_it_had() {
    let device = Device::flex();
    let folder = std::env::temp_dir().join(format!("panecho-heads-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("some.safetensors");
    let model = randomize(PanEcho::init(PanEcho::CARD.preset(Preset::NANO).unwrap(), &device), 1);
    let clip = clip(1, 4, 32, &device);
    let reported = |encoder: &dyn EchoEncoder| {
        let heads = encoder.heads(encoder.encode(clip.clone()));
        heads.into_iter().map(|(head, x)| (head.name, x.into_data())).collect::<Vec<_>>()
    };
    let mut expected = reported(&model);
    expected.retain(|(name, _)| ["AVPkVel(m|s)", "EF"].contains(name));
    save(&model.with_tasks(&["AVPkVel(m|s)", "EF"]).unwrap(), &path, Precision::Full).unwrap();

    let built = build::<PanEcho>(Preset::NANO, &Weights::File(path.clone()), &device).unwrap();
    assert_eq!(reported(built.encoder.downcast_ref::<PanEcho>().unwrap()), expected);

    // Taken for a model with all heads, the file lacks 38 of them.
    let checkpoint = Checkpoint::open(&path).unwrap();
    let error = load(
        PanEcho::init(PanEcho::CARD.preset(Preset::NANO).unwrap(), &device),
        "all",
        &checkpoint,
        &KeyTable::IDENTITY,
    )
    .unwrap_err();
    assert!(error.to_string().contains("76 missing"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A part of the encoder that no gradient reaches could not be trained. Prints what a training step costs.
#[test]
fn gradients_reach_every_parameter_of_the_encoder() {
    let model = randomize(PanEcho::init(PanEcho::CARD.preset(Preset::NANO).unwrap(), &Device::flex()), 1).train();
    let card = PanEcho::CARD.preset(Preset::NANO).unwrap();
    let (batch, repeats) = (8, 4);
    let clip = clip(batch, card.clip.frames, card.clip.size, &Device::flex().autodiff());
    for _ in 0..repeats {
        let start = Instant::now();
        let heads = model.heads(model.encode(clip.clone()));
        let (_, ef) = heads.into_iter().find(|(head, _)| head.name == "EF").unwrap();
        let loss = ef.square().mean();
        let gradients = loss.backward();
        let seconds = start.elapsed().as_secs_f64();
        println!("forward and backward: {:.4} s a clip", seconds / batch as f64);
        let mut reached = Reached { gradients: &gradients, path: Vec::new(), without: Vec::new() };
        model.visit(&mut reached);
        // The other 39 heads are not part of this loss.
        assert_eq!(reached.without.len(), 2 * 39, "{:?}", reached.without);
        assert!(reached.without.iter().all(|path| path.starts_with("heads.")), "{:?}", reached.without);
    }
}

struct Reached<'a> {
    gradients: &'a burn::tensor::Gradients,
    path: Vec<String>,
    without: Vec<String>,
}

impl burn::module::ModuleVisitor for Reached<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        if param.val().grad(self.gradients).is_none() {
            self.without.push(self.path.join("."));
        }
    }
}
