//! Which tensor of a checkpoint is which parameter of a module, as data.

use regex::Regex;

use crate::Checkpoint;

/// One rule: names that match `pattern` are rewritten to `replacement`.
#[derive(Clone, Copy, Debug)]
pub struct Rename {
    /// Regular expression over the checkpoint's name.
    pub pattern: &'static str,
    /// What the match becomes (`$1` for groups).
    pub replacement: &'static str,
    /// Why the names differ.
    pub reason: &'static str,
}

/// One rule: tensors whose checkpoint name matches `pattern` are left out on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Ignore {
    /// Regular expression over the checkpoint's name.
    pub pattern: &'static str,
    /// Why it is not needed.
    pub reason: &'static str,
}

/// The names of an upstream checkpoint: every rule is tried in order, each on what the one before made of the name.
#[derive(Clone, Copy, Debug)]
pub struct KeyTable {
    /// Rewrites.
    pub renames: &'static [Rename],
    /// Tensors left out on purpose.
    pub ignored: &'static [Ignore],
    /// Names that together only this encoder's upstream checkpoint has: what a file given to another encoder is
    /// recognised by. Empty when nothing tells it apart.
    pub recognised_by: &'static [&'static str],
}

impl KeyTable {
    /// For checkpoints that bear the module's own names.
    pub const IDENTITY: KeyTable = KeyTable { renames: &[], ignored: &[], recognised_by: &[] };

    /// Whether `checkpoint` looks like the upstream checkpoint that this table is for, whatever stands before its names.
    pub fn recognises(&self, checkpoint: &Checkpoint) -> bool {
        let Some((first, rest)) = self.recognised_by.split_first() else { return false };
        let is_wrapped = |before: &&str| before.is_empty() || before.ends_with('.');
        let mut before = checkpoint.names().filter_map(|name| name.strip_suffix(first)).filter(is_wrapped);
        before.any(|before| rest.iter().all(|name| checkpoint.shape(&format!("{before}{name}")).is_some()))
    }

    /// The table with its expressions compiled.
    ///
    /// # Panics
    /// When a pattern is not a regular expression: tables are constants, which their crate's tests compile.
    pub(crate) fn compile(&self) -> CompiledKeys {
        let regex = |pattern: &str| Regex::new(pattern).unwrap_or_else(|error| panic!("key table: {error}"));
        CompiledKeys {
            renames: self.renames.iter().map(|rule| (regex(rule.pattern), rule.replacement)).collect(),
            ignored: self.ignored.iter().map(|rule| regex(rule.pattern)).collect(),
        }
    }
}

pub(crate) struct CompiledKeys {
    renames: Vec<(Regex, &'static str)>,
    ignored: Vec<Regex>,
}

impl CompiledKeys {
    /// Whether names are paths as they are.
    pub(crate) fn is_identity(&self) -> bool {
        self.renames.is_empty()
    }

    /// The parameter's path for a checkpoint name; `None` for a tensor left out on purpose.
    pub(crate) fn path(&self, name: &str) -> Option<String> {
        if self.ignored.iter().any(|pattern| pattern.is_match(name)) {
            return None;
        }
        let renamed = self
            .renames
            .iter()
            .fold(name.to_owned(), |name, (pattern, replacement)| pattern.replace(&name, *replacement).into_owned());
        Some(renamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_apply_in_order_and_ignored_names_vanish() {
        const TABLE: KeyTable = KeyTable {
            renames: &[
                Rename { pattern: r"^model\.", replacement: "", reason: "wrapper" },
                Rename { pattern: r"in_proj_(weight|bias)$", replacement: "in_proj.$1", reason: "ours is a Linear" },
            ],
            ignored: &[Ignore { pattern: r"position_ids$", reason: "a buffer" }],
            recognised_by: &[],
        };
        let keys = TABLE.compile();
        assert_eq!(keys.path("model.attn.in_proj_bias").as_deref(), Some("attn.in_proj.bias"));
        assert_eq!(keys.path("embeddings.position_ids"), None);
    }
}
