//! The curve that carries levels of the heart now to levels at end-diastole.

/// A rising curve through six points, smooth in its first derivative and of slope 1 outside them (Fritsch and
/// Carlson, "Monotone piecewise cubic interpolation", 1980).
#[derive(Clone, Debug)]
pub(crate) struct Monotone {
    x: [f64; 6],
    y: [f64; 6],
    slope: [f64; 6],
}

impl Monotone {
    pub fn through(x: [f64; 6], y: [f64; 6]) -> Self {
        let secant = |i: usize| (y[i + 1] - y[i]) / (x[i + 1] - x[i]);
        // The harmonic mean of neighbouring secants never overshoots.
        let slope = std::array::from_fn(|i| if i == 0 || i == 5 { 1.0 } else { harmonic(secant(i - 1), secant(i)) });
        Self { x, y, slope }
    }

    pub fn at(&self, x: f64) -> f64 {
        if x <= self.x[0] {
            return self.y[0] + x - self.x[0];
        }
        if x >= self.x[5] {
            return self.y[5] + x - self.x[5];
        }
        let i = (1..5).take_while(|&i| x >= self.x[i]).last().unwrap_or(0);
        let width = self.x[i + 1] - self.x[i];
        let t = (x - self.x[i]) / width;
        let (t2, t3) = (t * t, t * t * t);
        self.y[i] * (2.0 * t3 - 3.0 * t2 + 1.0)
            + self.slope[i] * width * (t3 - 2.0 * t2 + t)
            + self.y[i + 1] * (3.0 * t2 - 2.0 * t3)
            + self.slope[i + 1] * width * (t3 - t2)
    }
}

fn harmonic(a: f64, b: f64) -> f64 {
    if a <= 0.0 || b <= 0.0 { 0.0 } else { 2.0 * a * b / (a + b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_meet_their_points_rise_and_go_on_straight() {
        let (x, y) = ([0.0, 1.0, 1.5, 4.0, 5.0, 6.0], [0.0, 0.8, 1.9, 2.0, 4.0, 5.0]);
        let curve = Monotone::through(x, y);
        assert!(x.iter().zip(&y).all(|(&x, y)| (curve.at(x) - y).abs() < 1e-12));
        assert_eq!((curve.at(-2.0), curve.at(8.0)), (-2.0, 7.0));
        let values: Vec<f64> = (-10..80).map(|i| curve.at(0.1 * f64::from(i))).collect();
        assert!(values.windows(2).all(|pair| pair[1] > pair[0]));
    }
}
