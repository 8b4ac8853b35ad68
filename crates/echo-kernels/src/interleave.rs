//! Rows that are read one beside the other: a number of each row, then the next of each.

use std::mem::MaybeUninit;

use crate::memory::LINE;

/// Rows whose numbers are put beside each other at a time.
const ROWS: usize = 4;
const _: () = assert!(LINE.is_multiple_of(ROWS));

/// The first `count` rows beside each other: `out` is `[length, width]`, with zeros beyond the last row. Writes all of it.
///
/// # Panics
/// When a row has fewer numbers than `length`.
#[inline(always)]
pub(crate) fn interleave<'a>(
    row: impl Fn(usize) -> &'a [f32],
    count: usize,
    width: usize,
    out: &mut [MaybeUninit<f32>],
) {
    for (step, out) in out.chunks_mut(LINE * width).enumerate() {
        let length = out.len() / width;
        let row = |place| &row(place)[step * LINE..][..length];
        let is_whole = length == LINE && count >= ROWS;
        if is_whole {
            for place in (0..count).step_by(ROWS) {
                // The last four may overlap those before: the same numbers are written again.
                let place = place.min(count - ROWS);
                let rows = std::array::from_fn(|next| line(row(place + next)));
                put_four(rows, width, &mut out[place..]);
            }
        }
        for place in if is_whole { count } else { 0 }..width {
            let out = out.iter_mut().skip(place).step_by(width);
            if place < count {
                out.zip(row(place)).for_each(|(out, &x)| _ = out.write(x));
            } else {
                out.for_each(|out| _ = out.write(0.0));
            }
        }
    }
}

#[inline(always)]
fn line(row: &[f32]) -> &[f32; LINE] {
    row.try_into().expect("a line of a row")
}

/// Number `k` of each row at `k * width`, the rows in turn.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn put_four(rows: [&[f32; LINE]; ROWS], width: usize, out: &mut [MaybeUninit<f32>]) {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
    assert!(out.len() >= (LINE - 1) * width + ROWS);
    for start in (0..LINE).step_by(ROWS) {
        // SAFETY: every such processor has the instructions; each row has four numbers from `start` on, and there is room for
        // four at the last place.
        unsafe {
            let [mut a, mut b, mut c, mut d] = rows.map(|row| _mm_loadu_ps(row[start..].as_ptr()));
            _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
            for (k, numbers) in [a, b, c, d].into_iter().enumerate() {
                _mm_storeu_ps(out.as_mut_ptr().add((start + k) * width).cast(), numbers);
            }
        }
    }
}

/// Number `k` of each row at `k * width`, the rows in turn.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn put_four(rows: [&[f32; LINE]; ROWS], width: usize, out: &mut [MaybeUninit<f32>]) {
    for (k, out) in out.chunks_mut(width).enumerate() {
        for (out, row) in out.iter_mut().zip(rows) {
            out.write(row[k]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{uninit, written};

    #[test]
    fn rows_of_any_number_and_length_are_interleaved() {
        for length in [0, 1, 4, 15, 16, 17, 32, 50] {
            for (count, width) in [(0, 6), (1, 6), (6, 6), (13, 14), (14, 14), (16, 16), (31, 32), (32, 32)] {
                // Longer than what is asked of them.
                let rows: Vec<Vec<f32>> =
                    (0..count).map(|row| (0..length + 3).map(|k| (row * 100 + k + 1) as f32).collect()).collect();
                let mut out = uninit(length * width);
                out.fill(MaybeUninit::new(-1.0));
                interleave(|row| &rows[row], count, width, &mut out);
                // SAFETY: all of it has been written above.
                let out = unsafe { written(&mut out) };
                for (k, out) in out.chunks_exact(width).enumerate() {
                    for (row, &x) in out.iter().enumerate() {
                        assert_eq!(
                            x,
                            rows.get(row).map_or(0.0, |row| row[k]),
                            "{count} x {length} in {width}: {row}, {k}"
                        );
                    }
                }
            }
        }
    }
}
