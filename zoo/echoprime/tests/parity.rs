//! The module against the real torchvision and transformers modules with every parameter randomised:
//! `reference/fixture.py` built them at a tiny size, `reference/full.py` at full size.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_core::{EchoEncoder, Preset, TextEncoder};
use echo_nn::{BertConfig, ConvNextConfig, MvitConfig};
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Built, Checkpoint, KeyTable, Precision, Pretrained, load, save};
use echoprime::{EchoPrime, EchoPrimeConfig, KEYS, PARTS, WordPiece};

struct Output {
    embedding: Tensor<2>,
    class: Tensor<2>,
    patch_means: Tensor<3>,
    view_logits: Tensor<2>,
}

fn read_clip(folder: &Path, number: usize) -> (Tensor<5>, Output) {
    let device = Device::flex();
    let clip = Golden::read(&folder.join(format!("clip_{number}.safetensors"))).tensor("clip", &device);
    let golden = Golden::read(&folder.join(format!("video_{number}.safetensors")));
    let output = Output {
        embedding: golden.tensor("embedding", &device),
        class: golden.tensor("class", &device),
        patch_means: golden.tensor("patch_means", &device),
        view_logits: golden.tensor("view_logits", &device),
    };
    (clip, output)
}

fn compare_video(model: &dyn EchoEncoder, folder: &Path, number: usize) {
    let (clip, expected) = read_clip(folder, number);
    let features = model.frame_features(&model.tokens(clip.clone()));
    compare("mean of the frame features", features.clone().mean_dim(1).squeeze_dim::<2>(1), expected.class.clone());
    let means = expected.patch_means;
    let centred = means.clone() - means.mean_dim(1);
    compare("frame features", features, expected.class.unsqueeze_dim(1) + centred);
    compare("embedding", model.encode(clip.clone()), expected.embedding);
    compare("view logits", model.view_logits(clip).unwrap(), expected.view_logits);
}

fn compare_text(text: &dyn TextEncoder, folder: &Path) {
    let golden = Golden::read(&folder.join("text.safetensors"));
    let expected: Tensor<2> = golden.tensor("text_embedding", &Device::flex());
    let lengths: Tensor<1> = golden.tensor("lengths", &Device::flex());
    let lengths: Vec<usize> = lengths.into_data().iter::<f32>().map(|length| length as usize).collect();
    let words = text.words(golden.ids("ids", &Device::flex()));
    compare("texts", text.encode_words(words.clone(), &lengths), expected.clone());
    for (row, &length) in lengths.iter().enumerate() {
        let alone = text.encode_words(words.clone().slice([row..row + 1, 0..length]), &[length]);
        compare("a text alone", alone, expected.clone().narrow(0, row, 1));
    }
}

fn tiny_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny")
}

/// The sizes in `reference/fixture.py`.
fn tiny_config() -> EchoPrimeConfig {
    EchoPrimeConfig {
        video: MvitConfig::staged([8, 64, 40], [2; 4], [8, 16, 24, 32], [1, 2, 2, 4], 4),
        dim: 12,
        text: Some(BertConfig { vocabulary: 40, context: 20, width: 16, heads: 2, layers: 2, intermediate: 24 }),
        text_bias: true,
        view: Some(ConvNextConfig { depths: [2; 4], dims: [4, 8, 12, 16] }),
    }
}

fn tiny(path: &Path) -> EchoPrime {
    let checkpoint = Checkpoint::open_parts(path, PARTS).unwrap();
    let module = tiny_config().for_checkpoint(&checkpoint).init(Err("none".to_owned()), &Device::flex());
    load(module, "echoprime (tiny)", &checkpoint, &KEYS).unwrap().0
}

#[test]
fn the_tiny_model_gives_upstreams_numbers() {
    let model = tiny(&tiny_folder());
    compare_video(&model, &tiny_folder(), 0);
    compare_text(model.text().unwrap(), &tiny_folder());
}

#[test]
fn uniform_pooling_over_frames_is_the_embedding_of_the_class_token() {
    let model = tiny(&tiny_folder());
    let (clip, expected) = read_clip(&tiny_folder(), 0);
    let features = model.frame_features(&model.tokens(clip.clone()));
    let head = model.projection().linear.unwrap();
    let mean: Tensor<2> = features.mean_dim(1).squeeze_dim(1);
    let by_hand = mean.matmul(head.weight.val()) + head.bias.unwrap().val().unsqueeze();
    for (what, embedding) in [("projected mean", by_hand), ("upstream", expected.embedding)] {
        // Means and matrix products in another order: rounding alone.
        let error = (model.encode(clip.clone()) - embedding).abs().max().into_scalar::<f32>();
        assert!(error < 1e-5, "{what}: {error}");
    }
}

#[test]
fn the_video_file_alone_makes_a_model_without_text_and_views() {
    let model = tiny(&tiny_folder().join("echo_prime_encoder.pt"));
    assert!(model.text().is_none());
    let (clip, expected) = read_clip(&tiny_folder(), 0);
    assert!(model.view_logits(clip.clone()).is_none());
    compare("embedding", model.encode(clip), expected.embedding);
}

#[test]
fn a_saved_model_loads_under_its_own_names_with_all_towers() {
    let model = tiny(&tiny_folder());
    let path = std::env::temp_dir().join(format!("echoprime-tiny-{}.safetensors", std::process::id()));
    save(&model, &path, Precision::Full).unwrap();
    let checkpoint = Checkpoint::open_parts(&path, PARTS).unwrap();
    let module = tiny_config().for_checkpoint(&checkpoint).init(Err("none".to_owned()), &Device::flex());
    let (loaded, _) = load(module, "echoprime (tiny)", &checkpoint, &KeyTable::IDENTITY).unwrap();
    std::fs::remove_file(&path).unwrap();
    compare_video(&loaded, &tiny_folder(), 0);
    compare_text(loaded.text().unwrap(), &tiny_folder());
}

#[test]
fn other_lengths_and_sizes_run_and_a_neighbour_in_the_batch_changes_nothing() {
    let model = tiny(&tiny_folder());
    let (clip, _) = read_clip(&tiny_folder(), 0);
    let both = model.encode(clip.clone());
    compare("alone", model.encode(clip.clone().narrow(0, 1, 1)), both.narrow(0, 1, 1));
    let shorter = model.frame_features(&model.tokens(clip.clone().narrow(2, 0, 5).narrow(3, 0, 40)));
    assert_eq!(shorter.dims(), [2, 3, 32], "one time step for every two frames, rounded up");
    assert!(shorter.into_data().iter::<f32>().all(f32::is_finite));
}

#[test]
fn a_text_tower_without_a_vocabulary_says_what_is_missing() {
    let error = tiny(&tiny_folder()).text().unwrap().tokenize("heart").unwrap_err().to_string();
    assert!(error.contains("echoprime cannot read text: none"), "{error}");
    let error = EchoPrime::init(EchoPrime::CARD.preset(Preset::FULL).unwrap(), &Device::flex())
        .text()
        .unwrap()
        .tokenize("heart")
        .unwrap_err();
    assert!(error.to_string().contains("--weights"), "{error}");
    // 1,298 tokens do not fit 40 rows.
    let model = tiny_config().init(Ok(WordPiece::nano()), &Device::flex());
    let error = model.text().unwrap().tokenize("heart").unwrap_err().to_string();
    assert!(error.contains("the weights have 40"), "{error}");
}

#[test]
fn the_full_model_gives_upstreams_numbers() {
    let Some(dir) = folder("echoprime") else { return };
    let device = Device::flex();
    let built = load_full::<EchoPrime>(&dir, &device);
    compare_full(&built, &dir);
    compare_full(&round_trip::<EchoPrime>(&built, &device), &dir);
    let ids = built.encoder.text().unwrap().tokenize("No pericardial effusion.").unwrap();
    assert_eq!(ids.len(), 6);
}

fn compare_full(built: &Built, dir: &Path) {
    for number in 0..3 {
        compare_video(&*built.encoder, dir, number);
    }
    compare_text(built.encoder.text().unwrap(), dir);
}
