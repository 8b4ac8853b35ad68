//! Which of a checkpoint's tensors are the model's.
//!
//! Training scripts nest the model (`state_dict`, `model`, `module`), put prefixes before its names (`net.`,
//! `_orig_mod.`) and other things beside it (an optimizer, a criterion, a second model of averaged weights). What tells
//! the model from those is that its names, without what stands before them, are names that the key table knows.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::bridge;
use burn::tensor::Tensor;

use crate::WeightsError;
use crate::checkpoint::{Checkpoint, Stored, not_readable};
use crate::file_names::of_norm;
use crate::key_table::{CompiledKeys, KeyTable};
use crate::load::LISTED;

/// Words in the names of entries that hold averages of weights over training.
const AVERAGED: [&str; 8] = ["ema", "swa", "avg", "average", "averaged", "polyak", "shadow", "teacher"];

impl Checkpoint {
    /// Leaves the tensors that are `module`'s, without what its training script put before their names. `entry` names the
    /// dictionary that they are taken from, where several would do.
    ///
    /// Where nothing fits well, all tensors are left, for [`load`](crate::load) to say what is wrong. A file written by
    /// [`save`](crate::save) holds one model and is left as it is.
    ///
    /// # Errors
    /// Several of the file's entries are such a model and `entry` names none, or there is no such entry.
    pub fn fit<M: Module>(mut self, module: &M, keys: &KeyTable, entry: Option<&str>) -> Result<Self, WeightsError> {
        if self.has_own_names() {
            return match entry {
                Some(entry) => {
                    Err(not_readable(self.path(), format!("it is of one model, without an entry {entry:?}")))
                }
                None => Ok(self),
            };
        }
        let mut paths = Paths::default();
        module.visit(&mut paths);
        let keys = keys.compile();
        let mut parts: BTreeMap<&'static str, Vec<Stored>> = BTreeMap::new();
        for stored in std::mem::take(&mut self.tensors).into_values() {
            parts.entry(stored.part).or_default().push(stored);
        }
        for (part, stored) in parts {
            let (before, copies) = self.choose(part, &stored, &paths.found, &keys, entry)?;
            for stored in stored {
                let is_copy = copies.iter().any(|copy| stored.in_file.starts_with(copy));
                match stored.in_file.strip_prefix(&before) {
                    Some(name) => drop(self.tensors.insert(format!("{part}{name}"), stored)),
                    None if is_copy => {}
                    None => drop(self.others.insert(stored.in_file)),
                }
            }
            let taken = entry_of(&before);
            let copies = copies.iter().map(|copy| format!("{} (the same values as {taken})", entry_of(copy)));
            self.copies.extend(copies);
        }
        Ok(self)
    }

    /// What stands before the names of the model in one part, and before those of others with the same values.
    fn choose(
        &self,
        part: &str,
        stored: &[Stored],
        wanted: &BTreeSet<String>,
        keys: &CompiledKeys,
        entry: Option<&str>,
    ) -> Result<(String, Vec<String>), WeightsError> {
        let is_wanted = |name: &str| keys.path(&format!("{part}{name}")).is_none_or(|path| wanted.contains(&path));
        if entry.is_none() && stored.iter().all(|stored| is_wanted(&stored.in_file)) {
            return Ok((String::new(), Vec::new()));
        }
        let wrapped = entry.map(|entry| format!("{entry}."));
        // For everything that stands before names: the tensors that the module would take.
        let mut candidates: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in stored.iter().map(|stored| stored.in_file.as_str()) {
            let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
            for (before, rest) in starts.map(|start| name.split_at(start)) {
                if wrapped.as_ref().is_none_or(|entry| before.starts_with(entry)) && is_wanted(rest) {
                    candidates.entry(before).or_default().insert(name);
                }
            }
        }
        let most = candidates.values().map(BTreeSet::len).max().unwrap_or(0);
        // Names that fit by chance in another model's file are no reason to leave out the rest of it.
        let is_model = |(before, names): &(&str, BTreeSet<&str>)| {
            let under = stored.iter().filter(|stored| stored.in_file.starts_with(before)).count();
            names.len() == most && 2 * most >= under
        };
        let mut models: Vec<(&str, BTreeSet<&str>)> = candidates.into_iter().filter(is_model).collect();
        // Of those that take the same tensors, the longest leaves out the most of what lies beside.
        models.sort_by_key(|(before, _)| std::cmp::Reverse(before.len()));
        let mut distinct: Vec<(&str, BTreeSet<&str>)> = Vec::new();
        for (before, names) in models {
            if !distinct.iter().any(|(_, others)| *others == names) {
                distinct.push((before, names));
            }
        }
        // Plain weights before averaged ones, and the shorter name first.
        distinct.sort_by_key(|&(before, _)| (is_averaged(before), before.len(), before));
        match (distinct.as_slice(), entry) {
            ([], None) => Ok((String::new(), Vec::new())),
            ([], Some(entry)) => {
                let names = stored.iter().filter_map(|stored| Some(stored.in_file.split_once('.')?.0));
                let known: BTreeSet<&str> = names.collect();
                let known = known.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
                let reason = format!("its entry {entry:?} has no weights of this encoder; its entries are {known}");
                Err(not_readable(self.path(), reason))
            }
            ([(first, _), rest @ ..], _) => {
                let values = |before: &str| -> BTreeMap<&str, &Stored> {
                    stored.iter().filter_map(|stored| Some((stored.in_file.strip_prefix(before)?, stored))).collect()
                };
                let taken = values(first);
                if rest.iter().all(|(before, _)| are_same(&taken, &values(before))) {
                    return Ok(((*first).to_owned(), rest.iter().map(|(before, _)| (*before).to_owned()).collect()));
                }
                let entries: Vec<&str> = distinct.iter().map(|(before, _)| entry_of(before)).collect();
                Err(WeightsError::Ambiguous { path: self.path().to_owned(), entries: entries.join(", ") })
            }
        }
    }
}

/// The entry that names begin with, as `--weights-key` takes it.
fn entry_of(before: &str) -> &str {
    before.trim_end_matches('.')
}

fn is_averaged(entry: &str) -> bool {
    let words = entry.split(|c: char| !c.is_ascii_alphanumeric());
    words.map(str::to_ascii_lowercase).any(|word| AVERAGED.contains(&word.as_str()))
}

/// Whether two models have the same values under the same names. Those of one after the other are in memory.
fn are_same(one: &BTreeMap<&str, &Stored>, other: &BTreeMap<&str, &Stored>) -> bool {
    let bytes = |stored: &Stored| {
        let tensor = stored.tensor.as_ref().ok()?;
        Some((tensor.dtype, tensor.shape.to_vec(), bridge::into_data(tensor.clone()).ok()?.into_parts().0))
    };
    let same = |(a, b): (&Stored, &Stored)| {
        bytes(a).is_some_and(|a| bytes(b).is_some_and(|b| a.0 == b.0 && a.1 == b.1 && a.2[..] == b.2[..]))
    };
    one.keys().eq(other.keys()) && one.values().copied().zip(other.values().copied()).all(same)
}

/// Paths of a module's parameters.
#[derive(Default)]
struct Paths {
    path: Vec<String>,
    found: BTreeSet<String>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        self.found.extend(of_norm(&path));
        self.found.insert(path);
    }
}
