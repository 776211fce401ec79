//! What came of a run: for people, and as JSON for machines.

use super::audit::{Quarantine, View};
use super::incident::Happened;
use super::ledger::Counts;
use super::watch::Ages;
use super::webhook::Delivered;
use crate::cli::pace::thousands;
use serde::Serialize;
use std::time::Duration;

/// Delays of single events, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Percentiles {
    /// How many were timed.
    pub timed: usize,
    /// The middle one.
    pub p50_ms: f64,
    /// The one that one in a hundred exceeds.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Percentiles {
    /// Of these delays.
    pub fn of(delays: &[Duration]) -> Self {
        let mut delays: Vec<f64> = delays.iter().map(|delay| delay.as_secs_f64() * 1_000.0).collect();
        delays.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (delays.len() as f64 * part) as usize;
            delays.get(place.min(delays.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        Self { timed: delays.len(), p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// An alarm that followed the incident.
#[derive(Debug, Clone, Serialize)]
pub struct Rang {
    /// Which.
    pub alarm: String,
    /// From the incident's beginning until the alarm's state changed, in seconds.
    pub fired_after_secs: Option<f64>,
    /// From the incident's beginning until the webhook had it, in seconds.
    pub delivered_after_secs: f64,
    /// Why.
    pub reason: String,
}

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u32,
    /// Events a second in the busiest hour.
    pub rate: f64,
    /// How long events were put, in seconds.
    pub seconds: f64,
    /// What was put.
    pub put: Counts,
    /// Records that were acknowledged in a second, all in all.
    pub acknowledged_per_sec: f64,
    /// The most events that were due and could not be put yet.
    pub behind_max: u64,
    /// The incident.
    pub incident: Option<Happened>,
    /// The alarms that rang during it.
    pub rang: Vec<Rang>,
    /// All that the webhook was told.
    pub alarms: Vec<Delivered>,
    /// The audit of the index.
    pub index: View,
    /// The audit of the lake.
    pub lake: View,
    /// What was given up.
    pub quarantine: Quarantine,
    /// How long it took after the last put until all was there, in seconds.
    pub settled_secs: f64,
    /// From an authorization until a search finds it.
    pub visible: Percentiles,
    /// From a put until a consumer has the record.
    pub read: Percentiles,
    /// The highest iterator ages, while events were put.
    pub ages: Ages,
    /// The most memory that the process ever held (the server's and the generator's, when they are one).
    pub memory_peak_mb: Option<f64>,
}

impl Report {
    /// The alarms that rang from the incident's beginning until a minute after its end, the first of each.
    pub fn rang(incident: Option<&Happened>, alarms: &[Delivered]) -> Vec<Rang> {
        let Some(incident) = incident else { return Vec::new() };
        let during = incident.began_at..incident.ended_at + 60_000;
        let mut rang: Vec<Rang> = Vec::new();
        for alarm in alarms.iter().filter(|alarm| alarm.state == "ALARM" && during.contains(&alarm.at)) {
            if rang.iter().any(|other| other.alarm == alarm.alarm) {
                continue;
            }
            let after = |at: i64| (at - incident.began_at) as f64 / 1_000.0;
            rang.push(Rang {
                alarm: alarm.alarm.clone(),
                fired_after_secs: alarm.changed_at.map(after),
                delivered_after_secs: after(alarm.at),
                reason: alarm.reason.clone(),
            });
        }
        rang
    }

    /// True when nothing was lost and nothing is there twice.
    pub fn is_whole(&self) -> bool {
        self.index.is_whole() && self.lake.is_whole()
    }

    /// For people.
    pub fn show(&self) {
        self.show_incident();
        println!("\n   Audit, by the id of every acknowledged event");
        println!(
            "   {} events ({} records, {} of them put again by their producer) in {:.0} s, {}/s; {} refused and put again",
            thousands(self.put.events),
            thousands(self.put.acknowledged),
            self.put.repeated,
            self.seconds,
            thousands(self.acknowledged_per_sec as u64),
            thousands(self.put.refused),
        );
        for (name, view) in [("index", &self.index), ("lake", &self.lake)] {
            show_view(name, view);
        }
        self.show_quarantine();
        println!("   settled {:.1} s after the last put", self.settled_secs);
        println!("\n   Delays");
        show_delay("authorization → a search finds it", &self.visible);
        show_delay("put → a consumer has it", &self.read);
        for (what, age) in [
            ("iterator age of the function", self.ages.function_max_ms),
            ("… since the rate was reached", self.ages.risen_function_max_ms),
            ("of any reader, the lake's too", self.ages.reader_max_ms),
        ] {
            println!("   {what:<36} {age:.0} ms at most");
        }
        if let Some(memory) = self.memory_peak_mb {
            println!("   {:<36} {memory:.0} MB at most, the generator in the same process", "memory");
        }
    }

    fn show_incident(&self) {
        let Some(incident) = &self.incident else { return };
        println!("\n   Incident {}: {}", incident.name, incident.what);
        println!(
            "   began at {}, lasted {} s",
            clock(incident.began_at),
            (incident.ended_at - incident.began_at) / 1_000
        );
        if let Some(registry) = &incident.registry {
            println!("   registry: {registry}");
        }
        for rang in &self.rang {
            let fired = rang.fired_after_secs.map(|after| format!("fired after {after:.1} s, ")).unwrap_or_default();
            println!("   alarm {}: {fired}delivered after {:.1} s", rang.alarm, rang.delivered_after_secs);
        }
        if self.rang.is_empty() {
            println!("   no alarm rang");
        }
        incident.doctor.iter().for_each(|finding| println!("   doctor: {finding}"));
    }

    fn show_quarantine(&self) {
        let listed = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        };
        let Quarantine { letters, reasons, records, unconverted, unlike_contract } = &self.quarantine;
        match letters {
            0 => println!("   quarantine: no dead letter"),
            _ => {
                let name = if *letters == 1 { "dead letter" } else { "dead letters" };
                println!("   quarantine: {letters} {name} ({}) about records: {}", listed(reasons), listed(records));
            }
        }
        println!(
            "   the lake set {unconverted} records aside below errors/; {unlike_contract} broke the stream's contract"
        );
    }
}

fn show_view(name: &str, view: &View) {
    let verdict = match (view.missing, view.doubled) {
        (0, 0) => "nothing lost, nothing twice".to_owned(),
        (missing, doubled) => {
            format!("{missing} LOST {}, {doubled} TWICE {}", view.missing_ids.join(" "), view.doubled_ids.join(" "))
        }
    };
    println!(
        "   {name:<6} {} found: {verdict}; {} put again by their producer, {} damaged or changed, {} of others",
        thousands(view.found),
        view.repeated_by_producer,
        view.special,
        view.foreign
    );
}

fn show_delay(name: &str, delay: &Percentiles) {
    println!(
        "   {name:<36} p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms ({} timed)",
        delay.p50_ms, delay.p99_ms, delay.max_ms, delay.timed
    );
}

fn clock(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(at);
    time.map(|time| time.format("%H:%M:%S%.3f UTC").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rings_during_the_incident_counts_and_only_once() {
        let alarm = |name: &str, state: &str, at| Delivered {
            at,
            changed_at: Some(at - 100),
            alarm: name.to_owned(),
            state: state.to_owned(),
            reason: String::new(),
        };
        let alarms = [
            alarm("a", "ALARM", 900),
            alarm("b", "OK", 1_100),
            alarm("b", "ALARM", 3_000),
            alarm("b", "ALARM", 4_000),
            alarm("c", "ALARM", 70_000),
        ];
        let incident = Happened { began_at: 1_000, ended_at: 5_000, ..Happened::default() };
        let rang = Report::rang(Some(&incident), &alarms);
        assert_eq!(rang.len(), 1);
        assert_eq!((&*rang[0].alarm, rang[0].delivered_after_secs, rang[0].fired_after_secs), ("b", 2.0, Some(1.9)));
        assert!(Report::rang(None, &alarms).is_empty());
    }

    #[test]
    fn percentiles_of_a_hundred() {
        let delays: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        let all = Percentiles::of(&delays);
        assert_eq!((all.timed, all.p50_ms, all.p99_ms, all.max_ms), (100, 51.0, 100.0, 100.0));
        assert_eq!(Percentiles::of(&[]).p99_ms, 0.0);
    }
}
