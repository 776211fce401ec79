//! `cargo xtask test`: every test there is, after setting up all they need.
//!
//! First the crates' own tests, then pytest over `tests/python` against the built binary (its path in `MILLRACE_BIN`), then a
//! small payments day with a kill ([`payments`]). A failing part does not hide the others: all run, and the task fails when
//! any did.

use crate::{payments, shell, venv};
use std::process::Command;

/// Runs all tests, or those whose name contains the filter.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let filter = arguments.first().map(String::as_str);
    if filter == Some("payments") {
        return payments::small(&match std::env::var_os("MILLRACE_BIN") {
            Some(binary) => binary.into(),
            None => {
                shell::run(shell::cargo().args(["build", "--package", "millrace"]))?;
                shell::target_dir()?.join("debug/millrace")
            }
        });
    }
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if !shell::exists(&compiler) {
        return Err(format!("no C compiler ('{compiler}'): install one (Debian: gcc, macOS: xcode-select --install)"));
    }
    let tools = venv::ensure()?;

    // The whole workspace, so that cargo picks the same features as for the tests and builds every library once.
    shell::run(shell::cargo().args(["build", "--workspace"]))?;
    let binary = shell::target_dir()?.join("debug/millrace");

    let crates = shell::run(shell::cargo().args(["test", "--workspace", "--no-fail-fast"]).args(filter));
    let day = if filter.is_none() { payments::small(&binary) } else { Ok(()) };
    let mut pytest = Command::new(tools.join("python"));
    pytest
        .current_dir(shell::root())
        .args(["-m", "pytest", "tests/python"])
        .args(filter.iter().flat_map(|word| ["-k", word]))
        .env("MILLRACE_BIN", binary)
        .env("PATH", path_with(&tools)?);
    let system = match shell::run(&mut pytest) {
        // pytest's way to say that the filter left nothing.
        Err(message) if filter.is_some() && message.ends_with("exit status: 5") => Ok(()),
        other => other,
    };

    for (part, result) in [("crates", &crates), ("whole system", &system), ("payments day", &day)] {
        println!("{part}: {}", if result.is_ok() { "passed" } else { "FAILED" });
    }
    crates.and(system).and(day)
}

/// `PATH` with the environment's programs first, so that `aws` is the pinned one.
fn path_with(tools: &std::path::Path) -> Result<std::ffi::OsString, String> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(tools.to_path_buf()).chain(std::env::split_paths(&old));
    std::env::join_paths(all).map_err(|error| format!("PATH: {error}"))
}
