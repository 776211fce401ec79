//! A function's own words about a call: its lines in CloudWatch Logs, of which the failure tells only the request's id.

use super::super::client::{CliError, Client};
use super::{counted, encoded};
use crate::dlq::failure::Batch;
use serde_json::{Value, json};

/// Lines that are shown; the last ones, for there an exception lies.
const LINES_MAX: usize = 10;

/// What the function said when it was called for the batch in vain, line by line; in one line, that it is not known.
pub async fn of(client: &Client, batch: &Batch) -> Vec<String> {
    if batch.called.tries == 0 || batch.called.request.is_empty() {
        return Vec::new();
    }
    match read(client, batch).await {
        Ok(Some(said)) => last(said),
        Ok(None) => vec!["the function's log no longer has this request".to_owned()],
        Err(error) => vec![format!("the function's log cannot be read: {error}")],
    }
}

/// The events between the request's START and END, if it has any.
async fn read(client: &Client, batch: &Batch) -> Result<Option<Vec<String>>, CliError> {
    let (group, id) = (group(client, &batch.called.function).await, batch.called.request.as_str());
    let Some((stream, start)) = first(client, &group, batch).await? else { return Ok(None) };
    let (mut said, mut is_inside, mut token) = (Vec::new(), false, Value::Null);
    loop {
        let mut asked =
            json!({ "logGroupName": group, "logStreamName": stream, "startTime": start, "startFromHead": true });
        if !token.is_null() {
            asked["nextToken"] = token.clone();
        }
        let answer = client.call("logs", "Logs_20140328.GetLogEvents", &asked).await?;
        let events = answer["events"].as_array().into_iter().flatten();
        for message in events.filter_map(|event| event["message"].as_str()) {
            match Mark::of(message, id) {
                Mark::Start => is_inside = true,
                Mark::End if is_inside => return Ok(Some(said)),
                Mark::Said if is_inside => said.push(message.to_owned()),
                Mark::Said | Mark::End => {}
            }
        }
        // The end of a stream gives the same token again.
        if answer["nextForwardToken"] == token || answer["nextForwardToken"].is_null() {
            return Ok(Some(said));
        }
        token = answer["nextForwardToken"].clone();
    }
}

/// Where the first event is that names the request: its stream and its time.
async fn first(client: &Client, group: &str, batch: &Batch) -> Result<Option<(String, i64)>, CliError> {
    // No call was before the first record.
    let arrived = chrono::DateTime::parse_from_rfc3339(&batch.arrived.0).map_or(0, |at| at.timestamp_millis());
    let pattern = format!("\"{}\"", batch.called.request);
    let mut asked = json!({ "logGroupName": group, "filterPattern": pattern, "startTime": arrived, "limit": 1 });
    loop {
        let answer = match client.call("logs", "Logs_20140328.FilterLogEvents", &asked).await {
            Err(CliError::Aws { code, .. }) if code == "ResourceNotFoundException" => return Ok(None),
            other => other?,
        };
        let event = &answer["events"][0];
        if let (Some(stream), Some(at)) = (event["logStreamName"].as_str(), event["timestamp"].as_i64()) {
            return Ok(Some((stream.to_owned(), at)));
        }
        // A page may be empty although there are more.
        if answer["nextToken"].is_null() {
            return Ok(None);
        }
        asked["nextToken"] = answer["nextToken"].clone();
    }
}

/// The function's log group: the one it names, or the usual one when the function is gone.
async fn group(client: &Client, function: &str) -> String {
    let path = format!("/2015-03-31/functions/{}/configuration", encoded(function));
    let named = client.aws_get("lambda", &path).await.ok();
    let named = named.and_then(|configuration| configuration["LoggingConfig"]["LogGroup"].as_str().map(str::to_owned));
    named.unwrap_or_else(|| format!("/aws/lambda/{}", function.split(':').nth(6).unwrap_or(function)))
}

/// What a line of a log is to a request.
#[derive(Debug, PartialEq)]
enum Mark {
    Start,
    End,
    Said,
}

impl Mark {
    /// Lambda's own lines are text, or JSON when the function's log format says so.
    fn of(message: &str, id: &str) -> Self {
        let platform: Option<Value> = serde_json::from_str(message).ok();
        let kind = platform.as_ref().and_then(|event| event["type"].as_str()).unwrap_or_default();
        let is_own = platform.as_ref().is_some_and(|event| event["record"]["requestId"] == id);
        if (kind == "platform.start" && is_own) || message.starts_with(&format!("START RequestId: {id}")) {
            return Self::Start;
        }
        // The next request's beginning ends this one too, whose end may be lost with its process.
        let is_end = kind == "platform.start" || kind == "platform.report";
        let words = ["END RequestId: ", "REPORT RequestId: ", "START RequestId: "];
        if is_end || words.iter().any(|word| message.starts_with(word)) { Self::End } else { Self::Said }
    }
}

/// The last lines of what was said; an event may have several.
fn last(said: Vec<String>) -> Vec<String> {
    let lines = said.iter().flat_map(|message| message.split(['\n', '\r'])).map(str::trim_end);
    let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).map(super::show::cut).collect();
    if lines.len() > LINES_MAX {
        let before = lines.len() - LINES_MAX;
        lines.drain(..before);
        lines.insert(0, format!("… {} before", counted(before as u64, "line")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_s_own_lines_are_told_apart() {
        let own = |kind: &str| json!({"type": kind, "record": {"requestId": "a"}}).to_string();
        assert_eq!(Mark::of("START RequestId: a Version: $LATEST\n", "a"), Mark::Start);
        assert_eq!(Mark::of(&own("platform.start"), "a"), Mark::Start);
        for end in ["END RequestId: a\n", "START RequestId: b Version: 1\n", &own("platform.report")] {
            assert_eq!(Mark::of(end, "a"), Mark::End, "{end}");
        }
        for said in ["[ERROR] ValueError: no", r#"{"requestId":"a","message":"no"}"#, "RequestId: a Error: it died"] {
            assert_eq!(Mark::of(said, "a"), Mark::Said, "{said}");
        }
    }

    #[test]
    fn the_last_lines_are_shown() {
        assert_eq!(last(vec!["[ERROR] no\rTraceback\r  here\n".into()]), ["[ERROR] no", "Traceback", "  here"]);
        let many = last((0..12).map(|at| format!("line {at}\n")).collect());
        assert_eq!((many.len(), &*many[0], &*many[10]), (11, "… 2 lines before", "line 11"));
    }
}
