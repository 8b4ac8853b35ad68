//! The facts of EchoViewCLIP.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};
use echo_weights::Part;

use crate::VIEWS;

/// What upstream's training leaves: the last epoch of the first or the second stage; CLIP's weights, whose table of words
/// upstream keeps to itself; and the last epoch of the third stage, of which the quality head is taken.
pub const PARTS: &[Part] = &[
    Part { file: "ckpt_epoch_29.pth", prefix: "", required: true },
    Part { file: "open_clip_model.safetensors", prefix: "clip.", required: true },
    Part { file: "train_qc/ckpt_epoch_29.pth", prefix: "qc.", required: false },
];

/// Upstream's frames at test: the middle ones of 16 equal segments of the whole video.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 16,
    sampling: Sampling::Segments,
    stride: 1,
    padding: Padding::RepeatLast,
    channels: ChannelOrder::Rgb,
    crop: Crop { aspect: Aspect::RoundedThenCropped, zoom: 0.0 },
    filter: Filter::OpenCvLinear,
    resize: 256,
    size: 224,
    scale: 1.0,
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
};

const NANO_CLIP: ClipSpec = ClipSpec { resize: 64, size: 64, ..FULL_CLIP };

/// The image tower sees each frame by itself; for other sizes its positions are resized, as open_clip does.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// The facts of EchoViewCLIP.
pub static CARD: Card = Card {
    name: "echoviewclip",
    title: "EchoViewCLIP",
    summary: "views by image and text: CLIP ViT-B/16 on 16 frames of the whole video, mean and attention over them",
    paper: "Song et al., EchoViewCLIP: advancing video quality control through high-performance view recognition of \
            echocardiography, MICCAI 2025",
    paper_url: "https://doi.org/10.1007/978-3-032-05169-1_18",
    code_url: "https://github.com/xmed-lab/EchoViewCLIP",
    code_license: "none",
    of_hearts: true,
    capabilities: Capabilities { text: true, findings: false, heads: &[], views: VIEWS },
    parameters: ParameterPaths {
        video: &["visual.", "pool."],
        projection: &["pool.projector."],
        norm: &[],
        text: &[
            "text.net.positional_embedding",
            "text.net.transformer.",
            "text.net.ln_final.",
            "text.net.text_projection",
        ],
    },
    presets: &[
        Preset {
            name: Preset::FULL,
            clip: FULL_CLIP,
            limits: LIMITS,
            dim: 512,
            width: 1024,
            parameters: 218_365_958,
            weights: &[WeightFile {
                name: "open_clip_model.safetensors",
                url: "https://huggingface.co/timm/vit_base_patch16_clip_224.openai",
                download: "https://huggingface.co/timm/vit_base_patch16_clip_224.openai/resolve/main/open_clip_model.safetensors",
                member: None,
                contents: "CLIP's weights, for its table of words; upstream's own are not released",
            }],
            weights_license: Preset::NOT_RELEASED,
            published: true,
        },
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 64,
            width: 128,
            parameters: 686_210,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
    ],
    quirks: &[
        "frames are pooled at the length that CLIP gives them; clips have length one only where they meet texts",
        "the second branch has a class token, positions and a projection of its own, which upstream draws at random and does \
         not train",
        "the checkpoint holds no table of words: upstream's prompts are fixed before training, from CLIP's",
    ],
};
