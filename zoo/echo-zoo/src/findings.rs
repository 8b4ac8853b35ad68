//! What an encoder says of clips by itself: its view classifier, its heads, and the embedding that other methods begin with.

use burn::tensor::{Device, Tensor};
use echo_clinical::study::most_likely_view;
use echo_core::{AnyEncoder, Card, Error, Head, NormalRange};
use echo_data::usual_range;
use echo_weights::Built;

use crate::CliError;
use crate::recognition::{GRADES, Recognised, Recogniser};
use crate::warnings::joined;

/// The name under which an encoder's view classifier is reported, beside its heads' own names.
pub(crate) const VIEW: &str = "view";
/// The same of whether a clip shows any of the views that the encoder knows, and of the quality of its picture.
pub(crate) const KNOWN: &str = "known-view";
pub(crate) const QUALITY: &str = "quality";
pub(crate) const OF_VIEWS: [&str; 3] = [VIEW, KNOWN, QUALITY];

/// One reported number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported {
    pub(crate) head: &'static str,
    /// The finding or class whose probability it is; empty for a measurement.
    pub(crate) class: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) meaning: &'static str,
    /// The part of the heart; empty for views.
    pub(crate) part: &'static str,
    pub(crate) normal: Option<NormalRange>,
    pub(crate) value: f32,
}

/// What is wanted of a clip.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Heads by name, among them [`VIEW`], [`KNOWN`] and [`QUALITY`]; all where none is named.
    pub(crate) heads: &'a [String],
    /// What views are recognised with, where the encoder tells them apart.
    pub(crate) recogniser: Option<&'a Recogniser>,
    /// The clip's embedding and its view.
    pub(crate) embedding: bool,
}

/// What an encoder says of one clip.
#[derive(Clone, Debug)]
pub(crate) struct ClipFindings {
    /// In the order of views, then of the heads; the same for all clips of an encoder.
    pub(crate) reported: Vec<Reported>,
    /// As the encoder gives it, where it was wanted.
    pub(crate) embedding: Vec<f32>,
    /// The likeliest view, by its place among the encoder's, where the embedding was wanted and it tells views apart.
    pub(crate) view: Option<usize>,
}

impl Wanted<'_> {
    fn has(&self, name: &str) -> bool {
        self.heads.is_empty() || self.heads.iter().any(|head| head == name)
    }

    /// Refuses heads that the encoder does not have.
    pub(crate) fn check(&self, card: &Card) -> Result<(), Error> {
        let mut known: Vec<&str> = card.capabilities.heads.iter().map(|head| head.name).collect();
        known.extend(OF_VIEWS.into_iter().filter(|_| !card.capabilities.views.is_empty()));
        match self.heads.iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(Error::unknown_name("head", unknown, &known)),
            None => Ok(()),
        }
    }

    /// What `encoder` says of a clip `[1, 3, frames, height, width]`.
    pub(crate) fn of(&self, encoder: &AnyEncoder, clip: Tensor<5>) -> ClipFindings {
        let capabilities = &encoder.card().capabilities;
        let mut reported = Vec::new();
        let mut view = None;
        let of_views = OF_VIEWS.into_iter().any(|name| self.has(name)) || self.embedding;
        if let Some(recogniser) = self.recogniser.filter(|_| of_views) {
            let Recognised { views, known, grades } = recogniser.of(encoder, clip.clone());
            // Values that are no numbers are refused with the rest of the row.
            view = most_likely_view(&views).ok();
            let mut add = |head, class, meaning, value| {
                if self.has(head) {
                    reported.push(Reported { head, class, unit: "", meaning, part: "", normal: None, value });
                }
            };
            capabilities
                .views
                .iter()
                .zip(views)
                .for_each(|(class, value)| add(VIEW, class, "view, of those that the encoder knows", value));
            known.into_iter().for_each(|value| add(KNOWN, "", "whether it is any of these views", value));
            let grades = grades.into_iter().flatten();
            GRADES.iter().zip(grades).for_each(|(grade, value)| add(QUALITY, grade, "quality of the picture", value));
        }
        let has_heads = capabilities.heads.iter().any(|head| self.has(head.name));
        let mut embedding = Vec::new();
        if has_heads || self.embedding {
            let of_clip = encoder.encode(clip);
            if self.embedding {
                embedding = of_clip.clone().into_data().iter::<f32>().collect();
            }
            let said = if has_heads { encoder.heads(of_clip) } else { Vec::new() };
            for (head, values) in said.into_iter().filter(|(head, _)| self.has(head.name)) {
                let &Head { name, meaning, part, normal, .. } = head;
                let numbers = head.labels().into_iter().zip(values.into_data().iter::<f32>().collect::<Vec<_>>());
                reported.extend(numbers.map(|(class, value)| Reported {
                    head: name,
                    class,
                    unit: head.unit(),
                    meaning,
                    part,
                    normal,
                    value,
                }));
            }
        }
        ClipFindings { reported, embedding, view }
    }
}

impl ClipFindings {
    /// Its numbers are all finite.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let numbers: Vec<f32> = self.reported.iter().map(|number| number.value).collect();
        echo_core::check_finite("what the heads say", &numbers)?;
        echo_core::check_finite("the embedding", &self.embedding)
    }
}

/// Refuses heads that are wanted and that these weights lack, before any clip is read.
pub(crate) fn check_weights(wanted: Wanted<'_>, built: &Built, device: &Device) -> Result<(), CliError> {
    let (encoder, clip) = (&built.encoder, &built.preset.clip);
    let card = encoder.card();
    let nothing = Tensor::zeros([1, encoder.dim()], device);
    let mut there: Vec<&str> = encoder.heads(nothing).into_iter().map(|(head, _)| head.name).collect();
    if let Some(recogniser) =
        wanted.recogniser.filter(|_| wanted.heads.iter().any(|name| OF_VIEWS.contains(&name.as_str())))
    {
        let nothing = Tensor::zeros([1, 3, clip.frames, clip.size, clip.size], device);
        let Recognised { known, grades, .. } = recogniser.of(encoder, nothing);
        there.push(VIEW);
        there.extend(known.map(|_| KNOWN));
        there.extend(grades.map(|_| QUALITY));
    }
    let Some(lacking) = wanted.heads.iter().find(|name| !there.contains(&name.as_str())) else { return Ok(()) };
    let there =
        if there.is_empty() { "; they have none".to_owned() } else { format!("; they have {}", there.join(", ")) };
    Err(CliError::Usage(format!("these weights of {} lack the head {lacking}{there}", card.name)))
}

/// A number over clips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Over {
    pub(crate) mean: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Over {
    /// `NaN` of no value.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        let (lowest, highest) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        Self { mean, lowest, highest }
    }
}

/// A row's warning, and that its value cannot be right, where it cannot.
pub(crate) fn with_value(warning: &str, name: &str, unit: &str, value: f64) -> String {
    let doubt = match usual_range(name, unit) {
        Some([least, most]) if !(least..=most).contains(&value) => {
            Some(format!("not from {least} to {most} {unit}, as hearts have it"))
        }
        // Lengths, pressures and velocities, which are magnitudes here.
        None if !unit.is_empty() && value <= 0.0 => Some("not above 0, as hearts have it".to_owned()),
        _ => None,
    };
    joined([warning].into_iter().chain(doubt.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_no_heart_has_are_told_beside_whatever_else_is() {
        assert_eq!(with_value("random weights", "EF", "%", 55.0), "random weights");
        assert_eq!(with_value("", "EF", "%", -108e6), "not from 3 to 98 %, as hearts have it");
        let both = with_value("random weights", "LVEDV", "mL", 0.12);
        assert_eq!(both, "random weights; not from 1 to 1000 mL, as hearts have it");
        assert_eq!(with_value("", "AVStenosis", "", -2.0), "");
        assert_eq!(with_value("", "TAPSE", "cm", -1.4), "not above 0, as hearts have it");
    }

    #[test]
    fn a_number_over_clips_has_its_ends() {
        assert_eq!(Over::of([4.0, 1.0, 1.0].into_iter()), Over { mean: 2.0, lowest: 1.0, highest: 4.0 });
    }
}
