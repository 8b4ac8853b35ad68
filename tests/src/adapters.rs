//! What every way of adapting must be, on every encoder.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use echo_adapt::{AdaptError, Adapted, BuildContext, Needs, zoom_frames};
use echo_core::{
    Answer, AnyAdapter, AnyEncoder, Cut, Features, Fitting, Kind, NativeHeads, Preset, Stage, Task, Truth,
};
use echo_random::Stream;
use echo_train::{FitContext, Samples, TrainConfig, TrainError, fit, parameters, predict};
use echo_zoo::{Entry, ZOO};

use crate::fixtures::{
    OF_TWO_BRANCHES, adapters, classes, clips, device, difference, ef, entries, features, nano, recipe, training,
    truths, values as values_of,
};

/// Names whose start must be the encoder itself, and one of every other kind of join.
const JOINED: [&str; 16] = [
    "mfl+echozoom",
    "mfl+coop",
    "linear+echozoom",
    "linear+mfl",
    "linear+statistics",
    "statistics+echozoom",
    "lora+statistics",
    "attentive+linear",
    "attentive+full",
    "attentive+lora",
    "full+coop",
    "mfl+full",
    "coop+lora",
    "mfl+echozoom+lora",
    "coop+coarse-to-fine",
    "full+coarse-to-fine",
];

/// The adapter with the settings of its shipped recipe.
fn adapted(name: &str, encoder: &AnyEncoder) -> Result<AnyAdapter, AdaptError> {
    adapted_with(name, "", encoder)
}

/// The same with other settings of the first name.
fn adapted_with(name: &str, settings: &str, encoder: &AnyEncoder) -> Result<AnyAdapter, AdaptError> {
    adapted_for(&ef(), name, settings, encoder)
}

/// The same for another task.
fn adapted_for(task: &Task, name: &str, settings: &str, encoder: &AnyEncoder) -> Result<AnyAdapter, AdaptError> {
    let first = name.split('+').next().unwrap_or_default();
    let (joined, tables) = recipe(name, &[(first, settings)])?;
    let lender = nano(&ZOO[0]);
    let context = BuildContext { encoder, text: Some(&lender), task, seed: 5 };
    let adapter = joined.build(&tables, &context)?;
    // What is known of it beforehand is what it turns out to be.
    let needs = joined.needs(&tables, &context)?;
    let bridges = parameters(&adapter).iter().any(|parameter| parameter.path.starts_with("borrowed.bridge."));
    assert_eq!(needs, Needs { stage: adapter.stage(), borrows_text: bridges }, "{name}, {settings}");
    Ok(adapter)
}

/// Clips of some brightness, and targets that may follow it.
#[derive(Clone)]
struct Clips<'a> {
    entry: &'a Entry,
    encoder: AnyEncoder,
    stage: Stage,
    brightness: Vec<f32>,
    truths: Vec<Truth>,
}

impl Samples for Clips<'_> {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn batch(
        &self,
        indices: &[usize],
        _epoch: Option<usize>,
        device: &burn::tensor::Device,
    ) -> Result<Features, TrainError> {
        let spec = &self.entry.card.preset(Preset::NANO).unwrap().clip;
        let rows = indices.iter().map(|&index| {
            let mut stream = Stream::new(8, "test/adapters", index as u64);
            let level = (f64::from(self.brightness[index]) - 50.0) / 25.0;
            let count = 3 * spec.frames * spec.size * spec.size;
            let values: Vec<f32> = (0..count).map(|_| (level + 0.3 * stream.normal()) as f32).collect();
            Tensor::<5>::from_data(TensorData::new(values, [1, 3, spec.frames, spec.size, spec.size]), device)
        });
        let clip = Tensor::cat(rows.collect(), 0);
        Ok(features(&self.encoder, clip, 1, self.stage))
    }
}

/// Clips that brighten with their target.
fn samples<'a>(entry: &'a Entry, encoder: &AnyEncoder, stage: Stage) -> Clips<'a> {
    let brightness = vec![20.0, 35.0, 50.0, 60.0, 75.0, 28.0];
    Clips { entry, encoder: encoder.clone(), stage, truths: truths(&brightness), brightness }
}

fn config(epochs: usize) -> TrainConfig {
    training(epochs, 3, 1e-3)
}

/// Values of all parameters by path.
#[derive(Default)]
struct Values {
    path: Vec<String>,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.val().into_data().iter::<f32>().collect());
    }
}

fn values(module: &impl Module) -> BTreeMap<String, Vec<f32>> {
    let mut visitor = Values::default();
    module.visit(&mut visitor);
    visitor.found
}

#[test]
fn untrained_mfl_and_echozoom_are_the_encoder() {
    for entry in &entries() {
        let encoder = nano(entry);
        let clip = clips(entry, 2, 4);
        let expected = encoder.encode(clip.clone());
        for name in ["mfl", "echozoom", "mfl+echozoom", "full", "full+mfl+echozoom"] {
            let adapter = adapted(name, &encoder).unwrap();
            let features = match adapter.stage() {
                Stage::Clip => Features::Clip(clip.clone(), 1),
                Stage::Frames => {
                    Features::Frames(encoder.frame_features(&encoder.tokens(clip.clone())).unsqueeze_dim(1))
                }
                _ => {
                    let base = encoder.frame_features(&encoder.tokens(clip.clone()));
                    Features::ZoomFrames(zoom_frames(&encoder, base, clip.clone()).unsqueeze_dim(1))
                }
            };
            let error = difference(
                adapter.downcast_ref::<Adapted>().unwrap().embed(features).squeeze_dim::<2>(1),
                expected.clone(),
            );
            let scale = expected.clone().abs().max().into_scalar::<f32>();
            assert!(error <= 1e-5 * scale.max(1.0), "{} {name}: {error}", entry.card.name);
        }
    }
}

/// Whether an encoder says something of the target without training: by a head of its own or by its text tower.
fn reads_ef(entry: &Entry) -> bool {
    let capabilities = &entry.card.capabilities;
    capabilities.text || ef().value_head(entry.card).is_some()
}

/// Whether it does so by prompts of every value.
fn reads_prompts(entry: &Entry) -> bool {
    entry.card.capabilities.text && ef().value_head(entry.card).is_none()
}

#[test]
fn every_adapter_fits_on_every_encoder_and_leaves_frozen_parameters_alone() {
    for entry in &entries() {
        let encoder = nano(entry);
        for name in adapters().iter().map(|entry| entry.name).chain(JOINED) {
            let what = format!("{} + {name}", entry.card.name);
            let adapter = match adapted(name, &encoder) {
                Ok(adapter) => adapter,
                Err(error) if name == "zero-shot" && !reads_ef(entry) => {
                    assert!(error.to_string().contains("neither a head"), "{error}");
                    continue;
                }
                Err(error) if name == "zero-shot-ranks" && !reads_prompts(entry) => {
                    assert!(error.to_string().contains("head"), "{error}");
                    continue;
                }
                Err(error) if OF_TWO_BRANCHES.contains(&name) => {
                    assert!(error.to_string().contains("EF"), "they are of classes: {error}");
                    continue;
                }
                Err(error) => panic!("{what}: {error}"),
            };
            let data = samples(entry, &encoder, adapter.stage());
            let before = values(&adapter);
            let trainable: Vec<String> =
                parameters(&adapter).into_iter().filter(|p| p.trainable).map(|p| p.path).collect();
            assert_eq!(trainable.is_empty(), adapter.fitting() != Fitting::Gradient, "{what}: {trainable:?}");
            let fitted = fit(adapter.clone(), &data, &config(2), &FitContext::new(1, &device()), |_| ())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(fitted.zero_gradients.is_empty(), "{what}: {:?}", fitted.zero_gradients);
            let predictions = predict(&fitted.adapter, &data, &device()).unwrap();
            assert_eq!(predictions.len(), data.truths.len(), "{what}");
            let after = values(&fitted.adapter);
            let changed: Vec<&String> =
                before.iter().filter(|(path, values)| after[*path] != **values).map(|(path, _)| path).collect();
            let allowed = |path: &&String| match adapter.fitting() {
                Fitting::ClosedForm => path.starts_with("head."),
                _ => trainable.contains(path),
            };
            let strays: Vec<_> = changed.iter().filter(|path| !allowed(path)).collect();
            assert!(strays.is_empty(), "{what}: frozen, but changed: {strays:?}");
            assert_eq!(changed.is_empty(), adapter.fitting() == Fitting::Nothing, "{what}");
        }
    }
}

/// Six videos are far fewer than the statistics, but enough for a multiple of what is read without training: were that
/// shrunk too, videos that were not trained on would be read nearer to the mean.
#[test]
fn statistics_stand_behind_what_is_read_without_training() {
    for entry in entries().iter().filter(|entry| reads_ef(entry)) {
        let encoder = nano(entry);
        let own = adapted("zero-shot", &encoder).unwrap();
        let stage = own.stage();
        let read = |data: &Clips<'_>| values_of(&predict(&own, &Clips { stage, ..data.clone() }, &device()).unwrap());
        let wanted =
            |data: &Clips<'_>| -> Vec<f32> { read(data).into_iter().map(|value| 0.5 * value + 10.0).collect() };
        let adapter = adapted("statistics", &encoder).unwrap();
        let train = samples(entry, &encoder, adapter.stage());
        let held = vec![80.0, 40.0, 55.0, 24.0, 66.0];
        let held = Clips { truths: truths(&held), brightness: held, ..train.clone() };
        let train = Clips { truths: truths(&wanted(&train)), ..train };
        let fitted = fit(adapter, &train, &config(1), &FitContext::new(1, &device()), |_| ()).unwrap().adapter;
        let (found, wanted) = (values_of(&predict(&fitted, &held, &device()).unwrap()), wanted(&held));
        let spread = wanted.iter().fold(0f32, |most, value| most.max((value - wanted[0]).abs()));
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 0.05 * spread, "{}: {found}, not {wanted}", entry.card.name);
        }
    }
}

#[test]
fn joins_that_contradict_each_other_say_why() {
    let encoder = nano(&ZOO[0]);
    let message = |name: &str| adapted(name, &encoder).map(|_| ()).unwrap_err().to_string();
    assert!(message("coop+linear").contains("coop and linear cannot be joined"), "{}", message("coop+linear"));
    assert!(message("lora+full").contains("both decide what of the encoder trains"), "{}", message("lora+full"));
    assert!(
        message("linear+coarse-to-fine").contains("needs a head of prompts"),
        "{}",
        message("linear+coarse-to-fine")
    );
    assert!(message("mfl+statistics").contains("both decide how frames become"), "{}", message("mfl+statistics"));
    assert!(message("attentive+mfl").contains("both decide how frames become"), "{}", message("attentive+mfl"));
    assert!(message("attentive+echozoom").contains("attends to tokens"), "{}", message("attentive+echozoom"));
    assert!(message("attentive+zero-shot").contains("trains nothing"), "{}", message("attentive+zero-shot"));
    let odd = adapted_with("attentive", "heads = 7", &encoder).map(|_| ()).unwrap_err().to_string();
    assert!(odd.contains("`heads` is 7, which does not divide"), "{odd}");
    for prompts in ["coop+statistics", "statistics+coarse-to-fine", "attentive+coop", "attentive+coarse-to-fine"] {
        assert!(message(prompts).contains("prompts are as long as"), "{prompts}: {}", message(prompts));
    }
    assert!(message("statistics+zero-shot").contains("trains nothing"), "{}", message("statistics+zero-shot"));
    assert!(message("mfl+zero-shot").contains("trains nothing"), "{}", message("mfl+zero-shot"));
    let outside = message("attentive-probe+lora");
    assert!(outside.contains("attentive-probe is an adapter of its own and cannot be joined"), "{outside}");
}

/// What full fine-tuning trains is what the card names, and all of it is reached: `fit` refuses parameters that the
/// prediction does not depend on.
#[test]
fn full_fine_tuning_trains_what_embeddings_depend_on() {
    for entry in &entries() {
        let adapter = adapted("full", &nano(entry)).unwrap();
        let paths = entry.card.parameters.video;
        for parameter in parameters(&adapter) {
            let Some(path) = parameter.path.strip_prefix("encoder.") else { continue };
            // Statistics of batch norms stay as they are.
            let named = paths.iter().any(|prefix| path.starts_with(prefix)) && !path.contains(".running_");
            assert_eq!(parameter.trainable, named, "{}: {path}", entry.card.name);
        }
    }
}

#[test]
fn settings_change_what_trains_and_every_choice_trains() {
    let entry = &ZOO[0];
    let encoder = nano(entry);
    let count = |adapter: &AnyAdapter, prefix: &str| -> usize {
        let parameters = parameters(adapter).into_iter();
        parameters.filter(|p| p.trainable && p.path.starts_with(prefix)).map(|p| p.count()).sum()
    };
    let all = count(&adapted("full", &encoder).unwrap(), "encoder.visual.");
    let choices = [
        ("full", "last_blocks = 1", 0.3..0.9),
        ("full", "frozen = [\"visual.trunk\"]", 0.01..0.3),
        ("full", "text = true\nhead = \"prompts\"", 1.0..1.01),
        ("lora", "rank = 2\nalpha = 4.0", 0.01..0.3),
        ("lora", "targets = [\"mlp.fc1\"]", 0.01..0.3),
        ("mfl", "trunk = \"tuned\"", 1.0..1.01),
        ("mfl", "init = \"random\"", 0.0..0.01),
        ("echozoom", "init = \"random\"", 0.0..0.01),
        ("echozoom", "norm = \"joint\"", 0.0..0.01),
        ("coarse-to-fine", "values = \"starts\"", 0.0..0.01),
        ("attentive", "blocks = 2", 0.0..0.01),
    ];
    for (name, settings, share) in choices {
        let adapter = adapted_with(name, settings, &encoder).unwrap();
        let found = count(&adapter, "encoder.visual.") as f64 / all as f64;
        assert!(share.contains(&found), "{name}, {settings}: {found} of the video tower trains");
        assert_eq!(count(&adapter, "encoder.text.") > 0, settings.contains("text = true"), "{name}, {settings}");
        let data = samples(entry, &encoder, adapter.stage());
        let fitted = fit(adapter, &data, &config(1), &FitContext::new(1, &device()), |_| ())
            .unwrap_or_else(|error| panic!("{name}, {settings}: {error}"));
        assert!(fitted.zero_gradients.is_empty(), "{name}, {settings}: {:?}", fitted.zero_gradients);
    }
    let message = |name, settings| adapted_with(name, settings, &encoder).map(|_| ()).unwrap_err().to_string();
    assert!(message("full", "last_blocks = 99").contains("99"), "{}", message("full", "last_blocks = 99"));
    assert!(message("full", "frozen = [\"trunk\"]").contains("\"trunk\""));
    assert!(message("lora", "targets = [\"attention\"]").contains("attention"));
}

/// The gradient of a linear head's bias is zero on as many samples of each class, and no sign that something is wrong.
#[test]
fn a_balanced_draw_warns_of_no_zero_gradient() {
    let entry = ZOO.iter().find(|entry| entry.card.name == "panecho").unwrap();
    let encoder = nano(entry);
    let adapter = adapted_for(&classes(Kind::Binary), "lora", "", &encoder).unwrap();
    let data = samples(entry, &encoder, adapter.stage());
    let data = Clips { truths: [0, 0, 1, 1, 1, 0].map(Truth::Class).to_vec(), ..data };
    let fitted = fit(adapter, &data, &training(1, 6, 1e-3), &FitContext::new(1, &device()), |_| ()).unwrap();
    assert!(fitted.zero_gradients.is_empty(), "{:?}", fitted.zero_gradients);
}

#[test]
fn a_head_that_measures_a_number_orders_the_classes_that_it_is_cut_into() {
    let entry = ZOO.iter().find(|entry| entry.card.name == "panecho").unwrap();
    let encoder = nano(entry);
    let data = samples(entry, &encoder, Stage::Embedding);
    let read = |task: &Task| {
        let adapter = adapted_for(task, "zero-shot", "", &encoder)?;
        Ok::<_, AdaptError>(predict(&adapter, &data, &device()).unwrap())
    };
    let values = values_of(&read(&ef()).unwrap());
    let mut task = classes(Kind::Binary);
    if let Answer::Classes(classification) = &mut task.answer {
        let bounds = vec![f64::from(values.iter().sum::<f32>()) / values.len() as f64];
        classification.cut = Some(Cut { unit: "%".to_owned(), bounds, descends: true });
    }
    assert!(read(&task).unwrap_err().to_string().contains("neither a head"));
    task.heads.insert("panecho".to_owned(), NativeHeads::Value("EF".to_owned()));
    let mut pairs: Vec<(f32, f32)> = values.into_iter().zip(read(&task).unwrap()).map(|(v, row)| (v, row[1])).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(pairs.windows(2).all(|pair| pair[0].1 > pair[1].1), "the lower the number, the likelier: {pairs:?}");
    assert!(pairs[0].1 > 0.5 && pairs[5].1 < 0.5, "{pairs:?}");
    task.heads.insert("panecho".to_owned(), NativeHeads::Value("EFF".to_owned()));
    assert!(read(&task).unwrap_err().to_string().contains("\"EFF\", which PanEcho has not in %"));
}

/// Every kind of task on every encoder: what trains lowers its loss below where it began, what is solved at once tells the
/// training samples apart, and each sample has a probability of every class.
#[test]
fn every_adapter_tells_classes_and_labels_apart() {
    for entry in &entries() {
        let encoder = nano(entry);
        for kind in [Kind::Binary, Kind::SingleLabel, Kind::Ordinal, Kind::MultiLabel] {
            let task = classes(kind);
            for name in adapters()
                .iter()
                .map(|entry| entry.name)
                .chain(["mfl+echozoom", "full+coop", "linear+echozoom"])
                .chain((kind == Kind::Ordinal).then_some("coop+coarse-to-fine"))
            {
                let what = format!("{} + {name}, {kind}", entry.card.name);
                let adapter = match adapted_for(&task, name, "", &encoder) {
                    Ok(adapter) => adapter,
                    Err(error) => {
                        let message = error.to_string();
                        let expected = match name {
                            "coarse-to-fine" if kind != Kind::Ordinal => "have no order",
                            "coarse-to-fine" => "grades have none",
                            "zero-shot-ranks" => "no `templates`",
                            "negation" if kind == Kind::MultiLabel => "no task of one class each",
                            "quality" if kind != Kind::Ordinal => "it gives grades",
                            "negation" | "quality" => "no second branch",
                            "zero-shot" if !entry.card.capabilities.text => "neither a head",
                            _ => panic!("{what}: {message}"),
                        };
                        assert!(message.contains(expected), "{what}: {message}");
                        continue;
                    }
                };
                let data = samples(entry, &encoder, adapter.stage());
                let class = |brightness: f32| usize::from(brightness > 40.0);
                let truth = |&brightness: &f32| match kind {
                    Kind::MultiLabel => Truth::Labels(vec![
                        Some(class(brightness) == 1),
                        (brightness > 30.0).then_some(class(brightness) == 0),
                    ]),
                    _ => Truth::Class(class(brightness)),
                };
                let data = Clips { truths: data.brightness.iter().map(truth).collect(), ..data };
                let fitted = fit(adapter.clone(), &data, &config(3), &FitContext::new(1, &device()), |_| ())
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(fitted.zero_gradients.is_empty(), "{what}: {:?}", fitted.zero_gradients);
                let rows = predict(&fitted.adapter, &data, &device()).unwrap();
                let probabilities = |row: &Vec<f32>| row.iter().all(|p| (0.0..=1.0).contains(p));
                assert!(rows.iter().all(|row| row.len() == task.outputs() && probabilities(row)), "{what}: {rows:?}");
                if kind != Kind::MultiLabel {
                    let sums = rows.iter().map(|row| row.iter().sum::<f32>());
                    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{what}: {rows:?}");
                }
                match adapter.fitting() {
                    Fitting::Nothing => {}
                    Fitting::ClosedForm => {
                        let of_class = |row: &Vec<f32>| if kind == Kind::MultiLabel { row[0] } else { row[1] };
                        let told = rows.iter().zip(&data.brightness);
                        let right = told
                            .filter(|(row, brightness)| (of_class(row) > 0.5) == (class(**brightness) == 1))
                            .count();
                        assert_eq!(right, rows.len(), "{what}: {rows:?}");
                    }
                    Fitting::Gradient => {
                        let curve: Vec<f64> = fitted.curve.iter().map(|epoch| epoch.loss).collect();
                        // A second branch is also kept away from the first.
                        assert!(
                            curve[2] < curve[0]
                                && (name == "negation")
                                    ^ (curve == fitted.curve.iter().map(|e| e.cross_entropy).collect::<Vec<_>>()),
                            "{what}: {curve:?}"
                        );
                    }
                }
            }
        }
    }
}

/// Weights with a classifier of views read the task by it: a softmax over the two views of all that it tells apart, of logits
/// whose probabilities are averaged over a sample's clips.
#[test]
fn a_classifier_of_views_is_read_without_training() {
    let view = Some(echo_nn::ConvNextConfig { depths: [1; 4], dims: [4, 8, 12, 16] });
    let config = echoprime::EchoPrimeConfig { view, ..echoprime::EchoPrimeConfig::nano() };
    let model = config.init(Ok(echoprime::WordPiece::nano()), &device());
    let encoder = AnyEncoder::new(echo_weights::randomize(model, 1)).freeze();
    let task = echo_data::Target::shipped("view").task;
    let adapter = adapted_for(&task, "zero-shot", "", &encoder).unwrap();
    assert_eq!(adapter.stage(), Stage::Clip);
    let entry = ZOO.iter().find(|entry| entry.card.name == "echoprime").unwrap();
    let clip = clips(entry, 4, 7);
    let found = adapter.predict(Features::Clip(clip.clone(), 2));
    let logits = encoder.view_logits(clip).unwrap();
    let views = burn::tensor::activation::softmax(logits, 1).into_data().iter::<f32>().collect::<Vec<_>>();
    let place = |name: &str| entry.card.capabilities.views.iter().position(|view| *view == name).unwrap();
    let count = entry.card.capabilities.views.len();
    for (sample, found) in found.iter().enumerate() {
        let mean = |name: &str| (0..2).map(|clip| views[(2 * sample + clip) * count + place(name)]).sum::<f32>() / 2.0;
        let (a4c, a2c) = (mean("A4C"), mean("A2C"));
        let expected = a4c / (a4c + a2c);
        assert!((found[0] - expected).abs() < 1e-5 && (found[1] - 1.0 + expected).abs() < 1e-5, "{found:?} {expected}");
    }
}
