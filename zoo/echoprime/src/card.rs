//! The facts of EchoPrime.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};

use crate::VIEWS;

const RELEASE: &str = "https://github.com/echonet/EchoPrime/releases/download/v1.0.0/model_data.zip";

/// A file of upstream's archive.
const fn released(name: &'static str, member: &'static str, contents: &'static str) -> WeightFile {
    WeightFile { name, url: RELEASE, download: RELEASE, member: Some(member), contents }
}

/// Every other frame of the first thirty-two, in units of 0-255.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 16,
    sampling: Sampling::Strided,
    stride: 2,
    padding: Padding::ZerosAfterNormalize,
    channels: ChannelOrder::Rgb,
    crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.1 },
    filter: Filter::OpenCvCubic,
    resize: 224,
    size: 224,
    scale: 1.0,
    mean: [29.110_628, 28.076_836, 29.096_405],
    std: [47.989_223, 46.456_997, 47.200_83],
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat at 40 beats a minute and more.
const NANO_CLIP: ClipSpec = ClipSpec { stride: 5, padding: Padding::RepeatLast, resize: 64, size: 64, ..FULL_CLIP };

/// Tables of relative positions are interpolated to other lengths and sides than the network is built for, which
/// upstream's cannot do. A place of the last map stands for 32 pixels, in nano for 64; a part of one counts as a whole.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// The released files.
const WEIGHTS: &[WeightFile] = &[
    released("echo_prime_encoder.pt", "weights/echo_prime_encoder.pt", "the video tower"),
    released("echo_prime_text_encoder.pt", "weights/echo_prime_text_encoder.pt", "the text tower"),
    released("view_classifier.pt", "weights/view_classifier.pt", "the view classifier"),
    WeightFile {
        name: "vocab.txt",
        url: "https://huggingface.co/microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        download: "https://huggingface.co/microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract/resolve/main/vocab.txt",
        member: None,
        contents: "the text tower's vocabulary (BiomedBERT's, MIT); tokenizer.json serves as well",
    },
];

/// The facts of EchoPrime.
pub static CARD: Card = Card {
    name: "echoprime",
    title: "EchoPrime",
    summary: "video-text encoder: MViTv2-S on the clip, BERT-Base on the report, a ConvNeXt-Base that names the view",
    paper: "Vukadinovic et al., Comprehensive echocardiogram evaluation with view primed vision language AI, Nature 2026",
    paper_url: "https://doi.org/10.1038/s41586-025-09850-x",
    code_url: "https://github.com/echonet/EchoPrime",
    code_license: "Cedars-Sinai academic (README says MIT), no redistribution",
    of_hearts: true,
    capabilities: Capabilities { text: true, findings: true, heads: &[], views: &VIEWS },
    parameters: ParameterPaths {
        video: &["video.", "head."],
        projection: &["head."],
        norm: &[],
        text: &[
            "text.bert.embeddings.position_embeddings.",
            "text.bert.embeddings.token_type_embeddings.",
            "text.bert.embeddings.norm.",
            "text.bert.layers.",
            "text.text_projection.",
        ],
    },
    presets: &[
        Preset {
            name: Preset::FULL,
            clip: FULL_CLIP,
            limits: LIMITS,
            dim: 512,
            width: 768,
            parameters: 231_486_987,
            weights: WEIGHTS,
            weights_license: "Cedars-Sinai academic (README says MIT), no redistribution",
            published: true,
        },
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 96,
            width: 96,
            parameters: 633_648,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
    ],
    quirks: &[
        "videos of fewer than 32 frames end in zeros put in after normalising: mean-grey frames, not black ones",
        "the clip covers the first 32 frames only, 0.64 s at 50 frames a second",
        "upstream's DICOM path gives BGR-ordered frames and its MP4 path RGB; clips here are RGB",
        "the view is read off the first frame alone",
        "the released files hold no temperature; 1 / 0.07, CLIP's starting value, stands in",
    ],
};
