//! Memory that is written before it is read, so that nothing is cleared only to be overwritten.

use std::mem::{ManuallyDrop, MaybeUninit};

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
