//! The heart's state in every frame of a recording.

use echo_random::Stream;

use crate::Phantom;
use crate::population::interpolate;

/// The heart's state in one frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Seconds from the start.
    pub time: f64,
    /// Which beat it is, counted from 0.
    pub beat: usize,
    /// Share of the stroke volume that is in the cavity.
    pub filled: f64,
    /// 0 at end-diastole, 1 at end-systole.
    pub contraction: f64,
    /// Of the valves between atria and ventricles.
    pub opening: f64,
    /// Of the valves between ventricles and great arteries.
    pub ejecting: f64,
}

/// The moments of all frames; at least one and a half beats.
pub(crate) fn moments(phantom: &Phantom) -> Vec<Moment> {
    let heart = &phantom.physiology;
    let fps = f64::from(phantom.acquisition.fps);
    let curve = &heart.volume_curve;
    let longest = curve.period * (1.0 + heart.rate_variability);
    let frames = phantom.acquisition.frames.max((1.5 * longest * fps).ceil() as usize + 1);
    let contractions = heart.ventricle.contraction_table();

    let mut beats = Stream::new(phantom.seed, "phantom/beats", 0);
    let mut stretch = move || 1.0 + heart.rate_variability * beats.range(-1.0, 1.0);
    let mut scale = stretch();
    let mut started = -phantom.acquisition.start * curve.period * scale;
    let mut beat = 0;
    (0..frames)
        .map(|frame| {
            let time = frame as f64 / fps;
            while time - started >= curve.period * scale {
                started += curve.period * scale;
                scale = stretch();
                beat += 1;
            }
            let within = (time - started) / scale;
            let filled = curve.filled(within);
            let contraction = interpolate(&contractions, filled);
            Moment {
                time,
                beat,
                filled,
                contraction,
                opening: curve.mitral_opening(within),
                ejecting: curve.aortic_opening(within),
            }
        })
        .collect()
}

/// Frames of end-diastole and end-systole in the first beat that shows both.
pub(crate) fn traced_frames(moments: &[Moment]) -> (usize, usize) {
    let full = |i: &usize| moments[*i].filled == 1.0 && moments[*i].opening == 0.0;
    let empty = |i: usize| moments[i].filled == 0.0;
    (0..moments.len())
        .filter(full)
        .find_map(|start| {
            let beat = moments[start].beat;
            let end = (start..moments.len()).take_while(|&i| moments[i].beat == beat).find(|&i| empty(i))?;
            Some((start, end))
        })
        .expect("1.5 beats hold a whole systole, and both isovolumic phases outlast a frame")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Population;

    #[test]
    fn recordings_last_one_and_a_half_beats_and_trace_one_of_them() {
        for index in 0..300 {
            let phantom = Phantom::draw(5, index, Population::Natural).unwrap();
            let moments = moments(&phantom);
            let seconds = moments.len() as f64 / f64::from(phantom.acquisition.fps);
            assert!(seconds >= 1.5 * phantom.physiology.volume_curve.period, "{index}");
            let (diastole, systole) = traced_frames(&moments);
            assert_eq!((moments[diastole].filled, moments[systole].filled), (1.0, 0.0));
            assert!(diastole < systole && moments[diastole].beat == moments[systole].beat);
        }
    }
}
