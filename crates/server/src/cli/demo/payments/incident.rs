//! The incidents: what goes wrong in the middle of a run, and how it is made to.

use super::event::{Generator, Trouble};
use super::load::Plan;
use super::pipeline::Pipeline;
use super::proxy::{Manner, Proxy};
use super::screen::{Screen, now_ms};
use crate::cli::client::CliError;
use crate::cli::doctor;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

/// An incident lasts for the second third of a run.
const BEGINS_AFTER: f64 = 1.0 / 3.0;
const LASTS: f64 = 1.0 / 3.0;
/// How much a whale adds to what all others do, so that six in ten are its own; and its least, that a shard feels.
const WHALE_FACTOR: f64 = 2.5;
const WHALE_LEAST: f64 = 2_800.0;
/// The schema that the events keep.
const SCHEMA: (&str, &str) = ("payments", "authorization");

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Incident {
    /// A large issuer does not answer: its payments are declined with 91
    IssuerOutage,
    /// Forty cards pay much, often and abroad
    FraudRing,
    /// Records that the enrichment cannot take
    Poison,
    /// One BIN has six in ten payments: a hot shard
    Whale,
    /// The index answers slowly, and then not at all
    SlowIndex,
    /// Nobody answers for the index
    IndexAway,
    /// An acquirer changes the events' shape
    SchemaBreak,
}

/// What happened, for the report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Happened {
    /// Which incident.
    pub name: String,
    /// What it was, in words.
    pub what: String,
    /// When it began, in milliseconds since 1970.
    pub began_at: i64,
    /// When it was over.
    pub ended_at: i64,
    /// What `millrace doctor` said shortly before its end.
    pub doctor: Vec<String>,
    /// What the schema registry said to another version.
    pub registry: Option<String>,
}

/// What an incident has at hand.
pub struct Stage<'a> {
    /// The pipeline that it happens to.
    pub pipeline: &'a Pipeline,
    /// What the producers do.
    pub plan: &'a watch::Sender<Plan>,
    /// What stands before the index, for [`Incident::is_of_index`].
    pub proxy: Option<&'a Proxy>,
    /// Where it is told.
    pub screen: &'a Screen,
}

impl Incident {
    /// The name that the command line has for it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it is the index that has trouble.
    pub fn is_of_index(self) -> bool {
        matches!(self, Self::SlowIndex | Self::IndexAway)
    }

    /// What it will be, for [`Self::play`]: found while the generator is at hand.
    pub fn prepare(self, generator: &Generator) -> (Option<Trouble>, String) {
        let world = generator.world();
        match self {
            Self::IssuerOutage => {
                let what = format!("{} does not answer: its payments are declined with 91", world.issuers[0].name);
                (Some(Trouble::Outage(0)), what)
            }
            Self::FraudRing => (Some(Trouble::FraudRing), "forty cards pay much, often and abroad".to_owned()),
            Self::Poison => (Some(Trouble::Poison), "one event in a hundred has no merchant".to_owned()),
            Self::Whale => {
                let what = format!("BIN {} has six in ten payments", world.bins[0].digits);
                (Some(Trouble::Whale(0)), what)
            }
            Self::IndexAway => (None, "nobody answers for the index".to_owned()),
            Self::SlowIndex => (None, "the index answers 1.5 s late, then not at all".to_owned()),
            Self::SchemaBreak => (Some(Trouble::SchemaBreak), "acquirer a-07 sends the amount as an object".to_owned()),
        }
    }

    /// Plays it, in the middle of a run of `length`.
    pub async fn play(
        self,
        stage: Stage<'_>,
        (trouble, what): (Option<Trouble>, String),
        length: Duration,
    ) -> Result<Happened, CliError> {
        tokio::time::sleep(length.mul_f64(BEGINS_AFTER)).await;
        let mut happened = Happened { name: self.name(), what, began_at: now_ms(), ..Happened::default() };
        stage.screen.say(&format!("incident {} begins: {}", happened.name, happened.what));
        stage.plan.send_modify(|plan| {
            plan.trouble = trouble;
            if self == Self::Whale {
                (plan.factor, plan.least) = (WHALE_FACTOR, WHALE_LEAST);
            }
        });
        if self == Self::SchemaBreak {
            let said = register(stage.pipeline).await?;
            stage.screen.say(&format!("the registry says: {said}"));
            happened.registry = Some(said);
        }
        let behave = |manner| stage.proxy.iter().for_each(|proxy| proxy.behave(manner));
        behave(if self == Self::IndexAway { Manner::Away } else { Manner::Slow });
        tokio::time::sleep(length.mul_f64(LASTS / 2.0)).await;
        behave(Manner::Away);
        tokio::time::sleep(length.mul_f64(LASTS / 2.0)).await;
        happened.doctor = findings(stage.pipeline).await;
        behave(Manner::Well);
        stage.plan.send_modify(|plan| (plan.trouble, plan.factor, plan.least) = (None, 1.0, 0.0));
        happened.ended_at = now_ms();
        stage.screen.say(&format!("incident {} is over", happened.name));
        happened.doctor.iter().for_each(|finding| stage.screen.say(&format!("doctor: {finding}")));
        Ok(happened)
    }
}

/// What `millrace doctor` finds; nothing when the server is away.
async fn findings(pipeline: &Pipeline) -> Vec<String> {
    let found = doctor::examine(&pipeline.client).await.map(|(_, findings)| findings).unwrap_or_default();
    found.iter().map(|one| format!("{}: {}; {}; {}", one.symptom, one.subject, one.seen, one.cause)).collect()
}

/// Tries to register a version whose amount is an object, and gives what the registry says.
async fn register(pipeline: &Pipeline) -> Result<String, CliError> {
    let schema = json!({ "RegistryName": SCHEMA.0, "SchemaName": SCHEMA.1 });
    let latest = json!({ "SchemaId": schema, "SchemaVersionNumber": { "LatestVersion": true } });
    let version = pipeline.client.call("glue", "AWSGlue.GetSchemaVersion", &latest).await?;
    let definition = version["SchemaDefinition"].as_str().unwrap_or_default();
    let mut changed: Value = serde_json::from_str(definition)
        .map_err(|error| CliError::Input(format!("the schema {}/{} is no JSON: {error}", SCHEMA.0, SCHEMA.1)))?;
    changed["properties"]["amount"] = json!({
        "type": "object",
        "required": ["value", "currency"],
        "properties": { "value": { "type": "number" }, "currency": { "type": "string" } },
    });
    let body = json!({ "SchemaId": schema, "SchemaDefinition": changed.to_string() });
    match pipeline.client.call("glue", "AWSGlue.RegisterSchemaVersion", &body).await {
        Ok(answer) => Ok(format!("version {} is {}", answer["VersionNumber"], answer["Status"])),
        Err(CliError::Aws { code, message }) => Ok(format!("{code}: {message}")),
        Err(error) => Err(error),
    }
}
