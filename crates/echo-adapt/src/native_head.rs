//! The encoder's own heads for the task.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Card, Cut, Head, HeadClasses, HeadKind, Kind, NativeHeads, Prediction, Task};

/// Keeps logarithms of probabilities finite.
const LEAST: f64 = 1e-7;

/// How far a measured number is taken to err, as a part of the largest bound between classes.
const SPREAD: f64 = 0.1;

/// Reads heads of the encoder.
#[derive(Module, Debug)]
pub struct NativeHead {
    #[module(skip)]
    reads: Reads,
}

#[derive(Clone, Debug)]
enum Reads {
    /// The value of the head of that name.
    Value(String),
    /// The class by the number that the head of that name measures.
    Cut(String, Cut),
    /// For each class or label, where its probability is; at most one class is what the others leave.
    Classes { kind: Kind, classes: Vec<Option<HeadClasses>> },
}

impl NativeHead {
    /// The heads of `encoder` that answer `task`; nothing where it has none, as some weights lack heads of their card.
    ///
    /// # Errors
    /// The task names heads or classes that the encoder's card lacks: a slip, which must not pass for a missing head.
    pub fn of(task: &Task, encoder: &AnyEncoder, device: &Device) -> Result<Option<Self>, String> {
        let card = encoder.card();
        let present =
            || encoder.heads(Tensor::zeros([1, encoder.dim()], device)).into_iter().map(|(head, _)| head.name);
        let cut = task.classification().and_then(|classification| classification.cut.clone());
        let measured = cut.is_some() && !matches!(task.heads.get(card.name), Some(NativeHeads::Classes(_)));
        let classification = task.classification().filter(|_| !measured);
        let Some(classification) = classification else {
            if let (Some(NativeHeads::Value(named)), None) = (task.heads.get(card.name), task.value_head(card)) {
                let unit = cut.as_ref().map_or(task.unit(), |cut| cut.unit.as_str());
                return Err(format!(
                    "[heads] of the task {} names {named:?}, which {} has not in {unit}",
                    task.name, card.title
                ));
            }
            let head = task.value_head(card).filter(|head| present().any(|name| name == head.name));
            let reads = |head: &Head| match &cut {
                Some(cut) => Reads::Cut(head.name.to_owned(), cut.clone()),
                None => Reads::Value(head.name.to_owned()),
            };
            return Ok(head.map(|head| Self { reads: reads(head) }));
        };
        let named = match task.heads.get(card.name) {
            None => return Ok(None),
            Some(NativeHeads::Value(head)) => {
                return Err(format!(
                    "[heads] of the task {} gives {head:?} alone; say what its classes mean",
                    task.name
                ));
            }
            Some(NativeHeads::Classes(named)) => named,
        };
        let names = task.class_names();
        if let Some(unknown) = named.keys().find(|name| !names.contains(name)) {
            return Err(format!("[heads] of the task {} has {unknown:?}, which is none of its classes", task.name));
        }
        let classes: Vec<Option<HeadClasses>> = names.iter().map(|name| named.get(name).cloned()).collect();
        let left_out = classes.iter().filter(|class| class.is_none()).count();
        if left_out > usize::from(classification.kind != Kind::MultiLabel) {
            return Err(format!("[heads] of the task {} leaves out {left_out} of its classes", task.name));
        }
        for class in classes.iter().flatten() {
            let known = classes_of(card, &class.head).ok_or_else(|| {
                format!("[heads] of the task {}: {} has no head {:?}", task.name, card.title, class.head)
            })?;
            if class.classes.is_empty() {
                return Err(format!("[heads] of the task {}: name classes of the head {}", task.name, class.head));
            }
            if let Some(unknown) = class.classes.iter().find(|name| !known.contains(&name.as_str())) {
                let (title, known) = (card.title, known.join(", "));
                return Err(format!(
                    "[heads] of the task {}: the head {} of {title} has no class {unknown:?}; it has {known}",
                    task.name, class.head
                ));
            }
        }
        let there = |class: &HeadClasses| match class.head.as_str() {
            HeadClasses::VIEWS => encoder.has_views(),
            name => present().any(|known| known == name),
        };
        if !classes.iter().flatten().all(there) {
            return Ok(None);
        }
        Ok(Some(Self { reads: Reads::Classes { kind: classification.kind, classes } }))
    }

    /// Whether it reads the classifier of views, which looks at clips.
    pub(crate) fn reads_views(&self) -> bool {
        match &self.reads {
            Reads::Value(_) | Reads::Cut(..) => false,
            Reads::Classes { classes, .. } => classes.iter().flatten().any(|class| class.head == HeadClasses::VIEWS),
        }
    }

    /// `[samples, clips, dim]` -> predictions, each the mean over a sample's clips
    pub(crate) fn forward(&self, embedding: Tensor<3>, encoder: &AnyEncoder) -> Prediction {
        let [samples, clips, dim] = embedding.dims();
        self.read(encoder.heads(embedding.reshape([samples * clips, dim])), None, encoder.card(), clips)
    }

    /// The same of clips `[samples * clips, 3, frames, height, width]`, for the classifier of views.
    pub(crate) fn forward_clips(&self, clip: Tensor<5>, clips: usize, encoder: &AnyEncoder) -> Prediction {
        let views = encoder.view_logits(clip.clone()).map(|logits| softmax(logits, 1));
        let classes = match &self.reads {
            Reads::Value(_) | Reads::Cut(..) => &[][..],
            Reads::Classes { classes, .. } => classes,
        };
        let others = classes.iter().flatten().any(|class| class.head != HeadClasses::VIEWS);
        let heads = if others { encoder.heads(encoder.encode(clip)) } else { Vec::new() };
        self.read(heads, views, encoder.card(), clips)
    }

    fn read(
        &self,
        reported: Vec<(&'static Head, Tensor<2>)>,
        views: Option<Tensor<2>>,
        card: &Card,
        clips: usize,
    ) -> Prediction {
        let head =
            |name: &str| reported.iter().find(|(head, _)| head.name == name).expect("it was built with this head");
        let mean = |numbers: Tensor<1>| {
            let [all] = numbers.dims();
            numbers.reshape([all / clips, clips]).mean_dim(1)
        };
        let value = |name: &str| mean(head(name).1.clone().squeeze_dim(1));
        let (kind, classes) = match &self.reads {
            Reads::Value(name) => return Prediction::Values { value: value(name).squeeze_dim(1), ranks: None },
            Reads::Cut(name, cut) => return Prediction::Classes(log(in_classes(value(name), cut))),
            Reads::Classes { kind, classes } => (*kind, classes),
        };
        let probability = |class: &HeadClasses| match class.head.as_str() {
            HeadClasses::VIEWS => {
                let views = views.clone().expect("the classifier of views looks at clips");
                added(&views, card.capabilities.views, &class.classes)
            }
            name => {
                let (head, reported) = head(name);
                let (table, names) = both_sides(head, reported.clone());
                added(&table, &names, &class.classes)
            }
        };
        let known: Vec<Option<Tensor<2>>> =
            classes.iter().map(|class| class.as_ref().map(|class| mean(probability(class)))).collect();
        // What a class that is left out gets.
        let rest = known.iter().flatten().cloned().reduce(|sum, next| sum + next);
        let rest = rest.map(|sum| (sum.neg() + 1.0).clamp_min(0.0));
        let columns = known.into_iter().filter_map(|column| column.or_else(|| rest.clone())).collect();
        let table = Tensor::cat(columns, 1);
        match kind {
            Kind::MultiLabel => Prediction::Labels(log(table.clone()) - log(table.neg() + 1.0)),
            // A softmax over logarithms divides by their sum, also where a head knows classes that the task lacks.
            _ => Prediction::Classes(log(table)),
        }
    }
}

fn log(table: Tensor<2>) -> Tensor<2> {
    table.clamp_min(LEAST).log()
}

/// Values `[samples, 1]` -> probabilities `[samples, classes]` that order samples as the values do. Nobody has measured how
/// far a head errs: a tenth of the largest bound is taken, so they are not calibrated.
fn in_classes(value: Tensor<2>, cut: &Cut) -> Tensor<2> {
    let largest = cut.bounds.iter().fold(0.0f64, |largest, bound| largest.max(bound.abs()));
    let spread = if largest > 0.0 { SPREAD * largest } else { 1.0 };
    // Not a sigmoid, whose ends a 32-bit float cannot tell apart.
    let below = cut.bounds.iter().map(|&bound| {
        let distance = (value.clone().neg() + bound) / spread;
        distance.clone() / (distance.abs() + 1.0) * 0.5 + 0.5
    });
    let mut left = value.zeros_like();
    let mut classes = Vec::new();
    for below in below.chain([value.ones_like()]) {
        classes.push(below.clone() - left);
        left = below;
    }
    if cut.descends {
        classes.reverse();
    }
    Tensor::cat(classes, 1)
}

/// Names of the classes of a head, or of the views.
fn classes_of(card: &Card, head: &str) -> Option<Vec<&'static str>> {
    if head == HeadClasses::VIEWS {
        return (!card.capabilities.views.is_empty()).then(|| card.capabilities.views.to_vec());
    }
    let head = card.capabilities.heads.iter().find(|known| known.name == head)?;
    match head.kind {
        HeadKind::Regression { .. } => None,
        HeadKind::Binary { classes, .. } => Some(classes.to_vec()),
        HeadKind::MultiClass { classes } => Some(classes.to_vec()),
    }
}

/// The probability of every class of a head, `[batch, classes]`: of two, it reports one.
fn both_sides(head: &Head, reported: Tensor<2>) -> (Tensor<2>, Vec<&'static str>) {
    match head.kind {
        HeadKind::Binary { classes, reported: side } => {
            let other = reported.clone().neg() + 1.0;
            let pair = if side == 0 { vec![reported, other] } else { vec![other, reported] };
            (Tensor::cat(pair, 1), classes.to_vec())
        }
        HeadKind::Regression { .. } | HeadKind::MultiClass { .. } => (reported, head.labels()),
    }
}

/// `[batch, names]` -> the sum over the columns that are `wanted`, `[batch]`
fn added(table: &Tensor<2>, names: &[&str], wanted: &[String]) -> Tensor<1> {
    let columns = (0..names.len()).filter(|&place| wanted.iter().any(|name| name == names[place]));
    let columns: Vec<Tensor<2>> = columns.map(|place| table.clone().narrow(1, place, 1)).collect();
    Tensor::cat(columns, 1).sum_dim(1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_make_classes_in_their_order() {
        let classes = |bounds: &[f64], descends: bool| -> Vec<Vec<f32>> {
            let cut = Cut { unit: "%".to_owned(), bounds: bounds.to_vec(), descends };
            let table = in_classes(Tensor::from_floats([[25.0], [36.0], [45.0], [90.0]], &Device::flex()), &cut);
            table.into_data().iter::<f32>().collect::<Vec<_>>().chunks(bounds.len() + 1).map(<[f32]>::to_vec).collect()
        };
        let largest = |row: &Vec<f32>| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        let grades = classes(&[30.0, 40.0, 50.0], false);
        assert_eq!(grades.iter().map(largest).collect::<Vec<_>>(), [0, 1, 2, 3], "{grades:?}");
        assert!(grades.iter().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        // The lower the number, the likelier the second class.
        let reduced = classes(&[40.0], true);
        assert_eq!(reduced.iter().map(largest).collect::<Vec<_>>(), [1, 1, 0, 0], "{reduced:?}");
        assert!(reduced.windows(2).all(|pair| pair[0][1] > pair[1][1]));
        // A half more than a half: 36 is a spread of 4 below 40.
        assert!((reduced[1][1] - 0.75).abs() < 1e-6, "{reduced:?}");
    }
}
