//! Looks at the pipeline while it works: a line every few seconds, and the highest iterator age.

use super::load::Line;
use super::pipeline::Pipeline;
use super::screen::{Screen, now_ms};
use crate::cli::pace::thousands;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How often a line is shown.
const EVERY: Duration = Duration::from_secs(5);
/// How far back figures are asked for, so that none falls between two looks.
const BACK_MS: i64 = 9_000;

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// The highest iterator age of the function, in milliseconds.
    pub function_age_max_ms: Mutex<f64>,
    /// The same of all who read the stream.
    pub reader_age_max_ms: Mutex<f64>,
}

impl Seen {
    /// The function's age, and any reader's, until now. To be asked while events are put: without traffic the last batches wait for
    /// their window's end.
    pub fn ages(&self) -> (f64, f64) {
        (*self.function_age_max_ms.lock(), *self.reader_age_max_ms.lock())
    }
}

/// Looks on until it is dropped.
pub async fn look_on(pipeline: Pipeline, line: Arc<Line>, screen: Screen, seen: Arc<Seen>) {
    let started = now_ms();
    let mut before = line.ledger.counts().acknowledged;
    loop {
        tokio::time::sleep(EVERY).await;
        let counts = line.ledger.counts();
        let rate = (counts.acknowledged - before) / EVERY.as_secs();
        before = counts.acknowledged;
        let (from, to) = (now_ms() - BACK_MS, now_ms() + 1_000);
        let age = pipeline.function_age(from, to).await.ok().flatten();
        let reader_age = pipeline.reader_age(from, to).await.ok().flatten();
        for (age, highest) in [(age, &seen.function_age_max_ms), (reader_age, &seen.reader_age_max_ms)] {
            let mut highest = highest.lock();
            *highest = highest.max(age.unwrap_or_default());
        }
        let figure = |number: Option<u64>| number.map_or("?".to_owned(), thousands);
        let indexed = figure(pipeline.indexed().await.ok());
        let lake = figure(pipeline.delivered(started, now_ms() + 1_000).await.ok());
        let alarms = pipeline.ringing().await.unwrap_or_default();
        let alarms = if alarms.is_empty() { "none".to_owned() } else { alarms.join(", ") };
        screen.say(&format!(
            "put {} · {}/s · age {} · index {indexed} · lake {lake} · alarms {alarms}",
            thousands(counts.acknowledged),
            thousands(rate),
            age.map_or("?".to_owned(), |age| format!("{age:.0} ms")),
        ));
    }
}
