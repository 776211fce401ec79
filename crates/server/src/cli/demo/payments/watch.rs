//! Looks at the pipeline while it works: a line every few seconds, and the highest iterator age.

use super::load::Line;
use super::pipeline::Pipeline;
use super::screen::{Screen, now_ms};
use crate::cli::pace::thousands;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How often a line is shown.
const EVERY: Duration = Duration::from_secs(5);
/// How far back figures are asked for, so that none falls between two looks.
const BACK_MS: i64 = 9_000;

/// The highest iterator ages, in milliseconds. To be looked at while events are put: without traffic the last batches wait for
/// their window's end.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Ages {
    /// Of the function.
    pub function_max_ms: f64,
    /// Of the function, since the rate was reached: before, what does not fill a batch waits for the end of its window.
    pub risen_function_max_ms: f64,
    /// Of all who read the stream.
    pub reader_max_ms: f64,
}

/// Looks on until it is dropped, at a rate that is reached after `rise`.
pub async fn look_on(pipeline: Pipeline, line: Arc<Line>, screen: Screen, ages: Arc<Mutex<Ages>>, rise: Duration) {
    let started = now_ms();
    let risen_at = started + rise.as_millis() as i64;
    let mut before = line.ledger.counts().acknowledged;
    loop {
        tokio::time::sleep(EVERY).await;
        let counts = line.ledger.counts();
        let rate = (counts.acknowledged - before) / EVERY.as_secs();
        before = counts.acknowledged;
        let (from, to) = (now_ms() - BACK_MS, now_ms() + 1_000);
        let age = pipeline.function_age(from, to).await.ok().flatten();
        let reader_age = pipeline.reader_age(from, to).await.ok().flatten();
        {
            let mut ages = ages.lock();
            let of_function = age.unwrap_or_default();
            ages.function_max_ms = ages.function_max_ms.max(of_function);
            if from >= risen_at {
                ages.risen_function_max_ms = ages.risen_function_max_ms.max(of_function);
            }
            ages.reader_max_ms = ages.reader_max_ms.max(reader_age.unwrap_or_default());
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
