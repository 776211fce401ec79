//! `millrace demo`: real flights through the whole pipeline, with one command and an empty data folder.
//!
//! Everything goes through the doors that a user would use: the template, Kinesis's and OpenSearch's HTTP APIs.

mod own;
mod payments;
mod replay;
mod summary;

use super::client::{CliError, Client, EndpointArgs};
use super::up;
use crate::door::{DeployEvent, DeployRequest, carry_out};
use crate::logging::LogArgs;
use clap::{Args, Subcommand};
use flate2::read::GzDecoder;
use millrace_base::Scope;
use own::{Guard, PlaceArgs};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

const TEMPLATE: &str = include_str!("../../../../../examples/flights/template.yaml");
const FLIGHTS: &[u8] = include_bytes!("../../../../../examples/flights/flights.ndjson.gz");

/// What `millrace demo` takes.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    example: Option<Example>,
}

/// Demos with another example than the flights.
#[derive(Debug, Clone, Subcommand)]
enum Example {
    /// A day of card authorizations, with an incident if you like, and an audit of what became of each
    Payments(Box<payments::PaymentsArgs>),
}

/// Runs the demo.
pub async fn run(args: DemoArgs) -> Result<(), CliError> {
    LogArgs::default().install().map_err(CliError::Input)?;
    if let Some(Example::Payments(args)) = args.example {
        return payments::run(*args).await;
    }
    let (folder, is_temporary) = own::folder(args.place.data.as_ref())?;
    let result = show(&args.place, folder.clone()).await;
    if is_temporary {
        own::remove(&folder);
    }
    result
}

async fn show(args: &PlaceArgs, folder: PathBuf) -> Result<(), CliError> {
    let server = own::start(args, folder.clone(), Guard::default()).await?;
    println!("Millrace is up: AWS APIs on http://{}, OpenSearch on http://{}\n", server.address, server.search_address);
    println!("1. Deploying examples/flights/template.yaml");
    let scope = Scope::default();
    let request = DeployRequest {
        stack: "flights".to_owned(),
        file: "examples/flights/template.yaml".to_owned(),
        template: TEMPLATE.to_owned(),
        // A minute, as on AWS, is long for somebody who watches.
        parameters: BTreeMap::from([("LakeBufferSeconds".to_owned(), "2".to_owned())]),
        packages: BTreeMap::new(),
    };
    let last = carry_out(&server.deployer, &server.uploads, &scope, &request, &|event| up::show(&event)).await;
    if let DeployEvent::Error(message) = last {
        server.shut_down().await;
        return Err(CliError::Input(message));
    }
    let client = Client::new(&EndpointArgs {
        endpoint: format!("http://{}", server.address),
        region: scope.region.to_string(),
        access_key_id: Some("demo".to_owned()),
        profile: None,
    })?;
    let search = format!("http://{}", server.search_address);
    println!("\n2. Replaying a week of departures from New York, January 2013");
    let flights = flights()?;
    let replayed = replay::run(&client, &search, &flights).await?;
    println!("\n3. What came out");
    summary::show(&server, &client, &search, &replayed).await?;
    summary::look_further(&server, &folder, &search);
    if !args.exit {
        println!("\nMillrace stays up; Ctrl-C ends it.");
        up::ended().await;
    }
    server.shut_down().await;
    Ok(())
}

fn flights() -> Result<Vec<String>, CliError> {
    let mut text = String::new();
    let read = GzDecoder::new(FLIGHTS).read_to_string(&mut text);
    read.map_err(|source| CliError::Io { what: "the built-in flights", source })?;
    Ok(text.lines().map(str::to_owned).collect())
}
