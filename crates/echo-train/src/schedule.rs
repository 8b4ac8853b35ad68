//! The learning rate at a step.

use crate::{ScheduleConfig, TrainConfig};

/// Learning rate in `epoch` (from 0): schedules move once per epoch, as CoOp's and CardiacCLIP's do.
pub fn learning_rate(config: &TrainConfig, epoch: usize) -> f64 {
    let peak = config.optimizer.lr();
    match config.schedule {
        ScheduleConfig::Constant => peak,
        ScheduleConfig::Cosine { warmup_epochs, warmup_lr } if epoch < warmup_epochs => warmup_lr,
        // The cosine runs over all epochs, warm-up included: CoOp's warm-up replaces its first steps.
        ScheduleConfig::Cosine { .. } => {
            let progress = epoch as f64 / config.epochs as f64;
            peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LossWeights, OptimizerConfig};

    #[test]
    fn cosine_follows_a_constant_warm_up() {
        let config = TrainConfig {
            epochs: 10,
            batch: 1,
            optimizer: OptimizerConfig::Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 0.0 },
            schedule: ScheduleConfig::Cosine { warmup_epochs: 1, warmup_lr: 1e-5 },
            loss: LossWeights { cross_entropy: 1.0, kl: 0.0, l1: 0.0 },
        };
        let rates: Vec<f64> = (0..10).map(|epoch| learning_rate(&config, epoch)).collect();
        assert_eq!(rates[0], 1e-5);
        // PyTorch's CosineAnnealingLR(T_max = 10) from 2e-3, after 1, 5 and 9 steps.
        for (epoch, expected) in [(1, 1.951056516295154e-3), (5, 1e-3), (9, 4.894348370484651e-5)] {
            assert!((rates[epoch] - expected).abs() < 1e-12, "{rates:?}");
        }
    }
}
