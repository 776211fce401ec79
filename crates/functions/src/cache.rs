//! Where runtime clients are installed, once for all servers of a user.

use std::path::PathBuf;

/// The folder: below the user's cache. Root's functions run as a user of their own, who must be able to read it, so root's
/// is the machine's.
pub fn runtimes_cache() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || match rustix::process::geteuid().is_root() {
        true => PathBuf::from("/var/cache"),
        false => folder("HOME").map_or_else(std::env::temp_dir, |home| home.join(".cache")),
    };
    let cache = folder("XDG_CACHE_HOME").unwrap_or_else(home);
    cache.join("millrace").join("runtimes")
}
