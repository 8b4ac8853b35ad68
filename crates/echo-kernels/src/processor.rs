//! Which vectors the processor has.

use std::sync::OnceLock;

use pulp::Arch;

/// What the environment asks for.
const VARIABLE: &str = "ECHOZOO_SIMD";

/// The widest vectors of this processor, or what `ECHOZOO_SIMD` asks for: `avx2`, or `plain` for none. Results of two differ by
/// the rounding of sums.
pub(crate) fn vectors() -> Arch {
    static VECTORS: OnceLock<Arch> = OnceLock::new();
    *VECTORS.get_or_init(|| {
        let asked = std::env::var(VARIABLE).ok();
        asked.and_then(|name| by_name(&name)).unwrap_or_default()
    })
}

/// Whether it is one of Intel's.
pub(crate) fn is_intel() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let name = std::arch::x86_64::__cpuid(0);
        [name.ebx, name.edx, name.ecx].map(u32::to_le_bytes) == [*b"Genu", *b"ineI", *b"ntel"]
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether `ECHOZOO_SIMD`, where it is set and not empty, asks for vectors that this processor has.
///
/// # Errors
/// A sentence for the user.
pub fn check_simd() -> Result<(), String> {
    match std::env::var_os(VARIABLE) {
        Some(name) if !name.is_empty() && name.to_str().and_then(by_name).is_none() => {
            Err(format!("{VARIABLE} is {name:?}; known on this processor: {}", known().join(", ")))
        }
        _ => Ok(()),
    }
}

/// The name of the [vectors](vectors) in use, `plain` for none.
pub fn vectors_in_use() -> &'static str {
    match vectors() {
        Arch::Scalar => "plain",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2",
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512",
        #[allow(unreachable_patterns, reason = "of other processors there are others")]
        _ => "vectors",
    }
}

fn known() -> Vec<&'static str> {
    ["avx2", "plain"].into_iter().filter(|name| by_name(name).is_some()).collect()
}

fn by_name(name: &str) -> Option<Arch> {
    match name {
        "plain" => Some(Arch::Scalar),
        #[cfg(target_arch = "x86_64")]
        "avx2" => pulp::x86::V3::try_new().map(Arch::V3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_none() {
        for name in ["AVX2", "avx512", "", "nonsense"] {
            assert!(by_name(name).is_none(), "{name}");
        }
        assert!(known().contains(&"plain"));
    }
}
