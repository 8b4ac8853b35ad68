//! `echozoo convert`.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use echo_adapt::AdapterEntry;
use echo_bench::AdapterFile;
use echo_core::{AnyEncoder, Preset};
use echo_weights::{LoadReport, Precision, Weights, save_loaded};

use crate::array_file::{out_format, refuse_inputs};
use crate::encoder_args::weights_of;
use crate::fetch::default_weights;
use crate::output::print;
use crate::{CliError, DeviceChoice, Entry, build, find};

/// Flags of `echozoo convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The encoder.
    #[arg(long, required_unless_present = "adapter_file")]
    encoder: Option<String>,
    /// Its preset.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL, conflicts_with = "adapter_file")]
    preset: String,
    /// The upstream weights; with --adapter-file, those that it was fitted on [default then: those that are shipped or that
    /// `echozoo fetch` brought].
    #[arg(long, value_name = "FILE", required_unless_present = "adapter_file")]
    weights: Option<PathBuf>,
    /// The entry of the file that holds the encoder, where several do (`model_ema`, for instance).
    #[arg(long, value_name = "KEY", requires = "weights")]
    weights_key: Option<String>,
    /// An adapter that trained the encoder (`full` or `negation`; of `bench --save-adapters`): the copy has the encoder as it is
    /// after that, without the adapter's head. So one training begins where another ended.
    #[arg(long, value_name = "FILE", conflicts_with = "encoder")]
    adapter_file: Option<PathBuf>,
    /// The copy (.safetensors); it loads wherever the upstream file does.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Store 16-bit floats: half the size, about three digits.
    #[arg(long)]
    half: bool,
}

pub(crate) fn run(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    out_format(&args.out, &["safetensors"])?;
    refuse_inputs([args.out.as_path()], args.weights.iter().chain(&args.adapter_file).map(PathBuf::as_path))?;
    let device = DeviceChoice::Cpu.device().map_err(CliError::Usage)?;
    let precision = if args.half { Precision::Half } else { Precision::Full };
    if let Some(path) = &args.adapter_file {
        return fitted(args, path, precision, entries, adapters, &device);
    }
    let (Some(name), Some(path)) = (&args.encoder, &args.weights) else {
        return Err(CliError::Usage("give --encoder and --weights, or --adapter-file".to_owned()));
    };
    let entry = find(entries, name)?;
    entry.card.preset(&args.preset)?;
    let built = build(entries, entry, &args.preset, &weights_of(path, args.weights_key.as_deref()), &device)?;
    save_loaded(&built.encoder, &built.report, &args.out, precision)?;
    print(&format!("{}: {}\n", path.display(), built.report))
}

/// The encoder as an adapter trained it.
fn fitted(
    args: &Args,
    path: &Path,
    precision: Precision,
    entries: &[Entry],
    adapters: &[AdapterEntry],
    device: &Device,
) -> Result<(), CliError> {
    let refused = |reason: String| CliError::File { path: path.to_owned(), reason };
    let file = AdapterFile::open(path)?;
    let record = &file.record;
    let entry = find(entries, &record.encoder.name)?;
    let weights = match (&args.weights, record.encoder.random_seed()) {
        (Some(path), _) => weights_of(path, args.weights_key.as_deref()),
        (None, Some(seed)) => Weights::Random(seed),
        (None, None) => default_weights(entry, &record.encoder.preset)?,
    };
    if let Some(text) = &record.text {
        return Err(refused(format!(
            "its adapter reads the texts of {}, which no weights of {} hold",
            text.name, entry.card.name
        )));
    }
    let built = build(entries, entry, &record.encoder.preset, &weights, device)?;
    let adapter = file.adapt(adapters, &built, None)?;
    // What an adapter put into the encoder, such as factors of low rank, is no part of its architecture.
    let is_whole = |encoder: &AnyEncoder| {
        let begun = [false, true].map(|released| built.encoder.with_negation(released));
        let known = begun.into_iter().chain([Some(built.encoder.clone())]);
        known.flatten().any(|known| known.num_params() == encoder.num_params())
    };
    let Some(encoder) = adapter.encoder().filter(|encoder| is_whole(encoder)) else {
        let reason = "does not train the encoder's own parameters; adapters such as full and negation do";
        return Err(refused(format!("{} {reason}", record.adapter)));
    };
    save_loaded(encoder, &LoadReport::default(), &args.out, precision)?;
    print(&format!("{}: {} as {} trained it\n", args.out.display(), entry.card.title, record.adapter))
}
