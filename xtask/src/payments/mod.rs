//! The payments day: `millrace demo payments` against servers that are killed, small for every test run, and at full size.
//!
//! The demo is the driver: it makes the load and the incidents, and audits by id what became of each event. Here is what it
//! cannot do by itself: a server as a process of its own that dies again and again, and a lake store that fails.

mod driver;
mod server;
mod store;

use crate::bench::Setup;
use crate::bench::report::{self, Row};
use crate::shell;
use driver::{Driver, Report};
use server::Doomed;
use std::path::Path;
use std::time::{Duration, Instant};
use store::FaultyStore;

/// What the issue of this day asks for.
const AGE_MS_MAX: f64 = 1_000.0;
const VISIBLE_MS_MAX: (f64, f64) = (600.0, 1_500.0);
const ALARM_SECS_MAX: f64 = 15.0;
const MEMORY_MB_MAX: f64 = 1_500.0;
const HIGHEST_RATE_MIN: f64 = 12_000.0;
/// An alarm on a machine that runs other tests may take longer; that it comes is what a small day shows.
const SMALL_ALARM_SECS_MAX: f64 = 60.0;
const SMALL_RATE: f64 = 300.0;
const SMALL_MINUTES: f64 = 1.0;
/// The highest rate is looked for from here on, in steps.
const FIRST_RATE: f64 = 6_000.0;
const RATE_STEP: f64 = 2_000.0;
/// A rate holds when producers are never further behind than so many seconds of it, nor readers.
const BEHIND_SECS_MAX: f64 = 5.0;
/// One in so many requests to the lake's store fails.
const STORE_FAILS_ONE_IN: u64 = 10;
/// The bucket of the template's lake.
const BUCKET: &str = "payments-lake-000000000000-us-east-1";
const KILL_EVERY: Duration = Duration::from_secs(60);

/// A minute of payments with an incident, an alarm, a SIGKILL and the audit; `binary` may be a debug build.
pub fn small(binary: &Path) -> Result<(), String> {
    println!("payments day, small: {SMALL_RATE} a second for a minute, an issuer's outage, a SIGKILL");
    let folder = shell::cache()?.join("payments");
    let mut server = Doomed::start(binary, &folder.join("small"), None)?;
    let mut driver = Driver::new(binary, &server, SMALL_RATE, SMALL_MINUTES);
    driver.arguments(&["--incident", "issuer-outage", "--seed", "7"]);
    let mut kills = 0;
    let report = driver.run(&mut |line, since| {
        // A minute's last third: the alarm has rung, and events still come.
        if kills == 0 && since.is_some_and(|since| since > Duration::from_secs(45)) {
            kills += 1;
            return server.restart();
        }
        if line.contains("panicked") { Err(format!("the driver failed: {line}")) } else { Ok(()) }
    })?;
    check(kills == 1, "the server was killed once")?;
    let expected = (SMALL_RATE * SMALL_MINUTES * 60.0 * 0.9) as u64;
    check(report.events > expected, &format!("{} events were put, more than {expected}", report.events))?;
    check(report.timed > 20, &format!("{} events were timed on their way to a search", report.timed))?;
    let alarm = report.alarm("payments-issuer-outage").ok_or("no alarm payments-issuer-outage came to the webhook")?;
    check(alarm < SMALL_ALARM_SECS_MAX, &format!("the alarm came after {alarm:.1} s"))?;
    check(report.is_whole, &report.audit)?;
    drop(server);
    std::fs::remove_dir_all(&folder).map_err(|error| format!("cannot remove {}: {error}", folder.display()))
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    println!("  {} {what}", if holds { "ok  " } else { "FAIL" });
    if holds { Ok(()) } else { Err(format!("the payments day does not hold: {what}")) }
}

/// Which phases, how long, how fast.
struct Options {
    phase: String,
    minutes: Option<f64>,
    rate: Option<f64>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        const USAGE: &str = "usage: cargo xtask day [steady|outage|highest|kills|all] [--minutes M] [--rate R]";
        let (phase, rest) = match arguments.split_first() {
            Some((first, rest)) if !first.starts_with("--") => (first.clone(), rest),
            _ => ("all".to_owned(), arguments),
        };
        if !["steady", "outage", "highest", "kills", "all"].contains(&&*phase) {
            return Err(USAGE.to_owned());
        }
        let mut options = Self { phase, minutes: None, rate: None };
        for pair in rest.chunks(2) {
            let value = pair.get(1).and_then(|value| value.replace('_', "").parse::<f64>().ok());
            let value = value.filter(|value| *value > 0.0).ok_or(USAGE)?;
            match pair[0].as_str() {
                "--minutes" => options.minutes = Some(value),
                "--rate" => options.rate = Some(value),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }
}

type Phase = fn(&Setup, &Options) -> Result<Vec<Row>, String>;

/// The full day, or one of its phases; the figures go to `docs/bench.md`.
pub fn day(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let setup = Setup::new()?;
    let phases: [(&str, Phase); 4] = [("steady", steady), ("outage", outage), ("highest", highest), ("kills", kills)];
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, phase) in phases.iter().filter(|(name, _)| options.phase == "all" || options.phase == *name) {
        println!("== day: {name}");
        match phase(&setup, &options) {
            Ok(found) => rows.extend(found),
            Err(reason) => failed.push(format!("{name}: {reason}")),
        }
    }
    rows.iter().for_each(|row| println!("{row}\n"));
    if !rows.is_empty() {
        report::append(&rows)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

/// A day that lost something, or has something twice, has no figures.
fn whole(report: Report) -> Result<Report, String> {
    if report.is_whole { Ok(report) } else { Err(report.audit) }
}

fn row(bench: &'static str, unit: &'static str, millrace: f64, higher_is_better: bool, notes: String) -> Row {
    Row { bench, unit, millrace, peer: None, higher_is_better, notes }
}

fn folder(setup: &Setup, phase: &str) -> std::path::PathBuf {
    setup.cache.join("day").join(phase)
}

/// 6,000 events a second for 30 minutes, all paths and encryption on.
fn steady(setup: &Setup, options: &Options) -> Result<Vec<Row>, String> {
    let (rate, minutes) = (options.rate.unwrap_or(6_000.0), options.minutes.unwrap_or(30.0));
    let server = Doomed::start(&setup.millrace, &folder(setup, "steady"), None)?;
    let report = whole(Driver::new(&setup.millrace, &server, rate, minutes).run(&mut |_, _| Ok(()))?)?;
    let memory = server.peak_mb();
    let audit = format!("{} events; {}; {rate} events/s for {minutes} minutes", report.events, report.audit);
    Ok(vec![
        row("day: events/s, all paths, encryption and auth on", "events/s", report.rate, true, audit),
        row(
            "day: iterator age of the function, longest",
            "ms",
            report.function_age_max_ms,
            false,
            format!(
                "at most {AGE_MS_MAX} ms asked for; since the rate was reached {:.0} ms; of any reader {:.0} ms",
                report.risen_age_max_ms, report.reader_age_max_ms
            ),
        ),
        row(
            "day: authorization → visible in search, p50",
            "ms",
            report.visible_ms.0,
            false,
            format!(
                "p99 {:.0} ms; at most {} and {} asked for; {} timed; put → consumer p50 {:.1} ms, p99 {:.1} ms",
                report.visible_ms.1,
                VISIBLE_MS_MAX.0,
                VISIBLE_MS_MAX.1,
                report.timed,
                report.read_ms.0,
                report.read_ms.1
            ),
        ),
        row("day: memory of the server", "MB", memory, false, format!("at most {MEMORY_MB_MAX} asked for")),
    ])
}

/// An issuer's outage, and how long it takes until the webhook knows.
fn outage(setup: &Setup, options: &Options) -> Result<Vec<Row>, String> {
    let (rate, minutes) = (options.rate.unwrap_or(6_000.0), options.minutes.unwrap_or(3.0));
    let server = Doomed::start(&setup.millrace, &folder(setup, "outage"), None)?;
    let mut driver = Driver::new(&setup.millrace, &server, rate, minutes);
    driver.arguments(&["--incident", "issuer-outage"]);
    let report = whole(driver.run(&mut |_, _| Ok(()))?)?;
    let (name, after) = report.first_alarm().ok_or("no alarm came to the webhook")?;
    let notes = format!("{name}; at most {ALARM_SECS_MAX} s asked for; {rate} events/s; {}", report.audit);
    Ok(vec![row("day: issuer outage → alarm at a webhook", "s", after, false, notes)])
}

/// The highest rate that holds, by steps; what gave way first is in the notes.
fn highest(setup: &Setup, options: &Options) -> Result<Vec<Row>, String> {
    let minutes = options.minutes.unwrap_or(5.0);
    let mut rate = options.rate.unwrap_or(FIRST_RATE);
    let mut held = None;
    loop {
        let server = Doomed::start(&setup.millrace, &folder(setup, "highest"), None)?;
        let report = Driver::new(&setup.millrace, &server, rate, minutes).run(&mut |_, _| Ok(()))?;
        let weak = gave_way(&report, rate);
        println!("  {rate} events/s: {}", weak.as_deref().unwrap_or("holds"));
        if let Some(weak) = weak {
            let notes = format!(
                "held for {minutes} minutes; at {rate}: {weak}; at least {HIGHEST_RATE_MIN} asked for; {}",
                report.audit
            );
            return Ok(vec![row("day: highest rate that holds", "events/s", held.unwrap_or(0.0), true, notes)]);
        }
        held = Some(report.rate);
        rate += RATE_STEP;
    }
}

/// What did not keep up with a rate, the first on the way of an event first.
fn gave_way(report: &Report, rate: f64) -> Option<String> {
    let behind = report.behind_max / rate;
    if behind > BEHIND_SECS_MAX {
        return Some(format!("puts fell {behind:.1} s behind ({:.0} of {rate} events/s)", report.rate));
    }
    if report.reader_age_max_ms > BEHIND_SECS_MAX * 1_000.0 {
        return Some(format!("readers fell {:.1} s behind", report.reader_age_max_ms / 1_000.0));
    }
    if report.visible_ms.1 > BEHIND_SECS_MAX * 1_000.0 {
        return Some(format!("events were visible in search only after {:.1} s (p99)", report.visible_ms.1 / 1_000.0));
    }
    (!report.is_whole).then(|| report.audit.clone())
}

/// SIGKILL every minute, the index away for a third of the time, the lake's store failing one request in ten.
fn kills(setup: &Setup, options: &Options) -> Result<Vec<Row>, String> {
    let (rate, minutes) = (options.rate.unwrap_or(2_000.0), options.minutes.unwrap_or(15.0));
    let store = FaultyStore::start(&setup.millrace, &folder(setup, "store"), STORE_FAILS_ONE_IN, BUCKET)?;
    let mut server = Doomed::start(&setup.millrace, &folder(setup, "kills"), Some(&store.url))?;
    let mut driver = Driver::new(&setup.millrace, &server, rate, minutes);
    driver.arguments(&["--incident", "index-away", "--lake-endpoint", &store.true_url]);
    let (mut killed, mut count, mut ready) = (Instant::now(), 0, Vec::new());
    let length = Duration::from_secs_f64(minutes * 60.0);
    let report = driver.run(&mut |_, since| {
        let is_due = since.is_some_and(|since| since < length) && killed.elapsed() > KILL_EVERY.min(length / 3);
        if is_due {
            let begun = Instant::now();
            server.restart()?;
            ready.push(begun.elapsed().as_millis());
            (killed, count) = (Instant::now(), count + 1);
        }
        Ok(())
    })?;
    let report = whole(report)?;
    let (asked, failed) = store.counts();
    let notes = format!(
        "{count} times SIGKILL in {minutes} minutes (back within {} ms), index away for a third of them, {failed} of {asked} \
         requests to the store failed; {}; {} records of whose put the producer never knew",
        ready.iter().max().unwrap_or(&0),
        report.audit,
        report.unknown,
    );
    Ok(vec![row(
        "day: events that survive kills, a lost index and a failing store",
        "events",
        report.events as f64,
        true,
        notes,
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn phases_and_sizes_are_read() {
        let asked = options("steady --minutes 0.5 --rate 1_000").unwrap();
        assert_eq!((&*asked.phase, asked.minutes, asked.rate), ("steady", Some(0.5), Some(1_000.0)));
        assert_eq!(options("--minutes 2").unwrap().phase, "all");
        assert!(
            options("stedy").is_err() && options("kills --minutes").is_err() && options("kills --rate -1").is_err()
        );
    }

    #[test]
    fn what_gives_way_first_is_told_first() {
        let good = Report { rate: 6_000.0, is_whole: true, ..Report::default() };
        assert_eq!(gave_way(&good, 6_000.0), None);
        let behind = Report { behind_max: 60_000.0, reader_age_max_ms: 9_000.0, ..good.clone() };
        assert!(gave_way(&behind, 6_000.0).unwrap().starts_with("puts fell 10.0 s behind"));
        let slow = Report { reader_age_max_ms: 9_000.0, ..good };
        assert!(gave_way(&slow, 6_000.0).unwrap().starts_with("readers fell 9.0 s behind"));
    }
}
