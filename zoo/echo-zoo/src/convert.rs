//! `echozoo convert`.

use std::path::PathBuf;

use echo_core::Preset;
use echo_weights::{Precision, save_loaded};

use crate::array_file::out_format;
use crate::encoder_args::weights_of;
use crate::output::print;
use crate::{CliError, DeviceChoice, Entry, build, find};

/// Flags of `echozoo convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The encoder.
    #[arg(long)]
    encoder: String,
    /// Its preset.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL)]
    preset: String,
    /// The upstream weights.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// The entry of the file that holds the encoder, where several do (`model_ema`, for instance).
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// The copy (.safetensors); it loads wherever the upstream file does.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Store 16-bit floats: half the size, about three digits.
    #[arg(long)]
    half: bool,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    out_format(&args.out, &["safetensors"])?;
    let entry = find(entries, &args.encoder)?;
    entry.card.preset(&args.preset)?;
    let device = DeviceChoice::Cpu.device().map_err(CliError::Usage)?;
    let weights = weights_of(&args.weights, args.weights_key.as_deref());
    let built = build(entries, entry, &args.preset, &weights, &device)?;
    let precision = if args.half { Precision::Half } else { Precision::Full };
    save_loaded(&built.encoder, &built.report, &args.out, precision)?;
    print(&format!("{}: {}\n", args.weights.display(), built.report))
}
