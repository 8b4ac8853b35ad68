//! Where and with what a cell was run.

use serde::{Deserialize, Serialize};

/// What a result's numbers were computed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processor, as the system calls it.
    pub processor: String,
    /// Threads that computations may use.
    pub threads: usize,
    /// Operating system and architecture.
    pub system: String,
    /// Version of these crates.
    pub version: String,
    /// Git revision, when the caller says it by `ECHOZOO_GIT_VERSION`.
    pub git: Option<String>,
}

impl Machine {
    /// This one.
    pub fn current() -> Self {
        Self {
            processor: processor().unwrap_or_else(|| "unknown".to_owned()),
            threads: rayon::current_num_threads(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git: std::env::var("ECHOZOO_GIT_VERSION").ok().filter(|version| !version.is_empty()),
        }
    }
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
