//! `echozoo predict`: what an encoder's own heads, or a fitted adapter, say of videos.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use echo_adapt::AdapterEntry;
use echo_bench::{AdapterFile, predict_clips};
use echo_core::{Error, Head, Kind, Preset, Task, check_finite};
use echo_data::{Start, usual_range};
use echo_files::{printable, say};
use echo_kernels::Precision;
use echo_report::UNCHOSEN_THRESHOLD;

use crate::clip_args::{ClipArgs, Row, Rows};
use crate::encoder_args::WeightArgs;
use crate::results::{Cell, ResultArgs, Results};
use crate::study_args::StudyArgs;
use crate::warnings::Warnings;
use crate::{CliError, Entry};

/// The name under which an encoder's view classifier is reported, beside its heads' own names.
const VIEW: &str = "view";

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
    #[arg(long, value_name = "FILE", conflicts_with_all = ["encoder", "preset", "heads", "tensor", "random_init"])]
    adapter_file: Option<PathBuf>,
    #[command(flatten)]
    study: StudyArgs,
    /// Weights of the encoder that lent the adapter its text tower.
    #[arg(long, value_name = "FILE", requires = "adapter_file", conflicts_with = "encoder")]
    text_weights: Option<PathBuf>,
    /// Heads by name [default: all]; `view` is the view classifier, where there is one.
    #[arg(long, visible_alias = "task", value_delimiter = ',', value_name = "HEADS")]
    heads: Vec<String>,
    /// Clips per video, spread evenly; what heads report is averaged over them [default: 1, or as the adapter was
    /// fitted].
    #[arg(long = "clips", value_name = "N", conflicts_with = "tensor", value_parser = clap::value_parser!(u16).range(1..=64))]
    per_video: Option<u16>,
    #[command(flatten)]
    results: ResultArgs,
}

/// One reported number.
struct Reported {
    head: &'static str,
    /// The finding or class whose probability it is; empty for a measurement.
    class: &'static str,
    unit: &'static str,
    meaning: &'static str,
    value: f32,
}

pub(crate) fn run(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    args.results.check()?;
    if args.clips.is_empty() {
        return Err(CliError::Usage("nothing to predict from: give videos, folders or --tensor".to_owned()));
    }
    let Some(name) = &args.encoder else { return fitted(args, entries, adapters) };
    let precision = args.weights.precision_or(Precision::F32)?;
    let (built, device) = args.weights.build(entries, name, &args.preset)?;
    let encoder = &built.encoder;
    let card = encoder.card();
    let capabilities = &card.capabilities;
    let mut known: Vec<&str> = capabilities.heads.iter().map(|head| head.name).collect();
    if !capabilities.views.is_empty() {
        known.push(VIEW);
    }
    if known.is_empty() {
        return Err(CliError::Usage(format!("{} has no heads of its own; adapt it with `echozoo bench`", card.name)));
    }
    if let Some(unknown) = args.heads.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::unknown_name("head", unknown, &known).into());
    }
    let wanted = |name: &str| args.heads.is_empty() || args.heads.iter().any(|head| head == name);

    let spec = &built.preset.clip;
    let report_of = |clip: Tensor<5>| {
        let mut reported = Vec::new();
        if wanted(VIEW)
            && let Some(logits) = encoder.view_logits(clip.clone())
        {
            let values = softmax(logits, 1).into_data();
            reported.extend(capabilities.views.iter().zip(values.iter::<f32>()).map(|(class, value)| Reported {
                head: VIEW,
                class,
                unit: "",
                meaning: "view of the first frame",
                value,
            }));
        }
        if capabilities.heads.iter().any(|head| wanted(head.name)) {
            for (head, values) in encoder.heads(encoder.encode(clip)).into_iter().filter(|(head, _)| wanted(head.name))
            {
                let Head { name, meaning, .. } = *head;
                let numbers = head.labels().into_iter().zip(values.into_data().iter::<f32>().collect::<Vec<_>>());
                reported.extend(numbers.map(|(class, value)| Reported {
                    head: name,
                    class,
                    unit: head.unit(),
                    meaning,
                    value,
                }));
            }
        }
        reported
    };
    let per_video = args.per_video.unwrap_or(1).into();
    let seen = args.clips.see(spec, per_video, &device, |clip| precision.run(|| report_of(clip)))?;
    let has = |name: &str| seen.rows.iter().any(|row| row.value[0].iter().any(|number| number.head == name));
    if let Some(lacking) = args.heads.iter().find(|name| !has(name)) {
        let there: BTreeSet<&str> = seen.rows.iter().flat_map(|row| &row.value[0]).map(|number| number.head).collect();
        let there = there.into_iter().collect::<Vec<_>>().join(", ");
        let there = if there.is_empty() { "; they have none".to_owned() } else { format!("; they have {there}") };
        return Err(CliError::Usage(format!("these weights of {} lack the head {lacking}{there}", card.name)));
    }
    if seen.rows.iter().all(|row| row.value[0].is_empty()) {
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
    let mut add = |name: &str, level: &str, over: &str, all: &[&[Reported]], warning: &str| {
        for (index, Reported { head, class, unit, meaning, .. }) in all[0].iter().enumerate() {
            let values = || all.iter().map(|numbers| f64::from(numbers[index].value));
            let mean = values().sum::<f64>() / all.len() as f64;
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
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
        let numbers: Vec<f32> = row.value.iter().flatten().map(|number| number.value).collect();
        check_finite("what the heads say", &numbers).map_err(CliError::file(Path::new(&row.name)))?;
        let clips: Vec<&[Reported]> = row.value.iter().map(Vec::as_slice).collect();
        add(&row.name, "video", "clips", &clips, &warnings.of(row));
    }
    // A study's value is the mean over its clips, whichever video they are of.
    for (study, members) in args.study.group(&seen.rows.iter().collect::<Vec<_>>())? {
        let rows: Vec<&Row<_>> = members.iter().map(|&at| &seen.rows[at]).collect();
        let clips: Vec<&[Reported]> = rows.iter().flat_map(|row| row.value.iter().map(Vec::as_slice)).collect();
        let warning = warnings.of_several(&Row::together(study.clone(), &rows));
        add(&study, "study", "its clips", &clips, &warning);
    }
    report(args, &results, &table, &seen, &warnings, None)
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
    match seen.failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: failed + seen.rows.len() }),
    }
}

/// A row's warning, and that its value cannot be right, where it cannot.
fn with_value(warning: &str, name: &str, unit: &str, value: f64) -> String {
    let Some([least, most]) = usual_range(name, unit) else { return warning.to_owned() };
    let doubt = format!("not from {least} to {most} {unit}, as hearts have it");
    let doubt = Some(doubt).filter(|_| !(least..=most).contains(&value));
    Some(warning.to_owned())
        .filter(|warning| !warning.is_empty())
        .into_iter()
        .chain(doubt)
        .collect::<Vec<_>>()
        .join("; ")
}

/// A warning beside a number on the terminal.
fn beside(warning: &str) -> String {
    if warning.is_empty() { String::new() } else { format!("! {}", printable(warning)) }
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
    let clips = args.per_video.map_or(record.clips, usize::from);
    let spec = file.spec()?;
    // A video that cannot be read is told when it is decoded.
    let look = |path: &Path, clip: usize| file.look(path, clip, clips, &spec).unwrap_or(Start::First.into());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_no_heart_has_are_told_beside_whatever_else_is() {
        assert_eq!(with_value("random weights", "EF", "%", 55.0), "random weights");
        assert_eq!(with_value("", "EF", "%", -108e6), "not from 3 to 98 %, as hearts have it");
        let both = with_value("random weights", "EDV", "ml", 0.12);
        assert_eq!(both, "random weights; not from 1 to 1000 ml, as hearts have it");
        assert_eq!(with_value("", "AVStenosis", "", 2.0), "");
    }
}
