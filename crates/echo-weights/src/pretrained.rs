//! From a preset and a choice of weights to an encoder.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use echo_core::{AnyEncoder, Card, EchoEncoder, Preset};

use crate::{Checkpoint, KeyTable, LoadReport, WeightsError, load, randomize};

/// What a new encoder implements beside `EchoEncoder`.
pub trait Pretrained: EchoEncoder + Module + Sized + 'static {
    /// The encoder's facts.
    const CARD: &'static Card;

    /// The network with constant parameters.
    fn init(preset: Preset, device: &Device) -> Self;

    /// The network for a checkpoint, whose shapes may say what the preset leaves open.
    fn init_for(preset: Preset, _checkpoint: &Checkpoint, device: &Device) -> Self {
        Self::init(preset, device)
    }

    /// The upstream checkpoint's names. Files written by [`save`](crate::save) bear the module's own and need none.
    fn keys() -> &'static KeyTable;

    /// Weights shipped with the crate (a safetensors file under the module's own names), for presets that have any.
    fn shipped(_preset: Preset) -> Option<&'static [u8]> {
        None
    }
}

/// Where the weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// A checkpoint file.
    File(PathBuf),
    /// Those shipped with the encoder's crate.
    Shipped,
    /// Random, from a seed.
    Random(u64),
}

/// What kind of weights an encoder has: stands in every row, table and plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightsKind {
    /// From a file that the user gave.
    File,
    /// Shipped nano weights, trained on phantoms.
    Nano,
    /// Random.
    Random,
}

impl std::fmt::Display for WeightsKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WeightsKind::File => "file",
            WeightsKind::Nano => "nano",
            WeightsKind::Random => "random",
        })
    }
}

/// An encoder with its weights.
#[derive(Debug)]
pub struct Built {
    /// The encoder, frozen, on the device it was built for.
    pub encoder: AnyEncoder,
    /// What kind of weights it has.
    pub kind: WeightsKind,
    /// Identifies the weights' values: a hash of the file, or the seed of random ones.
    pub hash: String,
    /// What became of every tensor; empty for random weights.
    pub report: LoadReport,
}

/// Builds `E` at `preset` with `weights`.
///
/// # Errors
/// The file cannot be read or does not fit, or no weights are shipped.
pub fn build<E: Pretrained>(preset: Preset, weights: &Weights, device: &Device) -> Result<Built, WeightsError> {
    let name = || format!("{} ({preset})", E::CARD.name);
    let (encoder, kind, hash, report) = match weights {
        Weights::File(path) => {
            let checkpoint = Checkpoint::open(path)?;
            let module = E::init_for(preset, &checkpoint, device);
            let keys = if checkpoint.has_own_names() { &KeyTable::IDENTITY } else { E::keys() };
            let (module, report) = load(module, &name(), &checkpoint, keys)?;
            (module, WeightsKind::File, hash_file(path)?, report)
        }
        Weights::Shipped => {
            let bytes = E::shipped(preset).ok_or_else(|| WeightsError::NotShipped {
                encoder: E::CARD.name.to_owned(),
                preset: preset.to_string(),
            })?;
            let checkpoint = Checkpoint::from_safetensors_bytes(&format!("shipped weights of {}", name()), bytes)?;
            let module = E::init_for(preset, &checkpoint, device);
            let (module, report) = load(module, &name(), &checkpoint, &KeyTable::IDENTITY)?;
            (module, WeightsKind::Nano, blake3::hash(bytes).to_hex().to_string(), report)
        }
        Weights::Random(seed) => {
            let module = randomize(E::init(preset, device), *seed);
            (module, WeightsKind::Random, format!("random-{seed}"), LoadReport::default())
        }
    };
    Ok(Built { encoder: AnyEncoder::new(encoder).freeze(), kind, hash, report })
}

fn hash_file(path: &Path) -> Result<String, WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_owned(), source };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path).map_err(io)?).map_err(io)?;
    Ok(hasher.finalize().to_hex().to_string())
}
