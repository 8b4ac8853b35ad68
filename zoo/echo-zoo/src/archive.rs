//! An archive of studies, from whose most similar ones a study's phenotypes and report come.

use std::path::PathBuf;

use echo_clinical::study::{Compat, Phenotype, PhenotypeOptions, ReportSection, Study};
use echo_core::{Card, Preset};
use echoprime::Assets;

use crate::CliError;
use crate::findings::ClipFindings;

/// Flags that name the archive and how it is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct ArchiveArgs {
    /// The folder of EchoPrime's inference files: its repository's assets and the candidates of its release. From the most
    /// similar studies come phenotypes and a report.
    #[arg(long, value_name = "DIR")]
    pub(crate) assets: Option<PathBuf>,
    /// How many of the most similar studies a phenotype is the mean of.
    #[arg(long, value_name = "N", default_value_t = 50, requires = "assets")]
    neighbours: usize,
    /// Sections as the method has them (none), or as the code that was released with EchoPrime numbers them (echoprime).
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = CompatArg::None, requires = "assets")]
    compat: CompatArg,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum CompatArg {
    None,
    Echoprime,
}

/// The archive, and how it is asked.
#[derive(Debug)]
pub(crate) struct Archive {
    assets: Assets,
    options: PhenotypeOptions,
}

impl ArchiveArgs {
    /// Whether the archive, if one is named, is an encoder's: one that tells its views apart.
    pub(crate) fn is_for(&self, card: &Card) -> bool {
        self.assets.is_some() && card.capabilities.views == echoprime::VIEWS
    }

    /// The archive that is named, if one is, for an encoder at a preset.
    ///
    /// # Errors
    /// It cannot be read, the encoder tells no views apart, or it is not the one that embedded the archive.
    pub(crate) fn open(&self, card: &Card, preset: &Preset) -> Result<Option<Archive>, CliError> {
        let Some(folder) = &self.assets else { return Ok(None) };
        if !self.is_for(card) {
            let reason = "are EchoPrime's and need its views: give --encoder echoprime";
            return Err(CliError::Usage(format!("the files in {} {reason}", folder.display())));
        }
        let compat = match self.compat {
            CompatArg::None => Compat::None,
            CompatArg::Echoprime => Compat::Upstream,
        };
        let assets = Assets::open(folder).map_err(|error| CliError::Usage(error.to_string()))?;
        if assets.dim != preset.dim {
            let reason = format!(
                "has embeddings of length {}, and preset {} of {} has {}: give the preset that embedded the archive",
                assets.dim, preset.name, card.name, preset.dim
            );
            return Err(CliError::Usage(format!("the archive in {} {reason}", folder.display())));
        }
        if !(1..=assets.candidates()).contains(&self.neighbours) {
            let reason = format!("of the {} studies in {}", assets.candidates(), folder.display());
            let range = format!("give 1 to {}", assets.candidates());
            return Err(CliError::Usage(format!("--neighbours {} {reason}: {range}", self.neighbours)));
        }
        let options = PhenotypeOptions { neighbours: self.neighbours, compat };
        Ok(Some(Archive { assets, options }))
    }
}

/// The clips of a study as the archive compares them.
struct Clips {
    embeddings: Vec<f32>,
    views: Vec<usize>,
}

impl Clips {
    fn of<'a>(clips: impl Iterator<Item = &'a ClipFindings>) -> Self {
        let (mut embeddings, mut views) = (Vec::new(), Vec::new());
        for clip in clips {
            embeddings.extend_from_slice(&clip.embedding);
            views.extend(clip.view);
        }
        Self { embeddings, views }
    }
}

/// A phenotype, and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) phenotype: Phenotype,
    /// Per cent or mmHg; empty for the share of studies with a finding.
    pub(crate) unit: &'static str,
    /// From which share on the finding is called present, where one is known.
    pub(crate) threshold: Option<f64>,
}

impl Found {
    /// Whether the finding is present.
    pub(crate) fn answer(&self) -> Option<&'static str> {
        // One of upstream's is out of reach of any share.
        let threshold = self.threshold.filter(|threshold| (0.0..=1.0).contains(threshold))?;
        let value = self.phenotype.value?;
        Some(if value >= threshold { "yes" } else { "no" })
    }
}

impl Archive {
    /// How it is asked otherwise than by the method.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self.options.compat {
            Compat::None => None,
            Compat::Upstream => Some("sections of phenotypes are numbered as by EchoPrime's code (--compat echoprime)"),
        }
    }

    /// How many of its studies a phenotype is the mean of.
    pub(crate) fn neighbours(&self) -> usize {
        self.options.neighbours
    }

    /// The phenotypes of a study of clips whose embedding was wanted.
    ///
    /// # Errors
    /// The archive's numbers cannot be compared with them.
    pub(crate) fn phenotypes<'a>(&self, clips: impl Iterator<Item = &'a ClipFindings>) -> Result<Vec<Found>, CliError> {
        let Clips { embeddings, views } = Clips::of(clips);
        let study = Study::new(&embeddings, self.assets.dim, &views)?;
        let found = |phenotype: Phenotype| {
            // As upstream's labels have them.
            let unit = match phenotype.name.as_str() {
                "ejection_fraction" => "%",
                "pulmonary_artery_pressure_continuous" => "mmHg",
                _ => "",
            };
            Found { threshold: self.assets.thresholds.get(&phenotype.name).copied(), unit, phenotype }
        };
        Ok(self.assets.phenotypes(&study, &self.options)?.into_iter().map(found).collect())
    }

    /// The report of a study of clips whose embedding was wanted.
    ///
    /// # Errors
    /// The archive's numbers cannot be compared with them.
    pub(crate) fn report<'a>(
        &self,
        clips: impl Iterator<Item = &'a ClipFindings>,
    ) -> Result<Vec<ReportSection>, CliError> {
        let Clips { embeddings, views } = Clips::of(clips);
        let study = Study::new(&embeddings, self.assets.dim, &views)?;
        Ok(self.assets.report(&study, self.options.compat)?)
    }
}
