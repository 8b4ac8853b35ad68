//! `echozoo explain`: where in a video a score, or what a fitted adapter predicts, comes from.

mod attention;
mod overlay;
mod question;
mod score;

use std::path::{Path, PathBuf};

use echo_adapt::AdapterEntry;
use echo_core::{Preset, check_finite};
use echo_data::{Clip, LoadedClip, Selection, clip_of};
use echo_files::{counted, say};
use echo_video::{Mask, OpenOptions, Video};

use crate::array_file::{format_of, npy_of, out_format, refuse_inputs, write_file};
use crate::clip_args::{Row, is_fault};
use crate::contact_sheet::{pictures, sheet};
use crate::encoder_args::WeightArgs;
use crate::find_videos::find_videos;
use crate::heat::{hottest, paint};
use crate::names::Names;
use crate::output::print;
use crate::progress::Progress;
use crate::results::Results;
use crate::warnings::Warnings;
use crate::{CliError, Entry};

use attention::{STRIP, strip, table};
use overlay::{shown_rate, write_overlay};
use question::{Explained, Question};

pub(crate) use score::Score;

/// Frames in a row of the picture, each with its map.
const PAIRS: usize = 3;

/// Flags of `echozoo explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Videos, or folders of videos.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The encoder; not with --adapter-file.
    #[arg(long, required_unless_present = "adapter_file")]
    encoder: Option<String>,
    /// Its preset: full, nano, or another that `echozoo list` names; not with --adapter-file.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL)]
    preset: String,
    #[command(flatten)]
    weights: WeightArgs,
    /// A sentence: what makes the clip similar to it.
    #[arg(long, conflicts_with = "head")]
    prompt: Option<String>,
    /// One of the encoder's own heads: what raises its number.
    #[arg(long)]
    head: Option<String>,
    /// A fitted adapter (of `echozoo bench --save-adapters`): what raises its value, the odds of yes, or the logit of a class. The
    /// file knows the encoder, the preset and the clips. Give its encoder's --weights where they are neither shipped nor fetched.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["encoder", "preset", "prompt", "head", "random_init"])]
    adapter_file: Option<PathBuf>,
    /// Weights of the encoder that lent the adapter its text tower.
    #[arg(long, value_name = "FILE", requires = "adapter_file", conflicts_with = "encoder")]
    text_weights: Option<PathBuf>,
    /// The class that is explained [default: a head's first; an adapter's yes, or the class that it predicts].
    #[arg(long, conflicts_with = "prompt")]
    class: Option<String>,
    /// The picture: the clip's frames, and the same with the map over them (.png), below the video's name. An adapter with
    /// attention over frames has a bar below each frame, as long as its weight. Of several videos, a folder.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also the clip as a video with the map over it (.avi or .gif). Of several videos, a folder of .avi.
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Also the map itself (.npy, f32 [frames, size, size], 0 to 1). Of several videos, a folder.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Also how much the adapter's attention weighs each frame (.csv, columns frame and weight; the sum is 1). Of several videos, a
    /// folder.
    // A flag that another one needs is not asked for where it may not be given, so both are named.
    #[arg(long, value_name = "FILE", requires = "adapter_file", conflicts_with = "encoder")]
    attention: Option<PathBuf>,
    /// Print as JSON what was explained of each video, the number of its frame with the most heat, and its picture.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// The same as CSV.
    #[arg(long)]
    csv: bool,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(long)]
    allow_truncated: bool,
    /// Which videos show nothing but their ultrasound sector: dicom, auto (all of them) or none.
    #[arg(long, value_name = "WHICH", default_value = "dicom")]
    mask: Mask,
}

/// A video's clips, one or as many as an adapter was fitted on.
struct Clips {
    clips: Vec<(Clip, Selection)>,
    /// Their frames as people see them: nothing but the ultrasound sector, unless all is asked for.
    shown: Vec<Vec<u8>>,
    /// Frames of each.
    frames: usize,
    size: usize,
    /// Frames per second at which they show the heart as fast as it beats; 0 where the video does not say.
    fps: f64,
    row: Row<()>,
}

impl Clips {
    fn of(path: &Path, question: &Question, options: &OpenOptions) -> Result<Self, CliError> {
        let video = Video::open(path, options)?;
        let to_show = Video::open(path, &options.for_pictures())?;
        let mut clips = Vec::with_capacity(question.clips());
        let mut shown = Vec::new();
        let mut row = Row {
            name: path.display().to_string(),
            paths: vec![path.to_owned()],
            value: (),
            doubts: Default::default(),
        };
        for place in 0..question.clips() {
            let (LoadedClip { clip, truncation, warnings }, selection) =
                clip_of(&video, path, &question.spec, question.look(path, place)?)?;
            row.doubts.extend(truncation.map(|missing| format!("truncated: {missing}")).into_iter().chain(warnings));
            shown.extend(match video.is_masked() == to_show.is_masked() {
                true => pictures(&clip, &question.spec),
                false => pictures(
                    &clip_of(&to_show, path, &question.spec, question.look(path, place)?)?.0.clip,
                    &question.spec,
                ),
            });
            clips.push((clip, selection));
        }
        let (frames, size) = clips.first().map_or((0, 0), |(clip, _)| (clip.frames, clip.size));
        if let Some((odd, _)) = clips.iter().find(|(clip, _)| clip.frames != frames) {
            let reason = format!("its clips have {frames} and {} frames; did the file change?", odd.frames);
            return Err(CliError::file(path)(reason));
        }
        let fps = clips.first().map_or(0.0, |(_, selection)| shown_rate(video.info().fps, &selection.frames));
        Ok(Self { clips, shown, frames, size, fps, row })
    }

    /// Of every frame of all clips its number in the video; nothing of padding.
    fn numbers(&self) -> Vec<Option<usize>> {
        let of_clip = |(_, selection): &(Clip, Selection)| {
            (0..self.frames).map(|frame| selection.frames.get(frame).copied()).collect::<Vec<_>>()
        };
        self.clips.iter().flat_map(of_clip).collect()
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    let videos = find_videos(&args.inputs)?;
    let is_one = videos.len() == 1 && !args.inputs[0].is_dir();
    let mut overlay_ending = "avi";
    if is_one {
        out_format(&args.out, &["png"])?;
        if let Some(path) = &args.overlay {
            overlay_ending = format_of("--overlay", path, &["avi", "gif"])?;
        }
        if let Some(path) = &args.attention {
            format_of("--attention", path, &["csv"])?;
        }
    }
    let place_of = |place: usize, given: &Path, ending: &str| match is_one {
        true => given.to_owned(),
        false => {
            let stem = videos[place].file_stem().unwrap_or_default().to_string_lossy();
            given.join(format!("{:04}-{stem}.{ending}", place + 1))
        }
    };
    let endings = [
        (Some(&args.out), "png"),
        (args.overlay.as_ref(), overlay_ending),
        (args.map.as_ref(), "npy"),
        (args.attention.as_ref(), "csv"),
    ];
    let outs: Vec<PathBuf> = (0..videos.len())
        .flat_map(|place| endings.map(|(given, ending)| given.map(|given| place_of(place, given, ending))))
        .flatten()
        .collect();
    let read = videos.iter().chain(&args.adapter_file).map(PathBuf::as_path);
    refuse_inputs(outs.iter().map(PathBuf::as_path), read)?;
    if args.prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty()) {
        return Err(CliError::Usage("--prompt is empty".to_owned()));
    }
    let question = Question::of(args, entries, adapters)?;
    let mut warnings = Warnings::new(&question.built, question.precision, question.remedy());
    let options = OpenOptions { allow_truncated: args.allow_truncated, mask: args.mask, ..OpenOptions::default() };
    let (mut failed, mut left_out) = (0, 0);
    let mut results = Results::new(&["name", "what", "frame", "out", "warning"]);
    let names = Names::of(&args.inputs);
    let mut progress = Progress::new("videos", videos.len());
    for (place, path) in videos.iter().enumerate() {
        progress.set(place, &path.file_name().unwrap_or_default().to_string_lossy());
        let clips = match Clips::of(path, &question, &options) {
            Ok(clips) => clips,
            Err(error) => {
                progress.line(&format!("left out: {error}"));
                left_out += 1;
                failed += usize::from(is_fault(&args.inputs, path, &error));
                continue;
            }
        };
        let warning = warnings.of(&clips.row);
        let numbers = clips.numbers();
        let Clips { clips, shown, frames, size, fps, .. } = clips;
        let tensors = clips.into_iter().map(|(clip, _)| clip.into_tensor(&question.device)).collect();
        let Explained { maps, what, attention } = question.explain(tensors, frames, args.attention.is_some())?;
        let heat = maps.heat(size);
        if heat.iter().all(|&value| value == 0.0) {
            progress.line(&format!("{}: nothing that it shows speaks for {what}: its map is empty", path.display()));
        }
        check_finite("the map", &heat).map_err(CliError::file(path))?;
        let painted: Vec<Vec<u8>> =
            shown.iter().zip(heat.chunks(size * size)).map(|(frame, heat)| paint(frame, heat)).collect();
        let most = hottest(&heat, size);
        let all = pairs(&numbers, shown, &painted, size, attention.as_deref());
        let height = if attention.is_some() { size + STRIP } else { size };
        let beside = if warning.is_empty() { String::new() } else { format!(" ! {warning}") };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let out = place_of(place, &args.out, "png");
        let title = format!("{file}: {what}{beside}");
        make_folder(&out, is_one)?;
        write_file(&out, &sheet(&all, [size, height], PAIRS * 2, &title).map_err(CliError::file(&out))?)?;
        results.push(vec![
            names.name(path).into(),
            what.clone().into(),
            most.and_then(|frame| numbers[frame]).into(),
            out.display().to_string().into(),
            warning.clone().into(),
        ]);
        if let Some(given) = &args.overlay {
            let path = place_of(place, given, overlay_ending);
            make_folder(&path, is_one)?;
            write_overlay(&path, overlay_ending, &painted, size, fps)?;
        }
        if let Some(given) = &args.map {
            let path = place_of(place, given, "npy");
            make_folder(&path, is_one)?;
            let shape = [numbers.len(), size, size];
            write_file(&path, &npy_of(&heat, &shape).map_err(CliError::file(&path))?)?;
        }
        if let (Some(given), Some(weights)) = (&args.attention, &attention) {
            let path = place_of(place, given, "csv");
            make_folder(&path, is_one)?;
            write_file(&path, table(&numbers, weights).as_bytes())?;
        }
    }
    progress.set(videos.len(), "");
    drop(progress);
    let what = question.what();
    say(&format!("{} of {what} in {}", counted(videos.len() - left_out, "map"), args.out.display()));
    let printed = match (args.json, args.csv) {
        (true, _) => print(&results.json_text()),
        (_, true) => print(&results.csv_text()?),
        _ => Ok(()),
    };
    warnings.say();
    match failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: videos.len() }),
    }
}

/// Every frame below its number, beside it the same with its map; both with a strip of the frame's weight below, where frames
/// have one.
fn pairs(
    numbers: &[Option<usize>],
    shown: Vec<Vec<u8>>,
    painted: &[Vec<u8>],
    size: usize,
    attention: Option<&[f32]>,
) -> Vec<(String, Vec<u8>)> {
    let most = attention.map_or(0.0, |weights| weights.iter().copied().fold(0.0, f32::max));
    let mut pairs = Vec::with_capacity(2 * shown.len());
    for (place, (mut frame, mut map)) in shown.into_iter().zip(painted.iter().cloned()).enumerate() {
        if let Some(weights) = attention {
            let [bar, number] = strip(weights[place], most, size);
            frame.extend(bar);
            map.extend(number);
        }
        let label = numbers[place].map_or("padding".to_owned(), |number| number.to_string());
        pairs.extend([(label, frame), (String::new(), map)]);
    }
    pairs
}

fn make_folder(file: &Path, is_one: bool) -> Result<(), CliError> {
    match file.parent() {
        Some(folder) if !is_one => std::fs::create_dir_all(folder).map_err(CliError::file(folder)),
        _ => Ok(()),
    }
}
