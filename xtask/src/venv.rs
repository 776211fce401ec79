//! The Python tools that whole-system tests use, in a virtual environment of their own in the cache folder.
//!
//! The folder's name carries a hash of `tests/python/requirements.txt`, so that a changed pin makes a new one and an
//! unchanged one is made once a machine.

use crate::shell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Written last into a finished environment; a folder without it was interrupted and is made anew.
const COMPLETE: &str = "complete";

/// Prints the folder of the environment's programs (`python`, `aws`, `cfn-lint`, …), making it when needed.
pub fn run(_arguments: &[String]) -> Result<(), String> {
    println!("{}", ensure()?.display());
    Ok(())
}

/// The folder of the environment's programs, made when absent.
pub fn ensure() -> Result<PathBuf, String> {
    let requirements = shell::root().join("tests/python/requirements.txt");
    let pins =
        std::fs::read(&requirements).map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
    let python = python()?;
    let version = shell::output(Command::new(python).args(["-c", "import sys; print(sys.version)"]))?;
    let folder = shell::cache()?.join(format!("venv-{:016x}", fnv1a(&[&pins[..], version.as_bytes()].concat())));
    if !folder.join(COMPLETE).exists() {
        make(python, &folder, &requirements)?;
    }
    Ok(folder.join("bin"))
}

fn python() -> Result<&'static str, String> {
    let found = ["python3", "python"].into_iter().find(|program| shell::exists(program));
    found.ok_or_else(|| {
        "python3 is not installed: the whole-system tests need Python 3.10 or newer with venv".to_owned()
    })
}

fn make(python: &str, folder: &Path, requirements: &Path) -> Result<(), String> {
    eprintln!("Python tools: making {} (once, about a minute)", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    let made = Command::new(python).args(["-m", "venv"]).arg(folder).status();
    if !made.is_ok_and(|status| status.success()) {
        return Err(format!("`{python} -m venv` failed: install your system's package for it (Debian: python3-venv)"));
    }
    let pip = Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements)
        .status();
    if !pip.is_ok_and(|status| status.success()) {
        return Err(format!(
            "pip could not install {}: is a Python package index within reach?",
            requirements.display()
        ));
    }
    std::fs::write(folder.join(COMPLETE), "")
        .map_err(|error| format!("cannot write into {}: {error}", folder.display()))
}

/// FNV-1a: short, and the same in every release of Rust.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(super::fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
