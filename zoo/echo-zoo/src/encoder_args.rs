//! Which encoder, at which size, with which weights, on which device: flags that several commands share.

use std::path::PathBuf;

use burn::tensor::Device;
use echo_core::Preset;
use echo_weights::{Built, Weights};

use crate::{CliError, DeviceChoice, Entry, build, find};

/// Flags that name an encoder.
#[derive(Debug, clap::Args)]
pub(crate) struct EncoderArgs {
    /// The encoder.
    #[arg(long)]
    pub(crate) encoder: String,
    /// Size of the encoder.
    #[arg(long, default_value_t = Preset::Full)]
    pub(crate) preset: Preset,
    /// Its weights.
    #[arg(long, value_name = "FILE", conflicts_with = "random_init")]
    weights: Option<PathBuf>,
    /// Random weights.
    #[arg(long)]
    random_init: bool,
    /// Seed of random weights.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    random_seed: u64,
    /// cpu, wgpu, cuda or cuda:INDEX.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
}

impl EncoderArgs {
    /// The encoder and the device that it lives on.
    pub(crate) fn build(&self, entries: &[Entry]) -> Result<(Built, Device), CliError> {
        let entry = find(entries, &self.encoder)?;
        let device = self.device.device().map_err(CliError::Usage)?;
        let weights = match (&self.weights, self.random_init) {
            (Some(path), _) => Weights::File(path.clone()),
            (None, true) => Weights::Random(self.random_seed),
            (None, false) => Weights::Shipped,
        };
        let built = build(entries, entry, self.preset, &weights, &device)?;
        Ok((built, device))
    }
}
