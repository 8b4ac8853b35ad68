//! The facts of R(2+1)D-18.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Head, HeadKind, Padding,
    ParameterPaths, Preset, Sampling, WeightFile,
};

/// The preset with the weights that EchoNet-Dynamic's training starts from.
pub const KINETICS: &str = "kinetics";

/// 32 frames over 63. Mean and deviation are of the training videos' pixels, and no part of the checkpoint.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 32,
    sampling: Sampling::Strided,
    stride: 2,
    padding: Padding::ZerosAfterNormalize,
    channels: ChannelOrder::Rgb,
    crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.0 },
    filter: Filter::OpenCvCubic,
    resize: 112,
    size: 112,
    scale: 1.0,
    mean: [32.756, 32.941, 33.275],
    std: [49.924, 50.054, 50.397],
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat at 40 beats a minute and more.
const NANO_CLIP: ClipSpec = ClipSpec { frames: 16, stride: 5, resize: 64, size: 64, ..FULL_CLIP };

/// EchoNet-Dynamic's clips in the units of torchvision's weights.
const KINETICS_CLIP: ClipSpec =
    ClipSpec { scale: 1.0 / 255.0, mean: [0.43216, 0.394666, 0.37645], std: [0.22803, 0.22145, 0.216989], ..FULL_CLIP };

/// Every convolution is padded, and the last feature map is averaged.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// What its classifier reports.
static HEADS: [Head; 1] = [Head {
    name: "EF",
    kind: HeadKind::Regression { unit: "%" },
    meaning: "left-ventricular ejection fraction",
    part: "Left ventricle",
    normal: None,
}
.with_normal([52.0, 72.0], [54.0, 74.0], "Lang et al., J Am Soc Echocardiogr 2015;28:1-39")];

const FULL: Preset = Preset {
    name: Preset::FULL,
    clip: FULL_CLIP,
    limits: LIMITS,
    dim: 512,
    width: 512,
    parameters: 31_325_988,
    weights: &[WeightFile {
        name: "r2plus1d_18_32_2_pretrained.pt",
        url: "https://github.com/douyang/EchoNetDynamic/releases/tag/v1.0.0",
        download: "https://github.com/douyang/EchoNetDynamic/releases/download/v1.0.0/r2plus1d_18_32_2_pretrained.pt",
        member: None,
        contents: "network and head, with what its training remembers, as a PyTorch file",
    }],
    weights_license: "conflicting: MIT, and a second file that forbids redistribution",
    published: true,
};

/// The facts of R(2+1)D-18.
pub static CARD: Card = Card {
    name: "r2plus1d",
    title: "R(2+1)D-18",
    summary: "supervised reference: video ResNet of EchoNet-Dynamic, trained to read the ejection fraction",
    paper: "Ouyang et al., Video-based AI for beat-to-beat assessment of cardiac function, Nature 2020",
    paper_url: "https://doi.org/10.1038/s41586-020-2145-8",
    code_url: "https://github.com/echonet/dynamic",
    code_license: "conflicting: MIT, and a second file that forbids redistribution",
    of_hearts: true,
    capabilities: Capabilities { text: false, findings: false, heads: &HEADS, views: &[] },
    parameters: ParameterPaths { video: &["backbone."], projection: &[], norm: &[], text: &[] },
    presets: &[
        FULL,
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            dim: 128,
            width: 128,
            parameters: 563_129,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
            ..FULL
        },
        Preset {
            name: KINETICS,
            clip: KINETICS_CLIP,
            parameters: 31_530_675,
            weights: &[WeightFile {
                name: "r2plus1d_18-91a641e6.pth",
                url: "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
                download: "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
                member: None,
                contents: "torchvision's network and its classifier of 400 actions, as a PyTorch file",
            }],
            weights_license: "BSD-3-Clause",
            ..FULL
        },
    ],
    quirks: &[
        "mean and deviation are computed from the training videos and are not in the checkpoint: these are published ones",
        "pixels are not scaled: 0 to 255 less their mean, by their deviation",
        "a short video ends in zeros put in after normalising, which are mean grey and not black",
        "batch norms keep their statistics also when the network trains",
        "features are 4 steps in time, each of 8 frames of the clip (16 of the video): neighbouring frames are not told apart",
        "upstream's score of a video is the mean over all starts of a clip; one clip is what a benchmark takes",
    ],
};
