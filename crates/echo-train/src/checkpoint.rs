//! Training that can go on after an interruption as if there had been none.
//!
//! A checkpoint is one safetensors file: trained parameters, those of the best epoch if one is watched for, what the
//! optimizer remembers, and the progress in its metadata. A kill at any instant leaves the old file or the new one.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::{Device, TensorData};
use echo_core::AnyAdapter;
use echo_metrics::Epoch;
use serde::{Deserialize, Serialize};

use crate::fit::Best;
use crate::optimizer::{Memory, Stepper};
use crate::{Parameter, TrainError, read_tensors, values, with_values, write_tensors};

/// Where and how often training is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// The file. It must belong to this training alone: other settings, other samples or another seed need another.
    pub file: PathBuf,
    /// Least time between two checkpoints, which stand at the ends of epochs.
    pub every: Duration,
}

/// How far training is, beside its tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    curve: Vec<Epoch>,
    zero_gradients: Vec<String>,
    /// Epoch and score of the best so far.
    best: Option<(usize, f64)>,
    memory: Memory,
}

/// Training at the end of an epoch.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) adapter: AnyAdapter,
    pub(crate) best: Option<Best>,
    pub(crate) curve: Vec<Epoch>,
    pub(crate) zero_gradients: Vec<String>,
}

const STATE: &str = "state";
const PARAMETER: &str = "parameter/";
const BEST: &str = "best/";
const MEMORY: &str = "optimizer/";

/// Saves as often as was asked.
#[derive(Debug)]
pub(crate) struct Saver<'a> {
    to: &'a Checkpoints,
    paths: Vec<&'a str>,
    last: Instant,
}

impl<'a> Saver<'a> {
    pub(crate) fn new(to: &'a Checkpoints, trainable: &'a [Parameter]) -> Self {
        let paths = trainable.iter().map(|parameter| parameter.path.as_str()).collect();
        Self { to, paths, last: Instant::now() }
    }

    /// Saves unless the last time was just now.
    pub(crate) fn save(&mut self, progress: &Progress, optimizer: &Stepper) -> Result<(), TrainError> {
        if self.last.elapsed() < self.to.every {
            return Ok(());
        }
        let mut memory = optimizer.memory();
        let named = |prefix: &'static str, tensors: Vec<(String, TensorData)>| {
            tensors.into_iter().map(move |(name, data)| (format!("{prefix}{name}"), data))
        };
        let mut tensors: Vec<(String, TensorData)> = named(PARAMETER, values(&progress.adapter, &self.paths)).collect();
        tensors.extend(named(MEMORY, std::mem::take(&mut memory.tensors)));
        if let Some(best) = &progress.best {
            tensors.extend(named(BEST, values(&best.adapter, &self.paths)));
        }
        let state = State {
            curve: progress.curve.clone(),
            zero_gradients: progress.zero_gradients.clone(),
            best: progress.best.as_ref().map(|best| (best.epoch, best.error)),
            memory,
        };
        let file = &self.to.file;
        let fail = |reason: String| TrainError::Checkpoint { path: file.clone(), reason };
        let state = serde_json::to_string(&state).map_err(|error| fail(error.to_string()))?;
        write_tensors(file, tensors, STATE, state).map_err(|error| fail(error.to_string()))?;
        // Taken after writing, so that what takes long is done less often.
        self.last = Instant::now();
        Ok(())
    }
}

/// Brings `adapter` and `optimizer` to where the checkpoint was made; nothing where there is none. One that is damaged,
/// or of another training, is thrown away, and that is said: it saves time and decides nothing.
///
/// # Errors
/// The file cannot be accessed.
pub(crate) fn resume(
    adapter: &AnyAdapter,
    optimizer: &mut Stepper,
    from: &Checkpoints,
    trainable: &[Parameter],
    device: &Device,
) -> Result<Option<Progress>, TrainError> {
    let path = &from.file;
    let restored = match read_tensors(path, STATE) {
        Ok((tensors, text)) => restored(adapter, optimizer, trainable, &tensors, &text, device),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Err(error.to_string())
        }
        Err(error) => return Err(TrainError::Checkpoint { path: path.clone(), reason: error.to_string() }),
    };
    match restored {
        Ok(progress) => Ok(Some(progress)),
        Err(reason) => {
            let shown = echo_files::printable(&path.display().to_string()).into_owned();
            echo_files::say(&format!("checkpoint {shown} is thrown away, training begins anew: {reason}"));
            discard(from)?;
            Ok(None)
        }
    }
}

fn restored(
    adapter: &AnyAdapter,
    optimizer: &mut Stepper,
    trainable: &[Parameter],
    tensors: &[(String, TensorData)],
    text: &str,
    device: &Device,
) -> Result<Progress, String> {
    let mut state: State = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let under = |prefix: &str| -> Vec<(String, TensorData)> {
        let named = tensors.iter().filter_map(|(name, data)| Some((name.strip_prefix(prefix)?, data)));
        named.map(|(name, data)| (name.to_owned(), data.clone())).collect()
    };
    let with = |values: Vec<(String, TensorData)>| match values.len() == trainable.len() {
        true => with_values(adapter.clone(), values),
        false => Err(format!("it holds {} of {} parameters", values.len(), trainable.len())),
    };
    let adapter = with(under(PARAMETER))?;
    let best = match state.best {
        Some((epoch, error)) => Some(Best { epoch, error, adapter: with(under(BEST))? }),
        None => None,
    };
    state.memory.tensors = under(MEMORY);
    optimizer.remember(state.memory, device)?;
    Ok(Progress { adapter, best, curve: state.curve, zero_gradients: state.zero_gradients })
}

/// Removes the checkpoint once training has ended.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn discard(checkpoints: &Checkpoints) -> Result<(), TrainError> {
    match std::fs::remove_file(&checkpoints.file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::Checkpoint { path: checkpoints.file.clone(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}
