//! Where data made on first use and caches live.

use std::path::PathBuf;

use crate::CliError;

/// `$ECHOZOO_HOME`, else `echozoo` in the platform's cache folder.
///
/// # Errors
/// Neither it nor the home folder is set.
pub(crate) fn home() -> Result<PathBuf, CliError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    variable("ECHOZOO_HOME")
        .or_else(|| cache.map(|cache| cache.join("echozoo")))
        .ok_or_else(|| CliError::Usage("no folder for data and caches: set ECHOZOO_HOME".to_owned()))
}
