//! The peer of the log benches: the crate ferrokinesis in its memory-only mode, installed once into the cache folder.

use super::server::Server;
use crate::shell;
use std::path::PathBuf;

/// The release that figures in `docs/bench.md` are compared with.
const VERSION: &str = "0.7.0";

/// The installed binary; none, with a message, when it cannot be had.
pub fn ferrokinesis() -> Result<Option<PathBuf>, String> {
    let folder = shell::cache()?.join(format!("ferrokinesis-{VERSION}"));
    let binary = folder.join("bin/ferrokinesis");
    if !binary.exists() {
        println!("installing the peer ferrokinesis {VERSION} (once, some minutes)");
        let mut install = shell::cargo();
        // A build folder of its own, outside of the project's.
        install.args(["install", "ferrokinesis", "--locked", "--version", VERSION, "--root"]).arg(&folder);
        install.env_remove("CARGO_TARGET_DIR");
        if let Err(message) = shell::run(&mut install) {
            println!("the peer is left out: {message}");
            return Ok(None);
        }
    }
    Ok(Some(binary))
}

/// Starts it with an empty memory. It neither writes to a disk nor enforces quotas in this mode.
pub fn start(binary: &std::path::Path) -> Result<Server, String> {
    Server::start(binary, &["serve", "--create-stream-ms", "0", "--log-level", "off"])
}
