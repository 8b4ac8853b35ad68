//! `echozoo phantom`.

use std::path::PathBuf;
use std::sync::Mutex;

use echo_files::counted;
use echo_phantom::{
    DatasetSpec, OutOfDistribution, PhantomError, Setting, Site, View, Views, write_dataset_while,
    write_out_of_distribution, write_studies,
};

use crate::array_file::check_folder;
use crate::output::print;
use crate::progress::Progress;
use crate::{CliError, interrupt};

/// Flags of `echozoo phantom`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to write, which must be empty or absent. Until it is complete it has a hidden name beside its own; what a
    /// killed process leaves there, the next one that writes beside it removes.
    #[arg(long)]
    out: PathBuf,
    /// Videos over all splits; as many as in the site's default set when absent.
    #[arg(long)]
    count: Option<usize>,
    /// Studies over all splits instead: 1 to 4 videos of one heart in both views, with biplane labels.
    #[arg(long, value_name = "N", conflicts_with = "count")]
    studies: Option<usize>,
    /// Seed.
    #[arg(long, default_value_t = DatasetSpec::default().seed)]
    seed: u64,
    /// Views to draw: apical four-chamber and two-chamber (`both`, seven to three), all nine evenly (`standard`, graded by
    /// quality of the picture), or one of them.
    #[arg(long, alias = "views", value_enum, ignore_case = true, default_value = "both")]
    view: ViewChoice,
    /// The hospital: `home` trained the nano weights; `new` has other machines, patients and readers.
    #[arg(long, value_enum, default_value = "home")]
    site: SiteChoice,
    /// Loops that are no beating heart instead, all kinds in turn: other organs, M-mode, Doppler spectra, blank, noise, frozen.
    #[arg(long, conflicts_with_all = ["studies", "view", "site"])]
    out_of_distribution: bool,
}

/// Loops of each kind that are out of distribution, unless a number is given.
const OF_EACH_KIND: usize = 10;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ViewChoice {
    A4c,
    A2c,
    Both,
    Standard,
    A3c,
    A5c,
    Plax,
    PsaxMv,
    PsaxPm,
    PsaxAp,
    Sc4c,
}

impl ViewChoice {
    fn views(self) -> Views {
        Views::Only(match self {
            Self::Both => return Views::Both,
            Self::Standard => return Views::Standard,
            Self::A4c => View::A4c,
            Self::A2c => View::A2c,
            Self::A3c => View::A3c,
            Self::A5c => View::A5c,
            Self::Plax => View::Plax,
            Self::PsaxMv => View::PsaxMv,
            Self::PsaxPm => View::PsaxPm,
            Self::PsaxAp => View::PsaxAp,
            Self::Sc4c => View::Sc4c,
        })
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SiteChoice {
    Home,
    New,
}

impl Args {
    fn spec(&self) -> DatasetSpec {
        let site = match self.site {
            SiteChoice::Home => Site::Home,
            SiteChoice::New => Site::New,
        };
        let default = match self.view {
            ViewChoice::Standard => DatasetSpec::standard_views(site, self.seed),
            _ => DatasetSpec::of_site(site, self.seed),
        };
        let setting = Setting { views: self.view.views(), site, ..default.setting };
        let spec = match self.studies.or(self.count) {
            Some(count) => DatasetSpec::with_total(count, self.seed),
            None => default,
        };
        DatasetSpec { setting, ..spec }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    check_folder(&args.out)?;
    if args.out_of_distribution {
        return out_of_distribution(args);
    }
    let spec = args.spec();
    let (summary, studies) = match args.studies {
        None => (with_progress(|go_on| write_dataset_while(&args.out, &spec, go_on))?, String::new()),
        Some(_) => {
            let summary = with_progress(|go_on| write_studies(&args.out, &spec, go_on))?;
            let [studies, patients] = [summary.studies, summary.patients].map(|counts| counts.iter().sum::<usize>());
            (summary, format!(" of {} of {}", counted(studies, "study"), counted(patients, "patient")))
        }
    };
    let [train, validation, test] = summary.videos;
    let (low, high) = summary.ef_range;
    print(&format!(
        "{}: {train} training, {validation} validation and {test} test videos{studies}, {} frames, EF {low:.1} to \
         {high:.1} %.\nSynthetic; not for clinical use.\n",
        args.out.display(),
        summary.frames,
    ))
}

fn out_of_distribution(args: &Args) -> Result<(), CliError> {
    let kinds = OutOfDistribution::ALL;
    let count = args.count.unwrap_or(OF_EACH_KIND * kinds.len());
    let summary = with_progress(|go_on| write_out_of_distribution(&args.out, count, args.seed, go_on))?;
    print(&format!(
        "{}: {} test videos out of distribution ({}), {} frames.\nSynthetic; not for clinical use.\n",
        args.out.display(),
        summary.videos,
        kinds.map(OutOfDistribution::name).join(", "),
        summary.frames,
    ))
}

/// Is told how many videos are done and in total, and says whether to go on.
type GoOn<'a> = dyn Fn(usize, usize) -> bool + Sync + 'a;

/// Calls `write` with a progress bar. Ctrl-C leaves nothing of what it writes behind.
fn with_progress<T>(write: impl FnOnce(&GoOn<'_>) -> Result<T, PhantomError>) -> Result<T, CliError> {
    let progress = Mutex::new(None);
    let summary = interrupt::hold(|is_asked_for| {
        write(&|done, total| {
            // A poisoned lock means that another thread is already failing; its error is the one to see.
            if let Ok(mut progress) = progress.lock() {
                progress.get_or_insert_with(|| Progress::new("making phantoms", total)).set(done, "");
            }
            !is_asked_for()
        })
    })?;
    Ok(summary)
}
