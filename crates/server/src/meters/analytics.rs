//! AWS/KinesisAnalytics: what applications do, under Flink's names.

use super::sheet::{Sheet, Shelf, measures};
use millrace_base::{Millis, Scope};
use millrace_process::Counters;
use millrace_watch::Metrics;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

measures! {
    /// Metrics of an application.
    ApplicationMeasure in "AWS/KinesisAnalytics" {
        Uptime "uptime" MILLISECONDS,
        Downtime "downtime" MILLISECONDS,
        FullRestarts "fullRestarts" COUNT,
        NumRestarts "numRestarts" COUNT,
        FailedCheckpoints "numberOfFailedCheckpoints" COUNT,
        CheckpointDuration "lastCheckpointDuration" MILLISECONDS,
        CheckpointSize "lastCheckpointSize" BYTES,
        RecordsIn "numRecordsIn" COUNT,
        RecordsInPerSecond "numRecordsInPerSecond" PER_SECOND,
        RecordsOut "numRecordsOut" COUNT,
        RecordsOutPerSecond "numRecordsOutPerSecond" PER_SECOND,
        LateDropped "numLateRecordsDropped" COUNT,
        InputWatermark "currentInputWatermark" MILLISECONDS,
        Busy "busyTimeMsPerSecond" MILLISECONDS,
        BackPressured "backPressuredTimeMsPerSecond" MILLISECONDS,
        Idle "idleTimeMsPerSecond" MILLISECONDS,
        MillisBehindLatest "millisBehindLatest" MILLISECONDS,
    }
}

/// Counts what applications do. Cheap to clone.
#[derive(Clone)]
pub struct ApplicationMeter {
    applications: Arc<Shelf<(Scope, String), ApplicationMeasure>>,
    flows: Arc<Shelf<(Scope, String, String), ApplicationMeasure>>,
    jobs: Arc<Mutex<HashMap<String, JobState>>>,
}

/// A job of an application as it is now.
#[derive(Debug, Clone, Default)]
pub struct JobState {
    /// Its figures when they were last looked at.
    counters: Counters,
    /// When that was.
    at: Millis,
    /// Since when it runs without a failure, or since when it has failed.
    since: Millis,
    /// Why it does not run.
    pub failure: Option<String>,
    /// Whether that was a checkpoint.
    pub is_checkpoint: bool,
    /// Checkpoints that failed since the server started, as are restarts.
    pub failed_checkpoints: u64,
    /// Times that it began again.
    pub restarts: u64,
}

/// `account/region/NAME/…` as scope and name.
pub fn application_of(job: &str) -> Option<(Scope, String)> {
    let mut parts = job.splitn(4, '/');
    let scope = Scope::new(parts.next()?, parts.next()?);
    let name = parts.next()?.to_owned();
    // A job without a generation behind its name is somebody's at a prompt.
    parts.next().map(|_| (scope, name))
}

impl ApplicationMeter {
    /// Counts into `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let (applications, flows) = (Arc::new(Shelf::new(metrics)), Arc::new(Shelf::new(metrics)));
        Self { applications, flows, jobs: Arc::default() }
    }

    /// An application's sheet.
    pub fn sheet(&self, scope: &Scope, name: &str) -> Arc<Sheet<ApplicationMeasure>> {
        let describe = || (scope.clone(), vec![("Application", name.to_owned())]);
        self.applications.of(&(scope.clone(), name.to_owned()), describe)
    }

    /// A source of an application is so far behind its stream: AWS's dimensions are the stream's id and the flow.
    pub fn behind(&self, job: &str, stream: &str, behind_ms: Millis) {
        let Some((scope, name)) = application_of(job) else { return };
        self.sheet(&scope, &name).count(ApplicationMeasure::MillisBehindLatest, behind_ms as f64);
        let describe = || {
            let dimensions =
                vec![("Application", name.clone()), ("Id", stream.to_owned()), ("Flow", "Input".to_owned())];
            (scope.clone(), dimensions)
        };
        let sheet = self.flows.of(&(scope.clone(), name.clone(), stream.to_owned()), describe);
        sheet.count(ApplicationMeasure::MillisBehindLatest, behind_ms as f64);
    }

    /// A job begins, or begins again.
    pub fn began(&self, job: &str, now: Millis, again: bool) {
        let mut jobs = self.jobs.lock();
        let state = jobs.entry(job.to_owned()).or_default();
        (state.counters, state.at) = (Counters::default(), now);
        if again {
            state.restarts += 1;
        } else {
            state.since = now;
        }
    }

    /// A job's figures, about once a second.
    pub fn report(&self, job: &str, counters: &Counters, now: Millis) {
        use ApplicationMeasure as M;
        let Some((scope, name)) = application_of(job) else { return };
        let before = {
            let mut jobs = self.jobs.lock();
            let state = jobs.entry(job.to_owned()).or_default();
            if state.failure.take().is_some() {
                (state.since, state.is_checkpoint) = (now, false);
            }
            let before = (state.counters, state.at);
            (state.counters, state.at) = (*counters, now);
            before
        };
        let (before, at) = before;
        let seconds = ((now - at).max(1)) as f64 / 1000.0;
        let sheet = self.sheet(&scope, &name);
        let moved = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let (rows_in, rows_out) = (moved(counters.rows_in, before.rows_in), moved(counters.rows_out, before.rows_out));
        // Rows written are counted from the job's first start, so the first figures after a start move by none.
        let rows_out = if before.checkpoints == 0 && before.rows_out == 0 { 0.0 } else { rows_out };
        sheet.count(M::RecordsIn, rows_in);
        sheet.count(M::RecordsOut, rows_out);
        sheet.count(M::RecordsInPerSecond, rows_in / seconds);
        sheet.count(M::RecordsOutPerSecond, rows_out / seconds);
        sheet.count(M::LateDropped, counters.late as f64);
        if let Some(watermark) = counters.watermark.filter(|watermark| *watermark < i64::MAX) {
            sheet.count(M::InputWatermark, watermark as f64);
        }
        if counters.checkpoints > before.checkpoints {
            sheet.count(M::CheckpointDuration, counters.checkpoint_ms as f64);
            sheet.count(M::CheckpointSize, counters.checkpoint_bytes as f64);
        }
        let lanes = |now: u64, before: u64| moved(now, before) / 1000.0 / seconds;
        let (busy, pressed) =
            (lanes(counters.busy_us, before.busy_us), lanes(counters.back_pressured_us, before.back_pressured_us));
        sheet.count(M::Busy, busy.min(1000.0));
        sheet.count(M::BackPressured, pressed.min(1000.0));
        sheet.count(M::Idle, (1000.0 - busy - pressed).max(0.0));
    }

    /// A job failed, and begins again in a while.
    pub fn failed(&self, job: &str, reason: &str, is_checkpoint: bool, now: Millis) {
        let Some((scope, name)) = application_of(job) else { return };
        let mut jobs = self.jobs.lock();
        let state = jobs.entry(job.to_owned()).or_default();
        if state.failure.is_none() {
            state.since = now;
        }
        state.failure = Some(reason.to_owned());
        state.is_checkpoint = is_checkpoint;
        state.failed_checkpoints += u64::from(is_checkpoint);
        let failed = state.failed_checkpoints;
        drop(jobs);
        self.sheet(&scope, &name).count(ApplicationMeasure::FailedCheckpoints, failed as f64);
    }

    /// A job is stopped.
    pub fn ended(&self, job: &str) {
        self.jobs.lock().remove(job);
    }

    /// Looks at every application: for how long it has been up or down, how often it began again.
    pub fn sample(&self, now: Millis) {
        use ApplicationMeasure as M;
        for (job, state) in self.jobs() {
            let Some((scope, name)) = application_of(&job) else { continue };
            let sheet = self.sheet(&scope, &name);
            let time = (now - state.since).max(0) as f64;
            let (up, down) = if state.failure.is_none() { (time, 0.0) } else { (0.0, time) };
            sheet.count(M::Uptime, up);
            sheet.count(M::Downtime, down);
            sheet.count(M::FullRestarts, state.restarts as f64);
            sheet.count(M::NumRestarts, state.restarts as f64);
            sheet.count(M::FailedCheckpoints, state.failed_checkpoints as f64);
        }
    }

    /// All jobs as they are now.
    pub fn jobs(&self) -> Vec<(String, JobState)> {
        self.jobs.lock().iter().map(|(job, state)| (job.clone(), state.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_of_applications() {
        let found = application_of("000000000000/us-east-1/score/1700000000000/0").unwrap();
        assert_eq!(found.1, "score");
        assert_eq!(&*found.0.region, "us-east-1");
        assert!(application_of("3f2c-uuid").is_none());
    }
}
