//! What a data set of phantoms holds.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::acquisition::Quality;
use crate::phantom::Setting;
use crate::purpose::Purpose;
use crate::recording::Recording;
use crate::site::Site;
use crate::study::Study;
use crate::view::Views;
use crate::{Phantom, PhantomError};

/// Raised whenever the same seed gives other files: folders made by another version are not reused.
pub(crate) const GENERATOR_VERSION: u32 = 6;

/// Most videos in one data set: more are a slip of the pen, not a wish.
pub(crate) const MOST_VIDEOS: usize = 1_000_000;

/// What a data set holds. The default has 600 training, 200 validation and 400 test videos in both views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Number of training videos.
    pub train: usize,
    /// Number of validation videos.
    pub validation: usize,
    /// Number of test videos.
    pub test: usize,
    /// Seed of all of them.
    pub seed: u64,
    /// How they are recorded.
    pub setting: Setting,
}

impl Default for DatasetSpec {
    fn default() -> Self {
        Self { train: 600, validation: 200, test: 400, seed: 1, setting: Setting::default() }
    }
}

/// One video of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Video {
    pub site: Site,
    pub purpose: Purpose,
    pub number: u32,
}

impl Video {
    /// The file's name without its ending.
    pub fn name(self) -> String {
        let site = match self.site {
            Site::Home => "",
            Site::New => "new-",
        };
        format!("phantom-{site}{}-{:05}", self.purpose.name(), self.number)
    }
}

impl DatasetSpec {
    /// The default data set of a site. The new one has about as many training videos as EchoNet-Dynamic, of which a few shots are
    /// a small part.
    pub fn of_site(site: Site, seed: u64) -> Self {
        let train = match site {
            Site::Home => 600,
            Site::New => 7200,
        };
        Self { train, seed, setting: Setting { site, ..Setting::default() }, ..Self::default() }
    }

    /// `count` videos, split about as the default: a half, a sixth and a third.
    pub fn with_total(count: usize, seed: u64) -> Self {
        // Not (count + 1) / 3, which overflows.
        let test = count / 3 + usize::from(count % 3 == 2);
        let validation = (count - test) / 4;
        Self { train: count - test - validation, validation, test, seed, ..Self::default() }
    }

    /// `count` test videos of a site, and nothing to train on.
    pub fn test_of(site: Site, count: usize, seed: u64) -> Self {
        Self { train: 0, validation: 0, test: count, ..Self::of_site(site, seed) }
    }

    /// The default data set of a site in all standard views, graded by quality of the picture.
    pub fn standard_views(site: Site, seed: u64) -> Self {
        let setting = Setting { views: Views::Standard, quality: Quality::Graded, site };
        Self { seed, setting, ..Self::default() }
    }

    /// Number of videos.
    pub fn total(&self) -> usize {
        self.train.saturating_add(self.validation).saturating_add(self.test)
    }

    /// A name that changes with everything that changes the files; good as a folder's name.
    pub fn id(&self) -> String {
        let Self { train, validation, test, seed, setting } = self;
        let quality = match setting.quality {
            Quality::Typical => "",
            Quality::Easy => "-easy",
            Quality::Graded => "-graded",
        };
        let views = match setting.views {
            Views::Both => String::new(),
            Views::Standard => "-standard".to_owned(),
            Views::Only(view) => format!("-{}", view.name().to_lowercase()),
        };
        let site = match setting.site {
            Site::Home => "",
            Site::New => "-new",
        };
        format!("phantom-v{GENERATOR_VERSION}-{train}-{validation}-{test}-s{seed}{quality}{views}{site}")
    }

    /// The purposes of the training, validation and test videos.
    pub fn purposes(&self) -> [Purpose; 3] {
        [Purpose::Train, Purpose::Validation, Purpose::Test]
    }

    /// Numbers of training, validation and test videos.
    pub fn counts(&self) -> [usize; 3] {
        [self.train, self.validation, self.test]
    }

    fn check_total(&self) -> Result<(), PhantomError> {
        match self.total() {
            0 => Err(PhantomError::NoVideos),
            total if total > MOST_VIDEOS => Err(PhantomError::TooManyVideos(total, MOST_VIDEOS)),
            _ => Ok(()),
        }
    }

    /// All videos in the order of the table.
    pub(crate) fn videos(&self) -> Result<Vec<Video>, PhantomError> {
        self.check_total()?;
        let parts = self.purposes().into_iter().zip(self.counts());
        let site = self.setting.site;
        let videos = |purpose, count| (0..count as u32).map(move |number| Video { site, purpose, number });
        Ok(parts.flat_map(|(purpose, count)| videos(purpose, count)).collect())
    }

    /// All studies in the order of the table, where the numbers are of studies: patients of a split come until it is full.
    pub(crate) fn studies(&self) -> Result<Vec<Study>, PhantomError> {
        self.check_total()?;
        let (seed, site) = (self.seed, self.setting.site);
        let mut called = 0..;
        let mut studies = Vec::new();
        for (purpose, count) in self.purposes().into_iter().zip(self.counts()) {
            let visits = |patient| (0..Study::visits(seed, site, purpose, patient)).map(move |visit| (patient, visit));
            let mut named: Option<(u32, u32)> = None;
            for (patient, visit) in (0..).flat_map(visits).take(count) {
                let called = match named {
                    Some((of, called)) if of == patient => called,
                    _ => called.next().unwrap_or(u32::MAX),
                };
                named = Some((patient, called));
                studies.push(Study { site, purpose, patient, called, visit });
            }
        }
        Ok(studies)
    }

    /// A video with its label.
    pub(crate) fn recording(&self, video: Video) -> Result<Recording, PhantomError> {
        let phantom = Phantom::of_with(self.seed, video.purpose, video.number, self.setting)?;
        let mut reader = Stream::new(self.seed, "phantom/reading", video.site.index(video.purpose.index(video.number)));
        let label = self.setting.site.reading().read(phantom.findings().label(), &mut reader);
        Ok(Recording { name: video.name(), split: video.purpose.split(), study: None, phantom, label })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::View;

    #[test]
    fn totals_are_split_and_kept() {
        for count in 1..200 {
            let spec = DatasetSpec::with_total(count, 1);
            assert_eq!(spec.total(), count);
            assert!(spec.train >= 1);
        }
        let DatasetSpec { train, validation, test, .. } = DatasetSpec::with_total(1200, 1);
        assert_eq!((train, validation, test), (600, 200, 400));
    }

    #[test]
    fn names_change_with_everything_that_changes_the_files() {
        let base = DatasetSpec::default();
        let with =
            |views, quality| DatasetSpec { setting: Setting { views, quality, site: Site::Home }, ..base.clone() };
        let all = [
            base.clone(),
            DatasetSpec { train: 601, ..base.clone() },
            DatasetSpec { validation: 1, ..base.clone() },
            DatasetSpec { test: 1, ..base.clone() },
            DatasetSpec { seed: 2, ..base.clone() },
            with(Views::Both, Quality::Easy),
            with(Views::Only(View::A4c), Quality::Typical),
            with(Views::Only(View::A2c), Quality::Typical),
            with(Views::Only(View::PsaxMv), Quality::Typical),
            with(Views::Standard, Quality::Typical),
            with(Views::Standard, Quality::Graded),
            DatasetSpec { setting: Setting { site: Site::New, ..Setting::default() }, ..base.clone() },
        ];
        let ids: std::collections::HashSet<String> = all.iter().map(DatasetSpec::id).collect();
        assert_eq!(ids.len(), all.len(), "{ids:?}");
        assert!(base.id().contains(&format!("v{GENERATOR_VERSION}")));
    }

    #[test]
    fn a_test_set_is_of_its_site_and_trains_on_none() {
        for site in [Site::Home, Site::New] {
            let videos = DatasetSpec::test_of(site, 5, 1).videos().unwrap();
            assert_eq!(videos.len(), 5);
            assert!(videos.iter().all(|video| (video.purpose, video.site) == (Purpose::Test, site)));
        }
    }

    /// As of the training videos of EchoNet-Dynamic: few shots are a small part of the pool, and hardly a label is too rare.
    #[test]
    fn the_new_site_has_labels_enough_for_eight_shots() {
        let spec = DatasetSpec::of_site(Site::New, 1);
        let mut bins: std::collections::BTreeMap<i64, usize> = std::collections::BTreeMap::new();
        for video in spec.videos().unwrap().into_iter().filter(|video| video.purpose == Purpose::Train) {
            *bins.entry(spec.recording(video).unwrap().label.ef as i64).or_default() += 1;
        }
        let drawn: usize = bins.values().map(|&count| count.min(8)).sum();
        assert!(12 * drawn < spec.train, "{bins:?}");
        assert!(bins.values().filter(|&&count| count < 8).count() <= 1, "{bins:?}");
    }

    #[test]
    fn absurd_numbers_of_videos_are_refused_before_anything_is_reserved() {
        let spec = DatasetSpec { train: usize::MAX, ..DatasetSpec::default() };
        assert!(matches!(spec.videos(), Err(PhantomError::TooManyVideos(usize::MAX, _))));
        assert!(DatasetSpec::with_total(usize::MAX, 1).videos().is_err());
        assert!(matches!(DatasetSpec::with_total(0, 1).videos(), Err(PhantomError::NoVideos)));
    }
}
