//! The module against the real torchvision and transformers modules with every parameter randomised:
//! `reference/fixture.py` built them at a tiny size, `reference/full.py` at full size.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use echo_core::{EchoEncoder, Preset, TextEncoder};
use echo_nn::{BertConfig, ConvNextConfig, MvitConfig};
use echo_weights::{Checkpoint, KeyTable, Precision, Pretrained, Weights, build, load, save};
use echoprime::{EchoPrime, EchoPrimeConfig, KEYS, PARTS, WordPiece};

/// Largest error, relative to the largest value: what 32-bit sums in another order leave.
const TOLERANCE: f32 = 1e-4;

#[derive(Module, Debug)]
struct Input {
    clip: Param<Tensor<5>>,
}

#[derive(Module, Debug)]
struct Output {
    embedding: Param<Tensor<2>>,
    class: Param<Tensor<2>>,
    patch_means: Param<Tensor<3>>,
    view_logits: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Texts {
    ids: Param<Tensor<2>>,
    lengths: Param<Tensor<1>>,
    text_embedding: Param<Tensor<2>>,
}

/// A tensor of a reference file, to be filled by [`read`].
fn blank<const D: usize>(checkpoint: &Checkpoint, name: &str) -> Param<Tensor<D>> {
    let shape: [usize; D] = checkpoint.shape(name).unwrap().try_into().unwrap();
    Param::from_tensor(Tensor::zeros(shape, &Device::flex()))
}

fn read<M: Module>(path: &Path, blank: impl Fn(&Checkpoint) -> M) -> M {
    let checkpoint = Checkpoint::open(path).unwrap();
    load(blank(&checkpoint), "reference", &checkpoint, &KeyTable::IDENTITY).unwrap().0
}

fn read_clip(folder: &Path, number: usize) -> (Tensor<5>, Output) {
    let input = read(&folder.join(format!("clip_{number}.safetensors")), |file| Input { clip: blank(file, "clip") });
    let output = read(&folder.join(format!("video_{number}.safetensors")), |file| Output {
        embedding: blank(file, "embedding"),
        class: blank(file, "class"),
        patch_means: blank(file, "patch_means"),
        view_logits: blank(file, "view_logits"),
    });
    (input.clip.val(), output)
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

fn compare_video(model: &dyn EchoEncoder, folder: &Path, number: usize) {
    let (clip, expected) = read_clip(folder, number);
    let steps = model.steps(clip.clone()).steps;
    compare("mean of the steps", steps.clone().mean_dim(1).squeeze_dim::<2>(1), expected.class.val());
    let means = expected.patch_means.val();
    let centred = means.clone() - means.mean_dim(1);
    compare("steps", steps, expected.class.val().unsqueeze_dim(1) + centred);
    let started = Instant::now();
    let embedding = model.encode(clip.clone());
    println!("embedding took {:.2} s", started.elapsed().as_secs_f64());
    compare("embedding", embedding, expected.embedding.val());
    compare("view logits", model.view_logits(clip).unwrap(), expected.view_logits.val());
}

fn compare_text(text: &dyn TextEncoder, folder: &Path) {
    let texts = read(&folder.join("text.safetensors"), |file| Texts {
        ids: blank(file, "ids"),
        lengths: blank(file, "lengths"),
        text_embedding: blank(file, "text_embedding"),
    });
    let lengths: Vec<usize> = texts.lengths.val().into_data().iter::<f32>().map(|length| length as usize).collect();
    let ids: Tensor<2, Int> = texts.ids.val().int();
    let words = text.words(ids);
    compare("texts", text.encode_words(words.clone(), &lengths), texts.text_embedding.val());
    for (row, &length) in lengths.iter().enumerate() {
        let alone = text.encode_words(words.clone().slice([row..row + 1, 0..length]), &[length]);
        compare("a text alone", alone, texts.text_embedding.val().narrow(0, row, 1));
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
fn uniform_pooling_over_steps_is_the_embedding_of_the_class_token() {
    let model = tiny(&tiny_folder());
    let (clip, expected) = read_clip(&tiny_folder(), 0);
    let steps = model.steps(clip.clone()).steps;
    let projection = model.projection();
    let mean: Tensor<2> = steps.mean_dim(1).squeeze_dim(1);
    let by_hand = mean.matmul(projection.weight.unwrap()) + projection.bias.unwrap().unsqueeze();
    for (what, embedding) in [("projected mean", by_hand), ("upstream", expected.embedding.val())] {
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
    compare("embedding", model.encode(clip), expected.embedding.val());
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
    let shorter = model.steps(clip.clone().narrow(2, 0, 5).narrow(3, 0, 40)).steps;
    assert_eq!(shorter.dims(), [2, 3, 32], "one step for every two frames, rounded up");
    assert!(shorter.into_data().iter::<f32>().all(f32::is_finite));
}

#[test]
fn a_text_tower_without_a_vocabulary_says_what_is_missing() {
    let error = tiny(&tiny_folder()).text().unwrap().tokenize("heart").unwrap_err().to_string();
    assert!(error.contains("echoprime cannot read text: none"), "{error}");
    let error = EchoPrime::init(Preset::Full, &Device::flex()).text().unwrap().tokenize("heart").unwrap_err();
    assert!(error.to_string().contains("--weights"), "{error}");
    // 1,298 tokens do not fit 40 rows.
    let model = tiny_config().init(Ok(WordPiece::nano()), &Device::flex());
    let error = model.text().unwrap().tokenize("heart").unwrap_err().to_string();
    assert!(error.contains("the weights have 40"), "{error}");
}

/// Needs about 3 GB: `python zoo/echoprime/reference/full.py FOLDER` writes what it reads.
#[test]
fn the_full_model_gives_upstreams_numbers() {
    let folder = match std::env::var_os("ECHOZOO_PARITY_DIR") {
        Some(folder) => PathBuf::from(folder).join("echoprime"),
        None => return println!("skipped: ECHOZOO_PARITY_DIR does not say where full.py has written echoprime/"),
    };
    let built = build::<EchoPrime>(Preset::Full, &Weights::File(folder.clone()), &Device::flex()).unwrap();
    println!("{}", built.report);
    for number in 0..2 {
        compare_video(&*built.encoder, &folder, number);
    }
    let text = built.encoder.text().unwrap();
    compare_text(text, &folder);
    let ids = text.tokenize("No pericardial effusion.").unwrap();
    assert_eq!(ids.len(), 6);
}
