//! Memory that is written before it is read, so that nothing is cleared only to be overwritten.

use std::mem::{ManuallyDrop, MaybeUninit};

use pulp::Simd;

use crate::product::lanes;

/// Room for `length` numbers, none of which may be read yet.
pub(crate) fn uninit(length: usize) -> Vec<MaybeUninit<f32>> {
    let mut room = Vec::with_capacity(length);
    // SAFETY: what may be uninitialised needs no value.
    unsafe { room.set_len(length) };
    room
}

/// The numbers of a room all of which has been written.
///
/// # Safety
/// Every number has been written.
pub(crate) unsafe fn filled(room: Vec<MaybeUninit<f32>>) -> Vec<f32> {
    let mut room = ManuallyDrop::new(room);
    // SAFETY: the same allocation, of elements of the same layout; every one has been written.
    unsafe { Vec::from_raw_parts(room.as_mut_ptr().cast(), room.len(), room.capacity()) }
}

/// What has been written of a room.
///
/// # Safety
/// Every number has been written.
pub(crate) unsafe fn written(room: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    // SAFETY: elements of the same layout, all of them written.
    unsafe { &mut *(std::ptr::from_mut(room) as *mut [f32]) }
}

/// Numbers of a line of the cache.
pub(crate) const LINE: usize = 16;

/// Asks for a line of the cache that will be needed soon. The place may be anything: nothing is read.
#[inline(always)]
pub(crate) fn fetch(place: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every such processor has the instruction, and any address may be given to it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// A vector of the numbers of a slice, or of as many as it has and zeros.
#[inline(always)]
pub(crate) fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    // Reading a part of a vector is a call of a function.
    S::as_simd_f32s(from).0.first().copied().unwrap_or_else(|| simd.partial_load_f32s(from))
}

/// Puts the first numbers of a vector in place of others, as many as there are.
#[inline(always)]
pub(crate) fn put<S: Simd>(simd: S, out: &mut [f32], x: S::f32s) {
    match S::as_mut_simd_f32s(out).0.first_mut() {
        Some(out) => *out = x,
        None => simd.partial_store_f32s(out, x),
    }
}

/// Writes the first numbers of a vector where nothing was yet, as many as there is room for.
#[inline(always)]
pub(crate) fn store<S: Simd>(out: &mut [MaybeUninit<f32>], x: S::f32s) {
    if out.len() >= lanes::<S>() {
        // SAFETY: there is room for a whole vector.
        unsafe { out.as_mut_ptr().cast::<S::f32s>().write_unaligned(x) }
    } else {
        for (out, &x) in out.iter_mut().zip(pulp::bytemuck::cast_slice(&[x])) {
            out.write(x);
        }
    }
}
