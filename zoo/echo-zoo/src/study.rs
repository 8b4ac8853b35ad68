//! `echozoo study`: what all encoders say of the videos of one study, as a table and as a page.

mod maps;
mod page;
mod reading;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use echo_bench::WeightFiles;
use echo_core::Preset;
use echo_data::files_below;
use echo_files::{counted, printable, say};
use echo_kernels::Precision;
use echo_report::text_table;
use echo_video::{OpenOptions, Video};
use echo_weights::{Weights, WeightsError};

use crate::archive::{Archive, ArchiveArgs};
use crate::array_file::{out_format, refuse_inputs, write_file};
use crate::clip_args::{ClipArgs, LeftOut, PerVideo, Row, refuse_twice};
use crate::encoder_args::{ComputeArgs, weights_of};
use crate::fetch::{default_weights, is_fetched};
use crate::find_videos::find_videos;
use crate::output::print;
use crate::results::{Cell, Results};
use crate::warnings::{Warnings, beside};
use crate::{CliError, Entry, build, find};

use reading::{Reading, Seen};

/// Flags of `echozoo study`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    /// Encoders, separated by commas [default: all that were trained on echocardiograms and whose weights are here].
    #[arg(long, value_delimiter = ',', value_name = "ENCODERS")]
    encoder: Vec<String>,
    /// Their preset [default: full of those whose weights are here, nano of the others].
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Weights of the encoder; of several, ENCODER=FILE,ENCODER=FILE.
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Random weights.
    #[arg(long, conflicts_with = "weights")]
    random_init: bool,
    /// Seed of random weights.
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "random_init")]
    random_seed: u64,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Clips per video, spread evenly, or `all`: from every frame that one can begin at.
    #[arg(long = "clips", value_name = "N", default_value = "1", conflicts_with = "tensor")]
    per_video: PerVideo,
    /// Videos with maps of heat in the page, by each encoder.
    #[arg(long, value_name = "N", default_value_t = 4)]
    maps: usize,
    /// Where it goes: .html (a page that opens offline), .csv or .json; repeat the flag for more.
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV instead of a table.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// What is known of a study.
struct Study {
    /// What a page calls it.
    title: String,
    /// What rows call it.
    name: String,
    videos: Vec<PathBuf>,
    readings: Vec<Reading>,
    left_out: Vec<LeftOut>,
    /// Files in the folders that are no videos.
    others: usize,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    for path in &args.out {
        out_format(path, &["html", "csv", "json"])?;
    }
    if args.clips.inputs.is_empty() {
        return Err(CliError::Usage("nothing to read: give a study's folder or its videos".to_owned()));
    }
    let files = find_videos(&args.clips.inputs)?;
    refuse_twice(files.iter())?;
    refuse_inputs(args.out.iter().map(PathBuf::as_path), files.iter().map(PathBuf::as_path))?;
    let precision = args.compute.precision_or(Precision::F32)?;
    let chosen = args.chosen(entries)?;
    if args.archive.assets.is_some() && !chosen.iter().any(|(entry, _)| args.archive.is_for(entry.card)) {
        return Err(CliError::Usage("--assets are EchoPrime's: give --encoder echoprime too".to_owned()));
    }
    // What is wrong with the archive is told before anything is computed.
    let chosen = chosen
        .into_iter()
        .map(|(entry, preset)| match args.archive.is_for(entry.card) {
            true => Ok((entry, preset, args.archive.open(entry.card, preset)?)),
            false => Ok((entry, preset, None)),
        })
        .collect::<Result<Vec<_>, CliError>>()?;

    let mut readings: Vec<Reading> = Vec::new();
    let mut left_out: Vec<LeftOut> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for (entry, preset, archive) in chosen {
        // What one cannot use, the next cannot.
        let clips = match left_out.is_empty() {
            true => args.clips.of(args.clips.inputs.clone()),
            false => args.clips.of(files
                .iter()
                .filter(|file| !left_out.iter().any(|of| of.path == **file))
                .cloned()
                .collect()),
        };
        let (reading, refused, lines) = args.read(entries, entry, preset, &clips, archive.as_ref(), precision)?;
        left_out.extend(refused);
        lines.into_iter().for_each(|line| {
            if !said.contains(&line) {
                said.push(line);
            }
        });
        readings.push(reading);
    }
    let used: Vec<PathBuf> = files
        .iter()
        .filter(|file| readings.iter().any(|reading| reading.rows.iter().any(|row| row.paths[0] == **file)))
        .cloned()
        .collect();
    let mut others = 0;
    for folder in args.clips.inputs.iter().filter(|input| input.is_dir()) {
        let all = files_below(folder).map_err(CliError::file(folder))?;
        others += all.iter().filter(|file| !files.contains(file)).count();
    }
    let patients: BTreeSet<String> = used.iter().filter_map(|path| patient(path, &args.clips.options())).collect();
    if patients.len() > 1 {
        let warning = format!(
            "warning: by their tags these videos are of {} patients, and are taken for one study",
            patients.len()
        );
        said.insert(0, warning);
    }
    let of_all = if left_out.is_empty() { String::new() } else { format!("{} of ", used.len()) };
    let title = args.clips.inputs[0].file_name().map_or("videos".into(), |name| name.to_string_lossy());
    let study = Study {
        title: format!("Study {title}"),
        name: format!("study of {of_all}{}", counted(used.len() + left_out.len(), "video")),
        videos: used,
        readings,
        left_out,
        others,
    };
    let results = study.results();
    if results.is_empty() {
        let names: Vec<&str> = study.readings.iter().map(|reading| reading.title.as_str()).collect();
        return Err(CliError::Usage(format!(
            "{}: no heads, no views and no words for findings, so there is nothing to say; adapt it with `echozoo bench`",
            names.join(", ")
        )));
    }
    for path in &args.out {
        let bytes = match out_format(path, &["html", "csv", "json"])? {
            "html" => page::page(&study, &args.clips.options(), &said).into_bytes(),
            "csv" => results.csv(path)?,
            _ => results.json(),
        };
        write_file(path, &bytes)?;
    }
    let printed = match (args.json, args.csv) {
        (true, _) => print(&results.json_text()),
        (_, true) => print(&results.csv_text()?),
        _ => print(&text_table(&study.table())),
    };
    said.iter().for_each(|line| say(line));
    match study.left_out.iter().filter(|file| file.is_fault).count() {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: failed + study.videos.len() }),
    }
}

/// The patient that a DICOM file names.
fn patient(path: &Path, options: &OpenOptions) -> Option<String> {
    Video::open(path, options).ok()?.info().dicom.as_ref()?.patient.clone()
}

impl Args {
    /// Encoders and their presets; where none is named, without those that know no hearts or have no weights.
    fn chosen<'a>(&self, entries: &'a [Entry]) -> Result<Vec<(&'a Entry, &'static Preset)>, CliError> {
        let named = !self.encoder.is_empty() && !self.encoder.iter().any(|name| name == "all");
        let candidates: Vec<&Entry> = match named {
            true => self.encoder.iter().map(|name| find(entries, name)).collect::<Result<_, _>>()?,
            false => entries.iter().collect(),
        };
        let names: Vec<String> = candidates.iter().map(|entry| entry.card.name.to_owned()).collect();
        if let Some(complaint) = self.files(entries).and_then(|files| files.complaint(&names)) {
            return Err(CliError::Usage(complaint));
        }
        let mut chosen = Vec::new();
        for entry in candidates {
            let preset = match &self.preset {
                Some(name) => entry.card.preset(name)?,
                None => self.usual_preset(entry, entries)?,
            };
            let is_here = self.random_init
                || self.file_of(entry, entries).is_some()
                || entry.has_shipped(preset)
                || is_fetched(entry.card, preset);
            if named || (is_here && entry.card.of_hearts) {
                chosen.push((entry, preset));
            } else if is_here {
                let name = entry.card.name;
                say(&format!(
                    "left out: {name}: it was not trained on echocardiograms; name it with --encoder if you want it"
                ));
            } else {
                say(&format!("left out: {}: no weights of preset {} are here", entry.card.name, preset.name));
            }
        }
        match chosen.is_empty() {
            true => Err(CliError::Usage(
                "no encoder has weights of this preset here: give --weights, or `echozoo fetch` some, or --preset nano"
                    .to_owned(),
            )),
            false => Ok(chosen),
        }
    }

    /// The published one where its weights are here, else the one that is shipped.
    fn usual_preset(&self, entry: &Entry, entries: &[Entry]) -> Result<&'static Preset, CliError> {
        let full = entry.card.preset(Preset::FULL)?;
        let has_full = self.random_init || self.file_of(entry, entries).is_some() || is_fetched(entry.card, full);
        Ok(if has_full { full } else { entry.card.preset(Preset::NANO)? })
    }

    fn files(&self, entries: &[Entry]) -> Option<WeightFiles> {
        let known: Vec<&str> = entries.iter().map(|entry| entry.card.name).collect();
        self.weights.as_ref().map(|text| WeightFiles::from_arg(text, &known))
    }

    fn file_of(&self, entry: &Entry, entries: &[Entry]) -> Option<PathBuf> {
        self.files(entries).and_then(|files| files.of(entry.card.name).map(Path::to_owned))
    }

    fn weights_of(&self, entry: &Entry, entries: &[Entry], preset: &Preset) -> Result<Weights, WeightsError> {
        match (self.file_of(entry, entries), self.random_init) {
            (Some(path), _) => Ok(weights_of(&path, None)),
            (None, true) => Ok(Weights::Random(self.random_seed)),
            (None, false) => default_weights(entry, preset.name),
        }
    }

    /// What an encoder says of the study, which files it could not use, and what is to be said at the end.
    fn read(
        &self,
        entries: &[Entry],
        entry: &Entry,
        preset: &Preset,
        clips: &ClipArgs,
        archive: Option<&Archive>,
        precision: Precision,
    ) -> Result<(Reading, Vec<LeftOut>, Vec<String>), CliError> {
        let device = self.compute.device()?;
        let built = build(entries, entry, preset.name, &self.weights_of(entry, entries, preset)?, &device)?;
        say(&format!("{} {}, {} weights", entry.card.name, preset.name, built.kind));
        let seen = Seen::new(&built, archive, &device, precision)?;
        let rows = clips
            .see(&built.preset.clip, self.per_video, &device, |clip| precision.run(|| seen.of(&built.encoder, clip)))?;
        let remedy = "echozoo study DIR --preset full --weights ENCODER=FILE".to_owned();
        let mut warnings = Warnings::new(&built, precision, remedy);
        let of_rows: Vec<String> = rows.rows.iter().map(|row| warnings.of(row)).collect();
        // What is doubtful about a video stands beside it; the study has their number.
        let mut all = Row::together(String::new(), &rows.rows.iter().collect::<Vec<_>>());
        let doubtful = rows.rows.iter().filter(|row| !row.doubts.is_empty()).count();
        let videos = counted(rows.rows.len(), "video");
        let said = || format!("{doubtful} of {videos} with warnings of their own");
        all.doubts = (doubtful > 0).then(said).into_iter().collect();
        let of_study = warnings.of_several(&all);
        let mut reading = seen.conclude(&built, rows.rows, of_rows, of_study)?;
        if self.out.iter().any(|path| out_format(path, &["html"]).is_ok()) {
            reading.maps = maps::maps(&built, &reading, self.maps, &self.clips.options(), &device)?;
        }
        Ok((reading, rows.left_out, warnings.lines()))
    }
}

impl Study {
    /// Every number and text.
    fn results(&self) -> Results {
        let columns = [
            "name", "level", "encoder", "section", "finding", "class", "value", "unit", "text", "lowest", "highest",
            "warning",
        ];
        let mut results = Results::new(&columns);
        for reading in &self.readings {
            for finding in &reading.findings {
                let name = finding.video.map_or(self.name.as_str(), |video| &reading.rows[video].name);
                let level = if finding.video.is_some() { "video" } else { "study" };
                let texts = [name, level, &reading.title, &finding.section, &finding.name, &finding.class];
                let numbers = [
                    finding.value.into(),
                    Cell::from(finding.unit),
                    finding.text.clone().into(),
                    finding.ends.map(|ends| ends[0]).into(),
                    finding.ends.map(|ends| ends[1]).into(),
                    finding.warning.as_str().into(),
                ];
                results.push(texts.into_iter().map(Cell::from).chain(numbers).collect());
            }
        }
        results
    }

    /// What is said of the study, and the likeliest view of each video.
    fn table(&self) -> Vec<Vec<String>> {
        let mut table = vec![["", "finding", "value", "", "by", ""].map(str::to_owned).to_vec()];
        for reading in &self.readings {
            for (video, row) in reading.rows.iter().enumerate() {
                if let Some((view, probability)) = reading.view(video) {
                    let name = printable(&row.name).into_owned();
                    let value = format!("{view} ({probability:.3})");
                    let beside = beside(&reading.warnings[video]);
                    table.push(vec![name, "view".to_owned(), value, String::new(), reading.title.clone(), beside]);
                }
            }
        }
        for reading in &self.readings {
            for finding in reading.findings.iter().filter(|finding| finding.video.is_none()) {
                let class = if finding.class.is_empty() { String::new() } else { format!(" ({})", finding.class) };
                let spread = finding.ends.filter(|_| reading.clips() > 1);
                let spread = spread.map_or(String::new(), |[low, high]| format!(" ({low:.2} to {high:.2})"));
                let value = match (&finding.value, &finding.text) {
                    (Some(value), Some(text)) => format!("{text} ({value:.3})"),
                    (Some(value), None) => format!("{value:.3}{spread}"),
                    (None, Some(text)) => printable(text).into_owned(),
                    (None, None) => "unknown".to_owned(),
                };
                table.push(vec![
                    finding.section.clone(),
                    format!("{}{class}", finding.name),
                    value,
                    finding.unit.to_owned(),
                    reading.title.clone(),
                    beside(&finding.warning),
                ]);
            }
        }
        table
    }
}
