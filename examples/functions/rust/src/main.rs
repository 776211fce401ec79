//! Enriches flights and indexes them: a Lambda function behind a Kinesis stream, as a binary for `provided.al2023`.
//!
//! Two documents come of a flight: the flight itself in `flights`, and what its aircraft did last in `aircraft`. Ids follow
//! from the flight, so that a record that comes again overwrites and never doubles. What cannot be read or indexed is
//! reported by its sequence number: Lambda tries again from there, and the rest of the batch stays done.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    kinesis: Kinesis,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis {
    sequence_number: String,
    data: String,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Answer {
    fn fail(&mut self, sequence: &str, reason: impl std::fmt::Display) {
        eprintln!("{sequence}: {reason}");
        let failure = Failure { item_identifier: sequence.to_owned() };
        if !self.batch_item_failures.contains(&failure) {
            self.batch_item_failures.push(failure);
        }
    }
}

fn carrier_name(code: &str) -> &str {
    match code {
        "9E" => "Endeavor Air",
        "AA" => "American Airlines",
        "AS" => "Alaska Airlines",
        "B6" => "JetBlue Airways",
        "DL" => "Delta Air Lines",
        "EV" => "ExpressJet Airlines",
        "F9" => "Frontier Airlines",
        "FL" => "AirTran Airways",
        "HA" => "Hawaiian Airlines",
        "MQ" => "Envoy Air",
        "OO" => "SkyWest Airlines",
        "UA" => "United Air Lines",
        "US" => "US Airways",
        "VX" => "Virgin America",
        "WN" => "Southwest Airlines",
        "YV" => "Mesa Airlines",
        other => other,
    }
}

/// The actions of a flight, enriched: what to do and the document.
fn documents(data: &str) -> Result<Vec<(Value, Value)>, Error> {
    let mut flight: Value = serde_json::from_slice(&BASE64_STANDARD.decode(data)?)?;
    let text = |flight: &Value, member: &str| {
        flight[member].as_str().map(str::to_owned).ok_or_else(|| format!("it is no flight: it has no {member}"))
    };
    let (id, carrier) = (text(&flight, "event_id")?, text(&flight, "carrier")?);
    let route = format!("{}-{}", text(&flight, "origin")?, text(&flight, "dest")?);
    flight["carrier_name"] = carrier_name(&carrier).into();
    flight["route"] = route.into();
    flight["punctuality"] = match flight["dep_delay_min"].as_i64() {
        None => "cancelled",
        Some(16..) => "late",
        Some(_) => "on time",
    }
    .into();
    let mut made = Vec::new();
    if let Some(tailnum) = flight["tailnum"].as_str() {
        let last = json!({
            "tailnum": tailnum, "event_id": id, "carrier_name": flight["carrier_name"], "route": flight["route"],
            "scheduled_at": flight["scheduled_at"],
        });
        made.push((json!({ "index": { "_index": "aircraft", "_id": tailnum } }), last));
    }
    made.insert(0, (json!({ "index": { "_index": "flights", "_id": id } }), flight));
    Ok(made)
}

async fn handle(client: &reqwest::Client, url: &str, event: LambdaEvent<Batch>) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    let (mut body, mut sequences) = (String::new(), Vec::new());
    for Record { kinesis } in event.payload.records {
        match documents(&kinesis.data) {
            Err(error) => answer.fail(&kinesis.sequence_number, error),
            Ok(made) => {
                for (action, document) in made {
                    body.push_str(&format!("{action}\n{document}\n"));
                    sequences.push(kinesis.sequence_number.clone());
                }
            }
        }
    }
    if sequences.is_empty() {
        return Ok(answer);
    }
    let request = client.post(format!("{url}/_bulk")).header("content-type", "application/x-ndjson").body(body);
    let response: Value = request.send().await?.error_for_status()?.json().await?;
    for (item, sequence) in response["items"].as_array().into_iter().flatten().zip(&sequences) {
        if item["index"]["status"].as_u64().is_none_or(|status| status >= 300) {
            answer.fail(sequence, format!("it was not indexed: {}", item["index"]["error"]));
        }
    }
    Ok(answer)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("SEARCH_URL")?.trim_end_matches('/').to_owned();
    // Made once, when the execution environment is: every later batch finds a warm connection.
    let client = reqwest::Client::new();
    run(service_fn(async |event| handle(&client, &url, event).await)).await
}
