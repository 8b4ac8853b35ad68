//! EchoCLIP-R: a checkpoint with its own number of token ids, and its vocabulary beside it. Here with random weights, at
//! nano size and with the vocabulary of the fixtures.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_core::{EchoEncoder, Preset, TextEncoder};
use echo_weights::{Precision, Weights, build, randomize, save};
use echoclip::{EchoClip, EchoClipConfig, TemplateTokenizer};

const CONTEXT: usize = 12;
/// Three more than the vocabulary needs.
const ROWS: usize = 172;
const REPORT: &str = "The pump squeezes well. It pumps out 55 % of its fill. An unknown finding. Mildly backflow.";
/// Start; a phrase; a phrase and its number; a phrase and its severity; end.
const IDS: [u32; 7] = [167, 5, 13, 95, 23, 142, 168];

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("echoclip-r-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn put_vocabulary(&self) {
        std::fs::copy(vocabulary(), self.file(TemplateTokenizer::FILE)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn vocabulary() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/own_templates.txt")
}

/// A model of EchoCLIP-R's form.
fn model(rows: usize) -> EchoClip {
    let mut config = EchoClipConfig::nano();
    (config.text.vocabulary, config.text.context) = (rows, CONTEXT);
    randomize(config.init(TemplateTokenizer::open(&vocabulary()).unwrap(), &Device::flex()), 3)
}

/// Writes `file`, which bears the module's own names, under the names that open_clip gives.
fn with_upstream_names(file: &Path, upstream: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
    let renamed = header.into_iter().filter(|(name, _)| name != "__metadata__").map(|(name, entry)| {
        let name = name.replace("text.net.", "").replace("text.logit_scale", "logit_scale");
        let name = name.replace("attn.in_proj.", "attn.in_proj_").replace("visual.head.norm", "visual.trunk.head.norm");
        let name = name.replace("stem.conv", "stem.0").replace("stem.norm", "stem.1");
        (name.replace("downsample.norm", "downsample.0").replace("downsample.conv", "downsample.1"), entry)
    });
    let header = serde_json::to_vec(&renamed.collect::<serde_json::Map<_, _>>()).unwrap();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(upstream, [&length[..], &header, data].concat()).unwrap();
}

fn embed(text: &dyn TextEncoder, ids: &[u32]) -> Vec<f32> {
    let row: Vec<i64> = ids.iter().copied().map(i64::from).collect();
    let words = text.words(Tensor::<2, Int>::from_data(TensorData::new(row, [1, ids.len()]), &Device::flex()));
    text.encode_words(words, &[ids.len()]).into_data().iter::<f32>().collect()
}

/// The error of loading `file`.
fn refused(file: &Path) -> String {
    match build::<EchoClip>(Preset::NANO, &Weights::File(file.to_owned()), &Device::flex()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{} was loaded", file.display()),
    }
}

#[test]
fn a_checkpoint_of_echoclip_r_reads_reports_under_upstreams_names_and_as_a_converted_copy() {
    let folder = Folder::new("reads");
    folder.put_vocabulary();
    let (copy, upstream) = (folder.file("copy.safetensors"), folder.file("open_clip_model.safetensors"));
    let original = model(ROWS);
    save(&original, &copy, Precision::Full).unwrap();
    with_upstream_names(&copy, &upstream);
    let expected = embed(original.text().unwrap(), &IDS);
    for file in [&upstream, &copy] {
        let built = build::<EchoClip>(Preset::NANO, &Weights::File(file.clone()), &Device::flex()).unwrap();
        let text = built.encoder.text().unwrap();
        assert_eq!(text.context_length(), CONTEXT);
        assert_eq!(text.tokenize(REPORT).unwrap(), IDS);
        let embedding = embed(text, &IDS);
        assert_eq!(embedding, expected, "{}", file.display());
        assert!(embedding.iter().any(|value| value.abs() > 1e-3), "{embedding:?}");
        // Another severity is another report.
        let other = text.tokenize(&REPORT.replace("Mildly", "Severe")).unwrap();
        assert_ne!(embed(text, &other), embedding);
    }
}

#[test]
fn over_long_reports_are_cut_and_prompts_are_refused() {
    let model = model(ROWS);
    let text = model.text().unwrap();
    let ids = text.tokenize(&REPORT.repeat(9)).unwrap();
    assert_eq!((ids.len(), ids.last()), (CONTEXT, IDS.last()));
    assert_eq!(ids[..6], IDS[..6]);
    assert_eq!(text.tokenize("").unwrap(), [IDS[0], IDS[6]]);
    let message = text.tokenize(&format!("the ejection fraction is 55 {}", "x".repeat(1000))).unwrap_err().to_string();
    for part in ["template phrases", "not for prompts", "the ejection fraction is 55 x"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(message.len() < 400, "{message}");
}

#[test]
fn a_missing_vocabulary_and_one_that_is_too_large_are_named() {
    let folder = Folder::new("missing");
    let needed = folder.file(TemplateTokenizer::FILE);
    let file = folder.file("r.safetensors");
    save(&model(ROWS), &file, Precision::Full).unwrap();
    let message = refused(&file);
    assert!(message.contains(needed.to_str().unwrap()) && message.contains("no such file"), "{message}");
    folder.put_vocabulary();
    save(&model(168), &file, Precision::Full).unwrap();
    let message = refused(&file);
    assert!(message.contains(needed.to_str().unwrap()) && message.contains("169 ids"), "{message}");
    assert!(message.contains("r.safetensors knows 168"), "{message}");
}

#[test]
fn echoclip_needs_no_vocabulary_beside_it() {
    let folder = Folder::new("echoclip");
    let file = folder.file("echoclip.safetensors");
    let config = EchoClipConfig::nano();
    let original = randomize(config.init(echoclip::ClipTokenizer::nano(), &Device::flex()), 3);
    save(&original, &file, Precision::Full).unwrap();
    // At another width nothing says that it is EchoCLIP-R.
    let message = match build::<EchoClip>(Preset::FULL, &Weights::File(file.clone()), &Device::flex()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a nano file was loaded at full size"),
    };
    assert!(message.contains("does not fit") && !message.contains("template"), "{message}");
    // A vocabulary that lies there all the same changes nothing.
    for _ in 0..2 {
        let built = build::<EchoClip>(Preset::NANO, &Weights::File(file.clone()), &Device::flex()).unwrap();
        let prompt = "The pump squeezes well.";
        let expected = original.text().unwrap().tokenize(prompt).unwrap();
        assert_eq!(built.encoder.text().unwrap().tokenize(prompt).unwrap(), expected);
        folder.put_vocabulary();
    }
}
