//! One input of libFuzzer for one reader.

use std::sync::OnceLock;

use echo_fuzz::{MAX_LENGTH, Place, TARGETS, Target};

/// Reads `input` as the target `name`. libFuzzer itself notices panics, time (`-timeout=1`) and memory (`-rss_limit_mb`).
///
/// # Panics
/// When the reader panics, or refuses the input without naming the file.
pub fn read(name: &'static str, input: &[u8]) {
    static PLACE: OnceLock<(&'static Target, Place)> = OnceLock::new();
    let (target, place) = PLACE.get_or_init(|| {
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
        (target, Place::new(target))
    });
    place.put(&(target.wrap)(&input[..input.len().min(MAX_LENGTH)]));
    if let Err(message) = place.read() {
        assert!(place.is_named_in(&message), "no file is named: {message}");
    }
}
