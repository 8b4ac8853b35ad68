//! From a preset and a choice of weights to an encoder.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::Device;
use echo_core::{AnyEncoder, Card, EchoEncoder, Preset};

use crate::random::fingerprint;
use crate::{Checkpoint, KeyTable, LoadReport, Part, WeightsError, load, randomize};

/// What a new encoder implements beside `EchoEncoder`.
pub trait Pretrained: EchoEncoder + Module + Sized + 'static {
    /// The encoder's facts.
    const CARD: &'static Card;

    /// The files of the upstream weights, for encoders whose weights are released in several: then the user names the
    /// folder that holds them, or the first alone.
    const PARTS: &'static [Part] = &[];

    /// The network with constant parameters, at a preset of its card.
    fn init(preset: &Preset, device: &Device) -> Self;

    /// The network for a checkpoint, whose shapes may say what the preset leaves open.
    ///
    /// # Errors
    /// A file that belongs beside the checkpoint is missing, or does not go with it.
    fn init_for(preset: &Preset, _checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        Ok(Self::init(preset, device))
    }

    /// The upstream checkpoint's names. Files written by [`save`](crate::save) bear the module's own and need none.
    fn keys() -> &'static KeyTable;

    /// Weights shipped with the crate (a safetensors file under the module's own names), for presets that have any.
    fn shipped(_preset: &Preset) -> Option<&'static [u8]> {
        None
    }
}

/// Where the weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// A checkpoint file, or a folder of [`Pretrained::PARTS`].
    File(PathBuf),
    /// One entry of a checkpoint file that holds several models.
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        entry: String,
    },
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
    /// Shipped with the encoder's crate.
    Shipped,
    /// Random.
    Random,
}

impl std::fmt::Display for WeightsKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WeightsKind::File => "file",
            WeightsKind::Shipped => "shipped",
            WeightsKind::Random => "random",
        })
    }
}

/// An encoder with its weights.
#[derive(Debug)]
pub struct Built {
    /// The encoder, frozen, on the device it was built for.
    pub encoder: AnyEncoder,
    /// Its preset.
    pub preset: &'static Preset,
    /// What kind of weights it has.
    pub kind: WeightsKind,
    /// Identifies the weights' values: a hash of the file, or the seed and a hash of random ones.
    pub hash: String,
    /// What became of every tensor; empty for random weights.
    pub report: LoadReport,
}

/// Builds `E` at the preset of that name with `weights`.
///
/// # Errors
/// There is no such preset; the file, or one that belongs beside it, cannot be read or does not fit, or no weights are shipped.
pub fn build<E: Pretrained>(preset: &str, weights: &Weights, device: &Device) -> Result<Built, WeightsError> {
    let preset = E::CARD.preset(preset)?;
    let name = || format!("{} ({})", E::CARD.name, preset.name);
    let (encoder, kind, hash, report) = match weights {
        Weights::File(path) | Weights::Entry { path, .. } => {
            let entry = match weights {
                Weights::Entry { entry, .. } => Some(entry.as_str()),
                _ => None,
            };
            let checkpoint = Checkpoint::open_parts(path, E::PARTS)?;
            let hash = hash(&checkpoint, entry)?;
            let checkpoint = checkpoint.fit(&E::init(preset, device), E::keys(), entry)?;
            let module = E::init_for(preset, &checkpoint, device)?;
            let keys = if checkpoint.has_own_names() { &KeyTable::IDENTITY } else { E::keys() };
            let (module, report) = load(module, &name(), &checkpoint, keys)?;
            (module, WeightsKind::File, hash, report)
        }
        Weights::Shipped => {
            let bytes = E::shipped(preset).ok_or_else(|| WeightsError::NotShipped {
                encoder: E::CARD.name.to_owned(),
                preset: preset.name.to_owned(),
            })?;
            let checkpoint = Checkpoint::from_safetensors_bytes(&format!("shipped weights of {}", name()), bytes)?;
            let module = E::init_for(preset, &checkpoint, device)?;
            let (module, report) = load(module, &name(), &checkpoint, &KeyTable::IDENTITY)?;
            (module, WeightsKind::Shipped, blake3::hash(bytes).to_hex().to_string(), report)
        }
        Weights::Random(seed) => {
            let module = randomize(E::init(preset, device), *seed);
            let hash = format!("random-{seed}-{}", &fingerprint(&module).to_hex()[..32]);
            (module, WeightsKind::Random, hash, LoadReport::default())
        }
    };
    Ok(Built { encoder: AnyEncoder::new(encoder).freeze(), preset, kind, hash, report })
}

/// A hash of the files, in their order, and of the entry that was chosen.
fn hash(checkpoint: &Checkpoint, entry: Option<&str>) -> Result<String, WeightsError> {
    let mut hasher = blake3::Hasher::new();
    for path in &checkpoint.files {
        let io = |source| WeightsError::Io { path: path.clone(), source };
        hasher.update_reader(echo_files::open(path).map_err(io)?).map_err(io)?;
    }
    hasher.update(entry.unwrap_or_default().as_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}
