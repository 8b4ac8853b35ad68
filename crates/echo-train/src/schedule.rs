//! The learning rate at a step.

use crate::{ScheduleConfig, TrainConfig};

/// Learning rate in `epoch` (from 0): schedules move once per epoch, as CoOp's and CardiacCLIP's do.
pub(crate) fn learning_rate(config: &TrainConfig, epoch: usize) -> f64 {
    let peak = config.optimizer.lr();
    match config.schedule {
        ScheduleConfig::Constant => peak,
        ScheduleConfig::Cosine { warmup_epochs, warmup_lr: Some(constant), .. } if epoch < warmup_epochs => constant,
        ScheduleConfig::Cosine { warmup_epochs, .. } | ScheduleConfig::Step { warmup_epochs, .. }
            if epoch < warmup_epochs =>
        {
            peak * (epoch + 1) as f64 / warmup_epochs as f64
        }
        // The cosine runs over all epochs, warm-up included: CoOp's warm-up replaces its first steps.
        ScheduleConfig::Cosine { end, .. } => {
            let progress = epoch as f64 / config.epochs as f64;
            let part = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
            peak * (end + (1.0 - end) * part)
        }
        ScheduleConfig::Step { warmup_epochs, every, factor } => {
            peak * factor.powf(((epoch - warmup_epochs) / every) as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AugmentConfig, LossWeights, OptimizerConfig, RateFactors, SoftTargets};

    fn rates(schedule: ScheduleConfig) -> Vec<f64> {
        let config = TrainConfig {
            epochs: 10,
            batch: 1,
            max_views: None,
            micro_batch: None,
            recompute: false,
            clip_norm: None,
            optimizer: OptimizerConfig::Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 0.0 },
            schedule,
            rates: RateFactors::default(),
            loss: LossWeights { cross_entropy: 1.0, kl: 0.0, l1: 0.0, huber: 0.0 },
            augment: AugmentConfig::default(),
            soft_targets: SoftTargets::default(),
        };
        (0..10).map(|epoch| learning_rate(&config, epoch)).collect()
    }

    #[test]
    fn cosine_follows_a_constant_warm_up() {
        let rates = rates(ScheduleConfig::Cosine { warmup_epochs: 1, warmup_lr: Some(1e-5), end: 0.0 });
        assert_eq!(rates[0], 1e-5);
        // PyTorch's CosineAnnealingLR(T_max = 10) from 2e-3, after 1, 5 and 9 steps.
        for (epoch, expected) in [(1, 1.951056516295154e-3), (5, 1e-3), (9, 4.894348370484651e-5)] {
            assert!((rates[epoch] - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn cosine_follows_a_rising_warm_up_and_ends_above_zero() {
        let rates = rates(ScheduleConfig::Cosine { warmup_epochs: 4, warmup_lr: None, end: 0.01 });
        // A line for four epochs, then PyTorch's CosineAnnealingLR(T_max = 10, eta_min = 2e-5).
        for (epoch, expected) in
            [(0, 5e-4), (3, 2e-3), (4, 1.315926824431198e-3), (5, 1.01e-3), (9, 6.845404886779801e-5)]
        {
            assert!((rates[epoch] - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn steps_follow_a_rising_warm_up() {
        let rates = rates(ScheduleConfig::Step { warmup_epochs: 2, every: 3, factor: 0.1 });
        for (epoch, expected) in [(0, 1e-3), (1, 2e-3), (2, 2e-3), (4, 2e-3), (5, 2e-4), (8, 2e-5)] {
            assert!((rates[epoch] - expected).abs() < 1e-15, "{rates:?}");
        }
    }
}
