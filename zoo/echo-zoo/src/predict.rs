//! `echozoo predict`: what an encoder's own heads, or a fitted adapter, say of videos.

use std::path::{Path, PathBuf};

use echo_adapt::AdapterEntry;
use echo_bench::{AdapterFile, predict_clips};
use echo_clinical::study::Phenotype;
use echo_core::{Kind, Preset, Task};
use echo_data::Start;
use echo_files::{printable, say};
use echo_kernels::Precision;
use echo_report::UNCHOSEN_THRESHOLD;

use crate::archive::{Archive, ArchiveArgs};
use crate::clip_args::{ClipArgs, PerVideo, Row, Rows};
use crate::encoder_args::WeightArgs;
use crate::findings::{ClipFindings, Over, Reported, Wanted, check_weights, with_value};
use crate::recognition::Recogniser;
use crate::results::{Cell, ResultArgs, Results};
use crate::study_args::StudyArgs;
use crate::warnings::{Warnings, beside, joined};
use crate::{CliError, Entry};

/// Flags of `echozoo predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    /// The encoder whose heads report; not with --adapter-file.
    #[arg(long, required_unless_present = "adapter_file")]
    encoder: Option<String>,
    /// Its preset; not with --adapter-file.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL)]
    preset: String,
    #[command(flatten)]
    weights: WeightArgs,
    /// A fitted adapter (of `echozoo bench --save-adapters`): what it says of videos, instead of --encoder, --preset and
    /// --heads, which the file knows; give its encoder's --weights where they are neither shipped nor fetched.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["encoder", "preset", "heads", "tensor", "random_init", "assets"])]
    adapter_file: Option<PathBuf>,
    #[command(flatten)]
    study: StudyArgs,
    /// Weights of the encoder that lent the adapter its text tower.
    #[arg(long, value_name = "FILE", requires = "adapter_file", conflicts_with = "encoder")]
    text_weights: Option<PathBuf>,
    /// Heads by name [default: all]; `view` is the view, `known-view` whether it is any that the encoder knows, and `quality`
    /// that of the picture, where weights tell them.
    #[arg(long, visible_alias = "task", value_delimiter = ',', value_name = "HEADS")]
    heads: Vec<String>,
    /// Clips per video, spread evenly, or `all`: from every frame that one can begin at, as EchoNet-Dynamic's tests are. What
    /// heads report is averaged over them [default: 1, or as the adapter was fitted].
    #[arg(long = "clips", value_name = "N", conflicts_with = "tensor")]
    per_video: Option<PerVideo>,
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    results: ResultArgs,
}

pub(crate) fn run(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    let files = args.clips.files();
    args.results.check(files.iter().chain(&args.adapter_file).map(PathBuf::as_path))?;
    if args.clips.is_empty() {
        return Err(CliError::Usage("nothing to predict from: give videos, folders or --tensor".to_owned()));
    }
    let Some(name) = &args.encoder else { return fitted(args, entries, adapters) };
    let precision = args.weights.precision_or(Precision::F32)?;
    let (built, device) = args.weights.build(entries, name, &args.preset)?;
    let card = built.encoder.card();
    let archive = args.archive.open(card, built.preset)?;
    let recogniser = precision.run(|| Recogniser::new(&built.encoder, &device))?;
    let wanted = Wanted { heads: &args.heads, recogniser: recogniser.as_ref(), embedding: archive.is_some() };
    if card.capabilities.heads.is_empty() && card.capabilities.views.is_empty() {
        return Err(CliError::Usage(format!("{} has no heads of its own; adapt it with `echozoo bench`", card.name)));
    }
    wanted.check(card)?;
    check_weights(wanted, &built, &device)?;

    let per_video = args.per_video.unwrap_or(PerVideo::Number(1));
    let see = |clip| precision.run(|| wanted.of(&built.encoder, clip));
    let seen = args.clips.see(&built.preset.clip, per_video, &device, see)?;
    for row in &seen.rows {
        row.value.iter().try_for_each(ClipFindings::check).map_err(CliError::file(Path::new(&row.name)))?;
    }
    let first = &seen.rows[0].value[0];
    if first.reported.is_empty() && archive.is_none() {
        return Err(CliError::Usage(format!(
            "these weights of {} have no heads; adapt it with `echozoo bench`, or give weights that have some",
            card.name
        )));
    }

    let remedy = format!("echozoo predict --encoder {} --preset full --weights FILE", card.name);
    let mut warnings = Warnings::new(&built, precision, remedy);
    let columns = ["name", "level", "head", "class", "value", "unit", "lowest", "highest", "warning"];
    let mut results = Results::new(&columns);
    let mut table = vec![["", "head", "value", "", "what it is", ""].map(str::to_owned).to_vec()];
    let mut add = |name: &str, level: &str, over: &str, all: &[&ClipFindings], warning: &str| {
        for (index, Reported { head, class, unit, meaning, .. }) in all[0].reported.iter().enumerate() {
            let Over { mean, lowest: low, highest: high } =
                Over::of(all.iter().map(|clip| f64::from(clip.reported[index].value)));
            let warning = with_value(warning, head, unit, mean);
            let texts = [name, level, head, class].map(Cell::from);
            let numbers = [mean.into(), (*unit).into(), low.into(), high.into(), warning.as_str().into()];
            results.push(texts.into_iter().chain(numbers).collect());
            let spread = if all.len() > 1 { format!(" ({low:.4} to {high:.4} over {over})") } else { String::new() };
            let what = if class.is_empty() { (*meaning).to_owned() } else { format!("P({class}): {meaning}") };
            let cells = [
                printable(name).into_owned(),
                (*head).to_owned(),
                format!("{mean:.4}{spread}"),
                (*unit).to_owned(),
                what,
            ];
            table.push(cells.into_iter().chain([beside(&warning)]).collect());
        }
    };
    for row in &seen.rows {
        add(&row.name, "video", "clips", &row.value.iter().collect::<Vec<_>>(), &warnings.of(row));
    }
    // A study's value is the mean over its clips, whichever video they are of.
    let mut studies = Vec::new();
    for (study, members) in args.study.group(&seen.rows.iter().collect::<Vec<_>>(), archive.is_some())? {
        let rows: Vec<&Row<_>> = members.iter().map(|&at| &seen.rows[at]).collect();
        let clips: Vec<&ClipFindings> = rows.iter().flat_map(|row| &row.value).collect();
        let warning = warnings.of_several(&Row::together(study.clone(), &rows));
        add(&study, "study", "its clips", &clips, &warning);
        studies.push((study, clips, warning));
    }
    for (archive, (study, clips, warning)) in
        archive.iter().flat_map(|archive| studies.iter().map(move |study| (archive, study)))
    {
        for found in archive.phenotypes(clips.iter().copied())? {
            let Phenotype { name, section, value, labelled } = &found.phenotype;
            let warning = joined(archive.note().into_iter().chain([warning.as_str()]));
            let warning = value.map_or_else(|| warning.clone(), |value| with_value(&warning, name, found.unit, value));
            let texts = [study.as_str(), "study", name, ""].map(Cell::from);
            let numbers = [(*value).into(), found.unit.into(), Cell::None, Cell::None, warning.as_str().into()];
            results.push(texts.into_iter().chain(numbers).collect());
            let shown = match (value, found.answer()) {
                (Some(value), Some(answer)) => format!("{answer} ({value:.4})"),
                (Some(value), None) => format!("{value:.4}"),
                (None, _) => "unknown".to_owned(),
            };
            let what =
                format!("{section}: mean of the {labelled} that say it, of {} similar studies", archive.neighbours());
            let cells = [printable(study).into_owned(), name.clone(), shown, found.unit.to_owned(), what];
            table.push(cells.into_iter().chain([beside(&warning)]).collect());
        }
    }
    let note = archive.iter().find_map(Archive::note).map(str::to_owned);
    report(args, &results, &table, &seen, &warnings, note)
}

/// Writes the file, then the terminal: what reads that may go at any time.
fn report<R>(
    args: &Args,
    results: &Results,
    table: &[Vec<String>],
    seen: &Rows<R>,
    warnings: &Warnings<'_>,
    about: Option<String>,
) -> Result<(), CliError> {
    let printed = args.results.write(results, table);
    about.iter().for_each(|about| say(about));
    warnings.say();
    match seen.faults() {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: failed + seen.rows.len() }),
    }
}

/// The target by a fitted adapter.
fn fitted(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    let Some(path) = &args.adapter_file else {
        return Err(CliError::Usage("give --encoder or --adapter-file".to_owned()));
    };
    let file = AdapterFile::open(path)?;
    let record = &file.record;
    let precision = args.weights.precision_or(file.precision()?)?;
    let (built, device) = args.weights.build_as(entries, &record.encoder, None)?;
    let text = match &record.text {
        Some(text) => Some(args.weights.build_as(entries, text, Some(args.text_weights.as_ref()))?.0),
        None if args.text_weights.is_some() => {
            let reason = "has no text tower of another encoder, so leave out --text-weights";
            return Err(CliError::Usage(format!("{}: the adapter {reason}", path.display())));
        }
        None => None,
    };
    let adapter = file.adapt(adapters, &built, text.as_ref())?;
    let clips = args.per_video.unwrap_or(PerVideo::Number(record.clips));
    let spec = file.spec()?;
    // A video that cannot be read is told when it is decoded.
    let look = |path: &Path, clip, of| file.look(path, clip, of, &spec).unwrap_or(Start::First.into());
    let task = &record.task;
    let predicted = |clips: &[_]| predict_clips(&adapter, task.kind(), &built, precision, clips);
    let clip = |clip| clip;
    if args.study.are_folders() {
        return Err(CliError::Usage("a fitted adapter takes one study at a time: give --study".to_owned()));
    }
    let seen = match args.study.is_one() {
        true => {
            let seen = args.clips.see_as(&spec, clips, look, &device, clip, |clips| clips)?;
            seen.together(|clips| predicted(&clips))?
        }
        false => args.clips.see_as(&spec, clips, look, &device, clip, |clips| predicted(&clips))?,
    };

    let name = &record.encoder.name;
    let remedy =
        format!("an adapter of echozoo bench --encoder {name} --data DIR --preset full --weights FILE --save-adapters");
    let mut warnings = Warnings::new(&built, precision, remedy);
    let unit = task.unit();
    // A value, the probability of yes, or that of every class or label: a row each.
    let outputs: Vec<String> = match task.kind() {
        Kind::Regression => vec![task.name.clone()],
        Kind::Binary => task.class_names().into_iter().skip(1).collect(),
        _ => task.class_names(),
    };
    let is_value = task.kind() == Kind::Regression;
    let column = if is_value { task.name.to_lowercase() } else { "probability".to_owned() };
    let columns: &[&str] = match is_value {
        true => &["name", &column, "lowest_clip", "highest_clip", "clips", "warning"],
        false => &["name", "class", &column, "answer", "threshold", "lowest_clip", "highest_clip", "clips", "warning"],
    };
    let mut results = Results::new(columns);
    let mut table = vec![["", &task.name, "over clips", ""].map(str::to_owned).to_vec()];
    for row in &seen.rows {
        let (together, alone) = row.value.as_ref().map_err(CliError::file(Path::new(&row.name)))?;
        let threshold = (task.kind() == Kind::Binary).then(|| record.threshold.unwrap_or(UNCHOSEN_THRESHOLD));
        let answer = answer(task, together, threshold);
        for (place, output) in outputs.iter().enumerate() {
            let value = together.get(place).copied().unwrap_or(f32::NAN);
            let of_clips = || alone.iter().filter_map(|numbers| numbers.get(place)).copied();
            let (low, high) = (of_clips().fold(f32::INFINITY, f32::min), of_clips().fold(f32::NEG_INFINITY, f32::max));
            let warning = with_value(&warnings.of(row), &task.name, unit, f64::from(value));
            let [value_cell, low_cell, high_cell] = [value, low, high].map(Cell::from);
            let (clips, warning_cell) = (Cell::from(alone.len()), Cell::from(warning.as_str()));
            let name = Cell::from(row.name.as_str());
            results.push(match is_value {
                true => vec![name, value_cell, low_cell, high_cell, clips, warning_cell],
                false => {
                    let answer = Cell::from(Some(answer.clone()).filter(|answer| !answer.is_empty()));
                    let class = Cell::from(output.as_str());
                    vec![name, class, value_cell, answer, threshold.into(), low_cell, high_cell, clips, warning_cell]
                }
            });
            let shown = |number: f32| if is_value { format!("{number:.1}") } else { format!("{number:.3}") };
            let spread =
                if alone.len() > 1 { format!("{} to {}", shown(low), shown(high)) } else { "one clip".to_owned() };
            let said = match (is_value, place, answer.as_str()) {
                (true, ..) => format!("{} {unit}", shown(value)),
                (false, 0, answer) if !answer.is_empty() => {
                    let from = threshold.map_or(String::new(), |threshold| format!(", yes from {threshold:.3}"));
                    format!("{answer} (P({output}) {}{from})", shown(value))
                }
                (false, ..) => format!("P({output}) {}", shown(value)),
            };
            table.push(vec![printable(&row.name).into_owned(), said, spread, beside(&warning)]);
        }
    }
    let fitted = match record.data.train {
        0 => "not fitted to any data".to_owned(),
        train => format!("fitted on {} of {}", record.data.task.samples.counted(train), record.data.name),
    };
    let about = format!(
        "{name} + {}, {} weights of preset {} (licence: {}), {fitted}",
        record.adapter, record.encoder.weights, record.encoder.preset, record.weights_license,
    );
    report(args, &results, &table, &seen, &warnings, Some(printable(&about).into_owned()))
}

/// The class that probabilities come to: by the threshold of a binary task, else the likeliest; nothing of labels, of which any
/// number may hold.
fn answer(task: &Task, probabilities: &[f32], threshold: Option<f64>) -> String {
    let classes = task.class_names();
    let place = match task.kind() {
        Kind::Regression | Kind::MultiLabel => None,
        Kind::Binary => {
            let yes = probabilities.first().copied().map(f64::from);
            yes.zip(threshold).map(|(yes, threshold)| usize::from(yes >= threshold))
        }
        Kind::SingleLabel | Kind::Ordinal => (0..probabilities.len())
            .reduce(|best, place| if probabilities[place] > probabilities[best] { place } else { best }),
    };
    place.and_then(|place| classes.get(place).cloned()).unwrap_or_default()
}
