//! Files and names of the upstream checkpoint.

use echo_weights::{Ignore, KeyTable, Part, Rename};

/// The released files: the video tower alone suffices, the others add what they hold.
pub const PARTS: &[Part] = &[
    Part { file: "echo_prime_encoder.pt", prefix: "video.", required: true },
    Part { file: "echo_prime_text_encoder.pt", prefix: "text.", required: false },
    Part { file: "view_classifier.pt", prefix: "view.", required: false },
];

const NUMBERED: &str = "numbered in a Sequential";
const CONVNEXT: &str = "torchvision numbers stages and downsamplings in one Sequential";

/// From torchvision's and transformers' names, each under its part's prefix, to the module's.
pub const KEYS: KeyTable = KeyTable {
    renames: &[
        Rename {
            pattern: r"^video\.head\.1\.",
            replacement: "head.",
            reason: "follows a Dropout; kept beside the tower",
        },
        Rename { pattern: r"^video\.pos_encoding\.", replacement: "video.", reason: "holds the class token alone" },
        Rename { pattern: r"\.attn\.project\.0\.", replacement: ".attn.project.", reason: NUMBERED },
        Rename { pattern: r"\.norm_act\.0\.", replacement: ".norm.", reason: NUMBERED },
        Rename { pattern: r"\.mlp\.0\.", replacement: ".mlp.fc1.", reason: NUMBERED },
        Rename { pattern: r"\.mlp\.3\.", replacement: ".mlp.fc2.", reason: NUMBERED },
        Rename { pattern: r"^text\.backbone\.", replacement: "text.", reason: "upstream's wrapper" },
        Rename { pattern: r"\.LayerNorm\.", replacement: ".norm.", reason: "fields are in snake case" },
        Rename { pattern: r"\.encoder\.layer\.", replacement: ".layers.", reason: "the encoder is its layers alone" },
        Rename { pattern: r"\.attention\.self\.", replacement: ".attention.", reason: "`self` is a keyword" },
        Rename { pattern: r"\.intermediate\.dense\.", replacement: ".intermediate.", reason: "holds one Linear" },
        Rename { pattern: r"^view\.features\.0\.0\.", replacement: "view.trunk.stem.conv.", reason: NUMBERED },
        Rename { pattern: r"^view\.features\.0\.1\.", replacement: "view.trunk.stem.norm.", reason: NUMBERED },
        Rename { pattern: r"^view\.features\.1\.", replacement: "view.trunk.stages.0.blocks.", reason: CONVNEXT },
        Rename { pattern: r"^view\.features\.3\.", replacement: "view.trunk.stages.1.blocks.", reason: CONVNEXT },
        Rename { pattern: r"^view\.features\.5\.", replacement: "view.trunk.stages.2.blocks.", reason: CONVNEXT },
        Rename { pattern: r"^view\.features\.7\.", replacement: "view.trunk.stages.3.blocks.", reason: CONVNEXT },
        Rename {
            pattern: r"^view\.features\.2\.0\.",
            replacement: "view.trunk.stages.1.downsample.norm.",
            reason: CONVNEXT,
        },
        Rename {
            pattern: r"^view\.features\.2\.1\.",
            replacement: "view.trunk.stages.1.downsample.conv.",
            reason: CONVNEXT,
        },
        Rename {
            pattern: r"^view\.features\.4\.0\.",
            replacement: "view.trunk.stages.2.downsample.norm.",
            reason: CONVNEXT,
        },
        Rename {
            pattern: r"^view\.features\.4\.1\.",
            replacement: "view.trunk.stages.2.downsample.conv.",
            reason: CONVNEXT,
        },
        Rename {
            pattern: r"^view\.features\.6\.0\.",
            replacement: "view.trunk.stages.3.downsample.norm.",
            reason: CONVNEXT,
        },
        Rename {
            pattern: r"^view\.features\.6\.1\.",
            replacement: "view.trunk.stages.3.downsample.conv.",
            reason: CONVNEXT,
        },
        Rename { pattern: r"\.block\.0\.", replacement: ".conv_dw.", reason: NUMBERED },
        Rename { pattern: r"\.block\.2\.", replacement: ".norm.", reason: NUMBERED },
        Rename { pattern: r"\.block\.3\.", replacement: ".mlp.fc1.", reason: NUMBERED },
        Rename { pattern: r"\.block\.5\.", replacement: ".mlp.fc2.", reason: NUMBERED },
        Rename { pattern: r"\.layer_scale$", replacement: ".gamma", reason: "the paper's name for it" },
        Rename { pattern: r"^view\.classifier\.0\.", replacement: "view.norm.", reason: NUMBERED },
        Rename { pattern: r"^view\.classifier\.2\.", replacement: "view.classifier.", reason: NUMBERED },
    ],
    ignored: &[
        Ignore { pattern: r"^text\.backbone\.cls\.", reason: "the language-model head is not part of the embedding" },
        Ignore { pattern: r"^text\.backbone\.bert\.pooler\.", reason: "the class token is read without BERT's pooler" },
        Ignore { pattern: r"\.position_ids$", reason: "a buffer of 0, 1, 2, ..." },
        Ignore { pattern: r"\.embeddings\.token_type_ids$", reason: "a buffer of zeros" },
    ],
    // Of the video tower alone: the prefix of its part is put on later.
    recognised_by: &["conv_proj.weight", "pos_encoding.class_token", "head.1.weight"],
    ..KeyTable::IDENTITY
};
