//! `echozoo embed`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_core::l2_normalize;
use echo_weights::Built;

use crate::array_file::{Element, bytes_of, npy, safetensors, write_file};
use crate::clip_args::ClipArgs;
use crate::encoder_args::EncoderArgs;
use crate::{CliError, Entry};

/// Flags of `echozoo embed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Texts instead of videos; repeat the flag for more.
    #[arg(long, conflicts_with_all = ["inputs", "tensor"])]
    text: Vec<String>,
    /// Where the embeddings go: .npy, .safetensors (tensor `embedding`) or .csv.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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
    if args.clips.is_empty() && args.text.is_empty() {
        return Err(CliError::Usage("nothing to embed: give videos, folders, --tensor or --text".to_owned()));
    }
    let (built, device) = args.encoder.build(entries)?;
    let (embeddings, failed) = match args.text.as_slice() {
        [] => embed_clips(args, &built, &device)?,
        texts => (embed_texts(texts, &built, &device)?, 0),
    };
    write(&args.out, &format, &embeddings, args, &built)?;
    let count = embeddings.names.len();
    eprintln!("{count} embeddings of length {} in {}", embeddings.dim, args.out.display());
    match failed {
        0 => Ok(()),
        failed => Err(CliError::Inputs { failed, total: count + failed }),
    }
}

/// Embeddings of all clips that can be used, and the number of files that cannot.
fn embed_clips(args: &Args, built: &Built, device: &Device) -> Result<(Embeddings, usize), CliError> {
    let spec = &built.encoder.card().preset(args.encoder.preset).clip;
    let seen = args
        .clips
        .see(spec, 1, device, |clip| built.encoder.encode(clip).into_data().iter::<f32>().collect::<Vec<f32>>())?;
    let (names, rows): (Vec<String>, Vec<Vec<Vec<f32>>>) = seen.rows.into_iter().unzip();
    let values: Vec<f32> = rows.into_iter().flatten().flatten().collect();
    Ok((Embeddings { dim: values.len() / names.len(), names, values }, seen.failed))
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
                ("encoder".to_owned(), args.encoder.encoder.clone()),
                ("preset".to_owned(), args.encoder.preset.to_string()),
                ("weights".to_owned(), built.kind.to_string()),
                ("weights_hash".to_owned(), built.hash.clone()),
                ("names".to_owned(), serde_json::to_string(names).map_err(CliError::file(path))?),
            ]);
            safetensors(path, "embedding", &shape, values, metadata)?
        }
    };
    write_file(path, &bytes)
}
