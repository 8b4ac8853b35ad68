//! The encoder's own heads for the task.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Card, Head, HeadClasses, HeadKind, Kind, NativeHeads, Prediction, Task};

/// Keeps logarithms of probabilities finite.
const LEAST: f64 = 1e-7;

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
        let Some(classification) = task.classification() else {
            if let (Some(NativeHeads::Value(named)), None) = (task.heads.get(card.name), task.value_head(card)) {
                let unit = task.unit();
                return Err(format!(
                    "[heads] of the task {} names {named:?}, which {} has not in {unit}",
                    task.name, card.title
                ));
            }
            let head = task.value_head(card).filter(|head| present().any(|name| name == head.name));
            return Ok(head.map(|head| Self { reads: Reads::Value(head.name.to_owned()) }));
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
            Reads::Value(_) => false,
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
            Reads::Value(_) => &[][..],
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
        let (kind, classes) = match &self.reads {
            Reads::Value(name) => {
                let value = mean(head(name).1.clone().squeeze_dim(1)).squeeze_dim(1);
                return Prediction::Values { value, ranks: None };
            }
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
        let log = |table: Tensor<2>| table.clamp_min(LEAST).log();
        match kind {
            Kind::MultiLabel => Prediction::Labels(log(table.clone()) - log(table.neg() + 1.0)),
            // A softmax over logarithms divides by their sum, also where a head knows classes that the task lacks.
            _ => Prediction::Classes(log(table)),
        }
    }
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
