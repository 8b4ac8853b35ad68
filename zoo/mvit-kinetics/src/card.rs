//! The facts of MViTv2-S on Kinetics-400.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};

/// 16 frames over 106: 7.1 a second at 50, where torchvision's were sampled at 7.5.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 16,
    sampling: Sampling::Strided,
    stride: 7,
    padding: Padding::RepeatLast,
    channels: ChannelOrder::Rgb,
    crop: Crop { aspect: Aspect::ResizedThenCropped, zoom: 0.0 },
    filter: Filter::TorchBilinear,
    resize: 256,
    size: 224,
    scale: 1.0 / 255.0,
    mean: [0.45; 3],
    std: [0.225; 3],
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat at 40 beats a minute and more.
const NANO_CLIP: ClipSpec = ClipSpec { stride: 5, resize: 64, size: 64, ..FULL_CLIP };

/// Tables of relative positions are interpolated to other lengths and sides than the network is built for.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// The facts of MViTv2-S on Kinetics-400.
pub static CARD: Card = Card {
    name: "mvit-kinetics",
    title: "MViTv2-S (Kinetics-400)",
    summary: "baseline: EchoPrime's video architecture with torchvision's weights, which have seen no echocardiogram",
    paper: "Li et al., MViTv2: Improved Multiscale Vision Transformers for Classification and Detection, CVPR 2022",
    paper_url: "https://arxiv.org/abs/2112.01526",
    code_url: "https://github.com/pytorch/vision",
    code_license: "BSD-3-Clause",
    of_hearts: false,
    capabilities: Capabilities { text: false, findings: false, heads: &[], views: &[] },
    parameters: ParameterPaths { video: &["video."], projection: &[], norm: &[], text: &[] },
    presets: &[
        Preset {
            name: Preset::FULL,
            clip: FULL_CLIP,
            limits: LIMITS,
            dim: 768,
            width: 768,
            parameters: 34_230_144,
            weights: &[WeightFile {
                name: "mvit_v2_s-ae3be167.pth",
                url: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.video.mvit_v2_s.html",
                download: "https://download.pytorch.org/models/mvit_v2_s-ae3be167.pth",
                member: None,
                contents: "the network with its classifier of 400 actions, as a PyTorch file",
            }],
            weights_license: "BSD-3-Clause",
            published: true,
        },
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 96,
            width: 96,
            parameters: 257_136,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
    ],
    quirks: &[
        "it was trained on people at play and work, and knows nothing of echocardiography",
        "its frames were sampled at 7.5 a second; here every seventh frame is taken, whatever the video's rate",
        "the corners of a frame are cut: the resized picture has 256 pixels on its shorter side, the clip 224",
        "the classifier of 400 actions is left out: an embedding is the class token that it reads",
    ],
};
