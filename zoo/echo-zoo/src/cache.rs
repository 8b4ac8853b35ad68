//! `echozoo cache`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use echo_data::{FeatureCache, Usage};
use echo_files::{counted, say};

use crate::CliError;
use crate::home::home;
use crate::output::print;

/// Flags of `echozoo cache`; without any it says what there is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove everything.
    #[arg(long, conflicts_with = "limit")]
    clear: bool,
    /// Remove what was not used for longest until no more than this is left, such as 500MB or 20GB.
    #[arg(long, value_name = "SIZE")]
    limit: Option<Size>,
    /// Put all features that have files of their own together into packs, for a file system on which files are few.
    #[arg(long, conflicts_with_all = ["clear", "limit"])]
    pack: bool,
}

/// A number of bytes, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(u64);

/// Units, each with its factor; the first of a size is the one that it is shown in.
const UNITS: [(&str, u64); 10] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size; write it as 500MB or 1.5 GB");
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
        let bytes = number * *factor as f64;
        if bytes < u64::MAX as f64 { Ok(Self(bytes as u64)) } else { Err(wrong()) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor) {
            Some((unit, factor)) if *factor > 1 => write!(f, "{:.1} {unit}", self.0 as f64 / *factor as f64),
            _ => write!(f, "{} B", self.0),
        }
    }
}

/// Packs features where they are many, and removes what was not used for longest until `limit` is kept. A cache that cannot
/// be tidied spoils no results: it is told, and that is all.
pub(crate) fn keep_below(home: &Path, limit: Size) {
    let cache = FeatureCache::new(&home.join("cache/features"));
    if let Err(error) = cache.pack(FeatureCache::PACKED_AT) {
        say(&format!("features in the cache cannot be put together: {error}"));
    }
    match cache.evict(limit.0) {
        Ok(Usage { bytes: 0, .. }) => {}
        Ok(gone) => say(&format!("the cache had grown above {limit}: {} removed", in_words(gone))),
        Err(error) => say(&format!("the cache cannot be brought below {limit}: {error}")),
    }
}

fn in_words(Usage { entries, bytes }: Usage) -> String {
    format!("{}, {}", counted(entries, "feature"), Size(bytes))
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let folder = home()?.join("cache");
    let cache = FeatureCache::new(&folder.join("features"));
    let done = if args.clear {
        let digests = folder.join("digests.tsv");
        match std::fs::remove_file(&digests) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(CliError::file(&digests)(error)),
            _ => Some(("removed", cache.clear())),
        }
    } else if args.pack {
        Some(("packed", cache.pack(1)))
    } else {
        args.limit.map(|limit| ("removed", cache.evict(limit.0)))
    };
    if let Some((what, done)) = done {
        print(&format!("{what}: {}\n", in_words(done.map_err(CliError::file(&folder))?)))?;
    }
    let left = cache.usage().map_err(CliError::file(&folder))?;
    print(&format!("{}: {}\n", folder.display(), in_words(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(
            ["0", "12", "1.5GB", "2 mb", "1KiB", "3kb"].map(size),
            [Ok(0), Ok(12), Ok(1_500_000_000), Ok(2_000_000), Ok(1024), Ok(3000)]
        );
        for text in ["", "GB", "-1GB", "1 parsec", "1..5GB", "99999999999TB"] {
            assert!(size(text).is_err_and(|error| error.contains("500MB")), "{text}");
        }
        assert_eq!(
            [0, 999, 1_500, 20_000_000_000].map(|bytes| Size(bytes).to_string()),
            ["0 B", "999 B", "1.5 kB", "20.0 GB"]
        );
    }
}
