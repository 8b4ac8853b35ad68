//! The module against the real open_clip and timm modules: `reference/fixture.py` built them at a tiny size with every
//! parameter randomised, `reference/full.py` at full size.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_core::{EchoEncoder, Preset};
use echo_nn::{ClipTextConfig, ConvNextConfig};
use echo_weights::{Checkpoint, Pretrained, Weights, build, load};
use echoclip::{ClipTokenizer, EchoClip, EchoClipConfig, KEYS};
use safetensors::SafeTensors;

/// Largest error, relative to the largest value: what 32-bit sums in another order leave.
const TOLERANCE: f32 = 1e-4;

struct Golden(Vec<u8>);

impl Golden {
    fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        // A scalar of the file is a vector of length one here.
        let shape = if view.shape().is_empty() { vec![1] } else { view.shape().to_vec() };
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn ids(&self, name: &str) -> (Vec<i64>, [usize; 2]) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let ids = view.data().as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect();
        (ids, [view.shape()[0], view.shape()[1]])
    }
}

/// Largest absolute difference relative to the largest expected value, and the smallest cosine of two rows.
fn compare<const D: usize>(what: &str, actual: Tensor<D>, expected: Tensor<D>) {
    assert_eq!(actual.dims(), expected.dims(), "{what}");
    let scale = expected.clone().abs().max().into_scalar::<f32>();
    let error = (actual.clone() - expected.clone()).abs().max().into_scalar::<f32>() / scale;
    let dot = (actual.clone() * expected.clone()).sum_dim(D - 1);
    let norms = actual.square().sum_dim(D - 1).sqrt() * expected.square().sum_dim(D - 1).sqrt();
    let cosine = (dot / norms).min().into_scalar::<f32>();
    println!("{what}: error {error:.1e} of the largest value {scale:.3}, cosine {cosine:.8}");
    assert!(error <= TOLERANCE, "{what}: {error}");
    assert!(cosine >= 0.999_999, "{what}: {cosine}");
}

/// Each row of ids up to its end, which is its largest id.
fn compare_text(model: &EchoClip, golden: &Golden) {
    let (ids, [rows, tokens]) = golden.ids("tokens");
    let end = *ids.iter().max().unwrap();
    let lengths: Vec<usize> = ids.chunks(tokens).map(|row| 1 + row.iter().position(|&id| id == end).unwrap()).collect();
    let text = model.text().unwrap();
    let words = text.words(Tensor::<2, Int>::from_data(TensorData::new(ids, [rows, tokens]), &Device::flex()));
    let together = text.encode_words(words.clone(), &lengths);
    compare("text", together.clone(), golden.tensor("text_features"));
    // Cut to its own length, a text has the same embedding: padding is never attended to.
    for (row, &length) in lengths.iter().enumerate() {
        let alone = text.encode_words(words.clone().narrow(0, row, 1).narrow(1, 0, length), &[length]);
        compare("text alone", alone, together.clone().narrow(0, row, 1));
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

#[test]
fn both_towers_equal_the_real_modules_at_a_tiny_size() {
    let config = EchoClipConfig {
        visual: ConvNextConfig { depths: [2, 2, 2, 2], dims: [4, 8, 12, 16] },
        text: ClipTextConfig { vocabulary: 64, context: 20, width: 16, heads: 2, layers: 2, dim: 16 },
    };
    let checkpoint = Checkpoint::open(&fixture("echoclip_tiny.safetensors")).unwrap();
    let model = config.init(ClipTokenizer::nano(), &Device::flex());
    let (model, report) = load(model, "echoclip (tiny)", &checkpoint, &KEYS).unwrap();
    assert_eq!((report.applied.len(), report.ignored.len()), (121, 0));

    let golden = Golden::read(&fixture("echoclip_tiny_io.safetensors"));
    let images: Tensor<4> = golden.tensor("images");
    compare("frames", model.encode_frames(images.clone()), golden.tensor("image_features"));
    // Two videos of two frames: the steps are the pooled vectors of the frames, in order.
    let [_, channels, height, width] = images.dims();
    let clip = images.reshape([2, 2, channels, height, width]).swap_dims(1, 2);
    let steps = model.steps(clip.clone()).steps;
    compare("steps", steps.reshape([4, 16]), golden.tensor("pooled"));
    let features: Tensor<2> = golden.tensor("image_features");
    let frames = echo_core::l2_normalize(features.reshape([2, 2, 16]));
    let expected = echo_core::l2_normalize(frames.mean_dim(1).squeeze_dim::<2>(1));
    compare("clip embedding", model.encode(clip), expected);
    compare_text(&model, &golden);
    compare("logit scale", model.text().unwrap().logit_scale(), golden.tensor("logit_scale"));
}

#[test]
fn both_towers_equal_the_real_modules_at_full_size() {
    let Ok(dir) = std::env::var("ECHOZOO_PARITY_DIR") else {
        println!("skipped: set ECHOZOO_PARITY_DIR to a folder made by reference/full.py (600 MB of weights)");
        return;
    };
    let dir = Path::new(&dir).join("echoclip");
    for file in ["open_clip_pytorch_model.bin", "open_clip_model.safetensors"] {
        let device = Device::flex();
        let built = build::<EchoClip>(Preset::Full, &Weights::File(dir.join(file)), &device).unwrap();
        println!("{file}: {}", built.report);
        assert_eq!((built.report.applied.len(), built.report.ignored.len()), (493, 0));
        let model = built.encoder.downcast_ref::<EchoClip>().unwrap();
        compare_text(model, &Golden::read(&dir.join("text.safetensors")));
        for clip in 0..3 {
            let input = Golden::read(&dir.join(format!("clip_{clip}.safetensors")));
            let golden = Golden::read(&dir.join(format!("image_{clip}.safetensors")));
            let clip: Tensor<5> = input.tensor("clip");
            compare("steps", model.steps(clip.clone()).steps, golden.tensor("pooled"));
            compare("clip embedding", model.encode(clip), golden.tensor("embedding"));
        }
    }
}

#[test]
fn parameters_are_those_of_the_card_and_tensors_those_of_the_checkpoint() {
    use burn::module::{Module, ModuleVisitor, Param};
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            self.0 += 1;
        }
    }
    for preset in Preset::ALL {
        let model = EchoClip::init(preset, &Device::flex());
        assert_eq!(model.num_params(), EchoClip::CARD.preset(preset).parameters, "{preset}");
        let mut count = Count(0);
        model.visit(&mut count);
        // open_clip's `convnext_base` has 493 tensors in its state dict.
        assert!(preset != Preset::Full || count.0 == 493, "{}", count.0);
    }
}
