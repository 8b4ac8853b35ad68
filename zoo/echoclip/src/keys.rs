//! Names of the open_clip checkpoint.

use echo_weights::{Ignore, KeyTable, Rename};

/// From open_clip's names to the module's.
pub const KEYS: KeyTable = KeyTable {
    renames: &[
        Rename {
            pattern: r"^visual\.trunk\.head\.norm\.",
            replacement: "visual.head.norm.",
            reason: "timm's head is a norm alone",
        },
        Rename { pattern: r"\.stem\.0\.", replacement: ".stem.conv.", reason: "numbered in a Sequential" },
        Rename { pattern: r"\.stem\.1\.", replacement: ".stem.norm.", reason: "numbered in a Sequential" },
        Rename { pattern: r"\.downsample\.0\.", replacement: ".downsample.norm.", reason: "numbered in a Sequential" },
        Rename { pattern: r"\.downsample\.1\.", replacement: ".downsample.conv.", reason: "numbered in a Sequential" },
        Rename {
            pattern: r"^(positional_embedding|text_projection|token_embedding|ln_final|transformer)\b",
            replacement: "text.net.$1",
            reason: "open_clip keeps the text tower at the top level",
        },
        Rename { pattern: r"^logit_scale$", replacement: "text.logit_scale", reason: "kept with the text tower" },
        Rename {
            pattern: r"\.attn\.in_proj_(weight|bias)$",
            replacement: ".attn.in_proj.$1",
            reason: "one Linear for queries, keys and values",
        },
    ],
    ignored: &[Ignore { pattern: r"^attn_mask$", reason: "the causal mask is computed" }],
    recognised_by: &["visual.trunk.stem.0.weight", "text_projection"],
    ..KeyTable::IDENTITY
};
