//! A webhook of the demo's own: where the alarms' topic delivers, as it would to somebody's pager.

use super::screen::{Screen, now_ms};
use crate::cli::client::CliError;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A subscription asks at once; a server that is busy may take its time.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);

/// An alarm as it was delivered.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Delivered {
    /// When it arrived, in milliseconds since 1970.
    pub at: i64,
    /// When the alarm changed its state.
    pub changed_at: Option<i64>,
    /// The alarm.
    pub alarm: String,
    /// `ALARM`, `OK` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// A listening webhook; it ends when it is dropped.
pub struct Webhook {
    /// Its address.
    pub url: String,
    heard: Heard,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Heard {
    delivered: Arc<Mutex<Vec<Delivered>>>,
    confirmed: Arc<tokio::sync::Notify>,
    http: reqwest::Client,
    screen: Screen,
}

impl Webhook {
    /// Listens on loopback.
    pub async fn open(screen: Screen) -> Result<Self, CliError> {
        let failed = |source| CliError::Io { what: "the webhook for alarms", source };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("http://{}/alarms", listener.local_addr().map_err(failed)?);
        let heard =
            Heard { delivered: Arc::default(), confirmed: Arc::default(), http: reqwest::Client::new(), screen };
        let router = Router::new().route("/alarms", post(hear)).with_state(heard.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the webhook for alarms ended: {error}");
            }
        });
        Ok(Self { url, heard, task })
    }

    /// Waits until the topic's subscription is confirmed.
    pub async fn confirmed(&self) -> Result<(), CliError> {
        let confirmed = tokio::time::timeout(CONFIRMED_WITHIN, self.heard.confirmed.notified()).await;
        confirmed.map_err(|_| {
            let within = CONFIRMED_WITHIN.as_secs();
            CliError::Input(format!("the topic of alarms sent no confirmation to {} within {within} s", self.url))
        })
    }

    /// What has been delivered so far.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.heard.delivered.lock().clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(State(heard): State<Heard>, body: Bytes) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    if let Some(link) = message["SubscribeURL"].as_str() {
        let opened = heard.http.get(link).send().await;
        if opened.is_ok_and(|answer| answer.status().is_success()) {
            heard.confirmed.notify_one();
        }
        return StatusCode::OK;
    }
    let alarm: Value = serde_json::from_str(message["Message"].as_str().unwrap_or_default()).unwrap_or_default();
    let text = |name: &str| alarm[name].as_str().unwrap_or_default().to_owned();
    let changed = chrono::DateTime::parse_from_str(&text("StateChangeTime"), "%Y-%m-%dT%H:%M:%S%.3f%z");
    let delivered = Delivered {
        at: now_ms(),
        changed_at: changed.ok().map(|time| time.timestamp_millis()),
        alarm: text("AlarmName"),
        state: text("NewStateValue"),
        reason: text("NewStateReason"),
    };
    let mut all = heard.delivered.lock();
    // Every alarm begins with OK, which is no news.
    if delivered.state != "OK" || all.iter().any(|other| other.alarm == delivered.alarm && other.state != "OK") {
        heard.screen.say(&format!("alarm {} is {}: {}", delivered.alarm, delivered.state, delivered.reason));
    }
    all.push(delivered);
    StatusCode::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_is_kept_with_its_times() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hook = Webhook::open(Screen::quiet()).await.unwrap();
        let alarm = r#"{"AlarmName":"a","NewStateValue":"ALARM","NewStateReason":"r","StateChangeTime":"2026-11-21T20:00:00.500+0000"}"#;
        let message = serde_json::json!({ "Type": "Notification", "Message": alarm });
        let sent = reqwest::Client::new().post(&hook.url).body(message.to_string()).send().await.unwrap();
        assert!(sent.status().is_success());
        let delivered = hook.delivered();
        assert_eq!((delivered.len(), &*delivered[0].alarm, &*delivered[0].state), (1, "a", "ALARM"));
        assert_eq!(delivered[0].changed_at, Some(1_795_291_200_500));
    }
}
