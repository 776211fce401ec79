//! `cargo xtask compat`: the proofs that take too long for every change.
//!
//! Today one: the function of `examples/functions/rust`, built as its users build it and put through the same week of
//! flights, poison and kills as the Python and Node.js ones.

use crate::{shell, venv};
use std::process::Command;

/// Builds the Rust function and runs the functions' proof in all languages that this machine has.
pub fn run(_arguments: &[String]) -> Result<(), String> {
    let tools = venv::ensure()?;
    shell::run(shell::cargo().args(["build", "--package", "millrace"]))?;
    let target = shell::target_dir()?;
    let folder = target.join("examples-functions-rust");
    let manifest = shell::root().join("examples/functions/rust/Cargo.toml");
    let built = shell::run(
        shell::cargo().args(["build", "--release", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&folder),
    );
    let languages = match &built {
        Ok(()) => "rust,python,node",
        // The crates may be out of reach; the other languages need none.
        Err(message) => {
            eprintln!("compat: the Rust function is skipped, it could not be built: {message}");
            "python,node"
        }
    };
    let mut pytest = Command::new(tools.join("python"));
    pytest
        .current_dir(shell::root())
        .args(["-m", "pytest", "tests/python/test_functions_proof.py", "-rs"])
        .env("MILLRACE_BIN", target.join("debug/millrace"))
        .env("MILLRACE_FUNCTIONS", languages);
    if built.is_ok() {
        pytest.env("MILLRACE_RUST_FUNCTION", folder.join("release/bootstrap"));
    }
    shell::run(&mut pytest)
}
