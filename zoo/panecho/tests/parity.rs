//! The module against the real torch and torchvision modules: `reference/fixture.py` built them at a tiny size with
//! every parameter randomised, `reference/full.py` at full size.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_core::EchoEncoder;
use echo_nn::ConvNextConfig;
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Built, Checkpoint, load};
use panecho::{KEYS, PanEcho, PanEchoConfig, TASKS};

/// Tensors of the released checkpoint beside its position table.
const TENSORS: usize = 180 + 4 * 12 + 2 * 40;

/// What all heads report of a clip, side by side: `[batch, 58]`.
fn reported(model: &PanEcho, clip: Tensor<5>) -> Tensor<2> {
    Tensor::cat(model.heads(model.encode(clip)).into_iter().map(|(_, x)| x).collect(), 1)
}

fn compare_video(model: &PanEcho, clip: Tensor<5>, golden: &Golden, prefix: &str) {
    let name = |name: &str| format!("{prefix}{name}");
    compare(
        &name("steps"),
        model.frame_features(&model.tokens(clip.clone())),
        golden.tensor(&name("steps"), &Device::flex()),
    );
    compare(&name("embedding"), model.encode(clip.clone()), golden.tensor(&name("embedding"), &Device::flex()));
    compare(&name("reported"), reported(model, clip), golden.tensor(&name("reported"), &Device::flex()));
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn tiny() -> PanEcho {
    let image = ConvNextConfig { depths: [2, 2, 2, 2], dims: [4, 8, 12, 16] };
    let config = PanEchoConfig { image, attention_heads: 4, layers: 2 };
    let checkpoint = Checkpoint::open(&fixture("panecho_tiny.safetensors")).unwrap();
    let (model, report) = load(config.init(&TASKS, &Device::flex()), "panecho (tiny)", &checkpoint, &KEYS).unwrap();
    // The table of positions in the file is wrong on purpose.
    assert_eq!(report.ignored, ["encoder.time_encoder.pe"]);
    assert_eq!(report.applied.len(), 194);
    model
}

/// Permuting the clip into images instead of reshaping it fails here, with an error of 0.9 of the largest value.
#[test]
fn the_tiny_model_equals_the_real_modules_at_two_clip_lengths() {
    let model = tiny();
    let golden = Golden::read(&fixture("panecho_tiny_io.safetensors"));
    let clip: Tensor<5> = golden.tensor("clip", &Device::flex());
    compare_video(&model, clip.clone(), &golden, "");
    compare_video(&model, clip.clone().narrow(2, 0, 2), &golden, "short_");
    let images = clip.narrow(2, 0, 1).squeeze_dim::<4>(2);
    compare("image features", model.image_encoder().forward(images), golden.tensor("image_features", &Device::flex()));
}

#[test]
fn heads_are_reported_by_name_and_one_gives_the_ejection_fraction() {
    let model = tiny();
    let golden = Golden::read(&fixture("panecho_tiny_io.safetensors"));
    let reported = model.heads(model.encode(golden.tensor("clip", &Device::flex())));
    let expected: Tensor<2> = golden.tensor("reported", &Device::flex());
    let mut column = 0;
    for ((head, outputs), task) in reported.iter().zip(&TASKS) {
        assert_eq!(head.name, task.name);
        compare(head.name, outputs.clone(), expected.clone().narrow(1, column, head.outputs()));
        if head.name == "EF" {
            assert_eq!((column, head.outputs()), (1, 1));
        }
        column += head.outputs();
    }
    assert_eq!(expected.dims()[1], column);
}

#[test]
fn the_full_model_equals_the_real_modules() {
    let Some(dir) = folder("panecho") else { return };
    let device = Device::flex();
    let built = load_full::<PanEcho>(&dir.join("panecho.pt"), &device);
    assert_eq!((built.report.applied.len(), built.report.ignored.len()), (TENSORS, 1));
    compare_full(&built, &dir);
    compare_full(&round_trip::<PanEcho>(&built, &device), &dir);
}

fn compare_full(built: &Built, dir: &Path) {
    let model = built.encoder.downcast_ref::<PanEcho>().unwrap();
    let clip_of = |frames: usize| -> Tensor<5> {
        Golden::read(&dir.join(format!("clip_{frames}.safetensors"))).tensor("clip", &Device::flex())
    };
    for frames in [8, 16, 32] {
        let clip = clip_of(frames);
        let golden = Golden::read(&dir.join(format!("video_{frames}.safetensors")));
        let tokens = model.tokens(clip);
        compare("frame features", model.frame_features(&tokens), golden.tensor("steps", &Device::flex()));
        let embedding = model.embed(&tokens);
        compare("embedding", embedding.clone(), golden.tensor("embedding", &Device::flex()));
        let reported = model.heads(embedding).into_iter().map(|(_, x)| x);
        compare("heads", Tensor::cat(reported.collect(), 1), golden.tensor("reported", &Device::flex()));
    }
    let images = clip_of(8).narrow(2, 0, 1).squeeze_dim::<4>(2);
    let golden = Golden::read(&dir.join("image.safetensors"));
    compare("image features", model.image_encoder().forward(images), golden.tensor("image_features", &Device::flex()));
}
