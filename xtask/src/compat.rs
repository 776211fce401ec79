//! `cargo xtask compat`: the proofs that take too long, or need too much, for every change.
//!
//! - `functions`: the function of `examples/functions/rust`, built as its users build it and put through the same week of
//!   flights, poison and kills as the Python and Node.js ones.
//! - `registry`: the official Java serializers of Glue's schema registry, from Maven, against the server, against the Python
//!   ones and against SQL tables. Without a JDK and Maven it is skipped, and says so.
//!
//! Without a word all of them run.

use crate::{shell, venv};
use std::path::Path;
use std::process::Command;

/// Runs the proofs that are named, else all.
pub fn run(arguments: &[String]) -> Result<(), String> {
    const PROOFS: [&str; 2] = ["functions", "registry"];
    if let Some(unknown) = arguments.iter().find(|argument| !PROOFS.contains(&argument.as_str())) {
        return Err(format!("there is no proof '{unknown}': write {}", PROOFS.join(" or ")));
    }
    let tools = venv::ensure()?;
    shell::run(shell::cargo().args(["build", "--package", "millrace"]))?;
    let target = shell::target_dir()?;
    let is_asked = |proof: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == proof);
    if is_asked("functions") {
        functions(&tools, &target)?;
    }
    if is_asked("registry") {
        registry(&tools, &target)?;
    }
    Ok(())
}

/// Pytest on one file of the whole-system tests.
fn pytest(tools: &Path, target: &Path, file: &str) -> Command {
    let mut pytest = Command::new(tools.join("python"));
    pytest
        .current_dir(shell::root())
        .args(["-m", "pytest", "-rs"])
        .arg(Path::new("tests/python").join(file))
        .env("MILLRACE_BIN", target.join("debug/millrace"));
    pytest
}

/// Builds the Rust function and runs the functions' proof in all languages that this machine has.
fn functions(tools: &Path, target: &Path) -> Result<(), String> {
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
    let mut pytest = pytest(tools, target, "test_functions_proof.py");
    pytest.env("MILLRACE_FUNCTIONS", languages);
    if built.is_ok() {
        pytest.env("MILLRACE_RUST_FUNCTION", folder.join("release/bootstrap"));
    }
    shell::run(&mut pytest)
}

/// Builds `tests/java/registry` and runs its round trips.
fn registry(tools: &Path, target: &Path) -> Result<(), String> {
    if let Some(missing) = ["java", "javac", "mvn"].into_iter().find(|program| !shell::exists(program)) {
        eprintln!(
            "compat: the Java serializers are skipped, {missing} is not installed (a JDK of 17 or newer, and Maven)"
        );
        return Ok(());
    }
    let folder = target.join("tests-java-registry");
    let project = shell::root().join("tests/java/registry/pom.xml");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "package", "-f"]).arg(project).arg(format!("-Dbuild.folder={}", folder.display()));
    if let Err(message) = shell::run(&mut maven) {
        eprintln!("compat: the Java serializers are skipped, Maven could not build them: {message}");
        return Ok(());
    }
    let path = folder.join("classpath");
    let jars = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let classpath = format!("{}:{}", folder.join("classes").display(), jars.trim());
    let mut pytest = pytest(tools, target, "test_schema_registry_java.py");
    // The formats' other tests need no Java, and run with everything else.
    pytest.arg("tests/python/test_formats.py").args(["-k", "java"]);
    shell::run(pytest.env("MILLRACE_REGISTRY_JAVA", classpath))
}
