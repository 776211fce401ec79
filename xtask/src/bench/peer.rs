//! The peers of the log and queue benches, installed once into the cache folder: the crate ferrokinesis in its memory-only
//! mode, and moto's server.

use super::server::Server;
use crate::shell;
use std::path::PathBuf;
use std::process::Command;

/// The release that figures in `docs/bench.md` are compared with.
const VERSION: &str = "0.7.0";

/// The release of moto that SQS is compared with.
const MOTO_VERSION: &str = "5.2.5";

/// moto's server; none, with a message, when it cannot be had.
pub fn moto() -> Result<Option<PathBuf>, String> {
    let folder = shell::cache()?.join(format!("moto-{MOTO_VERSION}"));
    let program = folder.join("bin/moto_server");
    if !program.exists() {
        println!("installing the peer moto {MOTO_VERSION} (once, about a minute)");
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv"]).arg(&folder);
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.arg(format!("moto[server]=={MOTO_VERSION}"));
        if let Err(message) = shell::run(&mut environment).and_then(|()| shell::run(&mut install)) {
            println!("the peer is left out: {message}");
            return Ok(None);
        }
    }
    Ok(Some(program))
}

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
