//! Frames per second as the fraction that containers store.

/// `rate / scale` frames per second, exactly as AVI stores it. NTSC's 29.97 is `30000 / 1001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Numerator.
    pub rate: u32,
    /// Denominator.
    pub scale: u32,
}

impl FrameRate {
    /// Frames per second, 0 when the fraction means nothing.
    pub fn fps(self) -> f64 {
        if self.is_valid() { f64::from(self.rate) / f64::from(self.scale) } else { 0.0 }
    }

    /// Whether both parts are positive.
    pub fn is_valid(self) -> bool {
        self.rate > 0 && self.scale > 0
    }
}

impl From<u32> for FrameRate {
    fn from(rate: u32) -> Self {
        Self { rate, scale: 1 }
    }
}

impl From<f64> for FrameRate {
    /// The nearest of `n / 1`, `n / 1001` and `n / 1000000`, taking the first that is within a millionth. Values that
    /// are no frame rate give an invalid fraction, which [`AviWriter::create`](crate::AviWriter::create) refuses.
    fn from(fps: f64) -> Self {
        for scale in [1u32, 1001, 1_000_000] {
            let rate = (fps * f64::from(scale)).round();
            let near = (rate / f64::from(scale) - fps).abs() <= 1e-6 * fps;
            if near && (1.0..=f64::from(u32::MAX)).contains(&rate) {
                return Self { rate: rate as u32, scale };
            }
        }
        Self { rate: 0, scale: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact_where_the_rate_is_a_usual_one() {
        assert_eq!(FrameRate::from(50.0), FrameRate { rate: 50, scale: 1 });
        assert_eq!(FrameRate::from(30000.0 / 1001.0), FrameRate { rate: 30000, scale: 1001 });
        assert_eq!(FrameRate::from(46.35), FrameRate { rate: 46_350_000, scale: 1_000_000 });
        assert_eq!(FrameRate { rate: 30000, scale: 1001 }.fps(), 30000.0 / 1001.0);
    }

    #[test]
    fn what_is_no_rate_is_invalid() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(!FrameRate::from(fps).is_valid(), "{fps}");
        }
        assert_eq!(FrameRate { rate: 5, scale: 0 }.fps(), 0.0);
    }
}
