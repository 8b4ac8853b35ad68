//! The most memory that the process has held.

/// Forgets the peak so far, where the system can; elsewhere it stays that of the whole process.
pub(crate) fn reset_peak() {
    // Not to be written where it is not supported, which leaves the peak an upper bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak of resident memory in bytes since [`reset_peak`], where the system tells it.
pub(crate) fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// Resident memory in bytes now, where the system tells it.
pub(crate) fn now() -> Option<u64> {
    status("VmRSS:")
}

fn status(entry: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(entry))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_holds_what_was_allocated() {
        let bytes = vec![1_u8; 64 << 20];
        let held = bytes.iter().map(|&byte| u64::from(byte)).sum();
        assert!(now().unwrap() >= held && peak().unwrap() >= now().unwrap() / 2);
    }
}
