//! When frames were taken (PS3.3, C.7.6.5).

use super::data_set::Values;
use super::tags::{CINE_RATE, DISPLAY_FRAME_RATE, FRAME_TIME, FRAME_TIME_VECTOR};

/// Frame times that differ by more than this share of their mean are told.
const UNEVEN: f64 = 0.1;

/// Frames per second, and what is doubtful about it.
#[derive(Debug, PartialEq)]
pub(crate) struct Timing {
    /// 0 where the file does not say.
    pub(crate) fps: f64,
    pub(crate) warnings: Vec<String>,
}

impl Timing {
    pub(crate) fn of(values: &Values, frames: usize) -> Self {
        let mut warnings = Vec::new();
        // The first of them is the time before the first frame.
        let times = values.decimals(FRAME_TIME_VECTOR);
        if !times.is_empty() && times.len() != frames {
            warnings.push(format!("it has {} frame times for {frames} frames", times.len()));
        }
        let steps: Vec<f64> = times.into_iter().skip(1).take(frames.max(1) - 1).collect();
        let vector = (!steps.is_empty()).then(|| steps.iter().sum::<f64>() / steps.len() as f64);
        if let Some(mean) = vector {
            let (least, most) = steps.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), &t| (l.min(t), m.max(t)));
            if most - least > UNEVEN * mean {
                warnings.push(format!(
                    "its frames are not evenly spaced, {least:.1} to {most:.1} ms apart; the mean is taken for all"
                ));
            }
        }
        let milliseconds = vector.into_iter().chain(values.decimal(FRAME_TIME)).map(|time| 1000.0 / time);
        let rates = [CINE_RATE, DISPLAY_FRAME_RATE].into_iter().filter_map(|tag| values.decimal(tag));
        let fps = milliseconds.chain(rates).find(|fps| (0.1..=10_000.0).contains(fps)).unwrap_or(0.0);
        if fps == 0.0 && frames > 1 {
            warnings.push("it does not say how many frames a second has".to_owned());
        }
        Self { fps, warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::super::data_set::Encoding;
    use super::*;

    fn of(entries: &[(super::super::tags::Tag, &str)], frames: usize) -> Timing {
        let mut values = Values::default();
        entries.iter().for_each(|(tag, text)| values.insert(Encoding::EXPLICIT, *tag, text.as_bytes().to_vec()));
        Timing::of(&values, frames)
    }

    #[test]
    fn the_vector_beats_the_time_and_the_time_beats_rates() {
        let rates = [(CINE_RATE, "25"), (FRAME_TIME, "20"), (FRAME_TIME_VECTOR, "0\\40\\40")];
        assert_eq!(of(&rates, 3), Timing { fps: 25.0, warnings: Vec::new() });
        assert_eq!(of(&rates[..2], 3).fps, 50.0);
        assert_eq!(of(&rates[..1], 3).fps, 25.0);
    }

    #[test]
    fn what_is_unknown_or_contradicts_itself_is_told() {
        for unknown in [&[][..], &[(FRAME_TIME, "0")], &[(FRAME_TIME, "-5")]] {
            let Timing { fps, warnings } = of(unknown, 3);
            assert!(fps == 0.0 && warnings[0].contains("does not say how many frames"), "{warnings:?}");
        }
        assert!(of(&[], 1).warnings.is_empty(), "a still has no rate");
        assert!(of(&[(FRAME_TIME_VECTOR, "0\\40")], 3).warnings[0].contains("2 frame times for 3 frames"));
    }
}
