//! The cavity's volume over one beat: isovolumic contraction, ejection, isovolumic relaxation, early filling,
//! diastasis and atrial filling.

/// The timing of a beat, and what share of filling is early.
///
/// Times are in seconds from the onset of contraction. The ejection time shortens with heart rate after Weissler
/// et al. (Circulation 1968): `413 ms - 1.7 ms x rate`.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeCurve {
    /// Length of the beat, s.
    pub period: f64,
    /// The valves are shut and the cavity is full until here, s.
    pub ejection_start: f64,
    /// The cavity is at its smallest from here, s.
    pub ejection_end: f64,
    /// The mitral valve opens, s.
    pub filling_start: f64,
    /// Early filling ends, s.
    pub early_end: f64,
    /// The atrium contracts from here to the end of the beat, s.
    pub atrial_start: f64,
    /// Share of the stroke volume that has come in by the end of early filling.
    pub early_share: f64,
}

impl VolumeCurve {
    /// The beat at `rate` beats a minute, with isovolumic phases of the given lengths (s).
    pub fn new(rate: f64, contraction: f64, relaxation: f64, early_share: f64) -> Self {
        let period = 60.0 / rate;
        let ejection_end = contraction + 0.413 - 0.0017 * rate;
        let filling_start = ejection_end + relaxation;
        let diastole = period - filling_start;
        // At fast rates there is no diastasis left: early and atrial filling share what there is.
        let early = f64::min(0.24, 0.56 * diastole);
        let atrial = f64::min(0.14, 0.36 * diastole);
        Self {
            period,
            ejection_start: contraction,
            ejection_end,
            filling_start,
            early_end: filling_start + early,
            atrial_start: period - atrial,
            early_share,
        }
    }

    /// Volume at `time` seconds, as the share of the stroke volume that is in the cavity: 1 at end-diastole, 0 at
    /// end-systole.
    pub fn filled(&self, time: f64) -> f64 {
        let time = time.rem_euclid(self.period);
        let diastasis = self.early_share + 0.04 * (1.0 - self.early_share);
        if time < self.ejection_start {
            1.0
        } else if time < self.ejection_end {
            // The power puts peak flow into the first half of ejection.
            1.0 - smooth(share(time, self.ejection_start, self.ejection_end).powf(0.82))
        } else if time < self.filling_start {
            0.0
        } else if time < self.early_end {
            self.early_share * smooth(share(time, self.filling_start, self.early_end).powf(0.9))
        } else if time < self.atrial_start {
            self.early_share + (diastasis - self.early_share) * share(time, self.early_end, self.atrial_start)
        } else {
            diastasis + (1.0 - diastasis) * smooth(share(time, self.atrial_start, self.period))
        }
    }

    /// How far the mitral leaflets are open at `time` seconds, 0 to 1: wide with early filling, half in diastasis,
    /// again with the atrium's contraction.
    pub fn mitral_opening(&self, time: f64) -> f64 {
        let time = time.rem_euclid(self.period);
        let half = 0.38;
        if time < self.filling_start {
            0.0
        } else if time < self.early_end {
            let x = share(time, self.filling_start, self.early_end);
            if x < 0.35 { smooth(x / 0.35) } else { 1.0 - (1.0 - half) * smooth((x - 0.35) / 0.65) }
        } else if time < self.atrial_start {
            half
        } else {
            let x = share(time, self.atrial_start, self.period);
            if x < 0.45 { half + 0.4 * smooth(x / 0.45) } else { (half + 0.4) * (1.0 - smooth((x - 0.45) / 0.55)) }
        }
    }

    /// How far the aortic cusps are open at `time` seconds, 0 to 1: wide soon after ejection begins, shut when it ends.
    pub fn aortic_opening(&self, time: f64) -> f64 {
        let x = share(time.rem_euclid(self.period), self.ejection_start, self.ejection_end);
        smooth(x / 0.12) * smooth((1.0 - x) / 0.15)
    }
}

fn share(x: f64, start: f64, end: f64) -> f64 {
    ((x - start) / (end - start).max(1e-9)).clamp(0.0, 1.0)
}

/// Cubic step from 0 to 1 with flat ends.
pub(crate) fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_come_in_order_at_every_rate() {
        for rate in 45..=120 {
            let c = VolumeCurve::new(f64::from(rate), 0.06, 0.09, 0.7);
            let order = [0.0, c.ejection_start, c.ejection_end, c.filling_start, c.early_end, c.atrial_start, c.period];
            assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{rate}: {order:?}");
        }
    }

    #[test]
    fn volume_falls_in_systole_only_and_is_constant_in_the_isovolumic_phases() {
        for rate in [45.0, 70.0, 120.0] {
            let c = VolumeCurve::new(rate, 0.05, 0.08, 0.65);
            let at = |i: usize| c.filled(c.period * i as f64 / 2000.0);
            for i in 0..2000 {
                let time = c.period * i as f64 / 2000.0;
                let change = at(i + 1) - at(i);
                if time < c.ejection_start - c.period / 2000.0 {
                    assert_eq!(change, 0.0);
                } else if time < c.ejection_end {
                    assert!(change <= 1e-12, "{rate} {time}");
                } else {
                    assert!(change >= -1e-12, "{rate} {time}");
                }
                // No jump: a heart does not empty within a frame.
                assert!(change.abs() < 0.02, "{rate} {time} {change}");
            }
            assert_eq!(c.filled(0.5 * (c.ejection_end + c.filling_start)), 0.0);
        }
    }

    #[test]
    fn the_mitral_valve_is_shut_in_systole_and_opens_twice() {
        let c = VolumeCurve::new(60.0, 0.05, 0.08, 0.65);
        assert_eq!(c.mitral_opening(0.5 * c.ejection_end), 0.0);
        let early = (0..100).map(|i| c.mitral_opening(c.filling_start + 0.0024 * f64::from(i))).fold(0.0, f64::max);
        let diastasis = c.mitral_opening(0.5 * (c.early_end + c.atrial_start));
        let late = (0..100).map(|i| c.mitral_opening(c.atrial_start + 0.0014 * f64::from(i))).fold(0.0, f64::max);
        // Never both: blood would run back.
        for time in (0..100).map(|i| 0.01 * f64::from(i)) {
            assert!(c.mitral_opening(time) == 0.0 || c.aortic_opening(time) == 0.0, "{time}");
        }
        assert_eq!(c.aortic_opening(0.5 * (c.ejection_start + c.ejection_end)), 1.0);
        assert!(early > 0.99 && diastasis < 0.5 && late > 0.7, "{early} {diastasis} {late}");
    }
}
