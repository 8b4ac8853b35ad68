//! Adapters of encoders with a second branch.

use burn::tensor::{Tensor, TensorData};
use echo_adapt::{ADAPTERS, AdaptError, BuildContext, Joined};
use echo_bench::{BenchConfig, Recipe};
use echo_core::{Answer, AnyAdapter, AnyEncoder, Features, Kind, Stage, Task, Truth};
use echo_train::{
    FeatureTable, FitContext, OptimizerConfig, Samples, SoftTargets, TrainConfig, TrainError, fit, parameters, predict,
    values,
};
use echo_zoo::{Entry, ZOO, find};

use crate::fixtures::{OF_TWO_BRANCHES, classes, clips, device, nano, recipe, training};

/// The encoder that has one.
fn entry() -> &'static Entry {
    ZOO.iter()
        .find(|entry| nano(entry).with_negation(false).is_some())
        .expect("an encoder of the zoo has a second branch")
}

fn built(name: &str, task: &Task, settings: &str, encoder: &AnyEncoder) -> Result<AnyAdapter, AdaptError> {
    let (joined, tables) = recipe(name, &[(name, settings)])?;
    joined.build(&tables, &BuildContext { encoder, text: None, task, seed: 5 })
}

/// Clips whose pixels lie about a number that tells their class.
struct Videos {
    clips: Tensor<5>,
    truths: Vec<Truth>,
}

impl Videos {
    fn new(classes: usize) -> Self {
        let all = clips(entry(), 6, 3);
        let rows = (0..6).map(|row| all.clone().narrow(0, row, 1) * 0.3 + (row % classes) as f64);
        Self { clips: Tensor::cat(rows.collect(), 0), truths: (0..6).map(|row| Truth::Class(row % classes)).collect() }
    }
}

impl Samples for Videos {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        Stage::Clip
    }

    fn batch(
        &self,
        indices: &[usize],
        _epoch: Option<usize>,
        device: &burn::tensor::Device,
    ) -> Result<Features, TrainError> {
        let rows = indices.iter().map(|&index| self.clips.clone().narrow(0, index, 1));
        Ok(Features::Clip(Tensor::cat(rows.collect(), 0).to_device(device), 1))
    }
}

fn config(epochs: usize) -> TrainConfig {
    training(epochs, 6, 1e-3)
}

#[test]
fn a_second_branch_learns_to_deny_and_the_first_stays_as_it_is() {
    let (task, encoder) = (classes(Kind::SingleLabel), nano(entry()));
    for compat in ["none", "released"] {
        let adapter = built("negation", &task, &format!("compat = \"{compat}\""), &encoder).unwrap();
        let trainable: Vec<String> =
            parameters(&adapter).into_iter().filter(|one| one.trainable).map(|one| one.path).collect();
        assert!(trainable.iter().all(|path| path.starts_with("encoder.no.")), "{trainable:?}");
        // What is released encodes no denial, so that its words do not train.
        assert_eq!(trainable.iter().any(|path| path == "encoder.no.context"), compat == "none");
        let data = Videos::new(3);
        let fitted = fit(adapter.clone(), &data, &config(6), &FitContext::new(1, &device()), |_| ()).unwrap();
        let curve: Vec<(f64, f64)> = fitted.curve.iter().map(|epoch| (epoch.loss, epoch.cross_entropy)).collect();
        let ((first, first_entropy), (last, last_entropy)) = (curve[0], curve[5]);
        assert!(last < first && last_entropy < first_entropy, "{compat}: {curve:?}");
        // The rest of the loss keeps sentences and denials apart: at first they are near, two less the distance of equals.
        let of_sentences: Vec<f64> = curve.iter().map(|(loss, entropy)| loss - entropy).collect();
        assert!(of_sentences[0] > 0.5 && of_sentences[5] < of_sentences[0], "{compat}: {of_sentences:?}");
        assert!(fitted.zero_gradients.is_empty(), "{compat}: {:?}", fitted.zero_gradients);
        let frozen: Vec<String> =
            parameters(&adapter).into_iter().filter(|one| !one.trainable).map(|one| one.path).collect();
        let frozen: Vec<&str> = frozen.iter().map(String::as_str).collect();
        let same = values(&adapter, &frozen).into_iter().zip(values(&fitted.adapter, &frozen));
        assert!(same.into_iter().all(|((_, before), (_, after))| before.as_bytes() == after.as_bytes()), "{compat}");
        for row in predict(&fitted.adapter, &data, &device()).unwrap() {
            assert!(row.len() == 3 && (row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
    }
}

/// Also with mixed samples, and in parts, where the other loss must be counted once.
#[test]
fn a_step_in_parts_descends_as_one_at_once() {
    let (task, encoder) = (classes(Kind::SingleLabel), nano(entry()));
    let soft = SoftTargets { smoothing: 0.1, mixup: 0.8, cutmix: 1.0 };
    for soft_targets in [SoftTargets::default(), soft] {
        let step = |micro_batch| {
            let adapter = built("negation", &task, "", &encoder).unwrap();
            let config = TrainConfig {
                micro_batch,
                soft_targets,
                optimizer: OptimizerConfig::Sgd { lr: 0.1, momentum: 0.0, weight_decay: 0.0 },
                ..config(2)
            };
            let fitted = fit(adapter, &Videos::new(3), &config, &FitContext::new(1, &device()), |_| ()).unwrap();
            let all: Vec<f32> = values(&fitted.adapter, &["encoder.no.context", "encoder.no.pool.projector.weight"])
                .into_iter()
                .flat_map(|(_, data)| data.iter::<f32>().collect::<Vec<_>>())
                .collect();
            (fitted.curve[1].loss, all)
        };
        let ((loss, whole), (loss_of_parts, parts)) = (step(None), step(Some(2)));
        assert!((loss - loss_of_parts).abs() < 1e-4, "{loss} {loss_of_parts}");
        let most = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-4, "{soft_targets:?}: {most}");
    }
}

#[test]
fn grades_are_learnt_from_both_branches() {
    let (task, encoder) = (classes(Kind::Ordinal), nano(entry()));
    let refused = built("quality", &task, "", &encoder).unwrap_err().to_string();
    assert!(refused.contains("no second branch") && refused.contains("tuned"), "{refused}");
    let both = encoder.with_negation(false).unwrap();
    let refused = |settings, released| {
        let begun = encoder.with_negation(released).unwrap();
        built("quality", &task, settings, &begun).unwrap_err().to_string()
    };
    assert!(refused("compat = \"none\"", true).contains("set `compat` to \"released\""));
    assert!(refused("compat = \"released\"", false).contains("set `compat` to \"none\""));
    for (encoder, branch) in [(&encoder, "tuned"), (&both, "frozen")] {
        let adapter = built("quality", &task, &format!("branch = \"{branch}\""), encoder).unwrap();
        let trained = |path: &str| parameters(&adapter).iter().any(|one| one.trainable && one.path.starts_with(path));
        assert_eq!(
            (trained("head."), trained("encoder.no."), trained("encoder.no.text.")),
            (true, branch == "tuned", false)
        );
        let data = Videos::new(3);
        let fitted = fit(adapter, &data, &config(20), &FitContext::new(1, &device()), |_| ()).unwrap();
        let (first, last) = (fitted.curve[0].loss, fitted.curve[19].loss);
        assert!(last < 0.9 * first, "{branch}: {first} {last}");
    }
}

/// A short step down a gradient lowers the loss by the rate times the gradient's square. Down what is not the loss's own gradient
/// it does not.
#[test]
fn short_steps_lower_the_loss_as_their_gradients_say() {
    let encoder = nano(entry());
    let both = encoder.with_negation(false).unwrap();
    let cases = [
        ("negation", Kind::SingleLabel, &encoder, "compat = \"none\"", 1e-5),
        ("negation", Kind::SingleLabel, &encoder, "compat = \"released\"", 1e-5),
        ("quality", Kind::Ordinal, &both, "branch = \"frozen\"", 1e-2),
        ("quality", Kind::Ordinal, &encoder, "branch = \"tuned\"", 1e-2),
    ];
    // Rates at which the gradient hardly changes on the way, and which rounding does not hide.
    for (name, kind, encoder, settings, rate) in cases {
        let adapter = built(name, &classes(kind), settings, encoder).unwrap();
        let paths: Vec<String> =
            parameters(&adapter).into_iter().filter(|one| one.trainable).map(|one| one.path).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let after = |steps| {
            let optimizer = OptimizerConfig::Sgd { lr: rate, momentum: 0.0, weight_decay: 0.0 };
            let config = TrainConfig { optimizer, ..config(steps) };
            fit(adapter.clone(), &Videos::new(3), &config, &FitContext::new(1, &device()), |_| ()).unwrap()
        };
        let (one, two) = (after(1), after(2));
        let lost = two.curve[0].loss - two.curve[1].loss;
        let ends = values(&adapter, &paths).into_iter().zip(values(&one.adapter, &paths));
        let square = |((_, before), (_, after)): ((String, TensorData), (String, TensorData))| -> f64 {
            before.iter::<f32>().zip(after.iter::<f32>()).map(|(before, after)| f64::from(before - after).powi(2)).sum()
        };
        let foreseen = ends.map(square).sum::<f64>() / rate;
        assert!((lost / foreseen - 1.0).abs() < 0.03, "{name}, {settings}: {lost} instead of {foreseen}");
    }
}

#[test]
fn encoders_without_a_second_branch_and_other_tasks_are_refused_with_a_reason() {
    for other in ZOO.iter().filter(|other| other.card.name != entry().card.name) {
        for (name, kind) in OF_TWO_BRANCHES.into_iter().zip([Kind::SingleLabel, Kind::Ordinal]) {
            let error = built(name, &classes(kind), "", &nano(other)).unwrap_err();
            assert!(matches!(error, AdaptError::Incompatible { .. }), "{error}");
            assert!(
                error.to_string().contains(other.card.name) && error.to_string().contains("second branch"),
                "{error}"
            );
        }
    }
    let encoder = nano(entry());
    for (name, kind) in [("negation", Kind::MultiLabel), ("quality", Kind::SingleLabel)] {
        let error = built(name, &classes(kind), "", &encoder).unwrap_err();
        assert!(matches!(error, AdaptError::Incompatible { .. }), "{error}");
    }
}

/// The views' sentences are read by the encoder's own head, without an adapter.
#[test]
fn views_are_told_apart_by_their_sentences() {
    let (entry, encoder) = (entry(), nano(entry()));
    assert!(encoder.has_views());
    let logits = encoder.view_logits(clips(entry, 2, 4)).unwrap();
    assert_eq!(logits.dims(), [2, entry.card.capabilities.views.len()]);
    // Of length one and times the scale: no similarity is beyond it.
    let scale = encoder.text().unwrap().logit_scale().exp().into_scalar::<f32>();
    assert!(logits.clone().abs().max().into_scalar::<f32>() <= scale * 1.000_01);
    let alike = (logits.clone().narrow(1, 0, 1) - logits.narrow(1, 1, 1)).abs().max().into_scalar::<f32>();
    assert!(alike > 1e-6, "two views have one sentence");
}

/// The first stage is training like any other: what is needed for it is in a configuration and a task.
#[test]
fn the_configuration_of_the_first_stage_trains_both_towers_on_the_encoders_views() {
    let text = include_str!("../../configs/bench/echoviewclip.toml");
    let stage_one = BenchConfig::from_toml("echoviewclip.toml", text).unwrap();
    stage_one.validate().unwrap();
    let views = find(ZOO, &stage_one.encoders[0]).unwrap().card.capabilities.views;
    let task = echo_data::Target::shipped(&stage_one.task).task;
    let Answer::Classes(classification) = &task.answer else { panic!("views are classes") };
    assert!(classification.classes.iter().map(|class| class.name.as_str()).eq(views.iter().copied()));
    // Read without training, a clip's view is that of the encoder's own sentences.
    let encoder = nano(entry());
    let recipe_of = |name| recipe(name, &[]);
    let (joined, tables) = recipe_of("zero-shot").unwrap();
    let context = BuildContext { encoder: &encoder, text: None, task: &task, seed: 5 };
    let own = joined.build(&tables, &context).unwrap();
    let clip = clips(entry(), 2, 4);
    let found = own.predict(Features::Clip(clip.clone(), 1));
    let expected = burn::tensor::activation::softmax(encoder.view_logits(clip).unwrap(), 1);
    let expected: Vec<f32> = expected.into_data().iter::<f32>().collect();
    let far = found.concat().iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 1e-5, "{far}");

    let name = &stage_one.adapters[0];
    let joined = Joined::find(ADAPTERS, name).unwrap();
    let recipe = Recipe::new(name, &joined, &stage_one.preset, &stage_one.recipes).unwrap();
    let soft = SoftTargets { smoothing: 0.1, mixup: 0.8, cutmix: 1.0 };
    assert_eq!((recipe.train.soft_targets, recipe.train.batch, recipe.train.epochs), (soft, 128, 30));
    let adapter = joined.build(&recipe.adapter, &context).unwrap();
    assert_eq!(adapter.stage(), Stage::Clip);
    let trained = |path: &str| parameters(&adapter).iter().any(|one| one.trainable && one.path.starts_with(path));
    assert!(["encoder.visual.", "encoder.pool.", "encoder.text.net.transformer."].into_iter().all(trained));
    // With soft targets it descends. Mixed clips are others than those that are not, from the first step on.
    let data = Videos::new(3);
    let curve = |soft_targets| {
        let train = TrainConfig { soft_targets, ..training(8, 6, 1e-3) };
        let fitted = fit(adapter.clone(), &data, &train, &FitContext::new(1, &device()), |_| ()).unwrap();
        fitted.curve.iter().map(|epoch| epoch.loss).collect::<Vec<f64>>()
    };
    let (smoothed, mixed) = (curve(SoftTargets { smoothing: 0.1, ..SoftTargets::default() }), curve(soft));
    assert!(smoothed[7] < smoothed[0], "{smoothed:?}");
    assert!((mixed[0] - smoothed[0]).abs() > 1e-4 && mixed.iter().all(|loss| loss.is_finite()), "{mixed:?}");
    let train = TrainConfig { soft_targets: soft, ..training(8, 6, 1e-3) };
    let (joined, tables) = recipe_of("coop").unwrap();
    let coop = joined.build(&tables, &context).unwrap();
    let embeddings = encoder.encode(data.clips.clone()).into_data().iter::<f32>().collect::<Vec<f32>>();
    let rows = embeddings.chunks(encoder.dim()).map(<[f32]>::to_vec).collect();
    let table = FeatureTable::new(Stage::Embedding, vec![1; 6], encoder.dim(), rows, data.truths.clone()).unwrap();
    let refused = fit(coop, &table, &train, &FitContext::new(1, &device()), |_| ()).unwrap_err().to_string();
    assert!(refused.contains("soft_targets.mixup") && refused.contains("full"), "{refused}");
}
