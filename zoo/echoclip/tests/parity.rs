//! The module against the real open_clip and timm modules: `reference/fixture.py` built them at a tiny size with every
//! parameter randomised, `reference/full.py` at full size.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_core::{EchoEncoder, Preset, Projection};
use echo_nn::{ClipTextConfig, ConvNextConfig};
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Built, Checkpoint, Pretrained, load};
use echoclip::{ClipTokenizer, EchoClip, EchoClipConfig, KEYS};

/// Each row of ids up to its end, which is its largest id.
fn compare_text(model: &EchoClip, golden: &Golden) {
    let ids = golden.ids("tokens", &Device::flex());
    let [_, tokens] = ids.dims();
    let values: Vec<i64> = ids.clone().into_data().iter::<i64>().collect();
    let end = *values.iter().max().unwrap();
    let length = |row: &[i64]| 1 + row.iter().position(|&id| id == end).unwrap();
    let lengths: Vec<usize> = values.chunks(tokens).map(length).collect();
    let text = model.text().unwrap();
    let words = text.words(ids);
    let together = text.encode_words(words.clone(), &lengths);
    compare("text", together.clone(), golden.tensor("text_features", &Device::flex()));
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
        text: ClipTextConfig {
            vocabulary: 64,
            context: 20,
            width: 16,
            heads: 2,
            layers: 2,
            dim: 16,
            ..ClipTextConfig::base()
        },
    };
    let checkpoint = Checkpoint::open(&fixture("echoclip_tiny.safetensors")).unwrap();
    let model = config.init(ClipTokenizer::nano(), &Device::flex());
    let (model, report) = load(model, "echoclip (tiny)", &checkpoint, &KEYS).unwrap();
    assert_eq!((report.applied.len(), report.ignored.len()), (121, 0));

    let golden = Golden::read(&fixture("echoclip_tiny_io.safetensors"));
    let images: Tensor<4> = golden.tensor("images", &Device::flex());
    // Two videos of two frames: the frame features are the pooled vectors of the frames, in order.
    let [_, channels, height, width] = images.dims();
    let clip = images.reshape([2, 2, channels, height, width]).swap_dims(1, 2);
    let features = model.frame_features(&model.tokens(clip.clone()));
    compare("frame features", features.clone().reshape([4, 16]), golden.tensor("pooled", &Device::flex()));
    let expected: Tensor<2> = golden.tensor("image_features", &Device::flex());
    // open_clip's `encode_image` does not normalise.
    let projection = Projection { unit_length: false, ..model.projection() };
    compare("frames", projection.apply(features).reshape([4, 16]), expected.clone());
    let frames = echo_core::l2_normalize(expected.reshape([2, 2, 16]));
    let expected = echo_core::l2_normalize(frames.mean_dim(1).squeeze_dim::<2>(1));
    compare("clip embedding", model.encode(clip), expected);
    compare_text(&model, &golden);
    compare("logit scale", model.text().unwrap().logit_scale(), golden.tensor("logit_scale", &Device::flex()));
}

#[test]
fn both_towers_equal_the_real_modules_at_full_size() {
    let Some(dir) = folder("echoclip") else { return };
    let device = Device::flex();
    for file in ["open_clip_pytorch_model.bin", "open_clip_model.safetensors"] {
        let built = load_full::<EchoClip>(&dir.join(file), &device);
        assert_eq!((built.report.applied.len(), built.report.ignored.len()), (493, 0));
        compare_full(&built, &dir);
        if file.ends_with("bin") {
            compare_full(&round_trip::<EchoClip>(&built, &device), &dir);
        }
    }
}

fn compare_full(built: &Built, dir: &Path) {
    let model = built.encoder.downcast_ref::<EchoClip>().unwrap();
    compare_text(model, &Golden::read(&dir.join("text.safetensors")));
    for clip in 0..3 {
        let input = Golden::read(&dir.join(format!("clip_{clip}.safetensors")));
        let golden = Golden::read(&dir.join(format!("image_{clip}.safetensors")));
        let clip: Tensor<5> = input.tensor("clip", &Device::flex());
        compare(
            "frame features",
            model.frame_features(&model.tokens(clip.clone())),
            golden.tensor("pooled", &Device::flex()),
        );
        compare("clip embedding", model.encode(clip), golden.tensor("embedding", &Device::flex()));
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
    for preset in EchoClip::CARD.presets {
        let model = EchoClip::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
        let mut count = Count(0);
        model.visit(&mut count);
        // open_clip's `convnext_base` has 493 tensors in its state dict.
        assert!(preset.name == Preset::NANO || count.0 == 493, "{}", count.0);
    }
}
