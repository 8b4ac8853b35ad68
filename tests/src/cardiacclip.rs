//! CardiacCLIP's released code, quirk by quirk, against `zoo/echoclip/reference/cardiacclip.py`.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use echo_adapt::{AdaptError, BuildContext, zoom_frames};
use echo_core::{AnyAdapter, AnyEncoder, Features, Prediction, Preset, Stage, Truth};
use echo_nn::{ClipTextConfig, ConvNextConfig};
use echo_parity::{Golden, compare};
use echo_train::{FitContext, OptimizerConfig, Samples, TrainConfig, TrainError, fit, parameters, with_values};
use echo_weights::{Checkpoint, load};
use echo_zoo::{Entry, ZOO};
use echoclip::{ClipTokenizer, EchoClipConfig};

use crate::fixtures::{device, difference, ef, nano, recipe, training, truths};

/// Each with the stage that it can be fed from: what comes before the frame features is computed anew.
const QUIRKS: [(&str, Stage); 7] = [
    ("channel-grid", Stage::Clip),
    ("frame-norm", Stage::ZoomFrames),
    ("any-length", Stage::ZoomFrames),
    ("raw-pixels", Stage::Clip),
    ("rgb", Stage::Clip),
    ("mixed-planes", Stage::Clip),
    ("unmasked-text", Stage::ZoomFrames),
];

/// What a quirk changes at the least, in percent of ejection fraction.
const EFFECT: f32 = 0.1;

/// The reference script's sizes and seed.
const VIDEOS: usize = 2;
const FRAMES: usize = 4;
const SIZE: usize = 64;
const SEED: u32 = 3;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/echoclip/fixtures").join(name)
}

fn golden() -> Golden {
    Golden::read(&fixture("cardiacclip_io.safetensors"))
}

fn tiny() -> AnyEncoder {
    let config = EchoClipConfig {
        visual: ConvNextConfig { depths: [1; 4], dims: [4, 8, 12, 16] },
        text: ClipTextConfig {
            vocabulary: 4096,
            context: 24,
            width: 8,
            heads: 2,
            layers: 2,
            dim: 16,
            ..ClipTextConfig::base()
        },
    };
    let checkpoint = Checkpoint::open(&fixture("cardiacclip_tiny.safetensors")).unwrap();
    let model = config.init(ClipTokenizer::nano(), &device());
    AnyEncoder::new(load(model, "echoclip (tiny)", &checkpoint, &echoclip::KEYS).unwrap().0)
}

/// The script's pixels, prepared as EchoCLIP wants them.
fn clip() -> Tensor<5> {
    let spec = &echoclip::CARD.preset(Preset::FULL).unwrap().clip;
    let (mut state, mut values) = (SEED, Vec::new());
    for (video, channel, frame) in (0..VIDEOS)
        .flat_map(|video| (0..3).map(move |channel| (video, channel)))
        .flat_map(|(video, channel)| (0..FRAMES).map(move |frame| (video, channel, frame)))
    {
        let level = (1 + 2 * channel + 3 * video + frame) as u32;
        for _ in 0..SIZE * SIZE {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pixel = ((state >> 24) * level / 11) as f32;
            values.push((pixel * spec.scale - spec.mean[channel]) / spec.std[channel]);
        }
    }
    Tensor::from_data(TensorData::new(values, [VIDEOS, 3, FRAMES, SIZE, SIZE]), &device())
}

/// Settings by adapter, over those of the shipped recipe.
fn adapted(name: &str, settings: &[(&str, &str)], encoder: &AnyEncoder) -> Result<AnyAdapter, AdaptError> {
    let (joined, tables) = recipe(name, settings)?;
    let (lender, task) = (nano(&ZOO[0]), ef());
    joined.build(&tables, &BuildContext { encoder, text: Some(&lender), task: &task, seed: 5 })
}

/// MFL on EchoZoom with the script's parameters.
fn released(settings: &str) -> (AnyEncoder, AnyAdapter) {
    let encoder = tiny();
    let random = "init = \"random\"";
    let settings = [("mfl", random), ("echozoom", random), ("echozoom", settings)];
    let adapter = adapted("mfl+echozoom", &settings, &encoder).unwrap();
    let golden = golden();
    let values = parameters(&adapter).into_iter().filter(|parameter| parameter.trainable).map(|parameter| {
        let value = match parameter.shape.len() {
            1 => golden.tensor::<1>(&parameter.path, &device()).into_data(),
            _ => golden.tensor::<2>(&parameter.path, &device()).into_data(),
        };
        (parameter.path, value)
    });
    let values = values.collect();
    (encoder, with_values(adapter, values).unwrap())
}

fn features(encoder: &AnyEncoder, stage: Stage) -> Features {
    match stage {
        Stage::Clip => Features::Clip(clip(), 1),
        _ => {
            let base = encoder.frame_features(&encoder.tokens(clip()));
            Features::ZoomFrames(zoom_frames(encoder, base, clip()).unsqueeze_dim(1))
        }
    }
}

/// Compares one case with the script and says how far its predictions are from the method's.
fn effect(case: &str, settings: &str, stage: Stage) -> f32 {
    let golden = golden();
    let (encoder, adapter) = released(settings);
    assert_eq!(adapter.stage(), stage, "{case}");
    let Prediction::Values { value, ranks } = adapter.forward(features(&encoder, stage)) else {
        unreachable!("values")
    };
    let expected = |what: &str| golden.tensor::<1>(&format!("{case}/{what}"), &device());
    compare(case, value.clone().unsqueeze::<2>(), expected("values").unsqueeze());
    let logits = golden.tensor::<2>(&format!("{case}/logits"), &device());
    compare(&format!("{case}, logits"), ranks.unwrap(), logits);
    difference(value, golden.tensor("method/values", &device()))
}

#[test]
fn the_method_each_quirk_and_all_of_them_equal_the_reference_and_each_matters() {
    assert!(effect("method", "", Stage::ZoomFrames) < 0.01);
    for (quirk, stage) in QUIRKS {
        let effect = effect(quirk, &format!("quirks = [\"{quirk}\"]"), stage);
        assert!(effect > EFFECT, "{quirk} moves predictions by {effect}");
    }
    assert!(effect("cardiacclip", "compat = \"cardiacclip\"", Stage::Clip) > EFFECT);
    // Spelled out, it is the same.
    let all: Vec<&str> = QUIRKS.iter().map(|(quirk, _)| *quirk).collect();
    effect("cardiacclip", &format!("quirks = {all:?}"), Stage::Clip);
}

#[test]
fn compat_throws_the_pretrained_projection_away() {
    let encoder = tiny();
    let base = |settings: &str| {
        let adapter = adapted("echozoom", &[("echozoom", settings)], &encoder).unwrap();
        let paths: Vec<String> = parameters(&adapter).into_iter().map(|p| p.path).collect();
        let has_bias = paths.iter().any(|path| path == "zoom.bias");
        let found = echo_train::values(&adapter, &["zoom.base", "zoom.zoom"]);
        let values: Vec<Vec<f32>> = found.iter().map(|(_, data)| data.iter::<f32>().collect()).collect();
        (values, has_bias)
    };
    let pretrained: Vec<f32> = encoder.projection().linear.unwrap().weight.val().into_data().iter().collect();
    let (values, has_bias) = base("");
    assert_eq!((&values[0], has_bias), (&pretrained, true));
    assert!(values[1].iter().all(|value| *value == 0.0));
    let (values, has_bias) = base("compat = \"cardiacclip\"");
    assert!(!has_bias);
    // As PyTorch starts a layer of 32 inputs.
    let bound = 32f32.sqrt().recip();
    let all = || values.iter().flatten();
    assert!(all().all(|value| value.abs() <= bound) && all().any(|value| value.abs() > 0.9 * bound), "{values:?}");
    assert_ne!(values[0], pretrained);
}

/// The released code tests two videos at a time, whatever the batch: its norm mixes the frames of both.
#[test]
fn videos_are_tested_two_by_two_where_their_frames_are_normed_together() {
    let encoder = tiny();
    let three = Tensor::cat(vec![clip(), clip().narrow(0, 0, 1) * 0.5], 0);
    let videos = |from: usize, count: usize| Features::Clip(three.clone().narrow(0, from, count), 1);
    let both = |settings: &str| {
        let adapter = adapted("echozoom", &[("echozoom", settings)], &encoder).unwrap();
        let values = |features| adapter.forward(features).rows();
        let two_by_two = [values(videos(0, 2)), values(videos(2, 1))].concat();
        (adapter.predict(videos(0, 3)), values(videos(0, 3)), two_by_two)
    };
    let (predicted, at_once, _) = both("trunk = \"tuned\"");
    assert_eq!(predicted, at_once);
    let (predicted, at_once, two_by_two) = both("compat = \"cardiacclip\"");
    assert_eq!(predicted, two_by_two);
    assert_ne!(predicted, at_once);
}

struct Videos {
    truths: Vec<Truth>,
}

impl Samples for Videos {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        Stage::Clip
    }

    fn batch(&self, indices: &[usize], _epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        let rows = indices.iter().map(|&index| clip().to_device(device).narrow(0, index, 1));
        Ok(Features::Clip(Tensor::cat(rows.collect(), 0), 1))
    }
}

/// `fit` refuses parameters that the prediction does not depend on: the trunk's own norm and projection among them.
#[test]
fn the_released_code_trains_all_that_it_uses_of_both_towers() {
    let full = ("full", "text = true\nhead = \"prompts\"");
    let compat = "compat = \"cardiacclip\"";
    let optimizer = OptimizerConfig::RAdam { lr: 5e-5, weight_decay: 0.0 };
    let config = TrainConfig { optimizer, ..training(1, 2, 5e-5) };
    let adapter = adapted("mfl+echozoom+full", &[("mfl", compat), ("echozoom", compat), full], &tiny()).unwrap();
    let trains = |prefix: &str| {
        let parameters = parameters(&adapter);
        parameters.iter().filter(|p| p.trainable && p.path.starts_with(prefix)).count()
    };
    assert!(trains("encoder.visual.trunk") > 0 && trains("encoder.text") > 0 && trains("pool") == 8);
    assert_eq!((trains("encoder.visual.head"), trains("encoder.text.logit_scale"), trains("zoom")), (0, 0, 2));
    let videos = Videos { truths: truths(&[25.0, 60.0]) };
    let fitted = fit(adapter, &videos, &config, &FitContext::new(1, &device()), |_| ()).unwrap();
    assert!(fitted.zero_gradients.is_empty(), "{:?}", fitted.zero_gradients);
}

#[test]
fn a_joint_norm_trains_with_a_tuned_trunk() {
    let settings = ("echozoom", "trunk = \"tuned\"\nnorm = \"joint\"");
    let adapter = adapted("echozoom", &[settings], &tiny()).unwrap();
    assert!(parameters(&adapter).iter().all(|p| !p.trainable || !p.path.starts_with("encoder.visual.head")));
}

#[test]
fn quirks_that_make_no_sense_are_refused_by_name() {
    let entry = |name: &str| -> &Entry { ZOO.iter().find(|entry| entry.card.name == name).unwrap() };
    let refusals: [(&str, &str, &str, &str, &[&str]); 8] = [
        // 128 channels.
        ("echoclip", "echozoom", "echozoom", "compat = \"cardiacclip\"", &["channel-grid", "128", "echozoom"]),
        ("echoclip", "mfl", "mfl", "quirks = [\"channel-grid\"]", &["channel-grid", "join"]),
        ("echoclip", "mfl", "mfl", "quirks = [\"frame-norm\"]", &["frame-norm", "join"]),
        ("echoclip", "linear+echozoom", "echozoom", "quirks = [\"frame-norm\"]", &["frame-norm", "solved at once"]),
        ("echoclip", "linear+mfl", "mfl", "compat = \"cardiacclip\"", &["unmasked-text", "join coop"]),
        ("echoprime", "mfl", "mfl", "compat = \"cardiacclip\"", &["unmasked-text", "EchoPrime", "causal mask"]),
        ("echoclip", "mfl", "mfl", "quirks = [\"masked\"]", &["recipe of mfl", "masked", "unmasked-text"]),
        ("echoclip", "mfl", "mfl", "compat = \"cardiac\"", &["recipe of mfl", "cardiac", "cardiacclip"]),
    ];
    for (encoder, name, table, settings, words) in refusals {
        let result = adapted(name, &[(table, settings)], &nano(entry(encoder)));
        let message = result.map(|_| ()).expect_err(settings).to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{encoder} + {name}, {settings}: {message}");
    }
    // What fits is not refused: MFL has no grid, and PanEcho borrows a text tower with a mask.
    for (encoder, name) in [("echoclip", "mfl"), ("panecho", "mfl+coop")] {
        adapted(name, &[("mfl", "compat = \"cardiacclip\"")], &nano(entry(encoder))).unwrap();
    }
}
