//! CoOp learns, and learns through the text tower.

use burn::module::Module;
use echo_adapt::{ADAPTERS, AdaptError, BuildContext, Joined};
use echo_core::{Adapter, AnyAdapter, AnyEncoder, Features, Prediction, RankSpec, Stage, Truth};
use echo_random::Stream;
use echo_train::{Epoch, FeatureTable, FitContext, Samples, TrainConfig, TrainError, fit, parameters, predict};
use echo_zoo::{Entry, ZOO};

use crate::fixtures::{device, ef, nano, training};

fn with_text() -> impl Iterator<Item = &'static Entry> {
    ZOO.iter().filter(|entry| entry.card.capabilities.text)
}

/// Embeddings that carry the target along one direction, beside noise.
fn samples(dim: usize, seed: u64) -> FeatureTable {
    let mut stream = Stream::new(seed, "test/coop", 0);
    let mut direction = Stream::new(0, "test/coop/direction", 0);
    let direction: Vec<f64> = (0..dim).map(|_| direction.normal()).collect();
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let ef = stream.range(15.0, 80.0);
        let signal = (ef - 47.5) / 20.0;
        rows.push(direction.iter().map(|d| (signal * d + 0.5 * stream.normal()) as f32).collect());
        targets.push(Truth::Value(ef as f32));
    }
    FeatureTable::new(Stage::Embedding, vec![1; rows.len()], dim, rows, targets).unwrap()
}

fn config(epochs: usize) -> TrainConfig {
    training(epochs, 20, 1e-2)
}

fn built(context: &BuildContext<'_>, table: &str) -> Result<AnyAdapter, AdaptError> {
    let tables = [("coop".to_owned(), table.parse().unwrap())].into();
    Joined::find(ADAPTERS, "coop")?.build(&tables, context)
}

fn coop(encoder: &AnyEncoder, table: &str) -> AnyAdapter {
    let task = ef();
    built(&BuildContext { encoder, text: None, task: &task, seed: 3 }, table).unwrap()
}

const RECIPE: &str = "context = 4\nposition = \"end\"\nper_class = false\ninit = \"random\"";

fn mean_error(adapter: &AnyAdapter, samples: &FeatureTable) -> f32 {
    let predictions = predict(adapter, samples, &device()).unwrap();
    let errors = predictions.iter().zip(samples.truths()).map(|(p, t)| (p[0] - t.value().unwrap()).abs());
    errors.sum::<f32>() / predictions.len() as f32
}

#[test]
fn training_lowers_the_loss_below_that_of_the_same_prompts_frozen() {
    for entry in with_text() {
        let encoder = nano(entry);
        let dim = entry.card.preset(echo_core::Preset::NANO).unwrap().dim;
        let (train, start) = (samples(dim, 1), coop(&encoder, RECIPE));
        let fitted = fit(start.clone(), &train, &config(25), &FitContext::new(1, &device()), |_| ()).unwrap();
        let (first, last) = (&fitted.curve[0], fitted.curve.last().unwrap());
        assert!(last.loss < 0.6 * first.loss, "{}: {} -> {}", entry.card.name, first.loss, last.loss);
        let (before, after) = (mean_error(&start, &train), mean_error(&fitted.adapter, &train));
        assert!(after < 0.6 * before, "{}: MAE {before} -> {after}", entry.card.name);

        // Frozen, nothing trains; and what is frozen anyway is left bit-identical by training.
        let frozen = fit(start.clone().freeze(), &train, &config(1), &FitContext::new(1, &device()), |_| ());
        assert!(matches!(frozen, Err(TrainError::NothingTrains)));
        let names: Vec<String> = parameters(&start).into_iter().filter(|p| p.trainable).map(|p| p.path).collect();
        assert_eq!(names, ["head.Prompts.context"]);
        let clips = crate::fixtures::clips(entry, 1, 1);
        assert_eq!(crate::fixtures::difference(encoder.encode(clips.clone()), nano(entry).encode(clips)), 0.0);
    }
}

/// CoOp whose prediction does not depend on the context's graph.
#[derive(burn::module::Module, Debug)]
struct Detached {
    inner: AnyAdapter,
}

impl Adapter for Detached {
    fn stage(&self) -> Stage {
        self.inner.stage()
    }
    fn ranks(&self) -> Option<&RankSpec> {
        self.inner.ranks()
    }
    fn forward(&self, features: Features) -> Prediction {
        // `valid` drops the graph, as a detached context would.
        let Prediction::Values { value, ranks } = self.inner.valid().forward(features) else { unreachable!("values") };
        Prediction::Values { value: value.autodiff().require_grad(), ranks: ranks.map(|ranks| ranks.autodiff()) }
    }
}

#[test]
fn a_context_that_no_gradient_reaches_is_an_error() {
    let entry = with_text().next().unwrap();
    let encoder = nano(entry);
    let train = samples(entry.card.preset(echo_core::Preset::NANO).unwrap().dim, 1);
    let detached = AnyAdapter::new(Detached { inner: coop(&encoder, RECIPE) });
    let message = fit(detached, &train, &config(1), &FitContext::new(1, &device()), |_| ()).unwrap_err().to_string();
    assert!(message.contains("inner.head.Prompts.context"), "{message}");
}

/// CoOp with a parameter that the prediction depends on, but not at its present value.
#[derive(burn::module::Module, Debug)]
struct Silent {
    inner: AnyAdapter,
    silent: burn::module::Param<burn::tensor::Tensor<1>>,
    declared: bool,
}

impl Adapter for Silent {
    fn stage(&self) -> Stage {
        self.inner.stage()
    }
    fn ranks(&self) -> Option<&RankSpec> {
        self.inner.ranks()
    }
    fn zero_gradient_reason(&self, path: &str) -> Option<&'static str> {
        (self.declared && path == "silent").then_some("its factor is zero")
    }
    fn forward(&self, features: Features) -> Prediction {
        let Prediction::Values { value, ranks } = self.inner.forward(features) else { unreachable!("values") };
        Prediction::Values { value: value + self.silent.val() * 0.0, ranks }
    }
}

#[test]
fn a_zero_gradient_is_reported_unless_the_adapter_says_why() {
    let entry = with_text().next().unwrap();
    let train = samples(entry.card.preset(echo_core::Preset::NANO).unwrap().dim, 1);
    let zero_gradients = |declared| {
        let silent = burn::module::Param::from_tensor(burn::tensor::Tensor::ones([1], &device()));
        let adapter = AnyAdapter::new(Silent { inner: coop(&nano(entry), RECIPE), silent, declared });
        fit(adapter, &train, &config(1), &FitContext::new(1, &device()), |_| ()).unwrap().zero_gradients
    };
    assert_eq!(zero_gradients(false), ["silent"]);
    assert!(zero_gradients(true).is_empty());
}

#[test]
fn a_run_repeats_bit_for_bit_and_seeds_differ() {
    let entry = with_text().next().unwrap();
    let encoder = nano(entry);
    let train = samples(entry.card.preset(echo_core::Preset::NANO).unwrap().dim, 1);
    let curve = |seed| -> Vec<Epoch> {
        fit(coop(&encoder, RECIPE), &train, &config(3), &FitContext::new(seed, &device()), |_| ()).unwrap().curve
    };
    assert_eq!(curve(1), curve(1));
    assert_ne!(curve(1), curve(2));
}

#[test]
fn every_position_and_start_of_the_context_trains() {
    for entry in with_text() {
        let encoder = nano(entry);
        let train = samples(entry.card.preset(echo_core::Preset::NANO).unwrap().dim, 1);
        let mut starts = Vec::new();
        for position in ["end", "middle", "front"] {
            for (per_class, init, vectors) in [
                ("false", "\"random\"", 4),
                ("true", "\"random\"", 4),
                ("false", "{ words = \"ultrasound of the heart\" }", 0),
            ] {
                let recipe = format!("context = 4\nposition = {position:?}\nper_class = {per_class}\ninit = {init}");
                let adapter = coop(&encoder, &recipe);
                let context = parameters(&adapter).into_iter().find(|p| p.trainable).unwrap();
                assert_eq!(context.shape[0], if per_class == "true" { 5 } else { 1 }, "{recipe}");
                assert!(vectors == 0 || context.shape[1] == vectors, "{recipe}");
                starts.push(mean_error(&adapter, &train));
                let fitted = fit(adapter, &train, &config(4), &FitContext::new(1, &device()), |_| ()).unwrap();
                assert!(fitted.curve[3].loss < fitted.curve[0].loss, "{recipe}");
            }
        }
        // Another place or another start is another prompt.
        starts.sort_by(f32::total_cmp);
        starts.dedup();
        assert!(starts.len() >= 5, "{starts:?}");
    }
}

#[test]
fn an_empty_context_and_prompts_that_are_too_long_are_refused() {
    let entry = with_text().next().unwrap();
    let (encoder, task) = (nano(entry), ef());
    let context = BuildContext { encoder: &encoder, text: None, task: &task, seed: 1 };
    let message = |table: &str| built(&context, table).unwrap_err().to_string();
    assert!(message(&RECIPE.replace("context = 4", "context = 0")).contains("context is empty"));
    assert!(message(&RECIPE.replace("context = 4", "context = 400")).contains("context = 400"));
    assert!(message(&RECIPE.replace("\"random\"", "{ words = \"\" }")).contains("context is empty"));
    assert!(message("context = 4").contains("position"));
}
