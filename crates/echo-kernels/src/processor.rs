//! Which vectors the processor has.

use std::sync::OnceLock;

use pulp::Arch;

/// The widest vectors of this processor, or what `ECHOZOO_SIMD` asks for: `avx2`, or `plain` for none. Results of two differ by
/// the rounding of sums.
pub(crate) fn vectors() -> Arch {
    static VECTORS: OnceLock<Arch> = OnceLock::new();
    *VECTORS.get_or_init(|| match std::env::var("ECHOZOO_SIMD").as_deref() {
        Ok("plain") => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    })
}
