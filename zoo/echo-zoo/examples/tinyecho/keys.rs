//! Names of the upstream checkpoint.

use echo_weights::{Ignore, KeyTable, Rename};

/// From upstream's names to the module's. Rules are tried in order, each on what the one before made of the name; a
/// tensor that no rule names and no parameter takes is an error that lists it.
pub const KEYS: KeyTable = KeyTable {
    renames: &[Rename { pattern: r"^backbone\.", replacement: "frames.", reason: "ours says what it sees" }],
    ignored: &[Ignore { pattern: r"^teacher\.", reason: "the teacher of its training is not part of the encoder" }],
    recognised_by: &["backbone.stem.conv.weight", "projection.weight"],
    ..KeyTable::IDENTITY
};
