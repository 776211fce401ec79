//! `cargo xtask bench`: figures that mean something on any machine, because a peer runs beside us in the same run.
//!
//! Rounds alternate between the two, the median counts, and the ratio goes with date, commit and machine into
//! `docs/bench.md`. A peer that this machine cannot run (no JDK, no way to install it) is left out with a message.

mod functions;
mod http;
mod latency;
mod log;
mod orders;
mod overhead;
mod peer;
pub mod queue;
pub mod report;
pub mod server;
mod sign;
mod sql;

use crate::shell;
use std::path::PathBuf;

type Bench = fn(&Setup) -> Result<Vec<report::Row>, String>;

/// Runs the asked bench, or all.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let asked = arguments.first().map_or("all", String::as_str);
    let benches: &[(&str, Bench)] = &[
        ("log", |setup| Ok(vec![log::run(setup)?])),
        ("latency", |setup| Ok(vec![latency::run(setup)?])),
        ("sql", |setup| Ok(vec![sql::run(setup)?])),
        ("queue", |setup| Ok(vec![queue::run(setup)?])),
        ("functions", functions::run),
        ("overhead", overhead::run),
    ];
    if asked != "all" && benches.iter().all(|(name, _)| *name != asked) {
        return Err(format!(
            "there is no bench '{asked}': choose log, latency, sql, queue, functions, overhead or all"
        ));
    }
    let setup = Setup::new()?;
    let mut rows = Vec::new();
    for (name, bench) in benches.iter().filter(|(name, _)| asked == "all" || asked == *name) {
        println!("== {name}");
        for row in bench(&setup)? {
            println!("{row}\n");
            rows.push(row);
        }
    }
    report::append(&rows)
}

/// What every bench needs.
pub struct Setup {
    /// The release binary, or the one that `MILLRACE_BIN` names.
    pub millrace: PathBuf,
    /// Data folders of servers and generated input.
    pub cache: PathBuf,
}

impl Setup {
    /// Builds the release binary, if `MILLRACE_BIN` names none.
    pub fn new() -> Result<Self, String> {
        let cache = shell::cache()?.join("bench");
        if let Some(binary) = std::env::var_os("MILLRACE_BIN") {
            return Ok(Self { millrace: binary.into(), cache });
        }
        shell::run(shell::cargo().args(["build", "--release", "--package", "millrace"]))?;
        Ok(Self { millrace: shell::target_dir()?.join("release/millrace"), cache })
    }
}

/// The middle value; of an even number, the upper of the two.
fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value below which `percent` of the values lie. Zero of none.
fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * percent / 100.0) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 99.0), 100.0);
        assert_eq!(median(&mut values), 51.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
