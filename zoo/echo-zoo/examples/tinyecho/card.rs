//! The facts of TinyEcho.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};

/// What the released weights want to see.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 16,
    sampling: Sampling::Strided,
    stride: 2,
    padding: Padding::RepeatLast,
    channels: ChannelOrder::Rgb,
    crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.0 },
    filter: Filter::OpenCvCubic,
    resize: 112,
    size: 112,
    scale: 1.0 / 255.0,
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat.
const NANO_CLIP: ClipSpec = ClipSpec { stride: 5, resize: 64, size: 64, ..FULL_CLIP };

/// Each frame is seen by itself and its sides are halved five times; what is left over at an edge is not seen.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// The released files.
const WEIGHTS: &[WeightFile] = &[WeightFile {
    name: "tinyecho.pt",
    url: "https://example.org/tinyecho.pt",
    download: "https://example.org/tinyecho.pt",
    member: None,
    contents: "the frame encoder and its projection",
}];

/// The facts of TinyEcho.
pub static CARD: Card = Card {
    name: "tinyecho",
    title: "TinyEcho",
    summary: "a ConvNeXt on each frame, averaged: a place to start from",
    paper: "none",
    paper_url: "https://example.org/paper",
    code_url: "https://example.org/code",
    code_license: "MIT",
    of_hearts: false,
    capabilities: Capabilities { text: false, findings: false, heads: &[], views: &[] },
    parameters: ParameterPaths {
        video: &["frames.", "norm.", "projection."],
        projection: &["projection."],
        norm: &["norm."],
        text: &[],
    },
    presets: &[
        Preset {
            name: Preset::FULL,
            clip: FULL_CLIP,
            limits: LIMITS,
            dim: 128,
            width: 160,
            parameters: 507_032,
            weights: WEIGHTS,
            weights_license: "MIT",
            published: true,
        },
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 64,
            width: 96,
            parameters: 114_168,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
    ],
    quirks: &["it knows nothing: no weights have been released"],
};
