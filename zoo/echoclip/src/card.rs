//! The facts of EchoCLIP.

use echo_core::{
    Allowed, Aspect, Capabilities, Card, ChannelOrder, ClipLimits, ClipSpec, Crop, Filter, Padding, ParameterPaths,
    Preset, Sampling, WeightFile,
};

/// open_clip's per-channel mean, in units of 0-1.
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// open_clip's per-channel standard deviation, in units of 0-1.
const STD: [f32; 3] = [0.268_629_55, 0.261_302_6, 0.275_777_1];

/// Every other frame of the first forty.
const FULL_CLIP: ClipSpec = ClipSpec {
    frames: 20,
    sampling: Sampling::Strided,
    stride: 2,
    padding: Padding::Shorter,
    channels: ChannelOrder::Bgr,
    crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.1 },
    filter: Filter::OpenCvCubic,
    resize: 224,
    size: 224,
    scale: 1.0 / 255.0,
    mean: MEAN,
    std: STD,
};

/// 16 frames over 76, 1.5 seconds at 50 frames a second: a whole beat at 40 beats a minute and more.
const NANO_CLIP: ClipSpec =
    ClipSpec { frames: 16, stride: 5, padding: Padding::RepeatLast, resize: 64, size: 64, ..FULL_CLIP };

/// The image tower sees each frame by itself and halves its sides five times; what is left over at an edge is not seen.
const LIMITS: ClipLimits = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };

/// The released model.
const FULL: Preset = Preset {
    name: Preset::FULL,
    clip: FULL_CLIP,
    limits: LIMITS,
    dim: 512,
    width: 1024,
    parameters: 151_518_849,
    weights: &[WeightFile {
        name: "open_clip_pytorch_model.bin",
        url: "https://huggingface.co/mkaichristensen/echo-clip",
        download: "https://huggingface.co/mkaichristensen/echo-clip/resolve/main/open_clip_pytorch_model.bin",
        member: None,
        contents: "both towers, as a PyTorch file",
    }],
    weights_license: "MIT",
    published: true,
};

/// EchoCLIP-R: parameters are counted with EchoCLIP's vocabulary, its own comes with its weights.
const R: Preset = Preset {
    name: "r",
    weights: &[WeightFile {
        name: "open_clip_pytorch_model.bin",
        url: "https://huggingface.co/mkaichristensen/echo-clip-r",
        download: "https://huggingface.co/mkaichristensen/echo-clip-r/resolve/main/open_clip_pytorch_model.bin",
        member: None,
        contents: "both towers of EchoCLIP-R, for the retrieval of whole reports",
    }],
    ..FULL
};

/// The facts of EchoCLIP.
pub static CARD: Card = Card {
    name: "echoclip",
    title: "EchoCLIP",
    summary: "image-text encoder: ConvNeXt-Base on each frame, CLIP text transformer",
    paper: "Christensen et al., Vision-language foundation model for echocardiogram interpretation, Nature Medicine 2024",
    paper_url: "https://doi.org/10.1038/s41591-024-02959-y",
    code_url: "https://github.com/echonet/echo_CLIP",
    code_license: "Cedars-Sinai academic, no redistribution",
    of_hearts: true,
    capabilities: Capabilities { text: true, findings: true, heads: &[], views: &[] },
    parameters: ParameterPaths {
        video: &["visual."],
        projection: &["visual.head.proj."],
        norm: &["visual.head.norm."],
        text: &[
            "text.net.positional_embedding",
            "text.net.transformer.",
            "text.net.ln_final.",
            "text.net.text_projection",
        ],
    },
    presets: &[
        FULL,
        Preset {
            name: Preset::NANO,
            clip: NANO_CLIP,
            limits: LIMITS,
            dim: 96,
            width: 128,
            parameters: 938_945,
            weights: &[],
            weights_license: env!("CARGO_PKG_LICENSE"),
            published: false,
        },
        R,
    ],
    quirks: &[
        "frames are in OpenCV's BGR order, though the normalisation constants are for RGB",
        "the text tower's activation is the exact GELU, not OpenAI's QuickGELU",
        "the clip covers the first forty frames only, 0.8 s at 50 frames a second",
    ],
};
