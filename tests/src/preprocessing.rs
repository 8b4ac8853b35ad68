//! The whole way from a video file to a clip, against the clip that the encoder's own pipeline makes of the same file
//! with OpenCV, PIL and torch: `tests/reference/preprocess.py` wrote the goldens, `phantoms.sh` beside it the videos.

use std::path::{Path, PathBuf};

use echo_core::{Aspect, ChannelOrder, ClipSpec, Crop, Filter, Padding, Preset, Sampling};
use echo_data::{Clip, Start, load_clip};
use echo_parity::Golden;
use echo_video::OpenOptions;
use echo_zoo::{Entry, ZOO};

use crate::fixtures::device;

/// A grey square; a reddish wide video whose margin is no whole number; ten large upright bluish frames, fewer than
/// any clip has.
const VIDEOS: [&str; 3] = ["phantom_112", "phantom_wide", "phantom_short"];

/// Grey levels that a clip may be off on average. Below 1 is what is asked for, up to 0.06 is what is measured: two
/// decoders' rounding, and Intel's cubic filter in OpenCV's wheel.
const MEAN: f64 = 0.1;

/// Grey levels that a single value may be off. Measured: 3, and 4 over all values of the clips.
const MAX: f64 = 4.5;

/// What upstream makes of one video.
struct Expected {
    /// Channels, frames, height, width.
    shape: Vec<usize>,
    positions: Vec<usize>,
    values: Vec<f32>,
    /// By channel, then frame, as are the next two.
    means: Vec<f32>,
    lowest: Vec<f32>,
    highest: Vec<f32>,
    /// For every frame the first one that equals it.
    alike: Vec<usize>,
}

impl Expected {
    fn read(golden: &Golden, video: &str) -> Self {
        let numbers = |name: &str| -> Vec<usize> {
            let ids = golden.ids(&format!("{video}.{name}"), &device()).into_data();
            ids.iter::<i64>().map(|id| usize::try_from(id).unwrap()).collect()
        };
        let planes = |name: &str| golden.tensor::<2>(&format!("{video}.{name}"), &device()).into_data();
        Self {
            shape: numbers("shape"),
            positions: numbers("positions"),
            values: golden.tensor::<1>(&format!("{video}.values"), &device()).into_data().iter().collect(),
            means: planes("means").iter().collect(),
            lowest: planes("lowest").iter().collect(),
            highest: planes("highest").iter().collect(),
            alike: numbers("alike"),
        }
    }

    /// Whether frame `frame` was put in for a missing one.
    fn is_padding(&self, frame: usize) -> bool {
        self.alike[frame] != frame || self.lowest[frame] == self.highest[frame]
    }
}

/// Absolute differences in grey levels, padding left out.
struct Difference {
    mean: f64,
    max: f64,
    count: usize,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// An encoder's golden. One that is new has none until the reference script makes its clips too.
fn golden(entry: &Entry) -> Option<Golden> {
    let path = fixture(&format!("inputs_{}.safetensors", entry.card.name));
    if path.is_file() {
        return Some(Golden::read(&path));
    }
    let missing = format!("{} is missing; add the encoder to tests/reference/preprocess.py", path.display());
    assert!(std::env::var_os("ECHOZOO_NO_SKIP").is_none(), "{missing}");
    println!("skipped: {missing}");
    None
}

fn load(video: &str, spec: &ClipSpec) -> Clip {
    let path = fixture(&format!("{video}.avi"));
    load_clip(&path, spec, Start::First.into(), &OpenOptions::default()).unwrap().clip
}

/// Compares `clip` with what upstream makes of the video; `units` is what the values of the clip mean.
fn compare(clip: &Clip, expected: &Expected, units: &ClipSpec) -> Result<Difference, String> {
    let shape = [3, clip.frames, clip.size, clip.size];
    if expected.shape != shape {
        return Err(format!("shape {shape:?}, not {:?}", expected.shape));
    }
    let plane = clip.size * clip.size;
    let planes: Vec<&[f32]> = clip.data.chunks_exact(plane).collect();
    let level = |channel: usize| f64::from(units.std[channel]) / f64::from(units.scale);

    let same = |a: usize, b: usize| (0..3).all(|c| planes[c * clip.frames + a] == planes[c * clip.frames + b]);
    let alike: Vec<usize> = (0..clip.frames).map(|b| (0..b).find(|&a| same(a, b)).unwrap_or(b)).collect();
    if alike != expected.alike {
        return Err(format!("frames equal frames {alike:?}, not {:?}", expected.alike));
    }
    for (index, values) in planes.iter().enumerate() {
        let (channel, frame) = (index / clip.frames, index % clip.frames);
        let (lowest, highest) = (expected.lowest[index], expected.highest[index]);
        if lowest == highest && values.iter().any(|value| *value != lowest) {
            return Err(format!("channel {channel} of frame {frame} is not {lowest} everywhere"));
        }
    }

    // Padding is exact, as has been seen, and would dilute the mean.
    let (mut sum, mut max, mut count) = (0.0, 0.0, 0);
    for (&position, &value) in expected.positions.iter().zip(&expected.values) {
        let (channel, frame) = (position / plane / clip.frames, position / plane % clip.frames);
        if !expected.is_padding(frame) {
            let off = f64::from((clip.data[position] - value).abs()) * level(channel);
            sum += off;
            max = f64::max(max, off);
            count += 1;
        }
    }
    let mean = sum / count as f64;
    if !mean.is_finite() || mean > MEAN || max > MAX {
        return Err(format!("off by {mean:.3} on average and {max:.1} at most, above {MEAN} and {MAX}"));
    }
    for (index, values) in planes.iter().enumerate() {
        let (channel, frame) = (index / clip.frames, index % clip.frames);
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / plane as f64;
        let off = (mean - f64::from(expected.means[index])).abs() * level(channel);
        if !off.is_finite() || off > MEAN {
            return Err(format!("the mean of channel {channel} of frame {frame} is off by {off:.3}, above {MEAN}"));
        }
    }
    Ok(Difference { mean, max, count })
}

#[test]
fn clips_are_those_of_the_encoders_own_pipelines() {
    for entry in ZOO {
        let name = entry.card.name;
        let spec = &entry.card.preset(Preset::FULL).unwrap().clip;
        let Some(golden) = golden(entry) else { continue };
        for video in VIDEOS {
            let expected = Expected::read(&golden, video);
            let Difference { mean, max, count } = compare(&load(video, spec), &expected, spec)
                .unwrap_or_else(|wrong| panic!("{name}, {video}: {wrong} (grey levels)"));
            println!("{name}, {video}: off by {mean:.3} grey levels on average, {max:.1} at most, of {count} values");
        }
    }
}

/// Specifications that are wrong in one thing each.
fn wrong(spec: &ClipSpec) -> Vec<(String, ClipSpec)> {
    let channels = match spec.channels {
        ChannelOrder::Rgb => ChannelOrder::Bgr,
        ChannelOrder::Bgr => ChannelOrder::Rgb,
    };
    let (sampling, stride) = (Sampling::Strided, if spec.stride == 1 { 2 } else { 1 });
    let zoom = if spec.crop.zoom == 0.0 { 0.1 } else { 0.0 };
    let resize = if spec.resize == spec.size { spec.size + 32 } else { spec.size };
    let filters =
        [Filter::OpenCvCubic, Filter::OpenCvLinear, Filter::OpenCvArea, Filter::PilBicubic, Filter::TorchBilinear];
    let paddings = [Padding::Shorter, Padding::ZerosAfterNormalize, Padding::ZerosBeforeNormalize, Padding::RepeatLast];
    let [first, second, third] = spec.mean;
    let mut all = vec![
        ("stride".to_owned(), ClipSpec { sampling, stride, ..*spec }),
        ("channels".to_owned(), ClipSpec { channels, ..*spec }),
        ("zoom".to_owned(), ClipSpec { crop: Crop { zoom, ..spec.crop }, ..*spec }),
        ("resize".to_owned(), ClipSpec { resize, ..*spec }),
        ("scale".to_owned(), ClipSpec { scale: spec.scale * 1.01, ..*spec }),
        ("mean".to_owned(), ClipSpec { mean: [first, second + spec.scale, third], ..*spec }),
        ("std".to_owned(), ClipSpec { std: spec.std.map(|std| std * 1.02), ..*spec }),
    ];
    for aspect in Aspect::ALL.into_iter().filter(|aspect| *aspect != spec.crop.aspect) {
        all.push((format!("aspect ({aspect:?})"), ClipSpec { crop: Crop { aspect, ..spec.crop }, ..*spec }));
    }
    // Without antialiasing both take the same neighbours with the same weights, and differ by less than other decoders do.
    let linear = [Filter::OpenCvLinear, Filter::TorchBilinear];
    let alike = |filter| linear.contains(&filter) && linear.contains(&spec.filter);
    for filter in filters.into_iter().filter(|filter| *filter != spec.filter && !alike(*filter)) {
        all.push((format!("filter ({filter:?})"), ClipSpec { filter, ..*spec }));
    }
    // Frames of segments are never missing.
    let matters = |padding: &Padding| spec.sampling.is_strided() && *padding != spec.padding;
    for padding in paddings.into_iter().filter(matters) {
        all.push((format!("padding ({padding:?})"), ClipSpec { padding, ..*spec }));
    }
    all
}

/// The bounds above are worth something only if no step can be left out or done in another way within them.
#[test]
fn a_clip_that_is_made_otherwise_is_noticed() {
    for entry in ZOO {
        let name = entry.card.name;
        let spec = &entry.card.preset(Preset::FULL).unwrap().clip;
        let Some(golden) = golden(entry) else { continue };
        let expected = VIDEOS.map(|video| Expected::read(&golden, video));
        for (what, other) in wrong(spec) {
            let found = VIDEOS.iter().zip(&expected).find_map(|(video, expected)| {
                let reason = compare(&load(video, &other), expected, spec).err()?;
                Some(format!("{video}: {reason}"))
            });
            let found = found.unwrap_or_else(|| panic!("{name}: wrong {what} is not noticed in any video"));
            println!("{name}, wrong {what}: {found}");
        }
    }
}
