//! `millrace demo payments`: a day of card authorizations through the whole pipeline, with an audit at its end.
//!
//! ```text
//! generator ─► load (signed PutRecords) ─► the server, which is our own or another process
//!    ▲             │ ledger: what was acknowledged        │
//! incident      probe (delays), watch (figures), webhook (alarms)
//!                  └──────────────► audit by id ◄── index, lake, dead letters ─► report
//! ```
//! The driver reaches the server by its HTTP doors alone, so that it works the same against a process that is killed.

mod audit;
mod curve;
mod event;
mod example;
mod incident;
mod ledger;
mod load;
mod pipeline;
mod play;
mod probe;
mod proxy;
mod random;
mod report;
mod screen;
mod watch;
mod webhook;
mod world;

use super::own::{self, Guard, PlaceArgs};
use crate::cli::client::{CliError, Client, EndpointArgs};
use crate::cli::up;
use crate::server::Server;
use crate::settings::parameter;
use clap::Args;
use curve::Curve;
use incident::Incident;
use millrace_base::Scope;
use pipeline::Clients;
use std::path::PathBuf;

/// What `millrace demo payments` takes.
#[derive(Debug, Clone, Args)]
pub struct PaymentsArgs {
    /// Authorizations a second in the busiest hour
    #[arg(long, default_value_t = 500.0, value_parser = positive)]
    rate: f64,
    /// How long the day takes
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    minutes: f64,
    /// Whether the rate follows a day or stays the same
    #[arg(long, value_enum, default_value = "day")]
    curve: Curve,
    /// What goes wrong in the middle
    #[arg(long, value_enum)]
    incident: Option<Incident>,
    /// The same seed makes the same day
    #[arg(long, default_value_t = 2026)]
    seed: u32,
    /// Write the report as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Deploy this template instead of the built-in copy of examples/payments/template.yaml
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// A template parameter
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Use this server instead of one of the demo's own; credentials as for every command
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "search_port", "data"])]
    endpoint: Option<String>,
    /// The OpenSearch API of the server at --endpoint
    #[arg(long, value_name = "URL", requires = "endpoint", default_value = "http://127.0.0.1:9200")]
    search_endpoint: String,
    /// The S3 store that the lake lies in, when it is not the server at --endpoint
    #[arg(long, value_name = "URL", requires = "endpoint")]
    lake_endpoint: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("it must be more than 0".to_owned()) }
}

/// Runs the demo.
pub async fn run(args: PaymentsArgs) -> Result<(), CliError> {
    if let Some(endpoint) = &args.endpoint {
        let aws = client(endpoint)?;
        let lake = args.lake_endpoint.as_ref().map_or_else(|| aws.clone(), |endpoint| aws.clone().at(endpoint));
        let clients = Clients { search: aws.clone().at(&args.search_endpoint), lake, aws };
        let around = play::Surroundings::open(&args, &clients).await?;
        return play::run(&args, clients, &around).await;
    }
    let (folder, is_temporary) = own::folder(args.place.data.as_ref())?;
    let quotas = args.incident == Some(Incident::Whale);
    let server = own::start(&args.place, folder.clone(), Guard { protected: true, quotas }).await?;
    let result = tokio::select! {
        result = on_own(&args, &server) => result,
        () = up::ended() => Ok(()),
    };
    server.shut_down().await;
    if is_temporary {
        own::remove(&folder);
    }
    result
}

async fn on_own(args: &PaymentsArgs, server: &Server) -> Result<(), CliError> {
    let address = server.address;
    println!("Millrace is up: AWS APIs on http://{address}, OpenSearch on http://{}", server.search_address);
    println!("The console: http://{address}/_console\n");
    let Some((credentials, _)) = &server.protection.credentials else {
        return Err(CliError::Input("the demo's server has no credentials".to_owned()));
    };
    let root = credentials_in(credentials)?;
    let aws = client(&format!("http://{address}"))?.signed_as(root);
    let clients =
        Clients { search: aws.clone().at(&format!("http://{}", server.search_address)), lake: aws.clone(), aws };
    // Until the end: the function goes on asking for the index, and alarms go on ringing, while people look further.
    let around = play::Surroundings::open(args, &clients).await?;
    let result = play::run(args, clients, &around).await;
    if args.place.exit {
        return result;
    }
    println!("\n4. Look further, in another terminal");
    println!("   export AWS_ENDPOINT_URL=http://{address} AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1");
    println!("   export AWS_SHARED_CREDENTIALS_FILE={}", credentials.display());
    println!("   millrace tail decline-rates --from-start");
    println!("   millrace doctor");
    println!("   millrace dlq show authorizations-failed");
    println!("\nMillrace stays up; Ctrl-C ends it.");
    up::ended().await;
    result
}

fn client(endpoint: &str) -> Result<Client, CliError> {
    Client::new(&EndpointArgs {
        endpoint: endpoint.to_owned(),
        region: Scope::DEFAULT_REGION.to_owned(),
        access_key_id: std::env::var("AWS_ACCESS_KEY_ID").ok(),
        profile: None,
    })
}

#[allow(clippy::disallowed_methods, reason = "the demo's own folder, on the real disk")]
fn credentials_in(path: &std::path::Path) -> Result<millrace_access::Profile, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CliError::Io { what: "the credentials of the demo's server", source })?;
    let found = millrace_access::profiles(&text).remove("default");
    found.ok_or_else(|| CliError::Input(format!("{} has no profile [default]", path.display())))
}
