//! Runs `millrace demo payments` against a server and reads its report.

use super::server::Doomed;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What the driver says when the day begins.
const BEGUN: &str = "the first authorization was found";
/// How often it is looked what is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The driver shows a line every few seconds, and audits in silence.
const SILENT_MAX: Duration = Duration::from_secs(1_800);

/// Sees a line of the driver's and how long the day has been going on; its error ends the run.
pub type Look<'a> = dyn FnMut(&str, Option<Duration>) -> Result<(), String> + 'a;

/// A run of the demo.
pub struct Driver {
    command: Command,
    report: PathBuf,
}

/// What of a report is used here.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Acknowledged events.
    pub events: u64,
    /// Acknowledged records a second.
    pub rate: f64,
    /// The most events that were due and not put.
    pub behind_max: f64,
    /// Records of whose put nobody knows.
    pub unknown: u64,
    /// Whether nothing was lost and nothing is twice.
    pub is_whole: bool,
    /// The audit in words.
    pub audit: String,
    /// Alarms of the incident, and after how many seconds they were delivered.
    pub alarms: Vec<(String, f64)>,
    /// The highest iterator age of the function.
    pub function_age_max_ms: f64,
    /// The same since the rate was reached.
    pub risen_age_max_ms: f64,
    /// The highest iterator age of any reader.
    pub reader_age_max_ms: f64,
    /// p50 and p99 from an authorization until a search finds it.
    pub visible_ms: (f64, f64),
    /// p50 and p99 from a put until a consumer has the record.
    pub read_ms: (f64, f64),
    /// How many events were timed.
    pub timed: u64,
}

impl Driver {
    /// A day of `minutes`, all at the same rate.
    pub fn new(binary: &Path, server: &Doomed, rate: f64, minutes: f64) -> Self {
        let report = server.data().with_extension("json");
        let mut command = Command::new(binary);
        command
            .args(["demo", "payments", "--exit", "--curve", "flat", "--endpoint", &server.url()])
            .args(["--search-endpoint", &server.search_url()])
            .args(["--rate", &rate.to_string(), "--minutes", &minutes.to_string()])
            .arg("--report")
            .arg(&report)
            .env("AWS_SHARED_CREDENTIALS_FILE", server.credentials())
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_PROFILE");
        Self { command, report }
    }

    /// Further arguments.
    pub fn arguments(&mut self, arguments: &[&str]) {
        self.command.args(arguments);
    }

    /// Runs it to its end. Between its lines, and every now and then (with an empty line), `look` is told how long the day
    /// has been going on. A day whose audit found something has a report, too.
    pub fn run(mut self, look: &mut Look<'_>) -> Result<Report, String> {
        // What an earlier run left must not be taken for this one's.
        let _absent_at_first = std::fs::remove_file(&self.report);
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the payments demo: {error}"))?;
        let output = child.stdout.take().ok_or("the payments demo has no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let (mut begun, mut heard): (Option<Instant>, _) = (None, Instant::now());
        let followed = loop {
            let line = match lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => {
                    println!("   | {line}");
                    heard = Instant::now();
                    line
                }
                Err(RecvTimeoutError::Timeout) => String::new(),
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
            };
            if line.contains(BEGUN) {
                begun = Some(Instant::now());
            }
            if heard.elapsed() > SILENT_MAX {
                break Err(format!("the payments demo said nothing for {SILENT_MAX:?}"));
            }
            if let Err(reason) = look(&line, begun.map(|begun| begun.elapsed())) {
                break Err(reason);
            }
        };
        if followed.is_err() {
            let _gone_already = child.kill();
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        followed?;
        let text = std::fs::read_to_string(&self.report)
            .map_err(|_| format!("the payments demo ended with {status} and wrote no report"))?;
        let report = serde_json::from_str(&text).map_err(|error| format!("the demo's report: {error}"))?;
        Ok(Report::read(&report))
    }
}

impl Report {
    fn read(report: &Value) -> Self {
        let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let count = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or(u64::MAX);
        let views = ["index", "lake"];
        let part = |view: &str, member: &str| count(&format!("/{view}/{member}"));
        let told = views.map(|view| {
            let (missing, doubled) = (part(view, "missing"), part(view, "doubled"));
            format!("{view}: {} found, {missing} lost, {doubled} twice", part(view, "found"))
        });
        let alarms =
            report["rang"].as_array().into_iter().flatten().filter_map(|alarm| {
                Some((alarm["alarm"].as_str()?.to_owned(), alarm["delivered_after_secs"].as_f64()?))
            });
        Self {
            events: count("/put/events"),
            rate: number("/acknowledged_per_sec"),
            behind_max: number("/behind_max"),
            unknown: count("/put/unknown"),
            is_whole: views.iter().all(|view| part(view, "missing") == 0 && part(view, "doubled") == 0),
            audit: told.join("; "),
            alarms: alarms.collect(),
            function_age_max_ms: number("/ages/function_max_ms"),
            risen_age_max_ms: number("/ages/risen_function_max_ms"),
            reader_age_max_ms: number("/ages/reader_max_ms"),
            visible_ms: (number("/visible/p50_ms"), number("/visible/p99_ms")),
            read_ms: (number("/read/p50_ms"), number("/read/p99_ms")),
            timed: count("/visible/timed"),
        }
    }

    /// After how many seconds an alarm was delivered.
    pub fn alarm(&self, name: &str) -> Option<f64> {
        self.alarms.iter().find(|(alarm, _)| alarm == name).map(|(_, after)| *after)
    }

    /// The alarm that was delivered first.
    pub fn first_alarm(&self) -> Option<(&str, f64)> {
        let first = self.alarms.iter().min_by(|one, other| one.1.total_cmp(&other.1));
        first.map(|(alarm, after)| (&**alarm, *after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_without_an_audit_is_not_whole() {
        assert!(!Report::read(&json!({ "index": { "missing": 0, "doubled": 0 } })).is_whole);
        let view = json!({ "missing": 0, "doubled": 0, "found": 3 });
        let report = Report::read(&json!({
            "index": view, "lake": view,
            "rang": [{ "alarm": "b", "delivered_after_secs": 9.0 }, { "alarm": "a", "delivered_after_secs": 4.5 }],
        }));
        assert!(report.is_whole);
        assert_eq!((report.first_alarm(), report.alarm("b")), (Some(("a", 4.5)), Some(9.0)));
    }
}
