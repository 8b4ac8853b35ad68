//! What of an encoder trains.

use burn::module::{Lora, Module, ModuleMapper, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Tensor, TensorData};
use echo_core::AnyEncoder;
use echo_random::Stream;

/// What of the encoder trains.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trunk {
    Frozen,
    /// What its embedding depends on, but parameters whose path begins with one of `frozen`; of its blocks, if not 0, the
    /// `last_blocks` and what comes after them.
    Tuned {
        frozen: Vec<String>,
        last_blocks: usize,
    },
    /// Low-rank additions to its matrices.
    LowRank(LowRank),
}

/// Settings of low-rank additions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LowRank {
    pub(crate) rank: usize,
    pub(crate) alpha: f64,
    /// Parts of the paths of those that get one; all that map vectors to vectors where there are none.
    pub(crate) targets: Vec<String>,
}

/// What of one encoder trains.
#[derive(Debug)]
pub(crate) enum Trains {
    Nothing,
    /// The parameters at these paths.
    Parameters(Vec<String>),
    /// Low-rank additions to the matrices at these paths.
    LowRank(LowRank, Vec<String>),
}

impl Trunk {
    /// What that is of `encoder`, where parameters whose path begins with one of `without` are no part of a prediction.
    ///
    /// # Errors
    /// What cannot be found in the encoder.
    pub(crate) fn of(self, encoder: &AnyEncoder, without: &[&str]) -> Result<Trains, String> {
        let video = encoder.card().parameters.video;
        match self {
            Trunk::Frozen => Ok(Trains::Nothing),
            Trunk::Tuned { frozen, last_blocks } => {
                let paths = paths(encoder, video);
                if let Some(unknown) =
                    frozen.iter().find(|kept| !paths.iter().any(|(path, _)| path.starts_with(kept.as_str())))
                {
                    return Err(format!(
                        "`frozen` names {unknown:?}, with which no parameter of its video tower begins"
                    ));
                }
                let first = first_of_last_blocks(&paths, last_blocks)?;
                let trained = paths.into_iter().skip(first).map(|(path, _)| path).filter(|path| {
                    let begins = |prefix: &str| path.starts_with(prefix);
                    !frozen.iter().any(|kept| begins(kept)) && !without.iter().any(|without| begins(without))
                });
                Ok(Trains::Parameters(trained.collect()))
            }
            Trunk::LowRank(low_rank) => {
                let targets: Vec<String> = paths(encoder, video)
                    .into_iter()
                    .filter(|(path, axes)| {
                        let named = match low_rank.targets.is_empty() {
                            // Tables of positions have two axes too, but are no maps.
                            true => path.ends_with("weight"),
                            false => low_rank.targets.iter().any(|target| path.contains(target.as_str())),
                        };
                        *axes == 2 && named && !without.iter().any(|without| path.starts_with(without))
                    })
                    .map(|(path, _)| path)
                    .collect();
                if targets.is_empty() {
                    return Err(format!("no matrix of its video tower has a path with one of {:?}", low_rank.targets));
                }
                let widest = widest(encoder, &targets);
                if low_rank.rank > widest {
                    return Err(format!(
                        "`rank` is {}, but its matrices have ranks of {widest} at most",
                        low_rank.rank
                    ));
                }
                Ok(Trains::LowRank(low_rank, targets))
            }
        }
    }
}

impl Trains {
    /// `encoder` with this requiring gradients, and nothing else.
    pub(crate) fn apply(self, encoder: &AnyEncoder, seed: u64) -> AnyEncoder {
        let frozen = encoder.clone().freeze();
        match self {
            Trains::Nothing => frozen,
            Trains::Parameters(paths) => frozen.unfreeze_group(ParamGroup::from_paths(paths)),
            Trains::LowRank(LowRank { rank, alpha, .. }, targets) => {
                let lora = Lora::new(rank, alpha).set_param_group(ParamGroup::from_paths(targets));
                frozen.apply_lora(lora).map(&mut Redraw { seed, std: 1.0 / rank as f64, path: Vec::new() })
            }
        }
    }
}

/// Paths of the parameters that begin with one of `prefixes`, in the module's order, with their numbers of axes.
fn paths(encoder: &AnyEncoder, prefixes: &[&str]) -> Vec<(String, usize)> {
    let mut lister = Lister { path: Vec::new(), found: Vec::new() };
    encoder.visit(&mut lister);
    lister.found.retain(|(path, _)| prefixes.iter().any(|prefix| path.starts_with(prefix)));
    lister.found
}

/// The largest rank that one of the matrices at `paths` can have.
fn widest(encoder: &AnyEncoder, paths: &[String]) -> usize {
    let mut sides = Sides { paths, path: Vec::new(), widest: 0 };
    encoder.visit(&mut sides);
    sides.widest
}

struct Sides<'a> {
    paths: &'a [String],
    path: Vec<String>,
    widest: usize,
}

impl ModuleVisitor for Sides<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.paths.contains(&self.path.join(".")) {
            self.widest = self.widest.max(param.lazy_shape().iter().copied().min().unwrap_or(0));
        }
    }
}

/// Index of the first parameter of the last `count` blocks; a block is what the last number of a path counts.
fn first_of_last_blocks(paths: &[(String, usize)], count: usize) -> Result<usize, String> {
    if count == 0 {
        return Ok(0);
    }
    let mut starts: Vec<(usize, &str)> = Vec::new();
    for (index, (path, _)) in paths.iter().enumerate() {
        let Some(block) = block(path) else { continue };
        if starts.last().is_none_or(|(_, last)| *last != block) {
            starts.push((index, block));
        }
    }
    match starts.len().checked_sub(count) {
        Some(first) => Ok(starts[first].0),
        None => Err(format!("`last_blocks` is {count}, but its video tower has {} blocks", starts.len())),
    }
}

/// The part of a path up to its last number: `stages.2.blocks.5.norm.gamma` belongs to `stages.2.blocks.5`.
fn block(path: &str) -> Option<&str> {
    let mut end = path.len();
    loop {
        let start = path[..end].rfind('.').map_or(0, |dot| dot + 1);
        if path[start..end].parse::<usize>().is_ok() {
            return Some(&path[..end]);
        }
        end = start.checked_sub(1)?;
    }
}

struct Lister {
    path: Vec<String>,
    found: Vec<(String, usize)>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        self.found.push((self.path.join("."), D));
    }
}

/// Draws the first factors of low-rank additions again: Burn takes them from a generator of the whole process.
struct Redraw {
    seed: u64,
    std: f64,
    path: Vec<String>,
}

impl ModuleMapper for Redraw {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.path.ends_with(&["lora".to_owned(), "a".to_owned()]) {
            return param;
        }
        let mut stream = Stream::new(self.seed, &format!("adapt/lora/{}", self.path.join(".")), 0);
        param.map(|tensor| {
            let values: Vec<f32> =
                (0..tensor.shape().num_elements()).map(|_| (self.std * stream.normal()) as f32).collect();
            Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_what_the_last_number_counts() {
        assert_eq!(block("visual.stages.2.blocks.5.norm.gamma"), Some("visual.stages.2.blocks.5"));
        assert_eq!(block("head.weight"), None);
        let paths: Vec<(String, usize)> = ["stem.weight", "blocks.0.a", "blocks.0.b", "blocks.1.a", "norm.gamma"]
            .map(|path| (path.to_owned(), 2))
            .into();
        let first = |count| first_of_last_blocks(&paths, count);
        assert_eq!((first(0), first(1), first(2)), (Ok(0), Ok(3), Ok(1)));
        assert!(first(3).unwrap_err().contains("2 blocks"));
    }
}
