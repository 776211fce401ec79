//! The project's own tasks, in plain Rust: `cargo xtask --help` lists them.
#![allow(clippy::disallowed_methods, reason = "a developer's tool works on the real disk, clock and threads")]

mod audit;
mod bench;
mod cfn;
mod compat;
mod models;
mod oracle;
mod payments;
mod scan;
mod shell;
mod test;
mod tidy;
mod venv;

use std::process::ExitCode;

type Task = fn(&[String]) -> Result<(), String>;

/// Every task: its name, its arguments, what it does.
const TASKS: &[(&str, &str, &str, Task)] = &[
    (
        "test",
        "[payments|FILTER]",
        "run every test: the crates' own, the AWS CLI's and Python's against the binary, and a small payments day",
        test::run,
    ),
    ("tidy", "", "check the house's rules: sizes, module docs, dependency arrows, links, leftovers", tidy::run),
    (
        "bench",
        "[log|latency|sql|functions|all]",
        "measure beside a peer in the same run and add the ratio to docs/bench.md",
        bench::run,
    ),
    (
        "day",
        "[steady|outage|highest|kills|all] [--minutes M] [--rate R]",
        "the payments day at full size: each phase's figures go to docs/bench.md",
        payments::day,
    ),
    (
        "audit",
        "queue [--messages N] [--kills K]",
        "send, receive and delete a million messages while the server is killed; is all there, once and in order?",
        audit::run,
    ),
    ("models", "[--check] [BOTOCORE]", "generate crates/api/src/models from AWS's own service models", models::run),
    ("cfn", "[PYTHON]", "generate crates/stack/src/schemas.json from AWS's own resource schemas", cfn::run),
    ("compat", "", "prove the example functions in all languages, Rust too, which takes minutes to build", compat::run),
    ("oracle", "[FLINK_SQL] [NAME …]", "re-record tests/sql/*.golden with a real Apache Flink", oracle::run),
    ("venv", "", "set up the Python tools and print the folder of their programs", venv::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = arguments.first().map_or("--help", String::as_str);
    if matches!(asked, "--help" | "-h" | "help") {
        help();
        return ExitCode::SUCCESS;
    }
    let Some((_, _, _, task)) = TASKS.iter().find(|(name, ..)| *name == asked) else {
        eprintln!("xtask: there is no task '{asked}'; `cargo xtask --help` lists them");
        return ExitCode::from(2);
    };
    match task(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {asked}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn help() {
    println!("cargo xtask TASK\n");
    for (name, arguments, what, _) in TASKS {
        println!("  {:<28} {what}", format!("{name} {arguments}"));
    }
}
