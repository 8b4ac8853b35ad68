//! What an encoder says of clips by itself: its view classifier, its heads, and the embedding that other methods begin with.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use echo_clinical::study::most_likely_view;
use echo_core::{AnyEncoder, Card, Error, Head, NormalRange};
use echo_data::usual_range;
use echo_weights::Built;

use crate::CliError;
use crate::warnings::joined;

/// The name under which an encoder's view classifier is reported, beside its heads' own names.
pub(crate) const VIEW: &str = "view";

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Heads by name, among them [`VIEW`]; all where none is named.
    pub(crate) heads: &'a [String],
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
        known.extend(Some(VIEW).filter(|_| !card.capabilities.views.is_empty()));
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
        if (self.has(VIEW) || self.embedding)
            && let Some(logits) = encoder.view_logits(clip.clone())
        {
            let values: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
            // Values that are no numbers are refused with the rest of the row.
            view = most_likely_view(&values).ok();
            let of_view = |(class, value): (&&'static str, f32)| Reported {
                head: VIEW,
                class,
                unit: "",
                meaning: "view of the first frame",
                part: "",
                normal: None,
                value,
            };
            reported.extend(capabilities.views.iter().zip(values).map(of_view).filter(|_| self.has(VIEW)));
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
    if wanted.heads.iter().any(|name| name == VIEW) {
        let nothing = Tensor::zeros([1, 3, clip.frames, clip.size, clip.size], device);
        there.extend(encoder.view_logits(nothing).map(|_| VIEW));
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
