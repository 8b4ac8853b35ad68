//! The module against the real open_clip module: `reference/fixture.py` built it at a tiny size with every parameter
//! randomised, `reference/full.py` at full size. Both wrote the same weights under Hugging Face's names too, after seeing
//! that Hugging Face's module agrees.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clip::{Clip, ClipConfig, KEYS};
use echo_core::{EchoEncoder, Preset, Projection, l2_normalize};
use echo_nn::{ClipTextConfig, ClipTokenizer, ClipVisionConfig};
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Built, Checkpoint, Pretrained, load};

/// Each row of ids up to its end, which is its largest id.
fn compare_text(model: &Clip, golden: &Golden) {
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

/// The sizes of `reference/fixture.py`.
fn tiny() -> ClipConfig {
    let full = ClipConfig::full();
    ClipConfig {
        visual: ClipVisionConfig { image: [32; 2], patch: 8, width: 24, heads: 3, layers: 2, dim: 16, ..full.visual },
        text: ClipTextConfig { vocabulary: 64, context: 20, width: 16, heads: 2, layers: 2, dim: 16, ..full.text },
    }
}

#[test]
fn both_towers_equal_the_real_modules_at_a_tiny_size() {
    let device = Device::flex();
    for (file, tensors) in [("clip_tiny.safetensors", 62), ("clip_tiny_hf.safetensors", 62)] {
        let checkpoint = Checkpoint::open(&fixture(file)).unwrap();
        let (model, report) = load(tiny().init(ClipTokenizer::nano(), &device), file, &checkpoint, &KEYS).unwrap();
        assert_eq!(report.applied.len(), tensors, "{file}");

        let golden = Golden::read(&fixture("clip_tiny_io.safetensors"));
        let images: Tensor<4> = golden.tensor("images", &device);
        // Two videos of two frames.
        let clip = images.reshape([2, 2, 3, 32, 32]).swap_dims(1, 2);
        let tokens = model.tokens(clip.clone());
        let features = model.frame_features(&tokens);
        compare("frame features", features.clone().reshape([4, 24]), golden.tensor("class", &device));
        compare("patches", tokens.patches.reshape([4, 16, 24]), golden.tensor("patches", &device));
        let expected: Tensor<2> = golden.tensor("image_features", &device);
        // open_clip's `encode_image` does not normalise.
        let projection = Projection { unit_length: false, ..model.projection() };
        compare("frames", projection.apply(features).reshape([4, 16]), expected.clone());
        let frames = l2_normalize(expected.reshape([2, 2, 16]));
        let expected = l2_normalize(frames.mean_dim(1).squeeze_dim::<2>(1));
        compare("clip embedding", model.encode(clip), expected);
        // Higher and narrower than what there are positions for.
        let images: Tensor<4> = golden.tensor("other_images", &device);
        let features = model.frame_features(&model.tokens(images.unsqueeze_dim(2)));
        let features = projection.apply(features).squeeze_dim::<2>(1);
        compare("images of another size", features, golden.tensor("other_image_features", &device));
        compare_text(&model, &golden);
        compare("logit scale", model.text().unwrap().logit_scale(), golden.tensor("logit_scale", &device));
    }
}

#[test]
fn both_towers_equal_the_real_modules_at_full_size() {
    let Some(dir) = folder("clip") else { return };
    let device = Device::flex();
    // The folder that `echozoo fetch` makes, the file in it, and what Hugging Face's library writes.
    for path in [dir.clone(), dir.join("open_clip_model.safetensors"), dir.join("hugging_face/model.safetensors")] {
        let built = load_full::<Clip>(&path, &device);
        assert_eq!((built.report.applied.len(), built.report.ignored.len()), (302, 0));
        if path != dir {
            compare_full(&built, &dir);
        } else {
            compare_full(&round_trip::<Clip>(&built, &device), &dir);
        }
    }
}

fn compare_full(built: &Built, dir: &Path) {
    let (model, device) = (built.encoder.downcast_ref::<Clip>().unwrap(), Device::flex());
    compare_text(model, &Golden::read(&dir.join("text.safetensors")));
    for clip in 0..2 {
        let input = Golden::read(&dir.join(format!("clip_{clip}.safetensors")));
        let golden = Golden::read(&dir.join(format!("image_{clip}.safetensors")));
        let clip: Tensor<5> = input.tensor("clip", &device);
        let tokens = model.tokens(clip.clone());
        compare("frame features", model.frame_features(&tokens), golden.tensor("class", &device));
        compare("patches", tokens.patches.reshape([2, 2, 196, 768]), golden.tensor("patches", &device));
        let started = Instant::now();
        let embedding = model.encode(clip);
        println!("4 frames embedded in {:.2} s", started.elapsed().as_secs_f64());
        compare("clip embedding", embedding, golden.tensor("embedding", &device));
    }
}

/// LAION's weights would load: names and shapes are the same. What is beside them is what refuses them.
#[test]
fn weights_that_were_trained_with_plain_gelu_are_refused_where_a_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("open_clip_model.safetensors");
    std::fs::copy(fixture("clip_tiny.safetensors"), &weights).unwrap();
    let preset = Clip::CARD.preset(Preset::FULL).unwrap();
    let init = || Clip::init_for(preset, &Checkpoint::open(&weights).unwrap(), &Device::flex());
    assert!(init().is_ok());
    let config = folder.path().join("open_clip_config.json");
    std::fs::write(&config, r#"{"model_cfg": {"embed_dim": 512, "vision_cfg": {"layers": 12}}}"#).unwrap();
    let message = init().unwrap_err().to_string();
    assert!(message.contains("plain GELU") && message.contains(config.to_str().unwrap()), "{message}");
}

#[test]
fn parts_of_a_layer_that_are_missing_are_named_as_in_the_file() {
    let mut bytes = std::fs::read(fixture("clip_tiny_hf.safetensors")).unwrap();
    let name = b"text_model.encoder.layers.0.self_attn.k_proj.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(b"text_model.encoder.layers.0.self_attn.k_porj.weight");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    std::fs::write(&file, bytes).unwrap();
    let checkpoint = Checkpoint::open(&file).unwrap();
    let model = tiny().init(ClipTokenizer::nano(), &Device::flex());
    let message = load(model, "clip", &checkpoint, &KEYS).unwrap_err().to_string();
    let missing = "1 missing: text_model.encoder.layers.0.self_attn.k_proj.weight;";
    assert!(
        message.contains(missing)
            && message.contains("unexpected: text_model.encoder.layers.0.self_attn.k_porj.weight"),
        "{message}"
    );
}

#[test]
fn parameters_are_those_of_the_card() {
    for preset in Clip::CARD.presets {
        let model = Clip::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
    }
}
