//! Names of torchvision's checkpoint.

use echo_weights::{Ignore, KeyTable, Rename};

const NUMBERED: &str = "numbered in a Sequential";

/// From torchvision's names to the module's.
pub const KEYS: KeyTable = KeyTable {
    renames: &[
        Rename { pattern: r"^pos_encoding\.", replacement: "", reason: "holds the class token alone" },
        Rename { pattern: r"\.attn\.project\.0\.", replacement: ".attn.project.", reason: NUMBERED },
        Rename { pattern: r"\.norm_act\.0\.", replacement: ".norm.", reason: NUMBERED },
        Rename { pattern: r"\.mlp\.0\.", replacement: ".mlp.fc1.", reason: NUMBERED },
        Rename { pattern: r"\.mlp\.3\.", replacement: ".mlp.fc2.", reason: NUMBERED },
        Rename {
            pattern: r"^(conv_proj|class_token|blocks|norm)",
            replacement: "video.$1",
            reason: "all but the head",
        },
    ],
    ignored: &[Ignore { pattern: r"^head\.1\.", reason: "400 actions of daily life, none of which a heart shows" }],
    recognised_by: &["conv_proj.weight", "pos_encoding.class_token", "head.1.weight"],
    ..KeyTable::IDENTITY
};
