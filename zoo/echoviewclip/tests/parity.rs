//! The module against upstream's architecture out of open_clip's and torch's own layers: `reference/fixture.py` built it at a
//! tiny size with every parameter randomised, `reference/full.py` at full size. Both saved it as upstream's training does.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::{BothBranches, EchoEncoder, Error};
use echo_nn::{ClipTextConfig, ClipVisionConfig, QualityHeadConfig, Tokenize};
use echo_parity::{Golden, compare, folder, load_full, round_trip};
use echo_weights::{Checkpoint, LoadReport, Precision, Pretrained, load, save};
use echoviewclip::{EchoViewClip, EchoViewClipConfig, KEYS, NoBranchConfig, PARTS, VIEWS};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The sizes of `reference/fixture.py`.
fn tiny() -> EchoViewClipConfig {
    let full = EchoViewClipConfig::full();
    EchoViewClipConfig {
        visual: ClipVisionConfig { image: [16; 2], patch: 8, width: 16, heads: 2, layers: 3, dim: 12, ..full.visual },
        text: ClipTextConfig { vocabulary: 64, context: 20, width: 16, heads: 2, layers: 2, dim: 12, ..full.text },
        hidden: 8,
        no: Some(NoBranchConfig { blocks: 1, context: None }),
        quality: Some(QualityHeadConfig { dim: 12, frames: 4, grades: 3 }),
    }
}

/// The ids of `reference/fixture.py`: words of a sentence's beginning have some of their own, and names are ids.
#[derive(Debug)]
struct Ids;

impl Tokenize for Ids {
    fn tokenize(&self, text: &str, _context: usize) -> Result<Vec<u32>, Error> {
        let id = |word: &str| match word {
            "a" => 40,
            "photo" => 41,
            "of" => 42,
            "without" => 44,
            id => id.parse().unwrap(),
        };
        let words = text.trim_end_matches('.').split(' ').map(id);
        Ok([62].into_iter().chain(words).chain([45, 63]).collect())
    }
}

fn load_tiny(stage: &str) -> (EchoViewClip, LoadReport) {
    let device = Device::flex();
    let checkpoint = Checkpoint::open_parts(&fixture(stage), PARTS).unwrap();
    let model = tiny().for_checkpoint(&checkpoint).init(Ids, &device);
    let checkpoint = checkpoint.fit(&model, &KEYS, None).unwrap();
    load(model, stage, &checkpoint, &KEYS).unwrap()
}

/// Everything that `outputs` in `reference/model.py` writes, of what is released and of the method: `denying` is that model.
fn compare_all(model: &EchoViewClip, denying: &EchoViewClip, clip: Tensor<5>, golden: &Golden, names: &[&str]) {
    let device = Device::flex();
    compare("embedding", model.encode(clip.clone()), golden.tensor("yes", &device));
    for (model, released, before) in [(denying, false, ""), (model, true, "released_")] {
        let negation = model.negation().unwrap();
        assert_eq!(negation.is_released(), released);
        let expected = |name: &str| golden.tensor::<2>(&format!("{before}{name}"), &device);
        let branches = negation.branches(clip.clone());
        compare("quality", negation.quality(&branches).unwrap(), expected("quality"));
        let BothBranches { yes, no, yes_attention, no_attention } = branches;
        compare("no", no.clone(), expected("no"));
        let (yes_text, no_text) = (negation.shown(names).unwrap(), negation.denied(names).unwrap());
        compare("denied", no_text.clone(), expected("no_text"));
        let logits = |embeddings: Tensor<2>, texts: Tensor<2>| {
            let [embeddings, texts] = [embeddings, texts].map(echo_core::l2_normalize);
            embeddings.matmul(texts.transpose()) * negation.logit_scale().exp().unsqueeze()
        };
        compare("no logits", logits(no, no_text), expected("no_logits"));
        if !released {
            compare("yes", yes.clone(), expected("yes"));
            compare("yes attention", yes_attention, expected("yes_attention"));
            compare("no attention", no_attention, expected("no_attention"));
            compare("shown", yes_text.clone(), expected("yes_text"));
            compare("yes logits", logits(yes, yes_text), expected("yes_logits"));
        }
    }
}

#[test]
fn all_of_it_equals_the_architecture_at_a_tiny_size() {
    let golden = Golden::read(&fixture("outputs.safetensors"));
    let clip = golden.tensor("clip", &Device::flex());
    let (model, report) = load_tiny("stage2");
    assert_eq!((report.applied.len(), report.ignored.len()), (135, 79));
    let denying = model.clone().denying_with(golden.tensor("context", &Device::flex()));
    compare_all(&model, &denying, clip, &golden, &["5 9", "11", "20 3 7"]);
}

#[test]
fn a_checkpoint_of_the_first_stage_has_no_second_branch_and_begins_one_as_a_copy() {
    let golden = Golden::read(&fixture("outputs.safetensors"));
    let clip: Tensor<5> = golden.tensor("clip", &Device::flex());
    let (model, _) = load_tiny("stage1");
    assert!(model.negation().is_none());
    compare("embedding", model.encode(clip.clone()), golden.tensor("yes", &Device::flex()));
    let BothBranches { yes, no, .. } = model.with_negation(false).unwrap().negation().unwrap().branches(clip);
    compare("copied", no, yes);
}

#[test]
fn words_to_deny_with_that_fit_no_sentence_are_refused() {
    let device = Device::flex();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let model = load_tiny("stage2").0;
    // Vectors of a word of the sentences have 16 numbers.
    for (vectors, width, is_right) in [(3, 16, true), (3, 10, false), (0, 16, false), (1000, 16, false)] {
        let denying = model.clone().denying_with(Tensor::ones([vectors, width], &device));
        save(&denying, &path, Precision::Full).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let sized = tiny().for_checkpoint(&checkpoint).init(Ids, &device);
        let loaded = load(sized, "weights", &checkpoint, &KEYS);
        assert_eq!(loaded.is_ok(), is_right, "{vectors} of {width}");
        if let Err(error) = loaded {
            assert!(error.to_string().contains("no.context"), "{error}");
        }
    }
}

#[test]
fn all_of_it_equals_the_architecture_at_full_size() {
    let Some(dir) = folder("echoviewclip") else { return };
    let device = Device::flex();
    let built = load_full::<EchoViewClip>(&dir, &device);
    let golden = Golden::read(&dir.join("outputs.safetensors"));
    let clip: Tensor<5> = Golden::read(&dir.join("clip.safetensors")).tensor("clip", &device);
    let compare_full = |model: &EchoViewClip| {
        // The reference of this size has no learnt words.
        compare_all(model, &model.clone().denying_in_words(), clip.clone(), &golden, VIEWS);
        compare("views", model.view_logits(clip.clone()).unwrap(), golden.tensor("yes_logits", &device));
    };
    compare_full(built.encoder.downcast_ref::<EchoViewClip>().unwrap());
    compare_full(round_trip::<EchoViewClip>(&built, &device).encoder.downcast_ref::<EchoViewClip>().unwrap());
}

#[test]
fn parameters_are_those_of_the_card() {
    for preset in EchoViewClip::CARD.presets {
        let model = EchoViewClip::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
    }
}
