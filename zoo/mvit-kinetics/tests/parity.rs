//! The module against torchvision's: `reference/fixture.py` built it at a tiny size with every parameter randomised,
//! `reference/full.py` at full size.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::EchoEncoder;
use echo_nn::MvitConfig;
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Built, Checkpoint, Pretrained, load};
use mvit_kinetics::{KEYS, MvitKinetics, config};
use safetensors::tensor::{Dtype, TensorView};

fn compare_tokens(model: &dyn EchoEncoder, clip: Tensor<5>, golden: &Golden) {
    let device = Device::flex();
    let (class, patches): (Tensor<2>, Tensor<5>) = (golden.tensor("class", &device), golden.tensor("patches", &device));
    let tokens = model.tokens(clip.clone());
    let [batch, time, rows, columns, width] = patches.dims();
    let flat = |patches: Tensor<5>| patches.reshape([batch, time * rows * columns, width]);
    compare("patches", flat(tokens.patches.clone()), flat(patches.clone()));
    let means = patches.reshape([batch, time, rows * columns, width]).mean_dim(2).squeeze_dim::<3>(2);
    let features = class.clone().unsqueeze_dim(1) + means.clone() - means.mean_dim(1);
    compare("frame features", model.frame_features(&tokens), features);
    compare("embedding", model.encode(clip), class);
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

#[test]
fn tokens_are_torchvisions_at_a_tiny_size() {
    let device = Device::flex();
    let sizes = MvitConfig::staged([8, 64, 40], [2; 4], [8, 16, 24, 32], [1, 2, 2, 4], 4);
    let checkpoint = Checkpoint::open(&fixture("tiny.pth")).unwrap();
    let (model, report) = load(MvitKinetics::new(&sizes, &device), "tiny", &checkpoint, &KEYS).unwrap();
    assert_eq!(report.ignored.len(), 2, "the classifier's weight and bias");
    let golden = Golden::read(&fixture("tiny_io.safetensors"));
    compare_tokens(&model, golden.tensor("clip", &device), &golden);
}

#[test]
fn tokens_are_torchvisions_at_full_size() {
    let Some(dir) = folder("mvit-kinetics") else { return };
    let device = Device::flex();
    let built = load_full::<MvitKinetics>(&dir.join("mvit_v2_s-ae3be167.pth"), &device);
    // torchvision's 397 tensors, of which two are the classifier.
    assert_eq!((built.report.applied.len(), built.report.ignored.len()), (395, 2));
    let compare_all = |built: &Built| {
        for number in 0..3 {
            let clip = Golden::read(&dir.join(format!("clip_{number}.safetensors"))).tensor("clip", &device);
            compare_tokens(&*built.encoder, clip, &Golden::read(&dir.join(format!("tokens_{number}.safetensors"))));
        }
    };
    compare_all(&built);
    compare_all(&round_trip::<MvitKinetics>(&built, &device));
}

#[test]
fn the_card_states_the_parameters_and_sizes_of_all_presets() {
    for preset in MvitKinetics::CARD.presets {
        let model = MvitKinetics::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
        assert_eq!([preset.dim, preset.width], [model.dim(), model.width()], "{}", preset.name);
        assert_eq!([preset.clip.frames, preset.clip.size, preset.clip.size], config(preset).clip, "{}", preset.name);
    }
}

#[test]
fn weights_of_echoprime_are_refused() {
    let of = |outputs: usize| {
        let bytes = vec![0; outputs * 4];
        let head = TensorView::new(Dtype::F32, vec![outputs, 1], &bytes).unwrap();
        let file = safetensors::serialize([("head.1.weight", head)], None).unwrap();
        let checkpoint = Checkpoint::from_safetensors_bytes("weights", &file).unwrap();
        MvitKinetics::init_for(&MvitKinetics::CARD.presets[1], &checkpoint, &Device::flex()).map(drop)
    };
    assert!(of(400).is_ok());
    assert!(of(512).unwrap_err().to_string().contains("--encoder echoprime"));
}
