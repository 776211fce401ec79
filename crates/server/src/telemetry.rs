//! Records' journeys, written once a second and handed on to an OpenTelemetry collector if one is named.

use millrace_base::{Clock, Disk};
use millrace_watch::journey::{Journeys, JourneysParts, Note, Spans};
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often notes are written.
const EVERY: Duration = Duration::from_secs(1);
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

/// Writes notes until `stopped`, and exports them to `collector`, an OTLP endpoint such as `http://127.0.0.1:4318`.
pub async fn run(journeys: Journeys, collector: Option<String>, mut stopped: watch::Receiver<()>) {
    let export = collector.map(|endpoint| {
        let (to, from) = mpsc::channel(WAITING_MAX);
        tokio::spawn(send(endpoint, from));
        to
    });
    let (mut spans, mut dropped) = (Spans::default(), 0);
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
            Ok(Ok(notes)) => hand_on(&notes, &mut spans, export.as_ref()),
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
        if ends {
            return;
        }
    }
}

fn hand_on(notes: &[Note], spans: &mut Spans, export: Option<&mpsc::Sender<Value>>) {
    let Some(export) = export else { return };
    if let Some(request) = spans.take(notes)
        && export.try_send(request).is_err()
    {
        tracing::warn!("the OpenTelemetry collector is too slow: spans of one second were dropped");
    }
}

/// Posts what comes to the collector, in order.
async fn send(endpoint: String, mut requests: mpsc::Receiver<Value>) {
    let client = match reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "spans cannot be exported: the HTTP client does not start");
            return;
        }
    };
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    while let Some(request) = requests.recv().await {
        if let Err(reason) = post(&client, &url, &request).await {
            tracing::warn!(collector = %url, %reason, "spans could not be exported and were dropped");
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
