//! The right matrix of a product: where it lies, or packed in panels of a tile's columns.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::interleave::interleave;
use crate::memory::{filled, load, store, uninit};
use crate::precision::Precision;
use crate::processor::vectors;
use crate::product::lanes;
use crate::reduced::Reduced;

/// Rows of a product at most whose right matrix is packed panel by panel where it is used: to pack it first would take long
/// beside so few products.
const FEW_ROWS: usize = 256;

/// Numbers of such a matrix at least: a smaller one stays in cache while it is packed.
const MANY_NUMBERS: usize = 1 << 18;

/// Panels that are packed at a time. A row of them is a few lines of the cache, of which the processor sees that the next will be
/// needed.
pub(crate) const PANELS: usize = 4;

/// The right matrix of a product, `[depth, columns]`, where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    pub(crate) depth: usize,
    pub(crate) columns: usize,
    /// Whether its columns lie one after the other. Otherwise its rows do.
    is_transposed: bool,
}

impl<'a> Matrix<'a> {
    /// Of its rows, one after the other.
    pub(crate) fn of_rows(values: &'a [f32], depth: usize, columns: usize) -> Self {
        Self { values, depth, columns, is_transposed: false }
    }

    /// Of its columns, one after the other.
    pub(crate) fn of_columns(values: &'a [f32], depth: usize, columns: usize) -> Self {
        Self { values, depth, columns, is_transposed: true }
    }

    /// Its rows, one after the other.
    pub(crate) fn rows(&self) -> Cow<'a, [f32]> {
        if !self.is_transposed {
            return Cow::Borrowed(self.values);
        }
        let mut rows = vec![0.0; self.depth * self.columns];
        for (column, values) in self.values.chunks_exact(self.depth.max(1)).enumerate() {
            rows.iter_mut().skip(column).step_by(self.columns).zip(values).for_each(|(out, &x)| *out = x);
        }
        Cow::Owned(rows)
    }

    /// For a product with so many rows.
    pub(crate) fn for_rows(self, rows: usize, precision: Precision) -> Right<'a> {
        match precision {
            Precision::F32 if rows <= FEW_ROWS && self.values.len() >= MANY_NUMBERS => Right::InPlace(self),
            _ => Right::Packed(self.reduced(precision)),
        }
    }

    /// In panels.
    pub(crate) fn packed(&self) -> Packed {
        let Self { values, depth, columns, is_transposed } = *self;
        match is_transposed {
            false => Packed::of_rows(depth, columns, |row| &values[row * columns..][..columns]),
            true => Packed::of_columns(depth, columns, |column| &values[column * depth..][..depth]),
        }
    }

    /// A part of panels, `[panels, part, tile's columns]`: the columns from `start` on, with zeros beyond the last.
    #[inline(always)]
    pub(crate) fn pack_panels<S: Simd>(&self, simd: S, start: usize, part: Range<usize>, out: &mut [MaybeUninit<f32>]) {
        let Self { values, depth, columns, is_transposed } = *self;
        let length = part.len();
        let count = (out.len() / length.max(1)).min(columns - start);
        if is_transposed {
            panels_of_columns(|column| &values[(start + column) * depth..][part.clone()], count, length, out);
        } else {
            let row = |row| &values[(part.start + row) * columns + start..][..count];
            panels_of_rows(simd, row, length, out);
        }
    }
}

/// Panels `[panels, length, tile's columns]` of rows, with zeros beyond the last column. A row is copied to all of them at once:
/// what lies side by side is read one after the other.
#[inline(always)]
fn panels_of_rows<'a, S: Simd>(simd: S, row: impl Fn(usize) -> &'a [f32], length: usize, out: &mut [MaybeUninit<f32>]) {
    let lanes = lanes::<S>();
    let width = 2 * lanes;
    for place in 0..length {
        for (panel, row) in row(place).chunks(width).enumerate() {
            let out = &mut out[(panel * length + place) * width..][..width];
            let (one, other) = row.split_at(lanes.min(row.len()));
            store::<S>(&mut out[..lanes], load(simd, one));
            store::<S>(&mut out[lanes..], load(simd, other));
        }
    }
}

/// The same panels of `count` columns, each of `length` numbers.
fn panels_of_columns<'a>(
    column: impl Fn(usize) -> &'a [f32],
    count: usize,
    length: usize,
    out: &mut [MaybeUninit<f32>],
) {
    let width = tile_columns();
    for (out, start) in out.chunks_exact_mut((length * width).max(1)).zip((0..count).step_by(width)) {
        interleave(|place| column(start + place), width.min(count - start), width, out);
    }
}

/// The right matrix of a product, as it is best for the number of rows.
#[derive(Debug)]
pub(crate) enum Right<'a> {
    /// As it lies in memory: a panel is packed when it is needed.
    InPlace(Matrix<'a>),
    /// In panels.
    Packed(Packed),
}

/// The right matrix of a product, `[depth, columns]`, in panels of a tile's columns.
#[derive(Debug)]
pub(crate) struct Packed {
    /// `[panels, depth, tile's columns]`, with zeros beyond the last column.
    pub(crate) panels: Vec<f32>,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
    /// What its numbers are if they have fewer than 32 bits.
    pub(crate) reduced: Option<Reduced>,
}

impl Packed {
    /// The matrix `[depth, columns]` by its rows.
    pub(crate) fn of_rows<'a>(depth: usize, columns: usize, row: impl Fn(usize) -> &'a [f32] + Sync) -> Self {
        Self::of_panels(depth, columns, PANELS, |columns, out| {
            vectors().dispatch(PanelsOfRows { row: |place| &row(place)[columns.clone()], depth, out });
        })
    }

    /// The matrix `[depth, columns]` by its columns.
    pub(crate) fn of_columns<'a>(depth: usize, columns: usize, column: impl Fn(usize) -> &'a [f32] + Sync) -> Self {
        Self::of_panels(depth, columns, 1, |columns, out| {
            panels_of_columns(|place| column(columns.start + place), columns.len(), depth, out);
        })
    }

    /// `write` is given a range of columns and room for their panels, so many at a time, and fills it.
    fn of_panels(
        depth: usize,
        columns: usize,
        at_a_time: usize,
        write: impl Fn(Range<usize>, &mut [MaybeUninit<f32>]) + Sync,
    ) -> Self {
        let width = tile_columns();
        let mut panels = uninit(columns.div_ceil(width) * depth * width);
        let parts = panels.par_chunks_mut((at_a_time * depth * width).max(1)).enumerate();
        parts.for_each(|(part, out)| {
            let start = part * at_a_time * width;
            write(start..columns.min(start + at_a_time * width), out);
        });
        // SAFETY: panels cover the matrix, and all of each has been written.
        let panels = unsafe { filled(panels) };
        Self { panels, depth, columns, reduced: None }
    }
}

/// [`panels_of_rows`] over the whole depth.
struct PanelsOfRows<'a, F> {
    row: F,
    depth: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl<'r, F: Fn(usize) -> &'r [f32]> WithSimd for PanelsOfRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        panels_of_rows(simd, self.row, self.depth, self.out);
    }
}

/// Columns of a tile on this machine.
pub(crate) fn tile_columns() -> usize {
    struct Columns;
    impl WithSimd for Columns {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * lanes::<S>()
        }
    }
    vectors().dispatch(Columns)
}
