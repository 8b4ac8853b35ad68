//! `echozoo phantom`.

use std::path::PathBuf;
use std::sync::Mutex;

use echo_files::counted;
use echo_phantom::{
    DatasetSpec, PhantomError, Setting, Site, Summary, View, Views, write_dataset_while, write_studies,
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
    /// Views to draw: four-chamber, two-chamber, or both (seven to three).
    #[arg(long, value_enum, default_value = "both")]
    view: ViewChoice,
    /// The hospital: `home` trained the nano weights; `new` has other machines, patients and readers.
    #[arg(long, value_enum, default_value = "home")]
    site: SiteChoice,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ViewChoice {
    A4c,
    A2c,
    Both,
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
        let default = DatasetSpec::of_site(site, self.seed);
        let spec = match self.studies.or(self.count) {
            Some(count) => DatasetSpec::with_total(count, self.seed),
            None => default,
        };
        let views = match self.view {
            ViewChoice::A4c => Views::Only(View::A4c),
            ViewChoice::A2c => Views::Only(View::A2c),
            ViewChoice::Both => Views::Both,
        };
        DatasetSpec { setting: Setting { views, site, ..spec.setting }, ..spec }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    check_folder(&args.out)?;
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

/// Is told how many videos are done and in total, and says whether to go on.
type GoOn<'a> = dyn Fn(usize, usize) -> bool + Sync + 'a;

/// Calls `write` with a progress bar. Ctrl-C leaves nothing of what it writes behind.
fn with_progress(write: impl FnOnce(&GoOn<'_>) -> Result<Summary, PhantomError>) -> Result<Summary, CliError> {
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
