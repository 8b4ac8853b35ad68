//! The module against the real torch and torchvision modules: `reference/fixture.py` built them at a tiny size with
//! every parameter randomised, `reference/full.py` at full size.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{EchoEncoder, Preset};
use echo_nn::ConvNextConfig;
use echo_weights::{Checkpoint, Weights, build, load};
use panecho::{CARD, KEYS, PanEcho, PanEchoConfig, TASKS};
use safetensors::{Dtype, SafeTensors};

/// Largest error, relative to the largest value: what 32-bit sums in another order leave.
const TOLERANCE: f32 = 1e-4;

/// Tensors of the released checkpoint beside its position table.
const TENSORS: usize = 180 + 4 * 12 + 2 * 40;

struct Golden(Vec<u8>);

impl Golden {
    fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let data = match view.dtype() {
            Dtype::F16 => burn::tensor::DType::F16,
            _ => burn::tensor::DType::F32,
        };
        let bytes = burn::tensor::Bytes::from_bytes_vec(view.data().to_vec());
        let data = TensorData::from_bytes(bytes, view.shape().to_vec(), data);
        Tensor::from_data(data.convert::<f32>(), &Device::flex())
    }
}

/// Prints and bounds the largest absolute difference relative to the largest expected value.
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

/// What all heads report of a clip, side by side: `[batch, 58]`.
fn reported(model: &PanEcho, clip: Tensor<5>) -> Tensor<2> {
    Tensor::cat(model.heads(model.encode(clip)).into_iter().map(|(_, x)| x).collect(), 1)
}

fn compare_video(model: &PanEcho, clip: Tensor<5>, golden: &Golden, prefix: &str) {
    let name = |name: &str| format!("{prefix}{name}");
    compare(&name("steps"), model.steps(clip.clone()).steps, golden.tensor(&name("steps")));
    compare(&name("embedding"), model.encode(clip.clone()), golden.tensor(&name("embedding")));
    compare(&name("reported"), reported(model, clip), golden.tensor(&name("reported")));
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
    let clip: Tensor<5> = golden.tensor("clip");
    compare_video(&model, clip.clone(), &golden, "");
    compare_video(&model, clip.clone().narrow(2, 0, 2), &golden, "short_");
    let images = clip.narrow(2, 0, 1).squeeze_dim::<4>(2);
    compare("image features", model.image_encoder().forward(images), golden.tensor("image_features"));
}

#[test]
fn heads_are_reported_by_name_and_the_card_says_which_gives_the_ejection_fraction() {
    let model = tiny();
    let golden = Golden::read(&fixture("panecho_tiny_io.safetensors"));
    let reported = model.heads(model.encode(golden.tensor("clip")));
    let expected: Tensor<2> = golden.tensor("reported");
    let mut column = 0;
    for ((head, outputs), task) in reported.iter().zip(&TASKS) {
        assert_eq!(head.name, task.name);
        compare(head.name, outputs.clone(), expected.clone().narrow(1, column, head.outputs()));
        if Some(head.name) == CARD.capabilities.ejection_fraction {
            assert_eq!((column, head.outputs()), (1, 1));
        }
        column += head.outputs();
    }
    assert_eq!(expected.dims()[1], column);
}

#[test]
fn the_full_model_equals_the_real_modules() {
    let Ok(dir) = std::env::var("ECHOZOO_PARITY_DIR") else {
        println!("skipped: set ECHOZOO_PARITY_DIR to a folder whose `panecho` was made by reference/full.py (240 MB)");
        return;
    };
    let dir = Path::new(&dir).join("panecho");
    let device = Device::flex();
    let built = build::<PanEcho>(Preset::Full, &Weights::File(dir.join("panecho.pt")), &device).unwrap();
    println!("{}", built.report);
    assert_eq!((built.report.applied.len(), built.report.ignored.len()), (TENSORS, 1));
    let model = built.encoder.downcast_ref::<PanEcho>().unwrap();
    for frames in [8, 16, 32] {
        let clip: Tensor<5> = Golden::read(&dir.join(format!("clip_{frames}.safetensors"))).tensor("clip");
        let [batch, ..] = clip.dims();
        let golden = Golden::read(&dir.join(format!("video_{frames}.safetensors")));
        let start = Instant::now();
        let steps = model.steps(clip).steps;
        // Reading the values waits for them.
        let _ = steps.to_data();
        println!("{frames} frames: {:.2} s a clip", start.elapsed().as_secs_f64() / batch as f64);
        compare("steps", steps.clone(), golden.tensor("steps"));
        let embedding = model.pool(model.project(steps));
        compare("embedding", embedding.clone(), golden.tensor("embedding"));
        let reported = model.heads(embedding).into_iter().map(|(_, x)| x);
        compare("reported", Tensor::cat(reported.collect(), 1), golden.tensor("reported"));
    }
    let clip: Tensor<5> = Golden::read(&dir.join("clip_8.safetensors")).tensor("clip");
    let images = clip.narrow(2, 0, 1).squeeze_dim::<4>(2);
    let golden = Golden::read(&dir.join("image.safetensors"));
    compare("image features", model.image_encoder().forward(images), golden.tensor("image_features"));
}
