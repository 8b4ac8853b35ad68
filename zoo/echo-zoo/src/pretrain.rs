//! `echozoo pretrain`: where the shipped weights of the nano presets come from.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use echo_core::{AnyEncoder, ClipSpec, Preset};
use echo_data::Target;
use echo_phantom::{ChamberSize, Findings, View};
use echo_pretrain::{
    Captions, Contrastive, MovementClasses, MultiTask, Objective, PictureWords, Point, PretrainConfig, Task, Truth,
    ViewNames, ViewWords, ceiling, pretrain, seconds_per_step,
};
use echo_weights::{Precision, Weights, save};

use crate::array_file::{out_format, write_file};
use crate::output::print;
use crate::progress::Progress;
use crate::{CliError, DeviceChoice, Entry, build, find};

/// Flags of `echozoo pretrain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The encoder.
    #[arg(long)]
    encoder: String,
    /// Its preset, one of those that are made of phantoms.
    #[arg(long, value_name = "NAME", default_value = Preset::NANO)]
    preset: String,
    /// The weights (.safetensors, 16-bit floats); the curve goes beside them.
    #[arg(long, value_name = "FILE", required_unless_present = "ceiling")]
    out: Option<PathBuf>,
    /// What it learns from.
    #[arg(long, value_enum, default_value_t = Lessons::Phantoms)]
    on: Lessons,
    /// Seed of the first weights, what is shown and the captions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps; the same number gives the same weights.
    #[arg(long, conflicts_with = "minutes")]
    steps: Option<usize>,
    /// As many steps as this machine takes in this time, which a few of them tell beforehand.
    #[arg(long, default_value_t = 40.0)]
    minutes: f64,
    /// Clips in a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Weight decay.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f64,
    /// Steps over which the learning rate rises.
    #[arg(long, default_value_t = 50)]
    warmup: usize,
    /// Pixels by which clips of phantoms are moved at most; pictures lie anywhere as they are.
    #[arg(long, default_value_t = 2)]
    shift: u32,
    /// Steps between two looks at phantoms that are not trained on.
    #[arg(long, default_value_t = 100)]
    every: usize,
    /// Threads that render phantoms.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print how well the true volumes in the frames that a clip shows tell the ejection fraction, and stop.
    #[arg(long, conflicts_with = "out")]
    ceiling: bool,
}

/// What an encoder learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Lessons {
    /// Synthetic hearts in two apical views that no benchmark uses.
    Phantoms,
    /// The same in all standard views, by quality of the picture; for an encoder with a second branch.
    Views,
    /// Plain shapes before plain textures: what an encoder knows without having seen a heart. With captions, or moving for an
    /// encoder without a text tower.
    Pictures,
}

impl Lessons {
    fn name(self) -> &'static str {
        match self {
            Self::Phantoms => "phantoms",
            Self::Views => "views",
            Self::Pictures => "pictures",
        }
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let entry = find(entries, &args.encoder)?;
    let preset = entry.card.preset(&args.preset)?;
    if preset.published {
        return Err(CliError::Usage(format!(
            "--preset {}: what {}'s own weights were trained on, drawings cannot replace; use --preset nano, \
             or `echozoo fetch {}`",
            preset.name, entry.card.title, entry.card.name
        )));
    }
    let spec = &preset.clip;
    if args.ceiling {
        return print_ceiling(spec, args.seed);
    }
    let Some(out) = args.out.as_deref() else {
        return Err(CliError::Usage("say with --out where the weights go".to_owned()));
    };
    out_format(out, &["safetensors"])?;
    if !(args.minutes.is_finite() && args.minutes > 0.0) {
        return Err(CliError::Usage("--minutes: give a positive number".to_owned()));
    }
    let device = DeviceChoice::Cpu.device().map_err(CliError::Usage)?;
    if args.on == Lessons::Phantoms {
        print_ceiling(spec, args.seed)?;
    }
    let encoder = build(entries, entry, preset.name, &Weights::Random(args.seed), &device)?.encoder;
    let encoder = if args.on == Lessons::Views { with_all_stages(encoder, args.seed) } else { encoder };
    let objective = objective(&encoder, args.on, args.seed)?;
    let reads = objective.reads();
    let config = config(args, &encoder, &objective, spec, &device)?;
    let begin = Instant::now();
    let checkpoint = beside(out, "checkpoint");
    let mut progress = Progress::new(&format!("pretraining {}", entry.card.name), config.steps);
    let done = pretrain(encoder, &objective, spec, &config, (args.threads, Some(&checkpoint)), &device, |report| {
        let watched = report.curve.last();
        let watched = watched.map_or(String::new(), |point| format!(", {reads} error {:.2}", point.watched_mae));
        progress.set(report.step, &format!("loss {:.3}{watched}", report.loss));
        if let Some(point) = report.curve.last().filter(|point| point.step == report.step) {
            progress.line(&format!(
                "step {:5}  loss {:.4}  watched: loss {:.4}, {reads} error {:.2} %",
                point.step, point.loss, point.watched_loss, point.watched_mae
            ));
        }
    })?;
    drop(progress);
    save(&trained_part(done.encoder, &objective)?, out, Precision::Half)?;
    let curve = beside(out, "curve.csv");
    write_file(&curve, Point::csv(&done.curve).as_bytes())?;
    let last = done.curve.last().map_or(String::new(), |point| {
        format!("watched loss {:.4}, {reads} error {:.2} %", point.watched_loss, point.watched_mae)
    });
    print(&format!(
        "{}: {} steps of {} clips in {:.0} s; {last}\nrepeat with: echozoo pretrain --encoder {} --preset {} --on {} --out FILE \
         --seed {} --steps {} --batch {} --lr {} --weight-decay {} --warmup {} --shift {} --every {}\n\
         Synthetic; not for clinical use.\n",
        out.display(),
        config.steps,
        config.batch,
        begin.elapsed().as_secs_f64(),
        entry.card.name,
        args.preset,
        args.on.name(),
        config.seed,
        config.steps,
        config.batch,
        config.lr,
        config.weight_decay,
        config.warmup,
        config.shift,
        config.every,
    ))
}

fn print_ceiling(spec: &ClipSpec, seed: u64) -> Result<(), CliError> {
    let found = ceiling(spec, seed)?;
    print(&format!(
        "{} frames, every {}. of a video: the true volumes in them give the EF with an error of {:.2} % (ridge regression), \
         a constant with {:.2} %; what an encoder misses between the two is its own sight, not the choice of frames. What \
         breadth and filling of the cavity tell in single frames, averaged over them, gives it with {:.2} %\n",
        spec.frames, spec.stride, found.volumes, found.constant, found.frame_by_frame
    ))
}

/// `FILE.safetensors` with another end added.
fn beside(out: &Path, end: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{end}"));
    PathBuf::from(name)
}

fn config(
    args: &Args,
    encoder: &AnyEncoder,
    objective: &Objective,
    spec: &ClipSpec,
    device: &Device,
) -> Result<PretrainConfig, CliError> {
    let mut config = PretrainConfig {
        seed: args.seed,
        steps: args.steps.unwrap_or(1),
        batch: args.batch,
        lr: args.lr,
        weight_decay: args.weight_decay,
        clip_norm: 1.0,
        warmup: args.warmup,
        shift: args.shift,
        watched: 128,
        every: args.every,
    };
    if args.steps.is_none() {
        let seconds = seconds_per_step(encoder, objective, spec, &config, args.threads, device)?;
        config.steps = (args.minutes * 60.0 / seconds.max(1e-6)).max(1.0) as usize;
        print(&format!("{seconds:.2} s a step: {} steps in {} minutes\n", config.steps, args.minutes))?;
    }
    Ok(config)
}

/// Captions where there is a text tower, else the heads that phantoms know the truth for.
fn objective(encoder: &AnyEncoder, on: Lessons, seed: u64) -> Result<Objective, CliError> {
    match on {
        Lessons::Phantoms => {}
        Lessons::Views => {
            let lists = vec![names_among(encoder.card().capabilities.views), names_among(&[])];
            return Ok(Objective::Views(Box::new(ViewWords::new(encoder, lists, seed)?)));
        }
        Lessons::Pictures if encoder.text().is_none() => {
            return Ok(Objective::Movements(MovementClasses::new(encoder, seed)));
        }
        Lessons::Pictures => return Ok(Objective::Pictures(Box::new(PictureWords::new(encoder, seed)?))),
    }
    if encoder.text().is_some() {
        let captions = captions()?;
        return Ok(Objective::Contrastive(Box::new(Contrastive::new(encoder, captions, seed)?)));
    }
    let known = |task: &&Task| encoder.card().capabilities.heads.iter().any(|head| head.name == task.head);
    let tasks: Vec<Task> = TASKS.iter().filter(known).copied().collect();
    Ok(Objective::MultiTask(MultiTask::new(encoder, &tasks, seed)?))
}

/// With all that an encoder of views learns, where it is one.
fn with_all_stages(encoder: AnyEncoder, seed: u64) -> AnyEncoder {
    match encoder.downcast_ref::<echoviewclip::EchoViewClip>() {
        Some(model) => AnyEncoder::new(model.clone().with_all_stages(seed)),
        None => encoder,
    }
}

/// The names `known` and those of the views that they lack; without any, the abbreviations.
fn names_among(known: &[&str]) -> ViewNames {
    let mut names: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
    let of_view = View::ALL.map(|view| {
        let name = if known.is_empty() { view.name() } else { clinic_name(view) };
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        })
    });
    ViewNames { names, of_view: of_view.to_vec() }
}

/// The name of a view in EchoViewCLIP's list, or in its manner where it lists none.
fn clinic_name(view: View) -> &'static str {
    match view {
        View::A4c => "Apical 4C 2D",
        View::A2c => "Apical 2C 2D",
        View::A3c => "Apical 3C 2D",
        View::A5c => "Apical 5C 2D",
        View::Plax => "Parasternal Long Axis 2D",
        View::PsaxMv => "Parasternal Mitral Valve Short Axis",
        View::PsaxPm => "Parasternal Papillary Muscle Short Axis 2D",
        View::PsaxAp => "Parasternal Apical Short Axis 2D",
        View::Sc4c => "Subxiphoid 4C 2D",
    }
}

/// A writer of captions in the words of the prompts that the ejection fraction is read with.
fn captions() -> Result<Captions, CliError> {
    let ef = Target::shipped("ef").task;
    let Some(ef) = ef.regression() else { return Err(CliError::Usage("EF is no number".to_owned())) };
    Ok(Captions::new(ef.templates.clone(), ef.ranks.clone())?)
}

/// Without the heads that phantoms cannot train, where the encoder is one whose heads can be left out.
fn trained_part(encoder: AnyEncoder, objective: &Objective) -> Result<AnyEncoder, CliError> {
    match (objective, encoder.downcast_ref::<panecho::PanEcho>()) {
        (Objective::MultiTask(tasks), Some(panecho)) => {
            Ok(AnyEncoder::new(panecho.clone().with_tasks(&tasks.heads())?))
        }
        _ => Ok(encoder),
    }
}

/// What phantoms know, under the names of PanEcho's heads; other encoders' heads of these names mean the same.
const TASKS: [Task; 12] = [
    Task { head: "EF", truth: |findings| Some(Truth::Value(findings.ef)), weight: 3.0 },
    Task { head: "LVEDV", truth: |findings| Some(Truth::Value(findings.edv)), weight: 1.0 },
    Task { head: "LVESV", truth: |findings| Some(Truth::Value(findings.esv)), weight: 1.0 },
    Task { head: "LVSV", truth: |findings| Some(Truth::Value(findings.edv - findings.esv)), weight: 1.0 },
    Task { head: "LVSize", truth: |findings| Some(size_of(findings.left_ventricle.size)), weight: 0.3 },
    Task { head: "LVIDd", truth: |findings| Some(Truth::Value(findings.left_ventricle.width)), weight: 0.5 },
    Task { head: "LVSystolicFunction", truth: |findings| Some(systolic_function(findings)), weight: 0.3 },
    Task { head: "LVWallMotionAbnormalities", truth: |findings| Some(abnormal_motion(findings)), weight: 0.3 },
    Task { head: "LASize", truth: |findings| Some(size_of(findings.left_atrium?.size)), weight: 0.3 },
    Task { head: "RVSize", truth: |findings| Some(size_of(findings.right_ventricle?.size)), weight: 0.3 },
    Task { head: "RVIDd", truth: |findings| Some(Truth::Value(findings.right_ventricle?.width)), weight: 0.3 },
    Task {
        head: "RASize",
        truth: |findings| Some(Truth::Class(usize::from(findings.right_atrium?.size == ChamberSize::Normal))),
        weight: 0.3,
    },
];

/// Classes: mildly, more than mildly, normal.
fn size_of(size: ChamberSize) -> Truth {
    Truth::Class(match size {
        ChamberSize::MildlyDilated => 0,
        ChamberSize::SeverelyDilated => 1,
        ChamberSize::Normal => 2,
    })
}

/// Classes: mildly decreased, more than mildly, normal. Limits between those of women and of men in the
/// recommendations of Lang et al. (J Am Soc Echocardiogr 2015).
fn systolic_function(findings: &Findings) -> Truth {
    Truth::Class(match findings.ef {
        ef if ef < 41.0 => 1,
        ef if ef < 53.0 => 0,
        _ => 2,
    })
}

/// Classes: none, present. Walls that are all equally weak are no regional abnormality.
fn abnormal_motion(findings: &Findings) -> Truth {
    let motions = || findings.walls.iter().map(|(_, motion)| motion);
    Truth::Class(usize::from(motions().zip(motions().skip(1)).any(|(one, next)| one != next)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::softmax;
    use burn::tensor::{Int, Tensor, TensorData};
    use echo_phantom::Purpose;
    use echo_pretrain::{ClipSource, Pretrained, Subject, similarities};
    use echo_random::Stream;

    use super::*;
    use crate::ZOO;

    fn device() -> Device {
        DeviceChoice::Cpu.device().unwrap()
    }

    fn nano(entry: &Entry) -> AnyEncoder {
        entry.build(Preset::NANO, &Weights::Random(1), &device()).unwrap().encoder
    }

    /// Every encoder that phantoms can teach on them, and one each on what else there is.
    fn lessons() -> impl Iterator<Item = (&'static Entry, Lessons)> {
        let others =
            [("echoviewclip", Lessons::Views), ("clip", Lessons::Pictures), ("mvit-kinetics", Lessons::Pictures)];
        let others = others.into_iter().filter_map(|(name, on)| Some((find(ZOO, name).ok()?, on)));
        let capabilities = |entry: &&Entry| {
            let capabilities = &entry.card.capabilities;
            capabilities.text || capabilities.heads.iter().any(|head| head.name == "EF")
        };
        ZOO.iter().filter(capabilities).map(|entry| (entry, Lessons::Phantoms)).chain(others)
    }

    /// A short pretraining.
    fn short(entry: &Entry, on: Lessons, steps: usize, threads: usize) -> Pretrained {
        let encoder = if on == Lessons::Views { with_all_stages(nano(entry), 1) } else { nano(entry) };
        let objective = objective(&encoder, on, 1).unwrap();
        let config = PretrainConfig {
            seed: 1,
            steps,
            batch: 4,
            lr: 2e-3,
            weight_decay: 0.05,
            clip_norm: 1.0,
            warmup: 2,
            shift: 2,
            watched: 8,
            every: 5,
        };
        let spec = &entry.card.preset(Preset::NANO).unwrap().clip;
        pretrain(encoder, &objective, spec, &config, (threads, None), &device(), |_| ()).unwrap()
    }

    #[test]
    fn thirty_steps_lower_the_loss_of_every_encoder() {
        for (entry, on) in lessons() {
            let curve = short(entry, on, 30, 1).curve;
            let (first, last) = (&curve[0], &curve[curve.len() - 1]);
            assert_eq!((curve.len(), last.step), (6, 30), "{}", entry.card.name);
            assert!(last.loss < 0.97 * first.loss, "{}: {} -> {}", entry.card.name, first.loss, last.loss);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_whatever_renders() {
        for (entry, on) in lessons() {
            let bits = |threads| -> Vec<Vec<u8>> {
                let encoder = short(entry, on, 3, threads).encoder;
                let all = echo_train::parameters(&encoder);
                let paths: Vec<&str> = all.iter().map(|parameter| parameter.path.as_str()).collect();
                echo_train::values(&encoder, &paths).iter().map(|(_, data)| data.as_bytes().to_vec()).collect()
            };
            let once = bits(1);
            assert!(!once.is_empty() && once == bits(2), "{}", entry.card.name);
        }
    }

    #[test]
    fn the_same_weights_are_the_same_bytes_and_load() {
        let entry = &ZOO[2];
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            save(&nano(entry), &path, Precision::Half).unwrap();
            path
        };
        let first = write("0.safetensors");
        let bytes = std::fs::read(&first).unwrap();
        // Unsorted, eight files in the same order are one in thousands.
        for index in 1..8 {
            assert_eq!(std::fs::read(write(&format!("{index}.safetensors"))).unwrap(), bytes);
        }
        entry.build(Preset::NANO, &Weights::File(first), &device()).unwrap();
    }

    /// The shipped EchoCLIP was trained on what single frames show of the cavity: prompts must tell how broad it is in
    /// frames of hearts that it has not seen.
    #[test]
    fn single_frames_are_told_apart_by_prompts() {
        let entry = ZOO.iter().find(|entry| entry.card.name == "echoclip").unwrap();
        let encoder = entry.build(Preset::NANO, &Weights::Shipped, &device()).unwrap().encoder;
        let spec = entry.card.preset(Preset::NANO).unwrap().clip.clone();
        let source = ClipSource {
            subject: Subject::Phantoms,
            seed: 5,
            purpose: Purpose::PretrainingValidation,
            spec,
            shift: None,
            batch: 24,
        };
        let batch = source.batch(0).unwrap();
        let tokens = encoder.tokens(batch.clips(&device()));
        let embeddings = encoder.projection().apply(encoder.frame_features(&tokens));
        let [clips, frames, dim] = embeddings.dims();
        assert_eq!(clips * frames, batch.cavities.len());
        let text = encoder.text().unwrap();
        let values: Vec<f32> = (10..=60).map(|value| value as f32).collect();
        let prompts = values.iter().map(|value| {
            let ids = text.tokenize(&format!("the cavity is {value:.0} percent as broad as the picture.")).unwrap();
            let row = TensorData::new(ids.iter().map(|&id| i64::from(id)).collect::<Vec<_>>(), [1, ids.len()]);
            text.encode_words(text.words(Tensor::<2, Int>::from_data(row, &device())), &[ids.len()])
        });
        let prompts = Tensor::cat(prompts.collect(), 0);
        let logits = similarities(embeddings.reshape([clips * frames, dim]), prompts, text.logit_scale());
        let values = Tensor::<1>::from_floats(values.as_slice(), &device());
        let expected = (softmax(logits, 1) * values.unsqueeze()).sum_dim(1);
        let truths: Vec<f32> = batch.cavities.iter().map(|cavity| 100.0 * cavity.breadth as f32).collect();
        let mean = truths.iter().sum::<f32>() / truths.len() as f32;
        let (mut error, mut constant) = (0.0, 0.0);
        for (found, truth) in expected.into_data().iter::<f32>().zip(&truths) {
            error += (found - truth).abs() / truths.len() as f32;
            constant += (mean - truth).abs() / truths.len() as f32;
        }
        println!("breadth: error {error:.2} percent of the picture, the mean {constant:.2}");
        assert!(error < 0.5 * constant, "{error:.2}, the mean {constant:.2}");
    }

    /// A caption that does not fit would end a training in its middle.
    #[test]
    fn captions_fit_the_text_towers_as_they_are_written() {
        let captions = captions().unwrap();
        for entry in ZOO {
            let encoder = nano(entry);
            let Some(text) = encoder.text() else { continue };
            let mut whole = 0;
            for number in 0..300 {
                let phantom = echo_phantom::Phantom::of(1, echo_phantom::Purpose::Pretraining, number).unwrap();
                let stream = || Stream::new(1, "test/captions", u64::from(number));
                let findings = phantom.findings();
                let (caption, ids) = captions.write_for(&findings, &mut stream(), text).unwrap();
                assert!(ids.len() <= text.context_length(), "{caption}");
                assert!(caption.contains(&format!("{:.0}", findings.ef)), "{}: {caption}", findings.ef);
                whole += usize::from(caption == captions.write(&findings, &mut stream()));
            }
            assert!(whole > 250, "{}: only {whole} of 300 captions are whole", entry.card.name);
        }
    }
}
