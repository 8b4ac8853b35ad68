//! `echozoo views`: which view each video shows, whether it is one that the encoder knows, and how good the picture is.

use std::path::{Path, PathBuf};

use echo_core::Preset;
use echo_files::printable;
use echo_kernels::Precision;

use crate::clip_args::{ClipArgs, PerVideo};
use crate::encoder_args::WeightArgs;
use crate::findings::Over;
use crate::recognition::{GRADES, KNOWN_FROM, Recognised, Recogniser};
use crate::results::{ResultArgs, Results};
use crate::warnings::{Warnings, beside};
use crate::{CliError, Entry, find};

/// Flags of `echozoo views`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    /// The encoder: echoviewclip, or echoprime, which knows views alone.
    #[arg(long, default_value = "echoviewclip")]
    encoder: String,
    /// Its preset.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL)]
    preset: String,
    #[command(flatten)]
    weights: WeightArgs,
    /// Clips per video, spread evenly, or `all`: from every frame that one can begin at; probabilities are averaged over them.
    #[arg(long = "clips", value_name = "N", default_value = "1", conflicts_with = "tensor")]
    per_video: PerVideo,
    /// The least probability of a known view with which a video counts as in distribution. Below 0.5 the second branch denies
    /// more than the first affirms; `echozoo ood` measures what a number is worth.
    #[arg(long, value_name = "P", default_value_t = KNOWN_FROM, value_parser = probability)]
    known_from: f64,
    #[command(flatten)]
    results: ResultArgs,
}

fn probability(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|number| (0.0..=1.0).contains(number)).ok_or_else(|| format!("{text:?} is no number from 0 to 1"))
}

/// The mean of what is recognised in clips.
struct OfVideo<'a> {
    /// The likeliest view and its probability.
    view: (&'a str, f64),
    known: Option<f64>,
    /// The likeliest grade and its probability.
    quality: Option<(&'a str, f64)>,
}

impl<'a> OfVideo<'a> {
    fn of(clips: &[Recognised], views: &[&'a str]) -> Self {
        let likeliest = |names: &[&'a str], of: &dyn Fn(&Recognised, usize) -> f32| {
            let mean = |place| Over::of(clips.iter().map(|clip| f64::from(of(clip, place)))).mean;
            let all = names.iter().enumerate().map(|(place, &name)| (name, mean(place)));
            all.reduce(|best, other| if other.1 > best.1 { other } else { best }).unwrap_or(("", f64::NAN))
        };
        let known = clips.iter().map(|clip| clip.known).map(|known| known.map(f64::from)).collect::<Option<Vec<f64>>>();
        let grades = clips.iter().map(|clip| clip.grades.as_ref()).collect::<Option<Vec<_>>>();
        let grade_of = |clip: &Recognised, place: usize| clip.grades.as_ref().map_or(f32::NAN, |all| all[place]);
        Self {
            view: likeliest(views, &|clip, place| clip.views[place]),
            known: known.map(|known| Over::of(known.into_iter()).mean),
            quality: grades.map(|_| likeliest(&GRADES, &grade_of)),
        }
    }

    /// In words, whether the view is one that the encoder knows.
    fn verdict(&self, known_from: f64) -> &'static str {
        match self.known {
            Some(known) if known >= known_from => "in distribution",
            Some(_) => "out of distribution",
            None => "",
        }
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    args.results.check(args.clips.files().iter().map(PathBuf::as_path))?;
    if args.clips.is_empty() {
        return Err(CliError::Usage("nothing to look at: give videos, folders or --tensor".to_owned()));
    }
    let refused = |whose: &str| {
        let others = entries.iter().filter(|entry| !entry.card.capabilities.views.is_empty());
        let others: Vec<&str> = others.map(|entry| entry.card.name).collect();
        CliError::Usage(format!(
            "{whose}{} tell no views apart; {} do with weights that hold what it takes, and others by an adapter: \
             `echozoo bench --task view --save-adapters`, then `echozoo predict --adapter-file`",
            args.encoder,
            others.join(" and ")
        ))
    };
    // Before anybody fetches weights that are of no use here.
    if find(entries, &args.encoder)?.card.capabilities.views.is_empty() {
        return Err(refused("the weights of "));
    }
    let precision = args.weights.precision_or(Precision::F32)?;
    let (built, device) = args.weights.build(entries, &args.encoder, &args.preset)?;
    let card = built.encoder.card();
    let Some(recogniser) = precision.run(|| Recogniser::new(&built.encoder, &device))? else {
        return Err(refused("these weights of "));
    };
    let recognise = |clip| precision.run(|| recogniser.of(&built.encoder, clip));
    let seen = args.clips.see(&built.preset.clip, args.per_video, &device, recognise)?;

    let remedy = format!("echozoo views --encoder {} --preset full --weights FILE", card.name);
    let mut warnings = Warnings::new(&built, precision, remedy);
    let mut results = Results::new(&[
        "name",
        "view",
        "probability",
        "in_distribution",
        "verdict",
        "quality",
        "quality_probability",
        "warning",
    ]);
    let mut table = vec![["", "view", "P", "known view", "P", "quality", "P", ""].map(str::to_owned).to_vec()];
    for row in &seen.rows {
        row.value.iter().try_for_each(Recognised::check).map_err(CliError::file(Path::new(&row.name)))?;
        let found = OfVideo::of(&row.value, card.capabilities.views);
        let warning = warnings.of(row);
        let (view, probability) = found.view;
        let quality = found.quality.unzip();
        results.push(vec![
            row.name.as_str().into(),
            view.into(),
            probability.into(),
            found.known.into(),
            Some(found.verdict(args.known_from)).filter(|verdict| !verdict.is_empty()).into(),
            quality.0.into(),
            quality.1.into(),
            warning.as_str().into(),
        ]);
        let percent = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share));
        table.push(vec![
            printable(&row.name).into_owned(),
            view.to_owned(),
            percent(Some(probability)),
            found.verdict(args.known_from).to_owned(),
            percent(found.known),
            quality.0.unwrap_or_default().to_owned(),
            percent(quality.1),
            beside(&warning),
        ]);
    }
    let printed = args.results.write(&results, &table);
    warnings.say();
    match seen.faults() {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: failed + seen.rows.len() }),
    }
}
