//! `echozoo explain`: where in a video a score comes from.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Error, Tokens, check_finite, l2_normalize};
use echo_data::{LoadedClip, Start, clip_of};
use echo_files::{counted, say};
use echo_kernels::Precision;
use echo_train::saliency;
use echo_video::{AviWriter, Mask, OpenOptions, Video};
use jpeg_encoder::{ColorType, Encoder};

use crate::array_file::{npy_of, out_format, write_file};
use crate::clip_args::Row;
use crate::contact_sheet::{pictures, sheet};
use crate::embed::text_embeddings;
use crate::encoder_args::EncoderArgs;
use crate::find_videos::find_videos;
use crate::heat::{enlarge, paint};
use crate::warnings::Warnings;
use crate::{CliError, Entry};

/// Quality of the JPEGs of an overlay.
const QUALITY: u8 = 95;
/// Frames per second of an overlay whose video does not say.
const UNKNOWN_FPS: f64 = 30.0;

/// Frames in a row of the picture, each with its map.
const PAIRS: usize = 3;

/// Flags of `echozoo explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Videos, or folders of videos.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// A sentence: what makes the clip similar to it.
    #[arg(long, conflicts_with = "head", required_unless_present = "head")]
    prompt: Option<String>,
    /// One of the encoder's own heads: what raises its number.
    #[arg(long)]
    head: Option<String>,
    /// The class of the head whose probability is explained [default: its first].
    #[arg(long, requires = "head", conflicts_with = "prompt")]
    class: Option<String>,
    /// The picture: the clip's frames, and the same with the map over them (.png), below the video's name. Of several videos, a
    /// folder.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also the clip as a video with the map over it (.avi). Of several videos, a folder.
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Also the map itself (.npy, f32 [frames, size, size], 0 to 1). Of several videos, a folder.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(long)]
    allow_truncated: bool,
    /// Which videos show nothing but their ultrasound sector: dicom, auto (all of them) or none.
    #[arg(long, value_name = "WHICH", default_value = "dicom")]
    mask: Mask,
}

/// What is explained.
pub(crate) enum Score {
    /// The cosine to a text's embedding of length one, `[1, dim]`.
    Prompt(Box<Tensor<2>>),
    /// A head's output.
    Head { name: String, place: usize },
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let precision = args.encoder.precision()?;
    if precision != Precision::F32 {
        return Err(CliError::Usage("gradients need --precision f32".to_owned()));
    }
    let videos = find_videos(&args.inputs)?;
    let is_one = videos.len() == 1 && !args.inputs[0].is_dir();
    if is_one {
        out_format(&args.out, &["png"])?;
    }
    let (built, device) = args.encoder.build(entries)?;
    let (score, what) = score_of(args, &built, &device)?;
    let name = &args.encoder.encoder;
    let mut warnings =
        Warnings::new(&built, precision, format!("echozoo explain --encoder {name} --preset full --weights FILE"));
    let options = OpenOptions { allow_truncated: args.allow_truncated, mask: args.mask, ..OpenOptions::default() };
    let mut failed = 0;
    for (place, path) in videos.iter().enumerate() {
        let place_of = |given: &Path, ending: &str| match is_one {
            true => given.to_owned(),
            false => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                given.join(format!("{:04}-{stem}.{ending}", place + 1))
            }
        };
        let explained = Video::open(path, &options).map_err(CliError::from).and_then(|video| {
            let (LoadedClip { clip, warnings: doubts, .. }, selection) =
                clip_of(&video, path, &built.preset.clip, Start::First.into())?;
            let row = Row {
                name: path.display().to_string(),
                paths: vec![path.clone()],
                value: (),
                doubts: doubts.into_iter().collect(),
            };
            Ok((shown_rate(video.info().fps, &selection.frames), clip, selection, warnings.of(&row)))
        });
        let (fps, clip, selection, warning) = match explained {
            Ok(explained) => explained,
            Err(error) => {
                say(&format!("left out: {error}"));
                failed += 1;
                continue;
            }
        };
        let (frames, size) = (clip.frames, clip.size);
        let shown = pictures(&clip, &built.preset.clip);
        let map = saliency(&built.encoder, clip.into_tensor(&device), |encoder, tokens| score.of(encoder, tokens));
        let heat = heat(&built.encoder, map, frames, size);
        if heat.iter().all(|&value| value == 0.0) {
            say(&format!("{}: nothing that it shows speaks for {what}: its map is empty", path.display()));
        }
        check_finite("the map", &heat).map_err(CliError::file(path))?;
        let painted: Vec<Vec<u8>> =
            shown.iter().zip(heat.chunks(size * size)).map(|(frame, heat)| paint(frame, heat)).collect();
        let labels = |frame: usize| selection.frames.get(frame).map_or("padding".to_owned(), usize::to_string);
        let all: Vec<(String, Vec<u8>)> = (0..frames)
            .flat_map(|frame| [(labels(frame), shown[frame].clone()), (String::new(), painted[frame].clone())])
            .collect();
        let beside = if warning.is_empty() { String::new() } else { format!("! {warning}! ") };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let out = place_of(&args.out, "png");
        let title = format!("{beside}{what}, {file}");
        make_folder(&out, is_one)?;
        write_file(&out, &sheet(&all, size, PAIRS * 2, &title).map_err(CliError::file(&out))?)?;
        if let Some(given) = &args.overlay {
            let path = place_of(given, "avi");
            make_folder(&path, is_one)?;
            write_video(&path, &painted, size, fps)?;
        }
        if let Some(given) = &args.map {
            let path = place_of(given, "npy");
            make_folder(&path, is_one)?;
            write_file(&path, &npy_of(&heat, &[frames, size, size]).map_err(CliError::file(&path))?)?;
        }
    }
    say(&format!("{} of {what} in {}", counted(videos.len() - failed, "map"), args.out.display()));
    warnings.say();
    match failed {
        0 => Ok(()),
        failed => Err(CliError::Inputs { failed, total: videos.len() }),
    }
}

/// What is to be explained, and how a title calls it.
fn score_of(args: &Args, built: &echo_weights::Built, device: &Device) -> Result<(Score, String), CliError> {
    if let Some(prompt) = &args.prompt {
        let score = Score::prompt(prompt, built, device)?;
        return Ok((score, format!("{prompt:?} by {}", built.encoder.card().title)));
    }
    let name = args.head.as_deref().unwrap_or_default();
    let heads = built.encoder.card().capabilities.heads;
    let known: Vec<&str> = heads.iter().map(|head| head.name).collect();
    if known.is_empty() {
        return Err(CliError::Usage(format!("{} has no heads of its own; give --prompt", built.encoder.card().name)));
    }
    let head = heads.iter().find(|head| head.name == name).ok_or_else(|| Error::unknown_name("head", name, &known))?;
    // Weights may lack heads that the encoder has.
    let nothing = Tensor::zeros([1, built.encoder.dim()], device);
    let there: Vec<&str> = built.encoder.heads(nothing).into_iter().map(|(head, _)| head.name).collect();
    if !there.contains(&name) {
        let reason = format!("these weights of {} lack the head {name}", built.encoder.card().name);
        return Err(CliError::Usage(format!("{reason}; they have {}", there.join(", "))));
    }
    let labels = head.labels();
    let place = match &args.class {
        None => 0,
        Some(class) => {
            let found = labels.iter().position(|label| label == class);
            found.ok_or_else(|| Error::unknown_name("class", class, &labels))?
        }
    };
    let class =
        labels.get(place).filter(|label| !label.is_empty()).map_or(String::new(), |label| format!(" ({label})"));
    Ok((Score::Head { name: name.to_owned(), place }, format!("{name}{class} by {}", built.encoder.card().title)))
}

impl Score {
    /// How similar a clip is to a sentence.
    pub(crate) fn prompt(prompt: &str, built: &echo_weights::Built, device: &Device) -> Result<Self, CliError> {
        Ok(Self::Prompt(Box::new(text_embeddings(&[prompt.to_owned()], built, device)?)))
    }

    /// - output: `[batch]`
    pub(crate) fn of(&self, encoder: &AnyEncoder, tokens: &Tokens) -> Tensor<1> {
        let embedding = encoder.embed(tokens);
        match self {
            Self::Prompt(text) => {
                let text = Tensor::clone(text).to_device(&embedding.device());
                (l2_normalize(embedding) * text).sum_dim(1).squeeze_dim(1)
            }
            Self::Head { name, place } => {
                let [batch, _] = embedding.dims();
                let found = encoder.heads(embedding).into_iter().find(|(head, _)| head.name == *name);
                let (_, outputs) = found.expect("a head that these weights have");
                outputs.narrow(1, *place, 1).reshape([batch])
            }
        }
    }
}

/// A map for every frame of the clip at its size, the largest value of all of them 1: `[frames, size, size]`.
pub(crate) fn heat(encoder: &AnyEncoder, map: Tensor<4>, frames: usize, size: usize) -> Vec<f32> {
    let [_, steps, rows, columns] = map.dims();
    let values: Vec<f32> = map.into_data().iter::<f32>().collect();
    let mut heat = Vec::with_capacity(frames * size * size);
    for frame in 0..frames {
        let of_frame = encoder.steps_of_frame(frame, frames, steps);
        let mut mean = vec![0.0f32; rows * columns];
        for &step in &of_frame {
            let step = &values[step * rows * columns..][..rows * columns];
            mean.iter_mut().zip(step).for_each(|(mean, value)| *mean += value / of_frame.len() as f32);
        }
        heat.extend(enlarge(&mean, rows, columns, size));
    }
    let most = heat.iter().copied().fold(0.0, f32::max);
    if most > 0.0 {
        heat.iter_mut().for_each(|value| *value /= most);
    }
    heat
}

/// Frames per second at which the frames of a clip show the heart as fast as it beats; 0 where the video does not say.
fn shown_rate(fps: f64, frames: &[usize]) -> f64 {
    match frames {
        [first, .., last] if last > first => fps * (frames.len() - 1) as f64 / (last - first) as f64,
        _ => fps,
    }
}

fn make_folder(file: &Path, is_one: bool) -> Result<(), CliError> {
    match file.parent() {
        Some(folder) if !is_one => std::fs::create_dir_all(folder).map_err(CliError::file(folder)),
        _ => Ok(()),
    }
}

fn write_video(path: &Path, frames: &[Vec<u8>], size: usize, fps: f64) -> Result<(), CliError> {
    let mut writer = AviWriter::create(path, size, size, if fps > 0.0 { fps } else { UNKNOWN_FPS })?;
    for frame in frames {
        let mut jpeg = Vec::new();
        let side = u16::try_from(size).map_err(CliError::file(path))?;
        Encoder::new(&mut jpeg, QUALITY).encode(frame, side, side, ColorType::Rgb).map_err(CliError::file(path))?;
        writer.push(&jpeg)?;
    }
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_of_every_second_frame_has_half_the_rate() {
        assert_eq!(shown_rate(50.0, &[0, 2, 4, 6]), 25.0);
        assert_eq!(shown_rate(50.0, &[10, 11, 12]), 50.0);
        assert_eq!(shown_rate(50.0, &[3]), 50.0);
        assert_eq!(shown_rate(0.0, &[0, 5]), 0.0);
    }
}
