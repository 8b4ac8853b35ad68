//! Mixed samples: mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019), one of them for all samples of a step.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use echo_core::Features;
use echo_random::Stream;

use crate::{SoftTargets, TrainError};

/// How the samples of a step are mixed, each with another of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blend {
    kind: Kind,
    /// For every sample the one that is mixed in; some are their own.
    partners: BTreeMap<usize, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Pixels are weighted sums; this is the weight of a sample's own.
    Mixup(f64),
    /// A box of all frames is the other's, with so much of the frame left, before the edge cuts it, and its centre at this part
    /// of the height and of the width.
    CutMix { left: f64, center: [f64; 2] },
}

/// Rows and columns of a box.
type Window = [[usize; 2]; 2];

impl Blend {
    /// A step's, by the settings; none where they ask for none. Samples are mixed within their group: others have another
    /// shape. Shares are drawn from a beta distribution with two equal parameters; with both kinds, one is tossed for.
    pub(crate) fn draw(targets: &SoftTargets, groups: &[Vec<usize>], seed: u64, step: u64) -> Option<Self> {
        let SoftTargets { mixup, cutmix, .. } = *targets;
        let mut stream = Stream::new(seed, "train/blend", step);
        let kind = match (mixup > 0.0, cutmix > 0.0) {
            (false, false) => return None,
            (true, false) => Kind::Mixup(beta(&mut stream, mixup)),
            (true, true) if stream.uniform() >= 0.5 => Kind::Mixup(beta(&mut stream, mixup)),
            _ => Kind::CutMix { left: beta(&mut stream, cutmix), center: [stream.uniform(), stream.uniform()] },
        };
        let mut partners = BTreeMap::new();
        for group in groups {
            let mut others = group.clone();
            stream.shuffle(&mut others);
            partners.extend(group.iter().copied().zip(others));
        }
        Some(Self { kind, partners })
    }

    /// Which samples are mixed into `samples`.
    pub(crate) fn partners(&self, samples: &[usize]) -> Vec<usize> {
        samples.iter().map(|sample| self.partners[sample]).collect()
    }

    /// Clips of samples, mixed with those of their partners; and how much of a label is the samples' own.
    ///
    /// # Errors
    /// These are no clips.
    pub(crate) fn features(&self, own: Features, others: Features) -> Result<(Features, f64), TrainError> {
        let (Features::Clip(own, clips), Features::Clip(others, _)) = (own, others) else { return Err(no_pixels()) };
        let [_, _, _, height, width] = own.dims();
        let (mixed, share) = match self.kind {
            Kind::Mixup(share) => (own * share + others * (1.0 - share), share),
            Kind::CutMix { left, center } => {
                let window = window(left, center, [height, width]);
                let [[top, bottom], [from, to]] = window;
                let share = 1.0 - ((bottom - top) * (to - from)) as f64 / (height * width) as f64;
                (with_window(own, others, window), share)
            }
        };
        Ok((Features::Clip(mixed, clips), share))
    }
}

pub(crate) fn no_pixels() -> TrainError {
    let reason = "soft_targets.mixup and soft_targets.cutmix mix pixels, and this adapter sees features that were computed once; \
                  set both to 0, or use an adapter whose encoder trains, such as full";
    TrainError::Config(reason.to_owned())
}

/// The box of which `left` of the area is outside, as mmaction's: sides are cut to whole pixels, halves rounded down, and the
/// edge of the frame cuts what is beyond it.
fn window(left: f64, center: [f64; 2], [height, width]: [usize; 2]) -> Window {
    let part = (1.0 - left).sqrt();
    [(height, center[0]), (width, center[1])].map(|(side, center)| {
        let half = (side as f64 * part) as usize / 2;
        let center = (side as f64 * center) as usize;
        [center.saturating_sub(half), (center + half).min(side)]
    })
}

/// `own` with `others` in a window of all frames.
fn with_window(own: Tensor<5>, others: Tensor<5>, [[top, bottom], [from, to]]: Window) -> Tensor<5> {
    if top == bottom || from == to {
        return own;
    }
    let [batch, channels, frames, _, _] = own.dims();
    let place = [0..batch, 0..channels, 0..frames, top..bottom, from..to];
    let patch = others.slice(place.clone());
    own.slice_assign(place, patch)
}

/// A value of the beta distribution with both parameters `alpha`, by Jöhnk's method.
fn beta(stream: &mut Stream, alpha: f64) -> f64 {
    loop {
        let [x, y] = [stream.uniform(), stream.uniform()].map(|uniform| uniform.powf(1.0 / alpha));
        if x + y > 0.0 && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn targets(mixup: f64, cutmix: f64) -> SoftTargets {
        SoftTargets { smoothing: 0.0, mixup, cutmix }
    }

    /// Clips of one frame of 4 x 4 pixels, of one value each.
    fn features(values: [f32; 2]) -> Features {
        let pixels: Vec<f32> = values.iter().flat_map(|&value| [value; 48]).collect();
        Features::Clip(Tensor::from_data(TensorData::new(pixels, [2, 3, 1, 4, 4]), &Device::flex()), 1)
    }

    fn mixed(kind: Kind) -> (Vec<f32>, f64) {
        let blend = Blend { kind, partners: BTreeMap::from([(7, 9), (9, 7)]) };
        assert_eq!(blend.partners(&[9, 7]), [7, 9]);
        let (found, share) = blend.features(features([1.0, 5.0]), features([5.0, 1.0])).unwrap();
        let Features::Clip(found, 1) = found else { panic!("clips stay clips") };
        (found.into_data().iter::<f32>().collect(), share)
    }

    #[test]
    fn mixup_weighs_pixels_and_labels_alike() {
        let (pixels, share) = mixed(Kind::Mixup(0.75));
        assert_eq!(share, 0.75);
        assert!(pixels[..48].iter().all(|&pixel| pixel == 2.0) && pixels[48..].iter().all(|&pixel| pixel == 4.0));
    }

    #[test]
    fn cutmix_puts_a_box_of_the_other_in_and_weighs_labels_by_what_is_left() {
        // A quarter of the area is the box: 2 x 2 pixels. Around row 3 it ends at the edge: rows 2 and 3, columns 0 and 1.
        let (pixels, share) = mixed(Kind::CutMix { left: 0.75, center: [0.75, 0.25] });
        let expected = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 1.0, 1.0, 5.0, 5.0, 1.0, 1.0];
        assert_eq!((&pixels[..16], &pixels[32..48]), (&expected[..], &expected[..]));
        assert_eq!(share, 0.75);
        // In the corner, only a quarter of the box is in the frame.
        let (pixels, share) = mixed(Kind::CutMix { left: 0.75, center: [0.0, 0.0] });
        assert_eq!((pixels[..6].to_vec(), share), (vec![5.0, 1.0, 1.0, 1.0, 1.0, 1.0], 1.0 - 1.0 / 16.0));
        let (pixels, share) = mixed(Kind::CutMix { left: 1.0, center: [0.5, 0.5] });
        assert!(share == 1.0 && pixels[..48].iter().all(|&pixel| pixel == 1.0));
    }

    #[test]
    fn draws_follow_the_step_and_stay_within_groups() {
        let groups = [vec![4, 5, 6, 7, 8], vec![1, 2]];
        let draw = |targets, step| Blend::draw(&targets, &groups, 3, step);
        assert_eq!(draw(targets(0.0, 0.0), 0), None);
        assert_eq!(draw(targets(0.8, 1.0), 5), draw(targets(0.8, 1.0), 5));
        assert_ne!(draw(targets(0.8, 1.0), 5), draw(targets(0.8, 1.0), 6));
        let drawn: Vec<Blend> = (0..400).filter_map(|step| draw(targets(0.8, 1.0), step)).collect();
        let mixups = drawn.iter().filter(|blend| matches!(blend.kind, Kind::Mixup(_))).count();
        // Five standard deviations of a binomial(400, 1/2).
        assert!(mixups.abs_diff(200) < 50, "{mixups}");
        for blend in &drawn {
            let mut others = blend.partners(&groups[0]);
            others.sort_unstable();
            assert_eq!(others, groups[0]);
            assert!(blend.partners(&groups[1]).iter().all(|other| [1, 2].contains(other)));
        }
        let only = |targets| (0..50).filter_map(|step| draw(targets, step)).map(|blend| blend.kind).collect::<Vec<_>>();
        assert!(only(targets(0.8, 0.0)).iter().all(|kind| matches!(kind, Kind::Mixup(_))));
        assert!(only(targets(0.0, 0.8)).iter().all(|kind| matches!(kind, Kind::CutMix { .. })));
    }

    #[test]
    fn shares_have_the_mean_and_the_variance_of_their_distribution() {
        for alpha in [0.2, 0.8, 1.0, 2.0] {
            let mut stream = Stream::new(1, "test/beta", 0);
            let draws: Vec<f64> = (0..20_000).map(|_| beta(&mut stream, alpha)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            // Five standard errors of the mean, and as many of a variance of values within a half of it.
            assert!((mean - 0.5).abs() < 5.0 * (expected / 20_000.0f64).sqrt(), "{alpha}: {mean}");
            assert!((variance - expected).abs() < 0.003, "{alpha}: {variance} instead of {expected}");
        }
    }

    #[test]
    fn features_that_were_computed_once_are_not_mixed() {
        let blend = Blend { kind: Kind::Mixup(0.5), partners: BTreeMap::new() };
        let table = || Features::Embedding(Tensor::zeros([1, 1, 1], &Device::flex()));
        let message = blend.features(table(), table()).unwrap_err().to_string();
        assert!(message.contains("soft_targets.mixup") && message.contains("full"), "{message}");
    }
}
