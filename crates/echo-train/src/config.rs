//! Training settings: the `[train]` table of a recipe.

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// How an adapter is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training samples.
    pub epochs: usize,
    /// At most so many clips are looked at in all, repetitions counted: with many of them there are fewer epochs, but one
    /// at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_views: Option<usize>,
    /// Samples in a step; the last step of an epoch may have fewer.
    pub batch: usize,
    /// Samples that are in memory at a time; a step over more of them accumulates their gradients, equal to the whole
    /// batch's to rounding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// Blocks of the encoder keep only what goes into them, and are computed again on the way back: less memory, more time
    /// (docs/speed.md), and the same gradients to rounding. On the CPU alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recompute: bool,
    /// Largest Euclidean norm of all gradients together; larger ones are scaled down to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// Factors on the learning rate.
    #[serde(default)]
    pub rates: RateFactors,
    /// Weights of the losses.
    pub loss: LossWeights,
    /// Other looks at the training videos.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// What classes are learnt from beside the right one.
    #[serde(default, skip_serializing_if = "SoftTargets::is_off")]
    pub soft_targets: SoftTargets,
}

/// Targets of a cross-entropy that are not all of one class. For tasks of one class each; all off where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftTargets {
    /// The part of every target that is spread evenly over all classes (Szegedy et al., CVPR 2016).
    #[serde(default)]
    pub smoothing: f64,
    /// Both parameters of the beta distribution that shares of mixed clips and labels are drawn from (mixup, Zhang et al., ICLR
    /// 2018); 0 for none. It mixes pixels: for adapters that see clips alone.
    #[serde(default)]
    pub mixup: f64,
    /// The same of the area that is left beside a box of another clip (CutMix, Yun et al., ICCV 2019). With both, each step tosses
    /// for one.
    #[serde(default)]
    pub cutmix: f64,
}

impl SoftTargets {
    /// The least and the greatest parameter of a share's distribution.
    const ALPHA: [f64; 2] = [0.1, 4.0];

    /// Whether targets are of one class, of clips as they are.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Whether samples are mixed.
    pub(crate) fn mixes(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0
    }
}

/// How training sees more of its videos than their first look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentConfig {
    /// Looks at each video, one for each epoch in turn; 0 for the plain one alone. Those of a frozen stage are computed
    /// once; where the encoder trains, every epoch has a new one.
    pub views: usize,
    /// Frames are moved up to this part of their side, at random, and black comes in.
    #[serde(default)]
    pub pad: f64,
    /// Clips begin anywhere in their video.
    #[serde(default)]
    pub random_start: bool,
}

/// An optimizer and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent as PyTorch's: momentum without dampening, decay added to the gradient.
    Sgd {
        /// Peak learning rate.
        lr: f64,
        /// Momentum; 0 for none.
        momentum: f64,
        /// Weight decay; 0 for none.
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    AdamW {
        /// Peak learning rate.
        lr: f64,
        /// Weight decay; 0 for none.
        weight_decay: f64,
        /// How slowly the means of gradients and of their squares forget.
        #[serde(default = "usual_betas", skip_serializing_if = "are_usual")]
        betas: [f64; 2],
    },
    /// Adam with a rectified variance (Liu et al., ICLR 2020) as PyTorch's: decay added to the gradient.
    RAdam {
        /// Peak learning rate.
        lr: f64,
        /// Weight decay; 0 for none.
        weight_decay: f64,
    },
}

fn usual_betas() -> [f64; 2] {
    OptimizerConfig::BETAS
}

fn are_usual(betas: &[f64; 2]) -> bool {
    *betas == OptimizerConfig::BETAS
}

impl OptimizerConfig {
    /// PyTorch's betas of AdamW.
    pub const BETAS: [f64; 2] = [0.9, 0.999];

    /// Peak learning rate.
    pub fn lr(&self) -> f64 {
        match self {
            OptimizerConfig::Sgd { lr, .. } | OptimizerConfig::AdamW { lr, .. } | OptimizerConfig::RAdam { lr, .. } => {
                *lr
            }
        }
    }
}

/// The learning rate over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// The peak throughout.
    Constant,
    /// Warm-up for `warmup_epochs`, then what is left of half a cosine over all epochs, from the peak to its part `end`.
    Cosine {
        /// Epochs of warm-up.
        warmup_epochs: usize,
        /// Learning rate during warm-up; without it, a line from zero to the peak.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warmup_lr: Option<f64>,
        /// What is left of the peak at the end, from 0 to 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        end: f64,
    },
    /// A line from zero to the peak over `warmup_epochs`, then the peak times `factor` after every `every` epochs.
    Step {
        /// Epochs of warm-up.
        warmup_epochs: usize,
        /// Epochs between falls.
        every: usize,
        /// What each fall multiplies by.
        factor: f64,
    },
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Factors on the learning rate of groups of parameters; 0 leaves a group as it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateFactors {
    /// The video tower.
    #[serde(default = "one")]
    pub encoder: f64,
    /// The text tower.
    #[serde(default = "one")]
    pub text: f64,
    /// Everything that the adapter adds.
    #[serde(default = "one")]
    pub head: f64,
}

impl Default for RateFactors {
    fn default() -> Self {
        Self { encoder: 1.0, text: 1.0, head: 1.0 }
    }
}

fn one() -> f64 {
    1.0
}

/// Weights of the losses in their sum; 0 leaves one out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Cross-entropy of the rank logits.
    pub cross_entropy: f64,
    /// OrdinalCLIP's text-to-image divergence of the rank logits.
    pub kl: f64,
    /// Absolute error of the predicted value.
    pub l1: f64,
    /// Huber's loss of the predicted value, quadratic below an error of 2.
    #[serde(default)]
    pub huber: f64,
}

impl AugmentConfig {
    /// The most looks at a video.
    pub const MAX_VIEWS: usize = 1000;
}

impl TrainConfig {
    /// The most passes over the samples.
    pub const MAX_EPOCHS: usize = 100_000;

    /// Far above what trains anything: a larger learning rate, factor or decay is a slip.
    const MAX_RATE: f64 = 1000.0;

    /// The same with no more epochs than [`max_views`](Self::max_views) allows when one looks at `clips` clips.
    pub fn within_views(&self, clips: usize) -> Self {
        let most = self.max_views.map_or(self.epochs, |views| (views / clips.max(1)).max(1));
        Self { epochs: self.epochs.min(most), ..self.clone() }
    }

    /// # Errors
    /// A setting with which training cannot run.
    pub fn validate(&self) -> Result<(), TrainError> {
        let LossWeights { cross_entropy, kl, l1, huber } = self.loss;
        let losses = [cross_entropy, kl, l1, huber];
        let RateFactors { encoder, text, head } = self.rates;
        let not_negative = |values: &[f64]| values.iter().all(|value| value.is_finite() && *value >= 0.0);
        let is_rate = |value: f64| (0.0..=Self::MAX_RATE).contains(&value);
        let (weight_decay, momentum) = match self.optimizer {
            OptimizerConfig::Sgd { weight_decay, momentum, .. } => (weight_decay, momentum),
            OptimizerConfig::AdamW { weight_decay, .. } | OptimizerConfig::RAdam { weight_decay, .. } => {
                (weight_decay, 0.0)
            }
        };
        let (warmup_epochs, warmup_lr, factor, end) = match self.schedule {
            ScheduleConfig::Constant => (0, 0.0, 1.0, 0.0),
            ScheduleConfig::Cosine { warmup_epochs, warmup_lr, end } => {
                (warmup_epochs, warmup_lr.unwrap_or(0.0), 1.0, end)
            }
            ScheduleConfig::Step { warmup_epochs, factor, .. } => (warmup_epochs, 0.0, factor, 0.0),
        };
        let betas = match self.optimizer {
            OptimizerConfig::AdamW { betas, .. } => betas,
            OptimizerConfig::Sgd { .. } | OptimizerConfig::RAdam { .. } => OptimizerConfig::BETAS,
        };
        let [least, most] = SoftTargets::ALPHA;
        let is_alpha = |alpha: f64| alpha == 0.0 || (least..=most).contains(&alpha);
        let complaint = if self.epochs == 0 || self.max_views == Some(0) {
            "epochs and max_views must be 1 or more"
        } else if self.batch == 0 || self.micro_batch == Some(0) {
            "batch and micro_batch must be 1 or more"
        } else if !(is_rate(self.optimizer.lr()) && self.optimizer.lr() > 0.0) {
            "optimizer.lr must be positive and not more than 1000"
        } else if self.epochs > Self::MAX_EPOCHS {
            "epochs must not be more than 100000"
        } else if warmup_epochs > self.epochs {
            "schedule.warmup_epochs must not be more than epochs, or warm-up never ends"
        } else if !is_rate(weight_decay) {
            "optimizer.weight_decay must not be negative or more than 1000"
        } else if !(0.0..1.0).contains(&momentum) {
            "optimizer.momentum must be at least 0 and less than 1"
        } else if !betas.iter().all(|beta| (0.0..1.0).contains(beta)) {
            "optimizer.betas must be at least 0 and less than 1"
        } else if !(0.0..=1.0).contains(&end) {
            "schedule.end must be from 0 to 1, a part of the peak"
        } else if !is_rate(warmup_lr) {
            "schedule.warmup_lr must not be negative or more than 1000"
        } else if !(is_rate(factor) && factor > 0.0) {
            "schedule.factor must be positive and not more than 1000"
        } else if self.augment.views > AugmentConfig::MAX_VIEWS {
            "augment.views must not be more than 1000: each is computed and kept of every training video"
        } else if self.clip_norm.is_some_and(|norm| !norm.is_finite() || norm <= 0.0) {
            "clip_norm must be positive"
        } else if matches!(self.schedule, ScheduleConfig::Step { every: 0, .. }) {
            "schedule.every must be 1 or more"
        } else if ![encoder, text, head].into_iter().all(is_rate) {
            "rates must not be negative or more than 1000"
        } else if !not_negative(&losses) {
            "loss weights must not be negative"
        } else if !(0.0..=0.5).contains(&self.augment.pad) {
            "augment.pad must be from 0 to 0.5, a part of the frame's side"
        } else if !(0.0..1.0).contains(&self.soft_targets.smoothing) {
            "soft_targets.smoothing must be at least 0 and less than 1"
        } else if ![self.soft_targets.mixup, self.soft_targets.cutmix].into_iter().all(is_alpha) {
            "soft_targets.mixup and soft_targets.cutmix must be 0, for none, or from 0.1 to 4"
        } else if losses.iter().sum::<f64>() == 0.0 {
            "at least one loss must have a weight"
        } else {
            return Ok(());
        };
        Err(TrainError::Config(complaint.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_which_training_cannot_run_are_named() {
        let good = "epochs = 2\nbatch = 2\noptimizer = { kind = \"sgd\", lr = 0.1, momentum = 0.9, weight_decay = 0.0 }\n\
                    schedule = { kind = \"cosine\", warmup_epochs = 0, warmup_lr = 0.0 }\n\
                    loss = { cross_entropy = 0.0, kl = 0.0, l1 = 1.0 }\naugment = { views = 3 }";
        let complaint = |from: &str, to: &str| {
            assert!(good.contains(from));
            toml::from_str::<TrainConfig>(&good.replacen(from, to, 1)).unwrap().validate().err().map(|e| e.to_string())
        };
        assert_eq!(complaint("epochs = 2", "epochs = 2"), None);
        for (from, to, named) in [
            ("epochs = 2", "epochs = 9223372036854775807", "epochs"),
            ("weight_decay = 0.0", "weight_decay = -0.1", "weight_decay"),
            ("weight_decay = 0.0", "weight_decay = nan", "weight_decay"),
            ("momentum = 0.9", "momentum = 1.0", "momentum"),
            ("warmup_lr = 0.0", "warmup_lr = -1.0", "warmup_lr"),
            ("warmup_lr = 0.0", "end = 1.5", "schedule.end"),
            ("warmup_lr = 0.0", "end = nan", "schedule.end"),
            ("warmup_lr = 0.0", "warmup_lr = inf", "warmup_lr"),
            ("lr = 0.1", "lr = inf", "optimizer.lr"),
            ("lr = 0.1", "lr = 1e30", "optimizer.lr"),
            ("weight_decay = 0.0", "weight_decay = 1e38", "weight_decay"),
            ("warmup_epochs = 0", "warmup_epochs = 9223372036854775807", "warmup_epochs"),
            ("epochs = 2", "rates = { head = 1e38 }\nepochs = 2", "rates"),
            ("views = 3", "views = 9223372036854775807", "augment.views"),
            ("views = 3", "views = 3, pad = nan", "augment.pad"),
            ("epochs = 2", "soft_targets = { smoothing = 1.0 }\nepochs = 2", "soft_targets.smoothing"),
            ("epochs = 2", "soft_targets = { mixup = -0.5 }\nepochs = 2", "soft_targets.mixup"),
            ("epochs = 2", "soft_targets = { cutmix = nan }\nepochs = 2", "soft_targets.cutmix"),
            (
                "kind = \"cosine\", warmup_epochs = 0, warmup_lr = 0.0",
                "kind = \"step\", warmup_epochs = 0, every = 1, factor = -1.0",
                "factor",
            ),
        ] {
            assert!(complaint(from, to).is_some_and(|complaint| complaint.contains(named)), "{to}");
        }
    }

    #[test]
    fn epochs_are_cut_to_the_views_that_are_allowed_but_one_stays() {
        let config = TrainConfig {
            epochs: 20,
            max_views: Some(1500),
            batch: 2,
            micro_batch: None,
            recompute: false,
            clip_norm: None,
            optimizer: OptimizerConfig::AdamW { lr: 1.0, weight_decay: 0.0, betas: OptimizerConfig::BETAS },
            schedule: ScheduleConfig::Constant,
            rates: RateFactors::default(),
            loss: LossWeights { cross_entropy: 0.0, kl: 0.0, l1: 1.0, huber: 0.0 },
            augment: AugmentConfig::default(),
            soft_targets: SoftTargets::default(),
        };
        let epochs = |clips| config.within_views(clips).epochs;
        assert_eq!([66, 75, 76, 512, 750, 1501].map(epochs), [20, 20, 19, 2, 2, 1]);
        assert_eq!(TrainConfig { max_views: None, ..config.clone() }.within_views(9000).epochs, 20);
        assert!(TrainConfig { max_views: Some(0), ..config }.validate().is_err());
    }
}
