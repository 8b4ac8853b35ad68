//! What a file calls a parameter, or would call it if it were there.

use std::collections::BTreeMap;

use crate::Checkpoint;
use crate::key_table::CompiledKeys;

/// Names of a checkpoint's tensors by the parameters that they are.
pub(crate) struct FileNames<'a> {
    keys: &'a CompiledKeys,
    checkpoint: &'a Checkpoint,
    /// By path in the module, with the name that the key table is for.
    found: BTreeMap<String, &'a str>,
}

impl<'a> FileNames<'a> {
    pub(crate) fn new(keys: &'a CompiledKeys, checkpoint: &'a Checkpoint) -> Self {
        let found = checkpoint.names().filter_map(|key| Some((keys.path(key)?, key))).collect();
        Self { keys, checkpoint, found }
    }

    /// The name of the parameter at `path`, if the file has it.
    pub(crate) fn of(&self, path: &str) -> Option<&'a str> {
        let key = std::iter::once(path.to_owned()).chain(of_norm(path)).find_map(|path| self.found.get(&path))?;
        Some(self.checkpoint.tensors.get(*key)?.in_file.as_str())
    }

    /// The name that the file would have for a parameter that it lacks, or the module's, which then says so. `container`
    /// is the type of the layer.
    ///
    /// Key tables are expressions, which have no inverse. A name is guessed from those that the file has of other
    /// parameters, and only taken where the table makes the parameter of it.
    pub(crate) fn missing(&self, path: &str, container: &str) -> String {
        let is_norm = container.rsplit('.').next().is_some_and(|layer| layer.ends_with("Norm"));
        let wanted = of_norm(path).filter(|_| is_norm).unwrap_or_else(|| path.to_owned());
        let is_it = |key: &str| self.keys.path(key).as_deref() == Some(&wanted);
        let mut guesses: Vec<(usize, &str, String)> = Vec::new();
        for (found, key) in &self.found {
            let (shared, differs, instead) = difference(found, &wanted);
            guesses.extend(
                key.match_indices(differs)
                    .filter(|_| !differs.is_empty())
                    .map(|(at, _)| (shared, *key, [&key[..at], instead, &key[at + differs.len()..]].concat())),
            );
        }
        guesses.sort_by_key(|&(shared, ..)| std::cmp::Reverse(shared));
        let guessed = guesses.iter().find(|(.., guess)| is_it(guess)).map(|(_, key, guess)| (*key, guess.as_str()));
        let any = self.found.values().next().filter(|_| self.keys.is_identity());
        let itself = || any.map(|key| (*key, wanted.as_str()));
        let name = guessed.or_else(itself).and_then(|(key, guess)| self.in_file(key, guess));
        name.unwrap_or_else(|| format!("{path} (the module's name)"))
    }

    /// `guess` with what stands before the names of `key`'s part in the file.
    fn in_file(&self, key: &str, guess: &str) -> Option<String> {
        let stored = self.checkpoint.tensors.get(key)?;
        let before = stored.in_file.strip_suffix(key.strip_prefix(stored.part)?)?;
        Some(format!("{before}{}", guess.strip_prefix(stored.part)?))
    }
}

/// What PyTorch calls the parameter of a norm: its `weight` and `bias` have other names in Burn.
pub(crate) fn of_norm(path: &str) -> Option<String> {
    let of = |ours, theirs| {
        let layer = path.strip_suffix(ours).filter(|layer| layer.is_empty() || layer.ends_with('.'))?;
        Some(format!("{layer}{theirs}"))
    };
    of("gamma", "weight").or_else(|| of("beta", "bias"))
}

/// How many parts of two dotted names are the same at their ends, and what differs between.
fn difference<'a>(one: &'a str, other: &'a str) -> (usize, &'a str, &'a str) {
    let (a, b): (Vec<&str>, Vec<&str>) = (one.split('.').collect(), other.split('.').collect());
    let most = a.len().min(b.len());
    let first = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let last = a.iter().rev().zip(b.iter().rev()).take(most - first).take_while(|(a, b)| a == b).count();
    let between = |name: &'a str, parts: &[&str]| {
        let start: usize = parts[..first].iter().map(|part| part.len() + 1).sum();
        let end: usize = parts[parts.len() - last..].iter().map(|part| part.len() + 1).sum();
        name.get(start..name.len().saturating_sub(end)).unwrap_or_default()
    };
    (first + last, between(one, &a), between(other, &b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_where_their_parts_do() {
        assert_eq!(difference("a.0.norm.weight", "a.12.norm.weight"), (3, "0", "12"));
        assert_eq!(difference("a.weight", "a.bias"), (1, "weight", "bias"));
        assert_eq!(difference("a.b", "a.b.c"), (2, "", "c"));
        assert_eq!(difference("a", "b"), (0, "a", "b"));
    }
}
