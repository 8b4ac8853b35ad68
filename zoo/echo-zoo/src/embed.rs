//! `echozoo embed`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_bench::Progress;
use echo_core::{Preset, l2_normalize};
use echo_data::{Start, for_each_clip};
use echo_video::OpenOptions;
use echo_weights::{Built, Weights};

use crate::array_file::{Element, bytes_of, npy, read_safetensors, safetensors, write_file};
use crate::{CliError, DeviceChoice, Entry, find};

/// File names that count as videos in a folder; a file named on the command line is always tried.
const VIDEO_EXTENSIONS: [&str; 8] = ["avi", "mp4", "mov", "mkv", "webm", "m4v", "dcm", "wmv"];

/// Flags of `echozoo embed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Videos, or folders of videos.
    inputs: Vec<PathBuf>,
    /// The encoder.
    #[arg(long)]
    encoder: String,
    /// Size of the encoder.
    #[arg(long, default_value_t = Preset::Full)]
    preset: Preset,
    /// Its weights.
    #[arg(long, value_name = "FILE", conflicts_with = "random_init")]
    weights: Option<PathBuf>,
    /// Random weights.
    #[arg(long)]
    random_init: bool,
    /// Seed of random weights.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    random_seed: u64,
    /// Ready clips (tensor `clip`, floats [batch, 3, frames, height, width]) instead of videos.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs", "text"])]
    tensor: Option<PathBuf>,
    /// Texts instead of videos; repeat the flag for more.
    #[arg(long, conflicts_with = "inputs")]
    text: Vec<String>,
    /// Where the embeddings go: .npy, .safetensors (tensor `embedding`) or .csv.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(long)]
    allow_truncated: bool,
    /// cpu, wgpu, cuda or cuda:INDEX.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
}

/// One embedding per name.
struct Embeddings {
    names: Vec<String>,
    dim: usize,
    values: Vec<f32>,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let format = args.out.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_owned();
    if !["npy", "safetensors", "csv"].contains(&format.as_str()) {
        let path = args.out.display();
        return Err(CliError::Usage(format!("--out {path}: give a file that ends in .npy, .safetensors or .csv")));
    }
    let entry = find(entries, &args.encoder)?;
    let device = args.device.device().map_err(CliError::Usage)?;
    let weights = match (&args.weights, args.random_init) {
        (Some(path), _) => Weights::File(path.clone()),
        (None, true) => Weights::Random(args.random_seed),
        (None, false) => Weights::Shipped,
    };
    let built = entry.build(args.preset, &weights, &device)?;
    let (embeddings, failed) = match (&args.tensor, args.text.as_slice()) {
        (Some(path), _) => (embed_tensor(path, &built, &device)?, 0),
        (None, []) if args.inputs.is_empty() => {
            return Err(CliError::Usage("nothing to embed: give videos, folders, --tensor or --text".to_owned()));
        }
        (None, []) => embed_videos(args, &built, &device)?,
        (None, texts) => (embed_texts(texts, &built, &device)?, 0),
    };
    let total = embeddings.names.len() + failed;
    if embeddings.names.is_empty() {
        return Err(CliError::Inputs { failed, total });
    }
    write(&args.out, &format, &embeddings, args, &built)?;
    eprintln!("{} embeddings of length {} in {}", embeddings.names.len(), embeddings.dim, args.out.display());
    match failed {
        0 => Ok(()),
        failed => Err(CliError::Inputs { failed, total }),
    }
}

fn embed_tensor(path: &Path, built: &Built, device: &Device) -> Result<Embeddings, CliError> {
    let (shape, values) = read_safetensors(path, "clip")?;
    let [batch, 3, frames, height, width] = shape[..] else {
        let reason = format!("tensor \"clip\" has shape {shape:?}; [batch, 3, frames, height, width] is needed");
        return Err(CliError::File { path: path.to_owned(), reason });
    };
    if values.iter().any(|value| !value.is_finite()) {
        let reason = "tensor \"clip\" holds values that are not finite".to_owned();
        return Err(CliError::File { path: path.to_owned(), reason });
    }
    if values.is_empty() || height < 32 || width < 32 {
        let reason = format!("tensor \"clip\" has shape {shape:?}; frames of at least 32x32 pixels are needed");
        return Err(CliError::File { path: path.to_owned(), reason });
    }
    let clip = Tensor::<5>::from_data(TensorData::new(values, [batch, 3, frames, height, width]), device);
    let embedding = built.encoder.encode(clip);
    let [_, dim] = embedding.dims();
    let names = (0..batch).map(|index| format!("clip {index}")).collect();
    Ok(Embeddings { names, dim, values: embedding.into_data().iter::<f32>().collect() })
}

fn embed_texts(texts: &[String], built: &Built, device: &Device) -> Result<Embeddings, CliError> {
    let card = built.encoder.card();
    let Some(text) = built.encoder.text() else {
        return Err(CliError::Usage(format!("{} has no text encoder", card.name)));
    };
    let (mut values, mut dim) = (Vec::new(), 0);
    for sentence in texts {
        let ids: Vec<i64> = text.tokenize(sentence)?.into_iter().map(i64::from).collect();
        let length = ids.len();
        let words = text.words(Tensor::<2, Int>::from_data(TensorData::new(ids, [1, length]), device));
        let embedding = l2_normalize(text.encode_words(words, &[length]));
        dim = embedding.dims()[1];
        values.extend(embedding.into_data().iter::<f32>());
    }
    Ok(Embeddings { names: texts.to_vec(), dim, values })
}

/// Embeddings of all videos that can be used, and the number of those that cannot, each named on standard error.
fn embed_videos(args: &Args, built: &Built, device: &Device) -> Result<(Embeddings, usize), CliError> {
    let mut files = Vec::new();
    for input in &args.inputs {
        if input.is_dir() {
            files_of(input, &mut files)?;
        } else {
            files.push(input.clone());
        }
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let spec = &built.encoder.card().preset(args.preset).clip;
    let options = OpenOptions { allow_truncated: args.allow_truncated, ..OpenOptions::default() };
    let mut progress = Progress::new("embedding", paths.len());
    let mut found: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
    let (mut failed, mut done) = (0, 0);
    for_each_clip(
        &paths,
        spec,
        Start::First,
        &options,
        |loaded| {
            let clip = loaded.clip;
            let shape = [1, 3, clip.frames, clip.size, clip.size];
            let clip = Tensor::<5>::from_data(TensorData::new(clip.data, shape), device);
            (built.encoder.encode(clip).into_data().iter::<f32>().collect::<Vec<f32>>(), loaded.truncation)
        },
        |index, result| {
            done += 1;
            match result {
                Ok((embedding, truncation)) => {
                    if let Some(truncation) = truncation {
                        progress
                            .line(&format!("{}: truncated, used all the same: {truncation}", paths[index].display()));
                    }
                    found.insert(index, embedding);
                }
                Err(error) => {
                    failed += 1;
                    progress.line(&format!("left out: {error}"));
                }
            }
            progress.set(done, "");
        },
    );
    let dim = found.values().next().map_or(0, Vec::len);
    let names = found.keys().map(|&index| paths[index].display().to_string()).collect();
    Ok((Embeddings { names, dim, values: found.into_values().flatten().collect() }, failed))
}

/// Videos below `dir`, by name.
fn files_of(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let mut entries = std::fs::read_dir(dir)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(CliError::file(dir))?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = entry.path();
        // The type of the entry itself: a link to a folder above it would not end.
        let kind = entry.file_type().map_err(CliError::file(&path))?;
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
        if kind.is_dir() {
            files_of(&path, files)?;
        } else if extension.is_some_and(|extension| VIDEO_EXTENSIONS.contains(&extension.as_str())) {
            files.push(path);
        }
    }
    Ok(())
}

fn write(path: &Path, format: &str, embeddings: &Embeddings, args: &Args, built: &Built) -> Result<(), CliError> {
    let Embeddings { names, dim, values } = embeddings;
    let shape = [names.len(), *dim];
    let bytes = match format {
        "npy" => npy(Element::F32, &shape, &bytes_of(values)),
        "csv" => {
            let mut text = "name".to_owned();
            (0..*dim).for_each(|index| text.push_str(&format!(",e{index}")));
            text.push('\n');
            for (name, row) in names.iter().zip(values.chunks(*dim)) {
                text.push_str(&format!("\"{}\"", name.replace('"', "\"\"")));
                row.iter().for_each(|value| text.push_str(&format!(",{value}")));
                text.push('\n');
            }
            text.into_bytes()
        }
        _ => {
            let metadata = HashMap::from([
                ("encoder".to_owned(), args.encoder.clone()),
                ("preset".to_owned(), args.preset.to_string()),
                ("weights".to_owned(), built.kind.to_string()),
                ("weights_hash".to_owned(), built.hash.clone()),
                ("names".to_owned(), serde_json::to_string(names).map_err(CliError::file(path))?),
            ]);
            safetensors(path, "embedding", &shape, values, metadata)?
        }
    };
    write_file(path, &bytes)
}
