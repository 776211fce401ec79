//! The tumbling window: two million JSON orders, one-minute windows over 10,000 customers, beside a real Apache Flink.
//!
//! Both run one SQL text at parallelism 2 and write CSV, compared as sets of rows. Ours is timed as a whole process;
//! Flink's time is that of its INSERT alone, so that the start of its JVM is not held against it.

use super::report::Row;
use super::server::peak_mb;
use super::{Setup, median, orders};
use crate::shell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;

/// Alternates runs, compares their rows, and gives rows per second.
pub fn run(setup: &Setup) -> Result<Row, String> {
    std::fs::create_dir_all(&setup.cache).map_err(|error| format!("{}: {error}", setup.cache.display()))?;
    let input = orders::ensure(&setup.cache)?;
    let oracle = oracle();
    let (mut ours, mut theirs, mut peaks) = (Vec::new(), Vec::new(), (0.0f64, 0.0f64));
    for round in 1..=ROUNDS {
        let script = Script::new(setup, &input, "millrace")?;
        let run = measure(Command::new(&setup.millrace).arg("sql").arg(&script.file))?;
        ours.push(orders::ROWS as f64 / run.seconds);
        peaks.0 = peaks.0.max(run.peak_mb);
        println!("round {round}: millrace {:.2} s, {:.0} MB", run.seconds, run.peak_mb);
        let Some(oracle) = &oracle else { continue };
        let other = Script::new(setup, &input, "flink")?;
        let run = measure(Command::new(oracle).arg(&other.file))?;
        let insert = run.insert_seconds.ok_or("the oracle printed no insert_seconds")?;
        theirs.push(orders::ROWS as f64 / insert);
        peaks.1 = peaks.1.max(run.peak_mb);
        println!("round {round}: Flink {insert:.2} s (process {:.2} s), {:.0} MB", run.seconds, run.peak_mb);
        compare(&script.output, &other.output)?;
    }
    let (ours, theirs_rate) = (median(&mut ours), median(&mut theirs));
    let wall = |rate: f64| orders::ROWS as f64 / rate;
    let ran = format!("{:.2} s and {:.0} MB at peak", wall(ours), peaks.0);
    let notes = if theirs.is_empty() {
        format!("rows not compared; {ran}")
    } else {
        format!("rows identical; {ran}, peer's {:.2} s and {:.0} MB", wall(theirs_rate), peaks.1)
    };
    Ok(Row {
        bench: "sql: 2,000,000 JSON orders, 1-minute tumbling window, 10,000 keys, parallelism 2",
        unit: "rows/s",
        millrace: ours,
        peer: (!theirs.is_empty()).then_some(("Apache Flink 2.2, without JVM start", theirs_rate)),
        higher_is_better: true,
        notes,
    })
}

/// The script that runs a real Flink; none, with a message, when it or the JDK is absent.
fn oracle() -> Option<PathBuf> {
    let beside = shell::root().join("../shared/oracle/flink-sql");
    let script = std::env::var_os("MILLRACE_FLINK_SQL").map_or(beside, PathBuf::from);
    let missing = ["java", "javac", "pip", "unzip"].into_iter().find(|program| !shell::exists(program));
    if let Some(program) = missing {
        println!("Flink is left out: {program} is not installed");
        return None;
    }
    if !script.exists() {
        println!("Flink is left out: {} is not there; MILLRACE_FLINK_SQL names the oracle's script", script.display());
        return None;
    }
    Some(script)
}

/// The SQL text on disk, and the folder that its INSERT fills.
struct Script {
    file: PathBuf,
    output: PathBuf,
}

impl Script {
    fn new(setup: &Setup, input: &Path, who: &str) -> Result<Self, String> {
        let output = setup.cache.join(format!("totals-{who}"));
        let file = setup.cache.join(format!("window-{who}.sql"));
        if output.exists() {
            std::fs::remove_dir_all(&output).map_err(|error| format!("cannot empty {}: {error}", output.display()))?;
        }
        std::fs::write(&file, sql(input, &output)).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { file, output })
    }
}

fn sql(input: &Path, output: &Path) -> String {
    format!(
        "SET 'parallelism.default' = '2';
CREATE TABLE orders (
  order_id BIGINT, customer STRING, product STRING, quantity INT, amount DECIMAL(10, 2), ordered_at TIMESTAMP(3),
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://{}', 'format' = 'json');
CREATE TABLE totals (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), customer STRING, orders BIGINT, quantity BIGINT,
  amount DECIMAL(38, 2)
) WITH ('connector' = 'filesystem', 'path' = 'file://{}', 'format' = 'csv');
INSERT INTO totals
SELECT window_start, window_end, customer, COUNT(*), SUM(CAST(quantity AS BIGINT)), SUM(amount)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ordered_at), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, customer;
",
        input.display(),
        output.display()
    )
}

/// What one process needed.
struct Run {
    seconds: f64,
    insert_seconds: Option<f64>,
    peak_mb: f64,
}

fn measure(command: &mut Command) -> Result<Run, String> {
    let shown = format!("{command:?}");
    let log = std::env::temp_dir().join(format!("millrace-bench-{}.log", std::process::id()));
    let errors = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("cannot start {shown}: {error}"))?;
    let mut peak = 0.0f64;
    let status = loop {
        peak = peak.max(peak_mb(child.id()));
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let _left_for_the_system = std::fs::remove_file(&log);
    if !status.success() {
        return Err(format!("{shown} ended with {status}:\n{said}"));
    }
    let insert_seconds = said
        .lines()
        .find_map(|line| line.strip_prefix("insert_seconds "))
        .and_then(|number| number.trim().parse().ok());
    Ok(Run { seconds, insert_seconds, peak_mb: peak })
}

/// Fails when the two folders do not hold the same rows.
fn compare(ours: &Path, theirs: &Path) -> Result<(), String> {
    let (ours, theirs) = (rows(ours)?, rows(theirs)?);
    if ours == theirs {
        return Ok(());
    }
    let example = |from: &BTreeSet<String>, other: &BTreeSet<String>| {
        from.difference(other).next().cloned().unwrap_or_else(|| "none".to_owned())
    };
    Err(format!(
        "rows differ: {} of ours, {} of Flink's; only ours: {}; only Flink's: {}",
        ours.len(),
        theirs.len(),
        example(&ours, &theirs),
        example(&theirs, &ours)
    ))
}

/// All lines of the files in a folder and the folders below it, hidden ones aside.
fn rows(folder: &Path) -> Result<BTreeSet<String>, String> {
    let mut rows = BTreeSet::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        if path.is_dir() {
            rows.extend(self::rows(&path)?);
        } else {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let before = rows.len();
            rows.extend(text.lines().map(str::to_owned));
            if rows.len() - before != text.lines().count() {
                return Err(format!("{} repeats rows", path.display()));
            }
        }
    }
    Ok(rows)
}
