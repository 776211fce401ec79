//! The pipeline of `examples/payments`: where its parts are, as the deployed stack's outputs say.

use crate::cli::client::{CliError, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The daily indices.
const INDICES: &str = "authorizations-*";
/// The authorizations in the lake's bucket.
const PREFIX: &str = "authorizations/";
/// The delivery stream that writes them.
const DELIVERY: &str = "authorizations-to-lake";
const FUNCTION: &str = "enrich-authorizations";

/// Documents that one search finds at most.
pub const IDS_AT_ONCE: u64 = 10_000;

/// A deployed pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The AWS APIs.
    pub client: Client,
    /// The OpenSearch API.
    pub search: Client,
    /// The lake: another server's when it lies in another store.
    pub lake: Client,
    /// The stream that authorizations are put into.
    pub stream: String,
    /// The daily indices.
    pub index: &'static str,
    /// The lake's bucket.
    pub bucket: String,
    /// The authorizations in it.
    pub prefix: &'static str,
    /// The queue for what failed.
    pub queue: String,
}

impl Pipeline {
    /// Finds the parts by the stack's outputs.
    pub fn new(clients: Clients, outputs: &BTreeMap<String, String>) -> Result<Self, CliError> {
        let output = |name: &str| {
            outputs.get(name).cloned().ok_or_else(|| {
                CliError::Input(format!("the template has no output '{name}', which the demo finds the pipeline by"))
            })
        };
        let queue = output("DeadLetterQueue")?;
        Ok(Self {
            stream: output("Stream")?,
            bucket: output("LakeBucket")?,
            // The output is the queue's URL.
            queue: queue.rsplit('/').next().unwrap_or_default().to_owned(),
            index: INDICES,
            prefix: PREFIX,
            client: clients.aws,
            search: clients.search,
            lake: clients.lake,
        })
    }

    /// Documents that a search finds.
    pub async fn indexed(&self) -> Result<u64, CliError> {
        self.count(&json!({ "match_all": {} })).await
    }

    /// Documents that a search for `query` finds.
    pub async fn count(&self, query: &Value) -> Result<u64, CliError> {
        let path = format!("/{}/_count?ignore_unavailable=true", self.index);
        let answer = self.search.search(&path, &json!({ "query": query })).await?;
        Ok(answer["count"].as_u64().unwrap_or(0))
    }

    /// Which of these documents a search finds, no more than 10,000: their ids.
    pub async fn found(&self, ids: &[String]) -> Result<Vec<String>, CliError> {
        let path = format!("/{}/_search?ignore_unavailable=true", self.index);
        let body = json!({ "size": IDS_AT_ONCE, "_source": false, "query": { "ids": { "values": ids } } });
        let answer = self.search.search(&path, &body).await?;
        let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
        Ok(hits.filter_map(|hit| hit["_id"].as_str().map(str::to_owned)).collect())
    }

    /// Figures of a metric from `from` to `to` (milliseconds since 1970), one for each `period` seconds.
    async fn metric(&self, metric: Metric<'_>, from: i64, to: i64) -> Result<Vec<f64>, CliError> {
        let (dimension, value) = metric.of;
        let query = json!({ "Id": "m", "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{ "Name": dimension, "Value": value }],
            },
            "Period": metric.period,
            "Stat": metric.stat,
        } });
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let body = json!({ "MetricDataQueries": [query], "StartTime": seconds(from), "EndTime": seconds(to) });
        let answer = self.client.call("monitoring", "GraniteServiceVersion20100801.GetMetricData", &body).await?;
        let values = answer["MetricDataResults"][0]["Values"].as_array();
        Ok(values.into_iter().flatten().filter_map(Value::as_f64).collect())
    }

    /// The highest iterator age of the function from `from` to `to`, in milliseconds; none when nothing was counted.
    pub async fn function_age(&self, from: i64, to: i64) -> Result<Option<f64>, CliError> {
        self.highest("AWS/Lambda", "IteratorAge", ("FunctionName", FUNCTION), from, to).await
    }

    /// The same of all who read the stream. Who writes the lake reads on only when an object is made.
    pub async fn reader_age(&self, from: i64, to: i64) -> Result<Option<f64>, CliError> {
        let of = ("StreamName", &*self.stream);
        self.highest("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", of, from, to).await
    }

    async fn highest(
        &self,
        namespace: &str,
        name: &str,
        of: (&str, &str),
        from: i64,
        to: i64,
    ) -> Result<Option<f64>, CliError> {
        let metric = Metric { namespace, name, of, stat: "Maximum", period: 1 };
        Ok(self.metric(metric, from, to).await?.into_iter().reduce(f64::max))
    }

    /// Records that were written to the lake since `from`.
    pub async fn delivered(&self, from: i64, to: i64) -> Result<u64, CliError> {
        self.sum("AWS/Firehose", "DeliveryToS3.Records", ("DeliveryStreamName", DELIVERY), from, to).await
    }

    /// Records that the stream's contract told of since `from`.
    pub async fn unlike_contract(&self, from: i64, to: i64) -> Result<u64, CliError> {
        self.sum("Millrace/Kinesis", "SchemaWarnedRecords", ("StreamName", &self.stream), from, to).await
    }

    async fn sum(&self, namespace: &str, name: &str, of: (&str, &str), from: i64, to: i64) -> Result<u64, CliError> {
        let metric = Metric { namespace, name, of, stat: "Sum", period: 60 };
        let values = self.metric(metric, from / 60_000 * 60_000, to).await?;
        Ok(values.iter().sum::<f64>() as u64)
    }

    /// The alarms that ring.
    pub async fn ringing(&self) -> Result<Vec<String>, CliError> {
        let body = json!({ "StateValue": "ALARM" });
        let answer = self.client.call("monitoring", "GraniteServiceVersion20100801.DescribeAlarms", &body).await?;
        let alarms = ["MetricAlarms", "CompositeAlarms"].map(|kind| answer[kind].as_array().cloned());
        let alarms = alarms.into_iter().flatten().flatten();
        Ok(alarms.filter_map(|alarm| alarm["AlarmName"].as_str().map(str::to_owned)).collect())
    }
}

/// The doors of a pipeline's server.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The AWS APIs.
    pub aws: Client,
    /// The OpenSearch API.
    pub search: Client,
    /// S3's API, of the store that the lake lies in.
    pub lake: Client,
}

/// Which figures of CloudWatch's.
#[derive(Debug, Clone, Copy)]
struct Metric<'a> {
    namespace: &'a str,
    name: &'a str,
    of: (&'a str, &'a str),
    stat: &'a str,
    /// In seconds.
    period: u32,
}
