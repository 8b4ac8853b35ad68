//! The facts of CLIP.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};
use echo_weights::Part;

/// The weights; the file beside them, which says their activation, holds no tensors.
pub const PARTS: &[Part] = &[Part { file: "open_clip_model.safetensors", prefix: "", required: true }];

/// OpenAI's preprocessing of every fourth frame of the first 61: 1.2 seconds at 50 frames a second. CLIP itself knows no
/// videos.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 16,
    sampling: Sampling::Strided,
    stride: 4,
    padding: Padding::Shorter,
    channels: ChannelOrder::Rgb,
    crop: Crop { aspect: Aspect::ResizedThenCropped, zoom: 0.0 },
    filter: Filter::PilBicubic,
    resize: 224,
    size: 224,
    scale: 1.0 / 255.0,
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_55, 0.261_302_6, 0.275_777_1],
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat at 40 beats a minute and more.
const NANO_CLIP: ClipSpec = ClipSpec { stride: 5, padding: Padding::RepeatLast, resize: 64, size: 64, ..FULL_CLIP };

/// The image tower sees each frame by itself; for other sizes its positions are resized, as open_clip does.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// Where OpenAI's weights are kept as safetensors, by the authors of open_clip and timm.
const HUB: &str = "https://huggingface.co/timm/vit_base_patch16_clip_224.openai";

/// The facts of CLIP.
pub static CARD: Card = Card {
    name: "clip",
    title: "CLIP",
    summary: "image-text encoder of photographs: ViT-B/16 on each frame, CLIP text transformer",
    paper: "Radford et al., Learning transferable visual models from natural language supervision, ICML 2021",
    paper_url: "https://arxiv.org/abs/2103.00020",
    code_url: "https://github.com/openai/CLIP",
    code_license: "MIT",
    of_hearts: false,
    capabilities: Capabilities { text: true, findings: false, heads: &[], views: &[] },
    parameters: ParameterPaths {
        video: &["visual."],
        projection: &["visual.proj"],
        norm: &["visual.ln_post."],
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
            width: 768,
            parameters: 149_620_737,
            weights: &[
                WeightFile {
                    name: "open_clip_model.safetensors",
                    url: HUB,
                    download: "https://huggingface.co/timm/vit_base_patch16_clip_224.openai/resolve/main/open_clip_model.safetensors",
                    member: None,
                    contents: "both towers, under open_clip's names",
                },
                WeightFile {
                    name: "open_clip_config.json",
                    url: HUB,
                    download: "https://huggingface.co/timm/vit_base_patch16_clip_224.openai/resolve/main/open_clip_config.json",
                    member: None,
                    contents: "sizes, and that the activation is QuickGELU",
                },
            ],
            weights_license: "MIT",
            published: true,
        },
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 96,
            width: 96,
            parameters: 1_166_113,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
    ],
    quirks: &[
        "the activation is QuickGELU; weights trained with plain GELU (LAION's ViT-B-16) have the same names and shapes and \
         give wrong numbers",
        "it was trained on photographs and their captions, and knows nothing of echocardiography",
        "it sees single frames; the frames of a clip are our choice, CLIP has none",
    ],
};
