//! `millrace demo`: real flights through the whole pipeline, with one command and an empty data folder.
//!
//! Everything goes through the doors that a user would use: the template, Kinesis's and OpenSearch's HTTP APIs.

mod replay;
mod summary;

use super::client::{CliError, Client, EndpointArgs};
use super::up;
use crate::door::{DeployEvent, DeployRequest, carry_out};
use crate::logging::LogArgs;
use crate::server::{Server, StartError};
use crate::settings::{AuthSetting, OnOff, Settings, TemplateArgs, UpArgs};
use crate::vault::EncryptionArgs;
use clap::Args;
use flate2::read::GzDecoder;
use millrace_base::Scope;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

const TEMPLATE: &str = include_str!("../../../../../examples/flights/template.yaml");
const FLIGHTS: &[u8] = include_bytes!("../../../../../examples/flights/flights.ndjson.gz");

/// What `millrace demo` takes.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// End after the summary instead of staying up until Ctrl-C
    #[arg(long)]
    pub exit: bool,
    /// Port of the AWS APIs; a free one when it is taken
    #[arg(long, default_value_t = 4566)]
    pub port: u16,
    /// Port of the OpenSearch API; a free one when it is taken
    #[arg(long, default_value_t = 9200)]
    pub search_port: u16,
    /// Keep the data in this folder, which must be empty or absent [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Runs the demo.
pub async fn run(args: DemoArgs) -> Result<(), CliError> {
    LogArgs::default().install().map_err(CliError::Input)?;
    let (folder, is_temporary) = folder(&args)?;
    let result = show(&args, folder.clone()).await;
    if is_temporary {
        remove(&folder);
    }
    result
}

#[allow(clippy::disallowed_methods, reason = "the demo's own folder, on the real disk")]
fn folder(args: &DemoArgs) -> Result<(PathBuf, bool), CliError> {
    let Some(folder) = &args.data else {
        let name = format!("millrace-demo-{}", std::process::id());
        return Ok((std::env::temp_dir().join(name), true));
    };
    let is_empty = std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Ok((folder.clone(), false));
    }
    let message = format!("{} is not empty: the demo starts from nothing, so name another folder", folder.display());
    Err(CliError::Input(message))
}

#[allow(clippy::disallowed_methods, reason = "the demo's own folder, on the real disk")]
fn remove(folder: &PathBuf) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        eprintln!("{} is left behind: {error}", folder.display());
    }
}

async fn show(args: &DemoArgs, folder: PathBuf) -> Result<(), CliError> {
    let server = start(args, folder.clone()).await?;
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

/// Starts a server on the wanted ports, or on free ones when those are taken.
async fn start(args: &DemoArgs, data: PathBuf) -> Result<Server, CliError> {
    let mut up = UpArgs {
        port: args.port,
        search_port: args.search_port,
        host: [127, 0, 0, 1].into(),
        data,
        auth: AuthSetting::Off,
        insecure_no_auth: false,
        insecure_plaintext: false,
        tls: None,
        tls_cert: None,
        tls_key: None,
        tls_names: Vec::new(),
        s3_endpoint: None,
        deploy: TemplateArgs::default(),
        encryption: EncryptionArgs::default(),
        kinesis_quotas: false,
        telemetry: OnOff::On,
        otlp_endpoint: None,
        log: LogArgs::default(),
    };
    loop {
        let settings = Settings::derive(&up).map_err(|error| CliError::Input(error.to_string()))?;
        match Server::start(&settings).await {
            Ok(server) => return Ok(server),
            Err(StartError::Port { flag: "--port", .. }) if up.port != 0 => up.port = 0,
            Err(StartError::Port { flag: "--search-port", .. }) if up.search_port != 0 => up.search_port = 0,
            Err(error) => return Err(CliError::Input(error.to_string())),
        }
    }
}

fn flights() -> Result<Vec<String>, CliError> {
    let mut text = String::new();
    let read = GzDecoder::new(FLIGHTS).read_to_string(&mut text);
    read.map_err(|source| CliError::Io { what: "the built-in flights", source })?;
    Ok(text.lines().map(str::to_owned).collect())
}
