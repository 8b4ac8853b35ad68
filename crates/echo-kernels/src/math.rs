//! Exponential, error function and activations of whole vectors.
//!
//! Polynomials are our own fits (minimax, weighted by the result's last bit). Errors are tested over the range: at most 2 units
//! in the last place.

use pulp::Simd;

/// 1.5 * 2^23: a number added to it loses its fraction, and its last bits are the nearest whole number.
pub(crate) const MAGIC: f32 = 12_582_912.0;
/// ln 2 in two parts, of which the first has so few bits that a product with a small whole number is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// `(exp(x) - 1 - x) / x^2` on +-0.35.
const EXP: [f32; 5] = [0.5, 1.666_657_3e-1, 4.166_636_2e-2, 8.363_769e-3, 1.394_214_9e-3];

/// The factor of QuickGELU.
const QUICK: f32 = 1.702;

/// Below this the error function is a polynomial, above one minus an exponential.
const SMALL: f32 = 0.93;
/// From here on the error function is one, to 32 bits.
const ONE: f32 = 3.95;
/// `erf(x) / x - 1` in powers of `x^2`.
const ERF_SMALL: [f32; 7] =
    [1.283_791_7e-1, -3.761_263_2e-1, 1.128_368_8e-1, -2.685_897_2e-2, 5.199_898_5e-3, -8.129_144_6e-4, 8.310_483e-5];
/// `-ln(1 - erf(x)) / x` in powers of `x`.
const ERF_LARGE: [f32; 9] = [
    1.128_564_6,
    6.355_846e-1,
    1.052_872_9e-1,
    -2.261_228_9e-2,
    2.804_975_3e-3,
    5.069_105e-5,
    -8.747_789e-5,
    1.393_136_3e-5,
    -7.826_647e-7,
];

#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: S::f32s, coefficients: &[f32]) -> S::f32s {
    let (&last, rest) = coefficients.split_last().expect("a polynomial has a coefficient");
    rest.iter().rev().fold(simd.splat_f32s(last), |sum, &c| simd.mul_add_f32s(sum, x, simd.splat_f32s(c)))
}

/// `x`, or the bound that it is beyond. What is no number stays none, which minimum and maximum do not promise.
#[inline(always)]
fn within<S: Simd>(simd: S, x: S::f32s, least: S::f32s, most: S::f32s) -> S::f32s {
    let x = simd.select_f32s(simd.less_than_f32s(x, least), least, x);
    simd.select_f32s(simd.less_than_f32s(most, x), most, x)
}

/// `exp(x)`; 0 where that is less than 1e-38, so that no place that a mask hides has a share, and processors that take long for
/// numbers below the normal ones meet none; of what is too large about 3e38.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (least, most) = (simd.splat_f32s(-87.3), simd.splat_f32s(88.3));
    // What comes of them below is not taken.
    let is_none = simd.less_than_f32s(x, least);
    let x = simd.select_f32s(simd.less_than_f32s(most, x), most, x);
    let shifted = simd.mul_add_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), simd.splat_f32s(MAGIC));
    let whole = simd.sub_f32s(shifted, simd.splat_f32s(MAGIC));
    let rest = simd.mul_add_f32s(whole, simd.splat_f32s(-LN_2[0]), x);
    let rest = simd.mul_add_f32s(whole, simd.splat_f32s(-LN_2[1]), rest);
    let tail = polynomial(simd, rest, &EXP);
    let tail = simd.mul_add_f32s(tail, simd.mul_f32s(rest, rest), rest);
    let value = simd.add_f32s(tail, simd.splat_f32s(1.0));
    // The whole number's bits, at the place of the exponent.
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let value = simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(value), exponent));
    simd.select_f32s(is_none, simd.splat_f32s(0.0), value)
}

/// The error function.
#[inline(always)]
pub(crate) fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let size = simd.abs_f32s(x);
    let small = polynomial(simd, simd.mul_f32s(x, x), &ERF_SMALL);
    let small = simd.mul_add_f32s(small, x, x);
    let bounded = within(simd, size, simd.splat_f32s(0.0), simd.splat_f32s(ONE));
    let exponent = simd.mul_f32s(polynomial(simd, bounded, &ERF_LARGE), bounded);
    let large = simd.sub_f32s(simd.splat_f32s(1.0), exp(simd, simd.neg_f32s(exponent)));
    let sign = simd.and_f32s(x, simd.splat_f32s(-0.0));
    let large = simd.or_f32s(large, sign);
    simd.select_f32s(simd.less_than_f32s(size, simd.splat_f32s(SMALL)), small, large)
}

/// `x (1 + erf(x / sqrt 2)) / 2`
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let inner = erf(simd, simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2)));
    let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
    simd.mul_add_f32s(half, inner, half)
}

/// The same, and its slope `(1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi)`.
#[inline(always)]
pub(crate) fn gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    /// 1 / sqrt(2 pi)
    const DENSITY: f32 = 0.398_942_3;
    let half = simd.splat_f32s(0.5);
    let inner = erf(simd, simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2)));
    let share = simd.mul_add_f32s(half, inner, half);
    let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(-0.5)));
    let bell = simd.mul_f32s(bell, simd.splat_f32s(DENSITY));
    (simd.mul_f32s(x, share), simd.mul_add_f32s(x, bell, share))
}

/// 1 / (1 + exp(-1.702 x)): the share of its input that QuickGELU lets through.
#[inline(always)]
fn quick_share<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let exponential = exp(simd, simd.mul_f32s(x, simd.splat_f32s(-QUICK)));
    simd.div_f32s(one, simd.add_f32s(one, exponential))
}

/// `x / (1 + exp(-1.702 x))`
#[inline(always)]
pub(crate) fn quick_gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, quick_share(simd, x))
}

/// The same, and its slope: with `s` the share that is let through, `s + 1.702 x s (1 - s)`.
#[inline(always)]
pub(crate) fn quick_gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let share = quick_share(simd, x);
    let value = simd.mul_f32s(x, share);
    let rest = simd.mul_f32s(simd.sub_f32s(simd.splat_f32s(1.0), share), simd.splat_f32s(QUICK));
    (value, simd.mul_add_f32s(value, rest, share))
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;

    #[derive(Clone, Copy)]
    enum Of {
        Exp,
        Erf,
        Gelu,
        QuickGelu,
    }

    struct Apply<'a>(Of, &'a mut [f32]);

    impl WithSimd for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (vectors, rest) = S::as_mut_simd_f32s(self.1);
            assert!(rest.is_empty());
            for x in vectors {
                *x = match self.0 {
                    Of::Exp => exp(simd, *x),
                    Of::Erf => erf(simd, *x),
                    Of::Gelu => gelu(simd, *x),
                    Of::QuickGelu => quick_gelu(simd, *x),
                };
            }
        }
    }

    fn of(what: Of, x: &[f32]) -> Vec<f32> {
        let mut padded = x.to_vec();
        padded.resize(x.len().next_multiple_of(16), 0.0);
        Arch::new().dispatch(Apply(what, &mut padded));
        padded.truncate(x.len());
        padded
    }

    /// erf by its series, in 64 bits.
    fn series(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    /// Distance in units of the last place of 32 bits.
    fn ulps(found: f32, exact: f64) -> f64 {
        let near = exact as f32;
        let unit = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
        (f64::from(found) - exact).abs() / unit
    }

    #[test]
    fn exp_and_erf_are_within_two_units_of_the_last_place() {
        let xs: Vec<f32> = (-40_000..=40_000).map(|i| i as f32 * 1e-4 + 3e-6).collect();
        let worst = xs.iter().zip(of(Of::Erf, &xs)).map(|(&x, y)| ulps(y, series(f64::from(x)))).fold(0.0, f64::max);
        assert!(worst <= 2.0, "erf: {worst}");
        let tiny = [1e-8f32, -1e-20, 0.0, -0.0, 1e-38];
        for (x, y) in tiny.iter().zip(of(Of::Erf, &tiny)) {
            assert!(ulps(y, f64::from(*x) * std::f64::consts::FRAC_2_SQRT_PI) <= 2.0, "{x} {y}");
        }
        let xs: Vec<f32> = (-87_000..=88_000).map(|i| i as f32 * 1e-3).collect();
        let worst = xs.iter().zip(of(Of::Exp, &xs)).map(|(&x, y)| ulps(y, f64::from(x).exp())).fold(0.0, f64::max);
        assert!(worst <= 2.0, "exp: {worst}");
    }

    #[test]
    fn quick_gelu_is_its_formula() {
        let xs: Vec<f32> = (-20_000..=20_000).map(|i| i as f32 * 1e-3).collect();
        for (&x, found) in xs.iter().zip(of(Of::QuickGelu, &xs)) {
            let exact = f64::from(x) / (1.0 + (-1.702 * f64::from(x)).exp());
            // The exponent's own rounding is as large as it is: a few units of its last place.
            assert!((f64::from(found) - exact).abs() <= 4e-6 * exact.abs(), "{x}: {found}, not {exact}");
        }
        assert_eq!(of(Of::QuickGelu, &[0.0, 60.0]), [0.0, 60.0]);
    }

    #[test]
    fn ends_of_the_range_and_what_is_no_number() {
        let ends = [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 4.0, -4.0];
        assert_eq!(of(Of::Erf, &ends), [1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
        let exps = of(Of::Exp, &ends);
        assert!(exps[0] > 1e38 && exps[1] == 0.0 && exps[3] == 0.0, "{exps:?}");
        for what in [Of::Exp, Of::Erf, Of::Gelu, Of::QuickGelu] {
            assert!(of(what, &[f32::NAN, 1.0])[0].is_nan());
        }
        assert_eq!(of(Of::Gelu, &[0.0, 30.0, -30.0]), [0.0, 30.0, 0.0]);
    }
}
