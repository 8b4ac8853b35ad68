//! Names of the released checkpoint.

use echo_weights::{Ignore, KeyTable, Rename};

/// From the names of the released checkpoint to the module's.
pub const KEYS: KeyTable = KeyTable {
    renames: &[
        Rename {
            pattern: r"\.model\.classifier\.0\.",
            replacement: ".norm.",
            reason: "of torchvision's classifier only the norm is left",
        },
        Rename { pattern: r"\.model\.features\.0\.0\.", replacement: ".trunk.stem.conv.", reason: NUMBERED },
        Rename { pattern: r"\.model\.features\.0\.1\.", replacement: ".trunk.stem.norm.", reason: NUMBERED },
        Rename { pattern: r"\.model\.features\.1\.", replacement: ".trunk.stages.0.blocks.", reason: ALTERNATING },
        Rename {
            pattern: r"\.model\.features\.2\.0\.",
            replacement: ".trunk.stages.1.downsample.norm.",
            reason: ALTERNATING,
        },
        Rename {
            pattern: r"\.model\.features\.2\.1\.",
            replacement: ".trunk.stages.1.downsample.conv.",
            reason: ALTERNATING,
        },
        Rename { pattern: r"\.model\.features\.3\.", replacement: ".trunk.stages.1.blocks.", reason: ALTERNATING },
        Rename {
            pattern: r"\.model\.features\.4\.0\.",
            replacement: ".trunk.stages.2.downsample.norm.",
            reason: ALTERNATING,
        },
        Rename {
            pattern: r"\.model\.features\.4\.1\.",
            replacement: ".trunk.stages.2.downsample.conv.",
            reason: ALTERNATING,
        },
        Rename { pattern: r"\.model\.features\.5\.", replacement: ".trunk.stages.2.blocks.", reason: ALTERNATING },
        Rename {
            pattern: r"\.model\.features\.6\.0\.",
            replacement: ".trunk.stages.3.downsample.norm.",
            reason: ALTERNATING,
        },
        Rename {
            pattern: r"\.model\.features\.6\.1\.",
            replacement: ".trunk.stages.3.downsample.conv.",
            reason: ALTERNATING,
        },
        Rename { pattern: r"\.model\.features\.7\.", replacement: ".trunk.stages.3.blocks.", reason: ALTERNATING },
        Rename { pattern: r"\.block\.0\.", replacement: ".conv_dw.", reason: NUMBERED },
        Rename { pattern: r"\.block\.2\.", replacement: ".norm.", reason: NUMBERED },
        Rename { pattern: r"\.block\.3\.", replacement: ".mlp.fc1.", reason: NUMBERED },
        Rename { pattern: r"\.block\.5\.", replacement: ".mlp.fc2.", reason: NUMBERED },
        Rename { pattern: r"\.layer_scale$", replacement: ".gamma", reason: "timm's name, which the trunk follows" },
        Rename {
            pattern: r"\.self_attn\.in_proj_(weight|bias)$",
            replacement: ".self_attn.in_proj.$1",
            reason: "one Linear for queries, keys and values",
        },
        Rename {
            // Task names hold `|`, `(`, `)` and `-`: whatever stands before the suffix is the name.
            pattern: r"^(.+)_head\.1\.(weight|bias)$",
            replacement: "heads.$1.$2",
            reason: "a head is a dropout and this layer",
        },
    ],
    ignored: &[Ignore {
        pattern: r"^encoder\.time_encoder\.pe$",
        reason: "positions are fixed: computed for any length",
    }],
    recognised_by: &["encoder.encoder.model.features.0.0.weight", "EF_head.1.weight"],
    ..KeyTable::IDENTITY
};

const NUMBERED: &str = "numbered in a Sequential";
const ALTERNATING: &str = "torchvision numbers stages and the downsampling between them in one row";
