//! `echozoo embed`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_core::{check_finite, l2_normalize};
use echo_files::{counted, say};
use echo_kernels::Precision;
use echo_weights::Built;
use serde::Serialize;

use crate::array_file::{npy_of, out_format, refuse_inputs, safetensors, write_file};
use crate::clip_args::ClipArgs;
use crate::encoder_args::EncoderArgs;
use crate::output::print;
use crate::table::Table;
use crate::warnings::Warnings;
use crate::{CliError, Entry};

/// Flags of `echozoo embed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Texts instead of videos; repeat the flag for more.
    #[arg(long, conflicts_with_all = ["inputs", "tensor", "allow_truncated"])]
    text: Vec<String>,
    /// Where the embeddings go: .npy, .safetensors (tensor `embedding`), .csv or .json. What is doubtful about which stands
    /// in the file; .npy has no place for it, so FILE.npy.csv beside it has every row's name and warning.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["json", "csv"])]
    out: Option<PathBuf>,
    /// Print them as JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print them as CSV.
    #[arg(long)]
    csv: bool,
}

/// One embedding per name.
struct Embeddings {
    names: Vec<String>,
    /// What is doubtful about each; empty for most.
    warnings: Vec<String>,
    dim: usize,
    values: Vec<f32>,
}

/// A row in JSON, its numbers the shortest that are read back as the same 32 bits.
#[derive(Serialize)]
struct JsonRow<'a> {
    name: &'a str,
    warning: &'a str,
    embedding: &'a [f32],
}

impl Embeddings {
    fn rows(&self) -> impl Iterator<Item = (&str, &str, &[f32])> {
        let names = self.names.iter().zip(&self.warnings);
        names.zip(self.values.chunks(self.dim)).map(|((name, warning), row)| (name.as_str(), warning.as_str(), row))
    }

    fn csv(&self, path: &Path) -> Result<Vec<u8>, CliError> {
        let columns: Vec<String> = (0..self.dim).map(|index| format!("e{index}")).collect();
        let header = ["name", "warning"].into_iter().chain(columns.iter().map(String::as_str));
        let mut table = Table::new(&header.collect::<Vec<_>>())?;
        for (name, warning, row) in self.rows() {
            let row: Vec<String> = row.iter().map(f32::to_string).collect();
            let cells = std::iter::once(warning).chain(row.iter().map(String::as_str));
            table.row(name, &cells.collect::<Vec<_>>())?;
        }
        table.into_bytes(path)
    }

    /// An array of objects.
    fn json(&self) -> String {
        let object = |(name, warning, embedding)| JsonRow { name, warning, embedding };
        serde_json::to_string(&self.rows().map(object).collect::<Vec<_>>()).expect("texts and numbers") + "\n"
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let format = |path| out_format(path, &["npy", "safetensors", "csv", "json"]);
    if let Some(path) = &args.out {
        format(path)?;
        refuse_inputs([path.as_path()], args.clips.files().iter().map(PathBuf::as_path))?;
    }
    if args.text.iter().any(|text| text.trim().is_empty()) {
        return Err(CliError::Usage("--text is empty".to_owned()));
    }
    if args.clips.is_empty() && args.text.is_empty() {
        return Err(CliError::Usage("nothing to embed: give videos, folders, --tensor or --text".to_owned()));
    }
    let precision = args.encoder.precision()?;
    let (built, device) = args.encoder.build(entries)?;
    let encoder = &args.encoder.encoder;
    let remedy = format!("echozoo embed --encoder {encoder} --preset full --weights FILE");
    let mut warnings = Warnings::new(&built, precision, remedy);
    let (embeddings, failed) = match args.text.as_slice() {
        [] => embed_clips(args, &built, (&device, precision), &mut warnings)?,
        texts => (precision.run(|| embed_texts(texts, &built, &device, &mut warnings))?, 0),
    };
    for (name, values) in embeddings.names.iter().zip(embeddings.values.chunks(embeddings.dim)) {
        check_finite("the embedding", values).map_err(CliError::file(Path::new(name)))?;
    }
    let count = embeddings.names.len();
    if let Some(path) = &args.out {
        write(path, format(path)?, &embeddings, args, (&built, precision))?;
        say(&format!("{} of length {} in {}", counted(count, "embedding"), embeddings.dim, path.display()));
    }
    // What reads it may go at any time.
    let printed = match (args.json, args.csv) {
        (true, _) => print(&(embeddings.json())),
        (_, true) => print(&String::from_utf8_lossy(&embeddings.csv(Path::new("standard output"))?)),
        _ => Ok(()),
    };
    warnings.say();
    match failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: count + failed }),
    }
}

/// Embeddings of all clips that can be used, and the number of files that cannot.
fn embed_clips(
    args: &Args,
    built: &Built,
    (device, precision): (&Device, Precision),
    warnings: &mut Warnings<'_>,
) -> Result<(Embeddings, usize), CliError> {
    let spec = &built.preset.clip;
    let encode = |clip| built.encoder.encode(clip).into_data().iter::<f32>().collect::<Vec<f32>>();
    let seen = args.clips.see(spec, 1u16, device, |clip| precision.run(|| encode(clip)))?;
    let warnings = seen.rows.iter().map(|row| warnings.of(row)).collect();
    let failed = seen.faults();
    let (names, rows): (Vec<String>, Vec<Vec<Vec<f32>>>) =
        seen.rows.into_iter().map(|row| (row.name, row.value)).unzip();
    let values: Vec<f32> = rows.into_iter().flatten().flatten().collect();
    Ok((Embeddings { dim: values.len() / names.len(), names, warnings, values }, failed))
}

fn embed_texts(
    texts: &[String],
    built: &Built,
    device: &Device,
    warnings: &mut Warnings<'_>,
) -> Result<Embeddings, CliError> {
    let embeddings = text_embeddings(texts, built, device)?;
    let dim = embeddings.dims()[1];
    let warnings = texts.iter().map(|_| warnings.of_text()).collect();
    Ok(Embeddings { names: texts.to_vec(), warnings, dim, values: embeddings.into_data().iter::<f32>().collect() })
}

/// Embeddings of texts, each of length one: `[texts, dim]`.
///
/// # Errors
/// The encoder has no text tower, or a text is too long for it.
pub(crate) fn text_embeddings(texts: &[String], built: &Built, device: &Device) -> Result<Tensor<2>, CliError> {
    let Some(text) = built.encoder.text() else {
        return Err(CliError::Usage(format!("{} has no text encoder", built.encoder.card().name)));
    };
    let one = |sentence: &String| {
        let ids: Vec<i64> = text.tokenize(sentence)?.into_iter().map(i64::from).collect();
        let length = ids.len();
        let words = text.words(Tensor::<2, Int>::from_data(TensorData::new(ids, [1, length]), device));
        Ok(l2_normalize(text.encode_words(words, &[length])))
    };
    Ok(Tensor::cat(texts.iter().map(one).collect::<Result<Vec<_>, CliError>>()?, 0))
}

fn write(
    path: &Path,
    format: &str,
    embeddings: &Embeddings,
    args: &Args,
    (built, precision): (&Built, Precision),
) -> Result<(), CliError> {
    let Embeddings { names, warnings, dim, values } = embeddings;
    let shape = [names.len(), *dim];
    let bytes = match format {
        "npy" => {
            let mut table = Table::new(&["name", "row", "warning"])?;
            for (row, (name, warning)) in names.iter().zip(warnings).enumerate() {
                table.row(name, &[&row.to_string(), warning])?;
            }
            let beside = rows_beside(path);
            write_file(&beside, &table.into_bytes(&beside)?)?;
            npy_of(values, &shape).map_err(CliError::file(path))?
        }
        "csv" => embeddings.csv(path)?,
        "json" => embeddings.json().into_bytes(),
        _ => {
            let metadata = HashMap::from([
                ("encoder".to_owned(), args.encoder.encoder.clone()),
                ("preset".to_owned(), args.encoder.preset.clone()),
                ("weights".to_owned(), built.kind.to_string()),
                ("weights_hash".to_owned(), built.hash.clone()),
                ("precision".to_owned(), precision.to_string()),
                ("names".to_owned(), serde_json::to_string(names).map_err(CliError::file(path))?),
                ("warnings".to_owned(), serde_json::to_string(warnings).map_err(CliError::file(path))?),
            ]);
            safetensors(path, "embedding", &shape, values, metadata)?
        }
    };
    write_file(path, &bytes)
}

/// The table of the rows of an array.
fn rows_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".csv");
    name.into()
}
