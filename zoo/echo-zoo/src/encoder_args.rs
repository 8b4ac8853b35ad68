//! Which encoder, at which size, with which weights, on which device: flags that several commands share.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use echo_core::Preset;
use echo_kernels::Precision;
use echo_report::EncoderRecord;
use echo_weights::{Built, Weights};

use crate::fetch::default_weights;
use crate::{CliError, DeviceChoice, Entry, build, find};

/// Flags that name an encoder.
#[derive(Debug, clap::Args)]
pub(crate) struct EncoderArgs {
    /// The encoder.
    #[arg(long)]
    pub(crate) encoder: String,
    /// Its preset: full, nano, or another that `echozoo list` names.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL)]
    pub(crate) preset: String,
    #[command(flatten)]
    weights: WeightArgs,
}

/// Flags that say which weights, and on which device.
#[derive(Debug, clap::Args)]
pub(crate) struct WeightArgs {
    /// The encoder's weights [default: those that are shipped or that `echozoo fetch` brought].
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The entry of the file that holds the encoder, where several do (`model_ema`, for instance).
    #[arg(long, value_name = "KEY", requires = "weights")]
    weights_key: Option<String>,
    /// Random weights.
    // A flag that another one needs is not asked for where it may not be given, so both are named.
    #[arg(long, conflicts_with_all = ["weights", "weights_key"])]
    random_init: bool,
    /// Seed of random weights.
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "random_init")]
    random_seed: u64,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// Flags that say where, and in how many bits, an encoder is computed.
#[derive(Debug, clap::Args)]
pub(crate) struct ComputeArgs {
    /// cpu, wgpu, cuda or cuda:INDEX.
    #[arg(help_heading = "Machine", long, default_value_t = DeviceChoice::Cpu)]
    pub(crate) device: DeviceChoice,
    /// Numbers that a frozen encoder multiplies on the CPU: f32, bf16 or int8. The shorter, the less exact, and on most
    /// processors the quicker (docs/speed.md) [default: f32; with --adapter-file, as the adapter was fitted].
    #[arg(help_heading = "Machine", long, value_name = "TYPE")]
    precision: Option<Precision>,
}

impl ComputeArgs {
    /// The same as words of a command.
    pub(crate) fn flags(&self) -> Vec<String> {
        let precision = self.precision.iter().flat_map(|precision| ["--precision".to_owned(), precision.to_string()]);
        ["--device".to_owned(), self.device.to_string()].into_iter().chain(precision).collect()
    }

    pub(crate) fn device(&self) -> Result<Device, CliError> {
        self.device.device().map_err(CliError::Usage)
    }

    /// The precision that is asked for, or else that of an adapter's file.
    ///
    /// # Errors
    /// The device has no other than f32.
    pub(crate) fn precision_or(&self, of_file: Precision) -> Result<Precision, CliError> {
        let precision = self.precision.unwrap_or(of_file);
        if precision == Precision::F32 || self.device == DeviceChoice::Cpu {
            if !precision.is_quick() {
                echo_files::say(&format!("warning: on this processor {precision} is slower than f32"));
            }
            return Ok(precision);
        }
        let whose = if self.precision.is_none() { ", in which the adapter was fitted," } else { "" };
        Err(CliError::Usage(format!(
            "{precision}{whose} is for the CPU: take --device cpu, or --precision f32 on {}",
            self.device
        )))
    }
}

impl EncoderArgs {
    /// The encoder and the device that it lives on.
    pub(crate) fn build(&self, entries: &[Entry]) -> Result<(Built, Device), CliError> {
        self.weights.build(entries, &self.encoder, &self.preset)
    }

    /// The device that it is to live on.
    pub(crate) fn device(&self) -> Result<Device, CliError> {
        self.weights.compute.device()
    }

    /// What it is to be computed in.
    pub(crate) fn precision(&self) -> Result<Precision, CliError> {
        self.weights.precision_or(Precision::F32)
    }
}

impl WeightArgs {
    /// The precision that is asked for, or else this one.
    pub(crate) fn precision_or(&self, other: Precision) -> Result<Precision, CliError> {
        self.compute.precision_or(other)
    }

    /// The encoder called `name` and the device that it lives on.
    pub(crate) fn build(&self, entries: &[Entry], name: &str, preset: &str) -> Result<(Built, Device), CliError> {
        let entry = find(entries, name)?;
        entry.card.preset(preset)?;
        let device = self.compute.device()?;
        let weights = match (&self.weights, self.random_init) {
            (Some(path), _) => self.of_file(path),
            (None, true) => Weights::Random(self.random_seed),
            (None, false) => default_weights(entry, preset)?,
        };
        let built = build(entries, entry, preset, &weights, &device)?;
        if let Some(others) = built.report.others() {
            echo_files::say(&format!("weights of {name}: left out, {others}"));
        }
        Ok((built, device))
    }

    fn of_file(&self, path: &Path) -> Weights {
        weights_of(path, self.weights_key.as_deref())
    }

    /// The encoder that `record` names, with the weights that it was used with: `other` instead of these flags' file for
    /// one that is not the main encoder.
    pub(crate) fn build_as(
        &self,
        entries: &[Entry],
        record: &EncoderRecord,
        other: Option<Option<&PathBuf>>,
    ) -> Result<(Built, Device), CliError> {
        let entry = find(entries, &record.name)?;
        let device = self.compute.device()?;
        let is_main = other.is_none();
        let weights = match (other.unwrap_or(self.weights.as_ref()), record.random_seed()) {
            (Some(path), _) if is_main => self.of_file(path),
            (Some(path), _) => Weights::File(path.clone()),
            (None, Some(seed)) => Weights::Random(seed),
            (None, None) => default_weights(entry, &record.preset)?,
        };
        Ok((build(entries, entry, &record.preset, &weights, &device)?, device))
    }
}

/// A file of weights, or one entry of it.
pub(crate) fn weights_of(path: &Path, key: Option<&str>) -> Weights {
    match key {
        Some(key) => Weights::Entry { path: path.to_owned(), entry: key.to_owned() },
        None => Weights::File(path.to_owned()),
    }
}
