//! Records' journeys, written once a second and handed on to an OpenTelemetry collector if one is named.

use millrace_base::{Clock, Disk, Millis};
use millrace_watch::journey::{Journeys, JourneysParts, Spans};
use millrace_watch::otlp::metrics_request;
use millrace_watch::{MINUTE_MS, Metrics};
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often notes are written.
const EVERY: Duration = Duration::from_secs(1);
/// Metrics of a minute are sent so long after it.
const SETTLE_MS: Millis = 3_000;
/// Requests that may wait for a slow collector; what is more is dropped, and said.
const WAITING_MAX: usize = 64;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// A collector that fails is tried again after this long, so many times.
const RETRY_AFTER: Duration = Duration::from_secs(2);
const TRIES: u32 = 5;

/// Opens the journal of journeys.
pub fn open(clock: Arc<dyn Clock>, disk: Arc<dyn Disk>, dir: PathBuf) -> io::Result<Journeys> {
    Journeys::open(JourneysParts { clock, disk, dir })
}

/// Writes notes until `stopped`; exports them and metrics to `collector`, an OTLP endpoint such as `http://127.0.0.1:4318`.
pub async fn run(journeys: Journeys, metrics: Metrics, collector: Option<String>, mut stopped: watch::Receiver<()>) {
    let export = collector.map(|endpoint| {
        let (to, from) = mpsc::channel(WAITING_MAX);
        tokio::spawn(send(endpoint, from));
        to
    });
    let (mut spans, mut dropped, mut minute) = (Spans::default(), 0, journeys.now() / MINUTE_MS);
    let mut tick = tokio::time::interval(EVERY);
    loop {
        let ends = tokio::select! {
            _ = tick.tick() => false,
            _ = stopped.changed() => true,
        };
        let written = {
            let journeys = journeys.clone();
            tokio::task::spawn_blocking(move || journeys.flush()).await
        };
        match written {
            Ok(Ok(notes)) => hand_on(export.as_ref(), "/v1/traces", || spans.take(&notes)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "notes of records' journeys were lost: `millrace trace` will not show them")
            }
            Err(_) => {}
        }
        let now_dropped = journeys.dropped();
        if now_dropped > dropped {
            tracing::warn!(
                notes = now_dropped - dropped,
                "too many puts in a second to note all: some journeys have holes"
            );
            dropped = now_dropped;
        }
        // Values of a minute's last second are folded a moment after it.
        let now = journeys.now() - SETTLE_MS;
        if now / MINUTE_MS > minute && export.is_some() {
            minute = now / MINUTE_MS;
            let metrics = metrics.clone();
            let request = tokio::task::spawn_blocking(move || metrics_request(&metrics, now)).await;
            hand_on(export.as_ref(), "/v1/metrics", || request.ok().flatten());
        }
        if ends {
            return;
        }
    }
}

/// A request's path at the collector, and its body.
type Export = (&'static str, Value);

fn hand_on(export: Option<&mpsc::Sender<Export>>, path: &'static str, make: impl FnOnce() -> Option<Value>) {
    let Some(export) = export else { return };
    if let Some(request) = make()
        && export.try_send((path, request)).is_err()
    {
        tracing::warn!(%path, "the OpenTelemetry collector is too slow: a request to it was dropped");
    }
}

/// Posts what comes to the collector, in order.
async fn send(endpoint: String, mut requests: mpsc::Receiver<Export>) {
    let client = match reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "nothing can be exported: the HTTP client does not start");
            return;
        }
    };
    while let Some((path, request)) = requests.recv().await {
        let url = format!("{}{path}", endpoint.trim_end_matches('/'));
        if let Err(reason) = post(&client, &url, &request).await {
            tracing::warn!(collector = %url, %reason, "a request to the OpenTelemetry collector failed and was dropped");
        }
    }
}

async fn post(client: &reqwest::Client, url: &str, request: &Value) -> Result<(), String> {
    let mut reason = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        match client.post(url).json(request).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            // What the collector cannot take now it cannot take later.
            Ok(answer) if answer.status().is_client_error() => return Err(format!("it answered {}", answer.status())),
            Ok(answer) => reason = format!("it answered {}", answer.status()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}
