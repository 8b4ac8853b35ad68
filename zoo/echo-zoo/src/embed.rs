//! `echozoo embed`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use echo_files::{counted, say};
use serde::Serialize;

use crate::array_file::{npy_of, out_format, refuse_inputs, safetensors, write_file};
use crate::clip_args::{ClipArgs, nothing_used};
use crate::embedder::{Embedder, Embeddings};
use crate::encoder_args::EncoderArgs;
use crate::output::print;
use crate::table::Table;
use crate::warnings::NOT_CLINICAL;
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
    let embedder = Embedder::of(&args.encoder, entries)?;
    let embeddings = match args.text.as_slice() {
        [] => embedder.embed_clips(&args.clips)?,
        texts => embedder.embed_texts(texts, &())?,
    };
    let (count, failed) = (embeddings.names.len(), embeddings.faults());
    if count == 0 {
        return Err(nothing_used(&embeddings.left_out));
    }
    if let Some(path) = &args.out {
        write(path, format(path)?, &embeddings, args, &embedder)?;
        say(&format!("{} of length {} in {}", counted(count, "embedding"), embeddings.dim, path.display()));
    }
    // What reads it may go at any time.
    let printed = match (args.json, args.csv) {
        (true, _) => print(&(embeddings.json())),
        (_, true) => print(&String::from_utf8_lossy(&embeddings.csv(Path::new("standard output"))?)),
        _ => Ok(()),
    };
    embeddings.caution.iter().map(String::as_str).chain([NOT_CLINICAL]).for_each(say);
    match failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: count + failed }),
    }
}

fn write(path: &Path, format: &str, embeddings: &Embeddings, args: &Args, embedder: &Embedder) -> Result<(), CliError> {
    let Embeddings { names, warnings, dim, values, .. } = embeddings;
    let built = embedder.built();
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
                ("precision".to_owned(), embedder.precision().to_string()),
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
