//! A study: one heart on one day, in one to four loops of both apical views, labelled by the biplane method of discs.
//!
//! A heart is not round. Its two views have ejection fractions and volumes of their own, on either side of the biplane
//! ones, so a single loop tells a study's label only so well, however clearly it is seen.

use std::f64::consts::FRAC_PI_4;

use echo_random::Stream;

use crate::acquisition::{Acquisition, Plane};
use crate::dataset::DatasetSpec;
use crate::physiology::{Physiology, normal};
use crate::population::Population;
use crate::purpose::Purpose;
use crate::reading::Label;
use crate::recording::Recording;
use crate::site::Site;
use crate::tracing::DISCS;
use crate::ventricle::Contracted;
use crate::view::{View, Views};
use crate::{Phantom, PhantomError};

/// Share of patients who come twice.
const TWO_STUDIES: f64 = 0.125;

/// (probability, number of loops).
const LOOPS: [(f64, u32); 4] = [(0.15, 1), (0.5, 2), (0.75, 3), (1.0, 4)];

/// Standard deviation of half of the difference between the views: in ejection fraction (points) and in the logarithm of
/// the end-diastolic volume.
const EF_ASYMMETRY: f64 = 2.5;
const EDV_ASYMMETRY: f64 = 0.06;

/// Standard deviations of what changes between two studies of a patient.
const EF_CHANGE: f64 = 5.0;
const EDV_CHANGE: f64 = 0.06;

/// Which study of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Study {
    pub site: Site,
    pub purpose: Purpose,
    /// Counted over the patients of the purpose.
    pub patient: u32,
    /// Counted over the patients of the data set: what they are called.
    pub called: u32,
    /// Counted from 0.
    pub visit: u32,
}

/// Ejection fractions (percent) and end-diastolic volumes (ml) that a heart has in the two views.
#[derive(Clone, Copy, Debug)]
struct Heart {
    ef: f64,
    edv: f64,
    /// Half of the differences of the four-chamber from the two-chamber view.
    asymmetry: (f64, f64),
}

impl Study {
    /// How often a patient comes.
    pub fn visits(seed: u64, site: Site, purpose: Purpose, patient: u32) -> u32 {
        let index = site.index(purpose.index(patient));
        1 + u32::from(Stream::new(seed, "study/visits", index).uniform() < TWO_STUDIES)
    }

    /// As a laboratory would number its patients.
    pub fn patient_id(self) -> String {
        let site = match self.site {
            Site::Home => "HM",
            Site::New => "NW",
        };
        format!("{site}{:06}", self.called + 1)
    }

    /// As a laboratory would number its studies.
    pub fn id(self) -> String {
        format!("{}_ST{}", self.patient_id(), self.visit + 1)
    }

    fn index(self) -> u64 {
        self.site.index(self.purpose.index(self.patient))
    }

    /// A stream of this study, or of one of its loops.
    fn stream(self, seed: u64, purpose: &str, number: u32) -> Stream {
        let patient = Stream::new(seed, purpose, self.index()).bits64();
        Stream::new(patient, purpose, u64::from(self.visit) << 32 | u64::from(number))
    }

    fn heart(self, seed: u64) -> Heart {
        let mut patient = Stream::new(seed, "study/heart", self.index());
        let population = self.purpose.population(seed, self.patient, self.site);
        let (ef, edv) = population.draw(&mut patient);
        let asymmetry = (normal(&mut patient, 0.0, EF_ASYMMETRY), normal(&mut patient, 0.0, EDV_ASYMMETRY));
        let mut heart = Heart { ef, edv, asymmetry };
        if self.visit > 0 {
            let mut later = self.stream(seed, "study/change", 0);
            heart.ef = normal(&mut later, ef, EF_CHANGE).clamp(12.0, 79.0);
            heart.edv *= normal(&mut later, 0.0, EDV_CHANGE).exp();
        }
        heart
    }

    /// The heart as a plane cuts it. All planes and both studies of a patient draw the same numbers.
    fn physiology(self, seed: u64, heart: Heart, plane: Plane) -> Result<Physiology, PhantomError> {
        let sign = match plane.view {
            View::A4c | View::A5c | View::Sc4c => 1.0,
            View::A2c => -1.0,
            // In between.
            _ => 0.0,
        };
        let ef = (heart.ef + sign * heart.asymmetry.0).clamp(10.0, 80.0);
        let edv = heart.edv * (sign * heart.asymmetry.1).exp();
        let mut stream = Stream::new(seed, "study/physiology", self.index());
        Physiology::draw(&mut stream, Population::Volumes { ef, edv }, plane)
    }

    /// The views of its loops, in the order of recording: both before one again.
    fn views(self, seed: u64, views: Views) -> Vec<View> {
        let mut stream = self.stream(seed, "study/views", 0);
        let drawn = stream.uniform();
        let count = LOOPS.iter().find(|(probability, _)| drawn < *probability).map_or(1, |(_, count)| *count);
        let order = |number: u32, stream: &mut Stream| match (views, number) {
            (Views::Both, 0) if count > 1 => View::A4c,
            (Views::Both, 1) => View::A2c,
            _ => views.draw(stream),
        };
        (0..count).map(|number| order(number, &mut stream)).collect()
    }

    /// Its loops, all under the study's label.
    pub fn recordings(self, spec: &DatasetSpec) -> Result<Vec<Recording>, PhantomError> {
        let seed = spec.seed;
        let heart = self.heart(seed);
        let whole = |view| self.physiology(seed, heart, Plane { view, shown_length: 1.0 });
        let truth = biplane(&whole(View::A4c)?, &whole(View::A2c)?);
        let label = self.site.reading().read(truth, &mut self.stream(seed, "study/reading", 0));
        let machine = Acquisition::draw(&mut self.stream(seed, "study/acquisition", 0), spec.setting);
        let mut of_view = [0; View::ALL.len()];
        let loops = self.views(seed, spec.setting.views).into_iter().zip(1..).map(|(view, number)| {
            let setting = crate::Setting { views: Views::Only(view), ..spec.setting };
            let acquisition = machine.another(&mut self.stream(seed, "study/acquisition", number), setting);
            let physiology = self.physiology(seed, heart, acquisition.plane)?;
            let count = &mut of_view[view as usize];
            *count += 1;
            let frames = self.stream(seed, "study/frames", number).bits64();
            Ok(Recording {
                name: format!("{}_{}_{count}", self.id(), view.name()),
                split: self.purpose.split(),
                study: Some((self.patient_id(), self.id())),
                phantom: Phantom { physiology, acquisition, seed: frames },
                label,
            })
        });
        loops.collect()
    }
}

/// Volumes by the biplane method of discs: elliptical discs, as long a ventricle as the longer of the two.
fn biplane(four: &Physiology, two: &Physiology) -> Label {
    let volume = |contraction: f64| {
        let [four, two] = [four, two].map(|heart| heart.ventricle.contracted(contraction));
        let length = |contour: &Contracted<'_>| contour.annulus - contour.apex;
        let height = length(&four).max(length(&two)) / DISCS as f64;
        let discs = four.discs().into_iter().zip(two.discs());
        discs.map(|((_, a, b), (_, c, d))| FRAC_PI_4 * (a + b) * (c + d) * height).sum::<f64>()
    };
    let (edv, esv) = (volume(0.0), volume(1.0));
    Label { ef: 100.0 * (1.0 - esv / edv), edv, esv }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn spec(studies: usize) -> DatasetSpec {
        DatasetSpec { train: studies, validation: 0, test: 0, seed: 3, ..DatasetSpec::default() }
    }

    fn studies(count: usize) -> Vec<(Study, Vec<Recording>)> {
        let spec = spec(count);
        let studies = spec.studies().unwrap();
        studies.into_iter().map(|study| (study, study.recordings(&spec).unwrap())).collect()
    }

    /// Otherwise a study would be a bag of strangers, or one loop four times.
    #[test]
    fn loops_of_a_study_are_of_one_heart_on_one_machine_and_differ() {
        for (study, loops) in studies(60) {
            let first = &loops[0].phantom;
            for other in &loops[1..] {
                let phantom = &other.phantom;
                let (a, b) = (&first.acquisition, &phantom.acquisition);
                assert_eq!((a.fps, a.depth, a.half_angle, a.gamma), (b.fps, b.depth, b.half_angle, b.gamma));
                assert!((a.gain - b.gain).abs() < 5.0 && a.window == b.window, "{study:?}");
                assert_ne!((a.texture, a.start, first.seed), (b.texture, b.start, phantom.seed));
                assert_eq!(first.physiology.heart_rate, phantom.physiology.heart_rate);
                // Its length goes with the volume, which the two views do not agree on.
                let leaflets = first.physiology.anterior_leaflet / phantom.physiology.anterior_leaflet;
                assert!((leaflets - 1.0).abs() < 0.05, "{study:?}: {leaflets}");
                assert_eq!(loops[0].label, other.label);
                // Of one view, the same heart.
                if a.plane.view == b.plane.view {
                    assert_eq!(first.physiology.ef, phantom.physiology.ef);
                }
            }
        }
    }

    #[test]
    fn studies_have_one_to_four_loops_and_both_views_before_one_again() {
        let mut counts = BTreeSet::new();
        for (_, loops) in studies(80) {
            let views: BTreeSet<&str> = loops.iter().map(|one| one.phantom.acquisition.plane.view.name()).collect();
            assert_eq!(views.len(), loops.len().min(2));
            counts.insert(loops.len());
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    /// Nothing could be gained from a second view that says the same.
    #[test]
    fn the_label_lies_between_the_views_which_differ() {
        let mut differences = Vec::new();
        for (study, loops) in studies(120) {
            let of = |view: View| {
                let one = loops.iter().find(|one| one.phantom.acquisition.plane.view == view)?;
                Some(one.phantom.findings())
            };
            let (Some(four), Some(two)) = (of(View::A4c), of(View::A2c)) else { continue };
            let label = loops[0].label;
            // Biplane discs pair diameters of two shapes, so a point of room beyond the views.
            let (low, high) = (four.ef.min(two.ef) - 1.0, four.ef.max(two.ef) + 1.0);
            assert!((low..high).contains(&label.ef), "{study:?}: {label:?} of {} and {}", four.ef, two.ef);
            assert!((label.edv / (four.edv * two.edv).sqrt()).ln().abs() < 0.08, "{label:?} {four:?} {two:?}");
            assert!((100.0 * (1.0 - label.esv / label.edv) - label.ef).abs() < 1e-9);
            differences.push((four.ef - two.ef).abs());
        }
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        // Half of it has a deviation of 2.5: the mean difference is 4.
        assert!((2.5..5.5).contains(&mean), "{mean}");
    }

    #[test]
    fn a_patient_may_come_twice_with_a_heart_that_changed_a_little() {
        let studies = studies(200);
        let twice: Vec<_> = studies.windows(2).filter(|pair| pair[0].0.called == pair[1].0.called).collect();
        assert!((10..45).contains(&twice.len()), "{} of 200", twice.len());
        let mut changes = Vec::new();
        for pair in twice {
            let [(first, a), (second, b)] = [&pair[0], &pair[1]];
            assert_eq!((first.patient_id(), first.visit, second.visit), (second.patient_id(), 0, 1));
            assert_ne!(first.id(), second.id());
            changes.push((a[0].label.ef - b[0].label.ef).abs());
            assert_eq!(a[0].phantom.physiology.heart_rate, b[0].phantom.physiology.heart_rate);
        }
        // A deviation of 5 is a mean change of 4.
        let mean = changes.iter().sum::<f64>() / changes.len() as f64;
        assert!((2.0..6.0).contains(&mean) && changes.iter().all(|change| *change < 13.0), "{changes:?}");
    }
}
