//! Names of the released checkpoints: torchvision's `VideoResNet`, also behind `module.`.

use echo_weights::{Ignore, KeyTable, Rename};

/// From the names of the released checkpoints to the module's.
pub const KEYS: KeyTable = KeyTable {
    renames: &[
        Rename { pattern: r"^module\.", replacement: "", reason: "trained on several devices" },
        Rename { pattern: r"^stem\.0\.", replacement: "stem.spatial.", reason: NUMBERED },
        Rename { pattern: r"^stem\.1\.", replacement: "stem.spatial_norm.", reason: NUMBERED },
        Rename { pattern: r"^stem\.3\.", replacement: "stem.temporal.", reason: NUMBERED },
        Rename { pattern: r"^stem\.4\.", replacement: "stem.norm.", reason: NUMBERED },
        Rename { pattern: r"\.(conv[12])\.0\.0\.", replacement: ".$1.spatial.", reason: NUMBERED },
        Rename { pattern: r"\.(conv[12])\.0\.1\.", replacement: ".$1.spatial_norm.", reason: NUMBERED },
        Rename { pattern: r"\.(conv[12])\.0\.3\.", replacement: ".$1.temporal.", reason: NUMBERED },
        Rename { pattern: r"\.(conv[12])\.1\.", replacement: ".$1.norm.", reason: NUMBERED },
        Rename { pattern: r"\.downsample\.0\.", replacement: ".downsample.conv.", reason: NUMBERED },
        Rename { pattern: r"\.downsample\.1\.", replacement: ".downsample.norm.", reason: NUMBERED },
        Rename { pattern: r"^(stem|layer[1-4])\.", replacement: "backbone.$1.", reason: "all but the head" },
    ],
    ignored: &[Ignore { pattern: r"\.num_batches_tracked$", reason: "statistics are not updated" }],
    recognised_by: &["stem.0.weight", "layer1.0.conv1.0.0.weight"],
    ..KeyTable::IDENTITY
};

const NUMBERED: &str = "numbered in a Sequential";
