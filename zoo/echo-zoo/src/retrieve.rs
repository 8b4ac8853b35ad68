//! `echozoo retrieve` and `echozoo index`: similar videos and reports among many.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_clinical::index::{Dtype, Index, Row as IndexRow, Settings, Spec};
use echo_clinical::pairs::{changed, same_patient};
use echo_data::Digests;
use echo_files::{counted, printable, read_text, say};
use echo_kernels::Precision;
use echo_metrics::{BootstrapOptions, Interval, Patients};
use echo_weights::Built;

use crate::clip_args::ClipArgs;
use crate::embedder::text_embeddings;
use crate::encoder_args::EncoderArgs;
use crate::find_videos::find_videos;
use crate::home::home;
use crate::names::Names;
use crate::results::{ResultArgs, Results};
use crate::text_rows::TextRows;
use crate::warnings::{NOT_CLINICAL, Warnings, beside, joined};
use crate::{CliError, Entry};

/// Videos that are embedded before they are written down: a run that is killed loses these at most.
const AT_A_TIME: usize = 1000;

/// Pairs of a kind below which an interval of resamples is no help.
const FEW_PAIRS: usize = 10;

/// Flags of `echozoo index`.
#[derive(Debug, clap::Args)]
pub(crate) struct IndexArgs {
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Texts instead of videos: a table (.csv) with the columns `name` and `text`, or any other file for one report. Repeat
    /// the flag for more.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs", "tensor", "allow_truncated", "mask"])]
    reports: Vec<PathBuf>,
    /// The index's folder. What it has of the same content is kept; what is not named any more is dropped.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Clips per video, spread evenly, whose mean is indexed.
    #[arg(long = "clips", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    per_video: u16,
    /// Store half precision: half the size, and similarities that differ by less than 0.0005.
    #[arg(long)]
    f16: bool,
    /// Embed everything anew, whatever the folder holds.
    #[arg(long)]
    rebuild: bool,
}

/// Flags of `echozoo retrieve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The index.
    #[arg(long, value_name = "DIR")]
    index: PathBuf,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Videos to find similar ones of, or reports about.
    #[command(flatten)]
    clips: ClipArgs,
    /// A text to find videos or reports for; repeat the flag for more.
    #[arg(long)]
    text: Vec<String>,
    /// A file with a report; repeat the flag for more.
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// How many are found.
    #[arg(long, short, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    k: u32,
    /// A table (.csv) with the columns `text` and `name`: how often the row of that name is among the first 1, 5 and 10 for
    /// the text, and at which rank.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs", "text", "report", "pairs"])]
    labels: Option<PathBuf>,
    /// A table (.csv) with the columns `first`, `second` (names of rows), `same` (of one patient) or `changed` (between the
    /// two), and `patient`, where known: how well similarity tells such pairs apart.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs", "text", "report", "labels"])]
    pairs: Option<PathBuf>,
    #[command(flatten)]
    results: ResultArgs,
}

/// Writes or extends an index.
pub(crate) fn index(args: &IndexArgs, entries: &[Entry]) -> Result<(), CliError> {
    if args.clips.inputs.is_empty() && args.reports.is_empty() {
        return Err(CliError::Usage("nothing to index: give videos, folders or --reports".to_owned()));
    }
    let precision = args.encoder.precision()?;
    let (built, device) = args.encoder.build(entries)?;
    let name = &args.encoder.encoder;
    let remedy = format!("echozoo index --encoder {name} --preset full --weights FILE");
    let mut warnings = Warnings::new(&built, precision, remedy);
    let model = Model { built: &built, device: &device, precision };
    let (written, failed) = match args.reports.as_slice() {
        [] => index_videos(args, &model, &mut warnings)?,
        reports => index_texts(args, reports, &model, &mut warnings)?,
    };
    say(&format!("{} in {}", counted(written, "row"), args.out.display()));
    warnings.say();
    match failed {
        0 => Ok(()),
        failed => Err(CliError::Inputs { failed, total: failed + written }),
    }
}

/// What embeds.
struct Model<'a> {
    built: &'a Built,
    device: &'a Device,
    precision: Precision,
}

impl Model<'_> {
    fn spec(&self, args: &IndexArgs, settings: &[(&str, String)]) -> Spec {
        let precision = ("precision", self.precision.to_string());
        let others = settings.iter().chain([&precision]).map(|(name, value)| ((*name).to_owned(), value.clone()));
        let settings = settings_of(self.built).into_iter().chain(others).collect();
        let dtype = if args.f16 { Dtype::F16 } else { Dtype::F32 };
        Spec { settings, dim: self.built.encoder.dim(), dtype }
    }

    fn clip(&self, clip: Tensor<5>) -> Vec<f32> {
        self.precision.run(|| self.built.encoder.encode(clip).into_data().iter::<f32>().collect())
    }

    /// Embeddings of texts, one after the other.
    fn texts(&self, texts: &[String]) -> Result<Vec<f32>, CliError> {
        let embeddings = self.precision.run(|| text_embeddings(texts, self.built, self.device))?;
        Ok(embeddings.into_data().iter::<f32>().collect())
    }
}

/// How many rows the index has, and how many videos could not be used.
fn index_videos(args: &IndexArgs, model: &Model<'_>, warnings: &mut Warnings<'_>) -> Result<(usize, usize), CliError> {
    let settings = [
        ("kind", "videos".to_owned()),
        ("clips", args.per_video.to_string()),
        ("decoder", args.clips.options().decoder().to_owned()),
    ];
    let spec = model.spec(args, &settings);
    let files = find_videos(&args.clips.inputs)?;
    let names = args.clips.names();
    let home = home()?;
    std::fs::create_dir_all(&home).map_err(CliError::file(&home))?;
    let remembered = home.join("digests.tsv");
    let digests = Digests::open(&remembered).map_err(CliError::file(&remembered))?;
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let mut failed = 0;
    let mut keyed: Vec<(PathBuf, blake3::Hash)> = Vec::new();
    for (file, digest) in files.iter().zip(digests.of_all(&paths)) {
        match digest {
            Ok(digest) => keyed.push((file.clone(), digest)),
            Err(error) => {
                say(&format!("left out: {error}"));
                failed += 1;
            }
        }
    }
    let mut written = 0;
    for (part, of_part) in keyed.chunks(AT_A_TIME).enumerate() {
        let mut update = match args.rebuild && part == 0 {
            true => Index::rebuild(&args.out, &spec)?,
            false => Index::update(&args.out, &spec)?,
        };
        let mut new: BTreeMap<PathBuf, blake3::Hash> = BTreeMap::new();
        for (file, digest) in of_part {
            if !update.has(digest) && !new.values().any(|known| known == digest) {
                new.insert(file.clone(), *digest);
            }
        }
        let mut embedded: HashMap<blake3::Hash, (Vec<f32>, String)> = HashMap::new();
        if !new.is_empty() {
            let inputs = args.clips.of(new.keys().cloned().collect());
            let clips = args.per_video;
            let seen = match inputs.see(&model.built.preset.clip, clips, model.device, |clip| model.clip(clip)) {
                // Others may follow.
                Err(CliError::Inputs { failed: all, .. }) => {
                    failed += all;
                    Vec::new()
                }
                seen => {
                    let seen = seen?;
                    failed += seen.faults();
                    seen.rows
                }
            };
            for row in seen {
                let warning = warnings.of(&row);
                embedded.insert(new[&row.paths[0]], (mean(&row.value), warning));
            }
        }
        // All that is known so far, of later parts too: otherwise a kill would lose what an earlier run had.
        let old: HashMap<blake3::Hash, String> =
            update.old_rows().iter().map(|row| (row.digest, row.warning.clone())).collect();
        written = 0;
        for (file, digest) in &keyed {
            let found = embedded.get(digest);
            let warning = found.map(|(_, warning)| warning).or_else(|| old.get(digest)).cloned().unwrap_or_default();
            let row = IndexRow { name: names.name(file), digest: *digest, warning };
            if !update.keep(&row)? {
                let Some((embedding, _)) = found else { continue };
                update.add(&row, embedding)?;
            }
            written += 1;
        }
        update.commit()?;
    }
    if written == 0 {
        return Err(CliError::Inputs { failed, total: files.len() });
    }
    Ok((written, failed))
}

/// How many rows the index has, and how many texts could not be used.
fn index_texts(
    args: &IndexArgs,
    reports: &[PathBuf],
    model: &Model<'_>,
    warnings: &mut Warnings<'_>,
) -> Result<(usize, usize), CliError> {
    let spec = model.spec(args, &[("kind", "texts".to_owned())]);
    let texts = TextRows::read(reports)?.rows;
    let mut names = BTreeSet::new();
    if let Some((name, _)) = texts.iter().find(|(name, _)| !names.insert(name)) {
        return Err(CliError::Usage(format!("the name {name:?} is there twice: rows are found by their names")));
    }
    let mut update = if args.rebuild { Index::rebuild(&args.out, &spec)? } else { Index::update(&args.out, &spec)? };
    let mut failed = 0;
    for (name, text) in &texts {
        let digest = blake3::hash(text.as_bytes());
        let row = IndexRow { name: name.clone(), digest, warning: warnings.of_text() };
        if update.keep(&row)? {
            continue;
        }
        match model.texts(std::slice::from_ref(text)) {
            Ok(embedding) => update.add(&row, &embedding)?,
            Err(error @ CliError::Usage(_)) => return Err(error),
            Err(error) => {
                say(&format!("left out: {name}: {error}"));
                failed += 1;
            }
        }
    }
    if failed == texts.len() {
        return Err(CliError::Inputs { failed, total: failed });
    }
    update.commit()?;
    Ok((texts.len() - failed, failed))
}

/// Searches.
pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let files = args.clips.files();
    let tables = args.report.iter().chain(&args.labels).chain(&args.pairs);
    args.results.check(files.iter().chain(tables).map(PathBuf::as_path))?;
    let index = Index::open(&args.index)?;
    // A search reads all vectors anyway, and a damaged one would rank without a word.
    index.verify()?;
    if let Some(path) = &args.pairs {
        return tell_pairs(args, &index, path);
    }
    let is_query = !args.clips.is_empty() || !args.text.is_empty() || !args.report.is_empty();
    if !is_query && args.labels.is_none() {
        return Err(CliError::Usage(
            "nothing to look for: give videos, --text, --report, --labels or --pairs".to_owned(),
        ));
    }
    if args.text.iter().any(|text| text.trim().is_empty()) {
        return Err(CliError::Usage("--text is empty".to_owned()));
    }
    let precision = args.encoder.precision()?;
    let (built, device) = args.encoder.build(entries)?;
    index.check_settings(&settings_of(&built))?;
    let name = &args.encoder.encoder;
    let mut warnings =
        Warnings::new(&built, precision, format!("echozoo retrieve --encoder {name} --preset full --weights FILE"));
    let model = Model { built: &built, device: &device, precision };
    if let Some(path) = &args.labels {
        let told = tell_ranks(args, &index, path, &model);
        warnings.of_text();
        warnings.say();
        return told;
    }
    let (mut queries, mut names, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
    let mut texts = args.text.clone();
    names.extend(args.text.iter().cloned());
    let reports = Names::of(&args.report);
    for path in &args.report {
        texts.push(read_text(path).map_err(CliError::file(path))?);
        names.push(reports.name(path));
    }
    if !texts.is_empty() {
        queries.extend(model.texts(&texts)?);
        doubts.extend(texts.iter().map(|_| warnings.of_text()));
    }
    let mut failed = 0;
    if !args.clips.is_empty() {
        let seen = args.clips.see(&built.preset.clip, 1u16, &device, |clip| model.clip(clip))?;
        failed = seen.faults();
        for row in seen.rows {
            doubts.push(warnings.of(&row));
            names.push(row.name);
            queries.extend(mean(&row.value));
        }
    }
    let mut results = Results::new(&["query", "rank", "name", "similarity", "warning"]);
    let mut table = vec![["", "", "similarity", "", ""].map(str::to_owned).to_vec()];
    for ((query, warning), hits) in names.iter().zip(&doubts).zip(index.top_k(&queries, args.k as usize)?) {
        for (place, hit) in hits.iter().enumerate() {
            let row = &index.rows()[hit.row];
            let both = joined([warning.as_str(), &row.warning]);
            results.push(vec![
                query.as_str().into(),
                (place + 1).into(),
                row.name.as_str().into(),
                hit.similarity.into(),
                both.as_str().into(),
            ]);
            let shown = if place == 0 { printable(query).into_owned() } else { String::new() };
            table.push(vec![
                shown,
                (place + 1).to_string(),
                format!("{:.4}", hit.similarity),
                printable(&row.name).into_owned(),
                beside(&both),
            ]);
        }
    }
    let printed = args.results.write(&results, &table);
    warnings.say();
    match failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: failed + names.len() }),
    }
}

/// What all embeddings of an encoder have in common.
fn settings_of(built: &Built) -> Settings {
    let settings = [
        ("encoder", built.encoder.card().name.to_owned()),
        ("preset", built.preset.name.to_owned()),
        ("weights", built.hash.clone()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The mean of the embeddings of a video's clips.
fn mean(clips: &[Vec<f32>]) -> Vec<f32> {
    let dim = clips.first().map_or(0, Vec::len);
    (0..dim).map(|place| clips.iter().map(|clip| clip[place]).sum::<f32>() / clips.len() as f32).collect()
}

/// Recall and ranks of texts whose row is known.
fn tell_ranks(args: &Args, index: &Index, path: &Path, model: &Model<'_>) -> Result<(), CliError> {
    let rows = TextRows::of_table(path)?.rows;
    let places = Places::of(index);
    let correct = rows.iter().map(|(name, _)| places.find(name, path)).collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<String> = rows.into_iter().map(|(_, text)| text).collect();
    let ranks = index.ranks(&model.texts(&texts)?, &correct)?;
    let mut results = Results::new(&["measure", "value", "queries", "rows"]);
    let mut table = vec![
        ["", "value", &format!("of {} among {}", counted(texts.len(), "query"), counted(index.rows().len(), "row"))]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut add = |measure: String, value: f64| {
        results.push(vec![measure.as_str().into(), value.into(), texts.len().into(), index.rows().len().into()]);
        table.push(vec![measure, format!("{value:.4}"), String::new()]);
    };
    for k in [1, 5, 10] {
        add(format!("recall@{k}"), ranks.recall_at(k)?);
    }
    add("median rank".to_owned(), ranks.median());
    add("mean reciprocal rank".to_owned(), ranks.mean_reciprocal());
    args.results.write(&results, &table)
}

/// How well similarity tells pairs of rows apart.
fn tell_pairs(args: &Args, index: &Index, path: &Path) -> Result<(), CliError> {
    let complain = |reason: String| CliError::File { path: path.to_owned(), reason };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(CliError::file(path))?;
    let header = reader.headers().map_err(CliError::file(path))?.clone();
    let column =
        |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
    let needed = |name: &str| column(name).ok_or_else(|| complain(format!("it has no column {name}")));
    let [first, second] = [needed("first")?, needed("second")?];
    let (label, is_same) = match (column("same"), column("changed")) {
        (Some(same), None) => (same, true),
        (None, Some(changed)) => (changed, false),
        _ => return Err(complain("it needs one of the columns same and changed".to_owned())),
    };
    let patient = column("patient");
    let places = Places::of(index);
    let (mut similarities, mut labels, mut patients) = (Vec::new(), Vec::new(), Vec::new());
    let mut doubts: BTreeSet<&str> = BTreeSet::new();
    let mut vectors: HashMap<usize, Vec<f32>> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(CliError::file(path))?;
        let field = |at: usize| record.get(at).unwrap_or_default();
        let line = record.position().map_or(0, csv::Position::line);
        labels.push(
            crate::labels::yes_or_no(field(label))
                .map_err(|word| complain(format!("line {line}: {word:?} is neither yes nor no (1 or 0)")))?,
        );
        patients.push(patient.map(|at| field(at).to_owned()).filter(|name| !name.is_empty()));
        let [one, other] = [places.find(field(first), path)?, places.find(field(second), path)?];
        if let std::collections::hash_map::Entry::Vacant(place) = vectors.entry(one) {
            place.insert(index.similarities(&index.vector(one)?)?);
        }
        similarities.push(vectors[&one][other]);
        doubts.extend([one, other].map(|row| index.rows()[row].warning.as_str()));
    }
    let patients = Patients::named(&patients);
    let options = BootstrapOptions::default();
    let found: Option<Interval> = match is_same {
        true => same_patient(&similarities, &labels, &patients, &options)?,
        false => changed(&similarities, &labels, &patients, &options)?,
    };
    let what = if is_same { "same patient" } else { "changed" };
    let positive = labels.iter().filter(|&&label| label).count();
    let rarer = positive.min(labels.len() - positive);
    let few = format!("{} of the rarer kind: the interval says little", counted(rarer, "pair"));
    let doubts = doubts.into_iter().chain((rarer < FEW_PAIRS).then_some(few.as_str()));
    let warning = joined(doubts);
    let mut results = Results::new(&["task", "auroc", "low", "high", "pairs", "positive", "warning"]);
    let (value, low, high) =
        found.map_or((None, None, None), |found| (Some(found.value), Some(found.low), Some(found.high)));
    results.push(vec![
        what.into(),
        value.into(),
        low.into(),
        high.into(),
        labels.len().into(),
        positive.into(),
        warning.as_str().into(),
    ]);
    let said = found.map_or("no resample has pairs of both kinds".to_owned(), |found| {
        format!("AUROC {:.3} [{:.3}, {:.3}]", found.value, found.low, found.high)
    });
    let table = [vec![
        what.to_owned(),
        said,
        format!("{} of {} are positive", positive, counted(labels.len(), "pair")),
        beside(&warning),
    ]];
    let told = args.results.write(&results, &table);
    say(NOT_CLINICAL);
    told
}

/// Rows by their names, or by the names of their files.
struct Places {
    by_name: HashMap<String, Vec<usize>>,
}

impl Places {
    fn of(index: &Index) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, row) in index.rows().iter().enumerate() {
            let file = crate::labels::plain(&row.name);
            let known = by_name.entry(row.name.clone()).or_default();
            known.push(place);
            if file != row.name {
                by_name.entry(file).or_default().push(place);
            }
        }
        Self { by_name }
    }

    fn find(&self, name: &str, table: &Path) -> Result<usize, CliError> {
        let found = self.by_name.get(name).or_else(|| self.by_name.get(&crate::labels::plain(name)));
        let reason = match found.map(Vec::as_slice) {
            Some([only]) => return Ok(*only),
            Some(several) => {
                format!("{name:?} is the name of {} rows of the index; write it as in the index", several.len())
            }
            None => format!("no row of the index is called {name:?}"),
        };
        Err(CliError::File { path: table.to_owned(), reason })
    }
}
