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

/// One rule: tensors whose names differ in one dotted part alone are one parameter, stacked along their first axis.
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// What that part is in each, in the order that they are stacked in.
    pub parts: &'static [&'static str],
    /// What it becomes, before names are rewritten.
    pub whole: &'static str,
    /// Why they are one.
    pub reason: &'static str,
}

/// One rule: matrices whose checkpoint name matches `pattern` are the module's transposed. (Weights of a linear layer are by
/// themselves.)
#[derive(Clone, Copy, Debug)]
pub struct Transpose {
    /// Regular expression over the checkpoint's name.
    pub pattern: &'static str,
    /// Why they are.
    pub reason: &'static str,
}

/// The names of an upstream checkpoint: every rule is tried in order, each on what the one before made of the name.
#[derive(Clone, Copy, Debug)]
pub struct KeyTable {
    /// Several tensors that are one parameter.
    pub joined: &'static [Join],
    /// Matrices that are stored the other way round.
    pub transposed: &'static [Transpose],
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
    pub const IDENTITY: KeyTable =
        KeyTable { joined: &[], transposed: &[], renames: &[], ignored: &[], recognised_by: &[] };

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
            joined: self.joined,
            transposed: self.transposed.iter().map(|rule| regex(rule.pattern)).collect(),
            renames: self.renames.iter().map(|rule| (regex(rule.pattern), rule.replacement)).collect(),
            ignored: self.ignored.iter().map(|rule| regex(rule.pattern)).collect(),
        }
    }
}

pub(crate) struct CompiledKeys {
    joined: &'static [Join],
    transposed: Vec<Regex>,
    renames: Vec<(Regex, &'static str)>,
    ignored: Vec<Regex>,
}

/// One of several tensors that are one parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which of them it is.
    pub(crate) index: usize,
    /// Names of all.
    pub(crate) names: Vec<String>,
    /// The name that they have together, before it is rewritten.
    pub(crate) whole: String,
}

impl CompiledKeys {
    /// Whether names are paths as they are.
    pub(crate) fn is_identity(&self) -> bool {
        self.renames.is_empty() && self.joined.is_empty()
    }

    /// For a tensor that is one of several: their number, which of them it is, and the names of all.
    pub(crate) fn part(&self, name: &str) -> Option<Part> {
        let parts = || name.split('.');
        self.joined.iter().find_map(|join| {
            let (at, index) = parts().enumerate().find_map(|(at, part)| {
                let index = join.parts.iter().position(|known| *known == part)?;
                Some((at, index))
            })?;
            let named = |instead: &str| {
                let all: Vec<&str> =
                    parts().enumerate().map(|(i, part)| if i == at { instead } else { part }).collect();
                all.join(".")
            };
            Some(Part { index, names: join.parts.iter().map(|part| named(part)).collect(), whole: named(join.whole) })
        })
    }

    /// Whether the tensor is the module's transposed.
    pub(crate) fn is_transposed(&self, name: &str) -> bool {
        self.transposed.iter().any(|pattern| pattern.is_match(name))
    }

    /// The parameter's path for a checkpoint name; `None` for a tensor left out on purpose.
    pub(crate) fn path(&self, name: &str) -> Option<String> {
        if self.ignored.iter().any(|pattern| pattern.is_match(name)) {
            return None;
        }
        let whole = self.part(name).map_or_else(|| name.to_owned(), |part| part.whole);
        let renamed = self
            .renames
            .iter()
            .fold(whole, |name, (pattern, replacement)| pattern.replace(&name, *replacement).into_owned());
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
            ..KeyTable::IDENTITY
        };
        let keys = TABLE.compile();
        assert_eq!(keys.path("model.attn.in_proj_bias").as_deref(), Some("attn.in_proj.bias"));
        assert_eq!(keys.path("embeddings.position_ids"), None);
    }

    #[test]
    fn parts_of_a_parameter_have_its_path_and_know_each_other() {
        const TABLE: KeyTable = KeyTable {
            joined: &[Join { parts: &["q", "k"], whole: "qk", reason: "one layer" }],
            renames: &[Rename { pattern: r"\.qk\.", replacement: ".both.", reason: "another name" }],
            ..KeyTable::IDENTITY
        };
        let keys = TABLE.compile();
        assert_eq!(keys.path("attn.q.weight"), keys.path("attn.k.weight"));
        assert_eq!(keys.path("attn.q.weight").as_deref(), Some("attn.both.weight"));
        let names = ["attn.q.weight", "attn.k.weight"].map(str::to_owned).to_vec();
        let part = Part { index: 1, names, whole: "attn.qk.weight".to_owned() };
        assert_eq!(keys.part("attn.k.weight"), Some(part));
        assert_eq!(keys.part("attn.qs.weight"), None);
    }
}
