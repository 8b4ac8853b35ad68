//! `echozoo predict`: what an encoder's own heads say of videos.

use std::path::PathBuf;

use burn::tensor::activation::softmax;
use echo_core::{Error, Head};
use echo_weights::WeightsKind;

use crate::array_file::write_file;
use crate::clip_args::ClipArgs;
use crate::encoder_args::EncoderArgs;
use crate::output::{columns, print};
use crate::{CliError, Entry};

/// The name under which an encoder's view classifier is reported, beside its heads' own names.
const VIEW: &str = "view";

/// Flags of `echozoo predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Heads by name [default: all]; `view` is the view classifier, where there is one.
    #[arg(long, value_delimiter = ',', value_name = "HEADS")]
    task: Vec<String>,
    /// Clips per video, spread evenly; what heads report is averaged over them.
    #[arg(long = "clips", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    per_video: u16,
    /// Also write a table (.csv: name, head, class, value, unit).
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    if args.out.as_ref().is_some_and(|path| path.extension().is_none_or(|extension| extension != "csv")) {
        return Err(CliError::Usage("--out: give a file that ends in .csv".to_owned()));
    }
    if args.clips.is_empty() {
        return Err(CliError::Usage("nothing to predict from: give videos, folders or --tensor".to_owned()));
    }
    let (built, device) = args.encoder.build(entries)?;
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
    if let Some(unknown) = args.task.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::unknown_name("task", unknown, &known).into());
    }
    let wanted = |name: &str| args.task.is_empty() || args.task.iter().any(|task| task == name);

    let spec = &card.preset(args.encoder.preset).clip;
    let seen = args.clips.see(spec, usize::from(args.per_video), &device, |clip| {
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
    })?;
    let has = |name: &str| seen.rows.iter().any(|(_, clips)| clips[0].iter().any(|number| number.head == name));
    if let Some(lacking) = args.task.iter().find(|name| !has(name)) {
        return Err(CliError::Usage(format!("these weights of {} lack the head {lacking}", card.name)));
    }

    let mut csv = "name,head,class,value,unit\n".to_owned();
    let mut table = vec![["", "head", "value", "", "what it is"].map(str::to_owned).to_vec()];
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    for (name, clips) in &seen.rows {
        for (index, Reported { head, class, unit, meaning, .. }) in clips[0].iter().enumerate() {
            let mean = clips.iter().map(|numbers| f64::from(numbers[index].value)).sum::<f64>() / clips.len() as f64;
            csv.push_str(&format!("{},{},{},{mean},{unit}\n", quoted(name), quoted(head), quoted(class)));
            let what = if class.is_empty() { (*meaning).to_owned() } else { format!("P({class}): {meaning}") };
            table.push(vec![name.clone(), (*head).to_owned(), format!("{mean:.4}"), (*unit).to_owned(), what]);
        }
    }
    print(&columns(&table));
    if built.kind == WeightsKind::Random {
        eprintln!("the weights are random: these numbers mean nothing");
    }
    eprintln!("research software, not for clinical use");
    if let Some(path) = &args.out {
        write_file(path, csv.as_bytes())?;
    }
    match seen.failed {
        0 => Ok(()),
        failed => Err(CliError::Inputs { failed, total: failed + seen.rows.len() }),
    }
}
