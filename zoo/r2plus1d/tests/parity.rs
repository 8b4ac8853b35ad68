//! The module against torchvision's own: `reference/fixture.py` built it at a tiny size with every parameter and statistic
//! randomised, `reference/full.py` at full size.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_core::EchoEncoder;
use echo_nn::VideoResNetConfig;
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Built, Checkpoint, Weights, build, load};
use r2plus1d::{KEYS, KINETICS, R2Plus1d, R2Plus1dConfig};

/// Norms of the published network: each has four tensors that are used, and a number that is not.
const NORMS: usize = 2 + 8 * 4 + 3;
/// Convolutions of the published network.
const CONVOLUTIONS: usize = NORMS;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn compare_video(model: &R2Plus1d, clip: Tensor<5>, golden: &Golden, prefix: &str) {
    let name = |name: &str| format!("{prefix}{name}");
    let device = Device::flex();
    let tokens = model.tokens(clip);
    compare(&name("tokens"), tokens.patches.clone(), golden.tensor(&name("tokens"), &device));
    compare(&name("frame features"), model.frame_features(&tokens), golden.tensor(&name("steps"), &device));
    let embedding = model.embed(&tokens);
    compare(&name("embedding"), embedding.clone(), golden.tensor(&name("embedding"), &device));
    for (_, reported) in model.heads(embedding) {
        compare(&name("head"), reported, golden.tensor(&name("reported"), &device));
    }
}

fn tiny() -> R2Plus1d {
    let backbone = VideoResNetConfig { stem: 5, depths: [2, 2, 1, 1], widths: [4, 6, 8, 10] };
    let config = R2Plus1dConfig { backbone, outputs: 1 };
    let checkpoint = Checkpoint::open(&fixture("r2plus1d_tiny.safetensors")).unwrap();
    let model = config.init(&Device::flex());
    let (model, report) = load(model, "r2plus1d (tiny)", &checkpoint, &KEYS).unwrap();
    let norms = 2 + 6 * 4 + 3;
    assert_eq!((report.applied.len(), report.ignored.len()), (5 * norms + 2, norms));
    model
}

/// Without the norms' running means this fails, with an error of 0.2 of the largest value.
#[test]
fn the_tiny_model_equals_the_real_module_at_two_clip_lengths() {
    let model = tiny();
    let golden = Golden::read(&fixture("r2plus1d_tiny_io.safetensors"));
    let clip: Tensor<5> = golden.tensor("clip", &Device::flex());
    compare_video(&model, clip.clone(), &golden, "");
    compare_video(&model, clip.narrow(2, 0, 5), &golden, "short_");
}

#[test]
fn its_head_reads_the_ejection_fraction() {
    let reported = tiny().heads(Tensor::zeros([1, 10], &Device::flex()));
    let [(head, value)] = reported.as_slice() else { panic!("{} heads", reported.len()) };
    assert_eq!((head.name, head.unit(), value.dims()), ("EF", "%", [1, 1]));
}

#[test]
fn the_full_models_equal_the_real_modules() {
    let Some(dir) = folder("r2plus1d") else { return };
    let device = Device::flex();
    let built = load_full::<R2Plus1d>(&dir.join("r2plus1d_18_32_2_pretrained.pt"), &device);
    assert_eq!((built.report.applied.len(), built.report.ignored.len()), (CONVOLUTIONS + 4 * NORMS + 2, NORMS));
    compare_full(&built, &dir, "full");
    compare_full(&round_trip::<R2Plus1d>(&built, &device), &dir, "full");

    let weights = Weights::File(dir.join("r2plus1d_18-91a641e6.pth"));
    let kinetics = build::<R2Plus1d>(KINETICS, &weights, &device).unwrap();
    assert_eq!(kinetics.report.applied.len(), CONVOLUTIONS + 4 * NORMS + 2);
    compare_full(&kinetics, &dir, KINETICS);
    let model = kinetics.encoder.downcast_ref::<R2Plus1d>().unwrap();
    assert!(model.heads(Tensor::zeros([1, 512], &device)).is_empty(), "classes of actions are not reported");
}

fn compare_full(built: &Built, dir: &Path, preset: &str) {
    let model = built.encoder.downcast_ref::<R2Plus1d>().unwrap();
    for frames in [16, 32] {
        let clip = Golden::read(&dir.join(format!("clip_{frames}.safetensors"))).tensor("clip", &Device::flex());
        compare_video(model, clip, &Golden::read(&dir.join(format!("{preset}_{frames}.safetensors"))), "");
    }
}
