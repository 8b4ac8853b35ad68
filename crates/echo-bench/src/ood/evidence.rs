//! What an encoder makes of the samples, and what detectors read of it.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use echo_adapt::{ClassPrompts, logistic};
use echo_clinical::ood::{Embeddings, Evidence, Rows, YesNo};
use echo_core::{AnyEncoder, Stage, l2_normalize};
use echo_data::{Feature, FeatureCache};
use echo_report::Excluded;
use echo_weights::Built;

use super::samples::{Draw, Sample, Samples};
use super::{OodConfig, OodEnvironment};
use crate::cell::features::{Embedder, Wanted};
use crate::cell::seen::Seen;
use crate::config::clip_change::ClipChange;
use crate::{BenchError, View};

/// By video the mean over its clips of embeddings at length one.
type Means = BTreeMap<usize, Vec<f64>>;

/// What is known through one encoder.
pub(super) struct Knowledge {
    videos: Means,
    /// Of each class in distribution the direction of its prompts, where the encoder has a text tower.
    prompts: Option<Vec<Vec<f64>>>,
    /// Where it has a second branch.
    denial: Option<Denial>,
    /// Clips that were computed, not read from the cache.
    pub(super) computed: usize,
}

/// What a second branch knows.
struct Denial {
    videos: Means,
    sentences: Sentences,
}

/// Of each class in distribution the directions of a sentence that affirms it and of one that denies it, and the factor on cosines.
struct Sentences {
    shown: Vec<Vec<f64>>,
    denied: Vec<Vec<f64>>,
    scale: f64,
}

/// What detectors read, of the test samples: after a draw, or without any.
pub(super) enum Fitted {
    Draw {
        head: Rows,
        train: Rows,
        classes: Vec<usize>,
        samples: Rows,
        neighbours: usize,
    },
    Prompts {
        cosines: Rows,
        /// Logits that affirm and that deny each class, of an encoder with a second branch.
        yes_no: Option<[Rows; 2]>,
    },
}

impl Knowledge {
    /// Embeds all videos that some sample uses, or finds them in the cache. What cannot be used is excluded.
    ///
    /// # Errors
    /// The cache cannot be written, or a prompt is too long for the text tower.
    pub(super) fn of(
        built: &Built,
        config: &OodConfig,
        environment: &OodEnvironment,
        samples: &mut Samples,
        cache: &FeatureCache,
    ) -> Result<Self, BenchError> {
        let used: Vec<usize> = samples.used().collect();
        let videos: Vec<(usize, Wanted<'_>)> = used
            .iter()
            .filter_map(|&index| {
                let video = &samples.videos[index];
                Some((index, Wanted { path: &video.path, digest: video.digest? }))
            })
            .collect();
        let wanted: Vec<Wanted<'_>> = videos.iter().map(|(_, wanted)| *wanted).collect();
        // As the benchmark sees them, so that one finds what the other has computed.
        let seen = Seen::new(built.preset, View::of(&config.bench), &ClipChange::default());
        let OodEnvironment { device, device_name, precision, observer, .. } = environment;
        let options = config.bench.open_options();
        // Sentences that do not fit the text tower are found before anything is embedded.
        let sentences = precision.run(|| Sentences::new(&built.encoder, samples))?;
        let prompts = built.encoder.text().map(|text| -> Result<_, BenchError> {
            let prompts = precision.run(|| ClassPrompts::new(&samples.task, text, device))?.prompts();
            let rows = rows_of(prompts);
            Ok(samples.classes.inside().iter().map(|&class| rows[class].clone()).collect())
        });
        let prompts = prompts.transpose()?;
        let embedder = Embedder {
            built,
            spec: &seen.spec,
            view: seen.view,
            cache,
            options: &options,
            device,
            device_name,
            precision: *precision,
            stages: match &sentences {
                Some(_) => &[Stage::Embedding, Stage::SecondEmbedding],
                None => &[Stage::Embedding],
            },
            observer: observer.as_ref(),
        };
        let mut embedded = embedder.embed(&wanted)?;
        let truncated = embedded.truncated.into_iter().map(|(place, missing)| (place, format!("truncated: {missing}")));
        let used = truncated.chain(embedded.noted).map(|(place, reason)| (place, true, reason));
        let failed = embedded.failed.into_iter().map(|(place, reason)| (place, false, reason));
        let excluded: Vec<Excluded> = used
            .chain(failed)
            .map(|(place, used, reason)| {
                let video = samples.videos[videos[place].0].name.clone();
                Excluded { video, used, reason }
            })
            .collect();
        let mut means = |stage| -> Means {
            let features = embedded.features.remove(&stage).unwrap_or_default();
            features.into_iter().map(|(place, feature)| (videos[place].0, mean_direction(&feature))).collect()
        };
        let known = means(Stage::Embedding);
        let denial = sentences.map(|sentences| Denial { videos: means(Stage::SecondEmbedding), sentences });
        samples.excluded.extend(excluded);
        Ok(Self { videos: known, prompts, denial, computed: embedded.computed })
    }

    /// Whether a video could be embedded.
    pub(super) fn knows(&self, video: usize) -> bool {
        self.videos.contains_key(&video)
    }

    /// Whether some video of a sample could be.
    pub(super) fn has(&self, sample: &Sample) -> bool {
        sample.videos.iter().any(|&video| self.knows(video))
    }

    /// See [`mean_of`].
    fn mean(&self, sample: &Sample) -> Vec<f64> {
        mean_of(&self.videos, sample)
    }

    /// What is read of the `test` samples after a draw: logits of a logistic regression, as the adapter `linear` fits it, and
    /// embeddings at length one.
    ///
    /// # Errors
    /// No sample of the draw, or fewer than the neighbours, could be embedded.
    pub(super) fn fit(
        &self,
        draw: &Draw,
        test: &[&Sample],
        samples: &Samples,
        neighbours: usize,
    ) -> Result<Fitted, BenchError> {
        let labelled: Vec<(Vec<f64>, usize)> = draw
            .samples
            .iter()
            .filter(|sample| self.has(sample))
            .filter_map(|sample| Some((self.mean(sample), sample.class?)))
            .collect();
        let (train, classes): (Vec<Vec<f64>>, Vec<usize>) = labelled.into_iter().unzip();
        let dim = train.first().map_or(0, Vec::len);
        // Values of order one, whatever the width.
        let scale = (dim as f64).sqrt();
        let scaled = |row: &Vec<f64>| row.iter().map(|value| value * scale).collect::<Vec<f64>>();
        let outputs = samples.classes.inside().len();
        let train_units = Rows::new("training embeddings", train.iter().flat_map(|row| unit(row)).collect(), dim)?;
        let (weights, intercepts) =
            logistic(&train.iter().flat_map(scaled).collect::<Vec<f64>>(), dim, &classes, outputs);
        let means: Vec<Vec<f64>> = test.iter().map(|sample| self.mean(sample)).collect();
        let logits = means.iter().map(scaled).flat_map(|row| {
            let mut logits = intercepts.clone();
            for (value, weights) in row.iter().zip(weights.chunks_exact(outputs)) {
                logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += value * weight);
            }
            logits
        });
        Ok(Fitted::Draw {
            head: Rows::new("logits", logits.collect(), outputs)?,
            train: train_units,
            classes,
            samples: Rows::new("embeddings", means.iter().flat_map(|row| unit(row)).collect(), dim)?,
            neighbours,
        })
    }

    /// What is read of the `test` samples without a labelled one, where there is something.
    ///
    /// # Errors
    /// A cosine is not finite.
    pub(super) fn zero_shot(&self, test: &[&Sample]) -> Result<Option<Fitted>, BenchError> {
        let Some(prompts) = &self.prompts else { return Ok(None) };
        // The cosines of a sample's mean to directions, times a factor.
        let rows = |what, means: &Means, directions: &[Vec<f64>], scale: f64| {
            let of_sample = |sample: &&Sample| {
                let mean = mean_of(means, sample);
                let along = move |to: &Vec<f64>| scale * mean.iter().zip(to).map(|(a, b)| a * b).sum::<f64>();
                directions.iter().map(along).collect::<Vec<f64>>()
            };
            Rows::new(what, test.iter().flat_map(of_sample).collect(), directions.len())
        };
        let yes_no = |Denial { videos, sentences: Sentences { shown, denied, scale } }: &Denial| {
            let yes = rows("logits of yes", &self.videos, shown, *scale)?;
            let no = rows("logits of no", videos, denied, *scale)?;
            Ok::<_, BenchError>([yes, no])
        };
        let yes_no = self.denial.as_ref().map(yes_no).transpose()?;
        Ok(Some(Fitted::Prompts { cosines: rows("cosines", &self.videos, prompts, 1.0)?, yes_no }))
    }
}

impl Fitted {
    /// What detectors read.
    ///
    /// # Errors
    /// There are fewer labelled samples than neighbours are asked for.
    pub(super) fn evidence(&self) -> Result<Evidence<'_>, BenchError> {
        Ok(match self {
            Self::Draw { head, train, classes, samples, neighbours } => Evidence {
                head: Some(head),
                embeddings: Some(Embeddings::new(train, classes, samples, *neighbours)?),
                ..Evidence::default()
            },
            Self::Prompts { cosines, yes_no } => Evidence {
                prompts: Some(cosines),
                yes_no: yes_no.as_ref().map(|[yes, no]| YesNo::new(yes, no)).transpose()?,
                ..Evidence::default()
            },
        })
    }

    /// Logits, or cosines, of the classes in distribution.
    pub(super) fn classifier(&self) -> &Rows {
        match self {
            Self::Draw { head, .. } => head,
            Self::Prompts { cosines, .. } => cosines,
        }
    }

    /// Labelled samples.
    pub(super) fn train(&self) -> usize {
        match self {
            Self::Draw { train, .. } => train.len(),
            Self::Prompts { .. } => 0,
        }
    }
}

impl Sentences {
    /// None for encoders without a second branch.
    ///
    /// # Errors
    /// A sentence is too long for the text tower.
    fn new(encoder: &AnyEncoder, samples: &Samples) -> Result<Option<Self>, BenchError> {
        let Some(negation) = encoder.negation() else { return Ok(None) };
        let names = samples.classes.inside_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let directions = |sentences| rows_of(l2_normalize(sentences));
        Ok(Some(Self {
            shown: directions(negation.shown(&names)?),
            denied: directions(negation.denied(&names)?),
            scale: f64::from(negation.logit_scale().exp().into_scalar::<f32>()),
        }))
    }
}

/// The rows of a matrix.
fn rows_of(matrix: Tensor<2>) -> Vec<Vec<f64>> {
    let [_, columns] = matrix.dims();
    let values: Vec<f64> = matrix.into_data().iter::<f32>().map(f64::from).collect();
    values.chunks(columns.max(1)).map(<[f64]>::to_vec).collect()
}

/// The mean over all clips of a sample of which there are some.
fn mean_of(videos: &Means, sample: &Sample) -> Vec<f64> {
    let known: Vec<&Vec<f64>> = sample.videos.iter().filter_map(|video| videos.get(video)).collect();
    let dim = known.first().map_or(0, |row| row.len());
    (0..dim).map(|place| known.iter().map(|row| row[place]).sum::<f64>() / known.len() as f64).collect()
}

/// The mean over the rows of a feature, `[clips, dim]`, each at length one.
fn mean_direction(feature: &Feature) -> Vec<f64> {
    let [clips, dim] = feature.shape;
    let mut mean = vec![0.0; dim];
    for row in feature.values.chunks_exact(dim) {
        let row: Vec<f64> = row.iter().copied().map(f64::from).collect();
        mean.iter_mut().zip(unit(&row)).for_each(|(sum, value)| *sum += value / clips as f64);
    }
    mean
}

/// At length one; zero stays zero.
fn unit(row: &[f64]) -> Vec<f64> {
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    row.iter().map(|value| if length > 0.0 { value / length } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_weigh_the_same_whatever_their_length_and_studies_are_the_mean_of_their_videos() {
        let feature = |values: Vec<f32>| Feature { shape: [values.len() / 2, 2], values, note: String::new() };
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        near(mean_direction(&feature(vec![3.0, 0.0, 0.0, 100.0])), [0.5, 0.5]);
        near(unit(&[0.5, 0.5]), [0.5f64.sqrt(), 0.5f64.sqrt()]);
        near(unit(&[0.0, 0.0]), [0.0, 0.0]);
        let videos = BTreeMap::from([(4, vec![1.0, 0.0]), (7, vec![0.0, 1.0])]);
        let denial = Denial {
            videos: BTreeMap::from([(4, vec![0.0, 1.0])]),
            sentences: Sentences { shown: vec![vec![1.0, 0.0]], denied: vec![vec![0.6, 0.8]], scale: 10.0 },
        };
        let prompts = Some(vec![vec![0.6, 0.8]]);
        let knowledge = Knowledge { videos, prompts, denial: Some(denial), computed: 0 };
        let sample = |videos: &[usize]| Sample { videos: videos.to_vec(), class: None, patient: None };
        near(knowledge.mean(&sample(&[4, 5, 7])), [0.5, 0.5]);
        assert!(knowledge.has(&sample(&[5, 7])) && !knowledge.has(&sample(&[5])));
        let found = knowledge.zero_shot(&[&sample(&[4]), &sample(&[4, 7])]).unwrap().unwrap();
        near(found.classifier().iter().flatten().copied().collect(), [0.6, 0.7]);
        // What the second branch makes of a video meets what it makes of sentences.
        let Some(Fitted::Prompts { yes_no: Some([yes, no]), .. }) = knowledge.zero_shot(&[&sample(&[4])]).unwrap()
        else {
            panic!("it has a second branch");
        };
        near([yes, no].iter().flat_map(|rows| rows.iter().flatten().copied()).collect(), [10.0, 8.0]);
    }
}
