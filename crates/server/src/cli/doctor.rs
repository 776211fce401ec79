//! `millrace doctor`: what is wrong with a running server, why, and what to do about it, from live figures.
//!
//! Each rule looks at the server's [`Vitals`] and says what it sees in numbers, the likeliest cause, and what to do now.
//! Nothing found is one line and exit code 0; anything found is exit code 1.

pub mod rules;

use super::client::{CliError, Client, EndpointArgs};
use crate::dlq::{DeadLetter, DeadLetterQueue};
use crate::meters::vitals::Vitals;
use clap::Args;
use rules::Letters;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::IsTerminal;

pub use rules::Finding;

/// Messages of a dead-letter queue that are read for their reasons.
pub const LETTERS_MAX: usize = 50;

/// Actions of alarms are looked at so far back.
const ACTIONS_MS: i64 = 900_000;

/// What `millrace doctor` takes.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Print the findings as one JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// Examines a running server.
pub async fn run(args: DoctorArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    let (vitals, findings) = examine(&client).await?;
    if args.json {
        let document = json!({ "healthy": findings.is_empty(), "findings": findings });
        println!("{document:#}");
    } else {
        show(&vitals, &findings);
    }
    if findings.is_empty() { Ok(()) } else { Err(CliError::Shown) }
}

/// The figures of a running server, and all that is wrong with it.
pub async fn examine(client: &Client) -> Result<(Vitals, Vec<Finding>), CliError> {
    let vitals: Vitals = client.get("/_millrace/vitals").await?;
    let letters = letters(client, &vitals).await?;
    let mut findings = rules::findings(&vitals, &letters);
    findings.extend(alarm_actions(client, &vitals).await);
    Ok((vitals, findings))
}

/// What lies in queues for what failed.
async fn letters(client: &Client, vitals: &Vitals) -> Result<Vec<Letters>, CliError> {
    let queues: Vec<DeadLetterQueue> = client.get("/_millrace/dlq").await?;
    let mut all = Vec::new();
    for queue in queues.into_iter().filter(|queue| queue.messages > 0) {
        let path = format!("/_millrace/dlq/{}?max={LETTERS_MAX}", queue.name);
        let messages: Vec<DeadLetter> = client.get(&path).await?;
        let grew = vitals.queues.iter().find(|other| other.name == queue.name).map_or(0, |queue| queue.grew);
        all.push(Letters { queue, messages, grew });
    }
    Ok(all)
}

/// Actions of alarms that failed lately, each alarm once.
async fn alarm_actions(client: &Client, vitals: &Vitals) -> Vec<Finding> {
    let since = (vitals.now - ACTIONS_MS) as f64 / 1000.0;
    let body = json!({ "HistoryItemType": "Action", "StartDate": since, "MaxRecords": 100 });
    // Whoever may not see alarms sees the rest.
    let Ok(history) = client.call("monitoring", "GraniteServiceVersion20100801.DescribeAlarmHistory", &body).await
    else {
        return Vec::new();
    };
    let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in history["AlarmHistoryItems"].as_array().into_iter().flatten() {
        let text = |member: &str| item[member].as_str().unwrap_or_default().to_owned();
        let summary = text("HistorySummary");
        if summary.starts_with("Failed to execute action") {
            failed.entry(text("AlarmName")).or_default().push(summary);
        }
    }
    failed.into_iter().map(|(alarm, summaries)| rules::alarm_action(&alarm, &summaries)).collect()
}

fn show(vitals: &Vitals, findings: &[Finding]) {
    if findings.is_empty() {
        let known = if vitals.counted { "" } else { " (little is counted: the server runs with --telemetry off)" };
        println!("healthy: {}{known}", rules::summary(vitals));
        return;
    }
    let color = std::io::stdout().is_terminal();
    let (red, plain) = if color { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    for (nth, finding) in findings.iter().enumerate() {
        if nth > 0 {
            println!();
        }
        println!("{red}{}{plain}: {}", finding.symptom, finding.subject);
        println!("  seen    {}", finding.seen);
        println!("  cause   {}", finding.cause);
        println!("  do      {}", finding.remedy);
        if let Some(command) = &finding.command {
            println!("          $ {command}");
        }
    }
}
