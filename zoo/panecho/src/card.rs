//! The facts of PanEcho.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};

use crate::TASKS;

/// 16 consecutive frames, squeezed to a square whatever their aspect. The constants are ImageNet's, for RGB, in units
/// of 0-1.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 16,
    sampling: Sampling::Strided,
    stride: 1,
    padding: Padding::RepeatLast,
    channels: ChannelOrder::Bgr,
    crop: Crop { aspect: Aspect::Stretched, zoom: 0.0 },
    filter: Filter::OpenCvArea,
    resize: 256,
    size: 224,
    scale: 1.0 / 255.0,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat at 40 beats a minute and more. Nothing is cut
/// off: at this size every pixel counts.
const NANO_CLIP: ClipSpec = ClipSpec { stride: 5, resize: 64, size: 64, ..FULL_CLIP };

/// Positions in time are computed for any length. The sides of an image are halved five times; what is left over at an
/// edge is not seen.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// The released files.
const WEIGHTS: &[WeightFile] = &[WeightFile {
    name: "panecho.pt",
    url: "https://github.com/CarDS-Yale/PanEcho/releases/download/v1.0/panecho.pt",
    download: "https://github.com/CarDS-Yale/PanEcho/releases/download/v1.0/panecho.pt",
    member: None,
    contents: "image encoder, temporal transformer and all heads, as a PyTorch file",
}];

/// The facts of PanEcho.
pub static CARD: Card = Card {
    name: "panecho",
    title: "PanEcho",
    summary: "video encoder with forty tasks: ConvNeXt-Tiny on each image, transformer over time",
    paper: "Holste et al., Complete AI-enabled echocardiography interpretation with multitask deep learning, JAMA 2025",
    paper_url: "https://doi.org/10.1001/jama.2025.8731",
    code_url: "https://github.com/CarDS-Yale/PanEcho",
    code_license: "AGPL-3.0",
    of_hearts: true,
    capabilities: Capabilities { text: false, findings: false, heads: &TASKS, views: &[] },
    parameters: ParameterPaths { video: &["encoder."], projection: &[], norm: &[], text: &[] },
    presets: &[
        Preset {
            name: Preset::FULL,
            clip: FULL_CLIP,
            limits: LIMITS,
            dim: 768,
            width: 768,
            parameters: 42_051_226,
            weights: WEIGHTS,
            weights_license: "CC BY-NC-SA 4.0",
            published: true,
        },
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 160,
            width: 160,
            parameters: 570_930,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
    ],
    quirks: &[
        "the clip is reshaped, not permuted, into images: one image holds one channel of three consecutive frames",
        "frames are in OpenCV's BGR order, though the normalisation constants are for RGB",
        "frames are squeezed to a square, their aspect is not kept",
        "seven binary heads report 1 - sigmoid, the probability of their first class; GLS lacks its minus sign",
        "the clip covers 16 consecutive frames, 0.3 s at 50 frames a second",
    ],
};
