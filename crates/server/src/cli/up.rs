//! `millrace up`: runs the server until Ctrl-C; `millrace deploy`: sends templates to one that runs.

use super::client::{CliError, Client, EndpointArgs, default_region};
use super::package;
use crate::door::{DeployEvent, DeployRequest, carry_out};
use crate::server::Server;
use crate::settings::{Settings, TemplateArgs, TlsSetting, UpArgs};
use clap::Args;
use futures::StreamExt;
use millrace_base::Scope;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// What `millrace deploy` takes.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    #[command(flatten)]
    pub deploy: TemplateArgs,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// Runs a server until Ctrl-C or SIGTERM.
pub async fn run(args: UpArgs) -> Result<(), CliError> {
    args.log.install().map_err(CliError::Input)?;
    let settings = Settings::derive(&args).map_err(|error| CliError::Input(error.to_string()))?;
    // Templates are read first: a mistyped path should not start anything.
    let requests = requests(&args.deploy)?;
    let server = Server::start(&settings).await.map_err(|error| CliError::Input(error.to_string()))?;
    let scope =
        Scope::new(&variable("AWS_ACCOUNT_ID", Scope::DEFAULT_ACCOUNT), &variable("AWS_REGION", &default_region()));
    greet(&settings, &server);
    for request in &requests {
        let last = carry_out(&server.deployer, &server.uploads, &scope, request, &|event| show(&event)).await;
        show(&last);
        if let DeployEvent::Error(_) = last {
            server.shut_down().await;
            return Err(CliError::Shown);
        }
    }
    println!("ready; Ctrl-C stops");
    ended().await;
    println!("stopping");
    server.shut_down().await;
    Ok(())
}

/// What somebody needs to know who sits before a server that has just started.
fn greet(settings: &Settings, server: &Server) {
    let scheme = if settings.tls == TlsSetting::Required { "https" } else { "http" };
    let address = server.address;
    let (called, search) = (callable(address), callable(server.search_address));
    println!("AWS APIs   {scheme}://{called}   export AWS_ENDPOINT_URL={scheme}://{called}");
    println!("OpenSearch {scheme}://{search}");
    println!("data       {}", settings.data.display());
    if let Some(notice) = &server.notice {
        println!("{notice}");
    }
    let protection = &server.protection;
    match &protection.credentials {
        Some((path, is_new)) => {
            let made = if *is_new { "a new root key is in" } else { "the root key is in" };
            println!("auth       on; {made} {0}   export AWS_SHARED_CREDENTIALS_FILE={0}", path.display());
        }
        None if address.ip().to_canonical().is_loopback() => {
            println!("auth       off: whoever reaches these ports may do everything (--auth on verifies signatures)");
        }
        None => println!("auth       OFF, and other machines reach {address}: whoever does may do everything"),
    }
    match (settings.tls, protection.authority()) {
        (TlsSetting::Off, _) => println!("TLS        off"),
        (_, Some(authority)) => {
            println!("TLS        on the same ports   export AWS_CA_BUNDLE={}", authority.display());
        }
        (_, None) => println!("TLS        on the same ports, with the certificate of --tls-cert"),
    }
}

/// What clients call an address by: one that means "everywhere" is no address of anything, and stands in no certificate.
fn callable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// Resolves at Ctrl-C or SIGTERM.
pub async fn ended() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// Sends templates to a running server.
pub async fn deploy(args: DeployArgs) -> Result<(), CliError> {
    if args.deploy.templates.is_empty() {
        return Err(CliError::Input("name a template, for example: millrace deploy template.yaml".to_owned()));
    }
    let client = Client::new(&args.endpoint)?;
    for request in requests(&args.deploy)? {
        send(&client, &request).await?;
    }
    Ok(())
}

/// Deploys a template into a running server, shows what happens, and gives the stack's outputs.
pub async fn send(client: &Client, request: &DeployRequest) -> Result<BTreeMap<String, String>, CliError> {
    let body = serde_json::to_value(request).map_err(|error| CliError::Input(error.to_string()))?;
    let mut lines = client.lines("/_millrace/deploy", &body).await?;
    let mut outputs = None;
    while let Some(line) = lines.next().await {
        let event: DeployEvent = serde_json::from_str(&line?)
            .map_err(|error| CliError::Answer { endpoint: client.endpoint().to_owned(), reason: error.to_string() })?;
        show(&event);
        outputs = match event {
            DeployEvent::Deployed(_, outputs) => Some(outputs),
            _ => None,
        };
    }
    outputs.ok_or(CliError::Shown)
}

fn requests(args: &TemplateArgs) -> Result<Vec<DeployRequest>, CliError> {
    args.templates.iter().map(|path| request(args, path)).collect()
}

#[allow(clippy::disallowed_methods, reason = "the user's own file, named on the command line")]
fn request(args: &TemplateArgs, path: &Path) -> Result<DeployRequest, CliError> {
    let file = path.display().to_string();
    let template =
        std::fs::read_to_string(path).map_err(|error| CliError::Input(format!("{file} cannot be read: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let packages = package::packages(&file, &template, folder)?;
    Ok(DeployRequest { stack: args.stack_name(path), file, template, parameters: args.parameter_map(), packages })
}

/// One line for each resource that changes, and what it ended with.
pub fn show(event: &DeployEvent) {
    match event {
        DeployEvent::Resource(id, kind, status, reason) => {
            let is_over = status.ends_with("COMPLETE") || status.ends_with("FAILED") || reason.is_some();
            if is_over {
                let reason = reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
                println!("  {:<16} {id} ({kind}){reason}", status.to_lowercase().replace('_', " "));
            }
        }
        DeployEvent::Deployed(0, _) => println!("deployed: nothing had changed"),
        DeployEvent::Deployed(changed, outputs) => {
            println!("deployed: {changed} resources changed");
            for (name, value) in outputs {
                println!("  {name} = {value}");
            }
        }
        DeployEvent::Error(message) => {
            let red = std::io::stderr().is_terminal();
            eprintln!("{}{message}{}", if red { "\x1b[31m" } else { "" }, if red { "\x1b[0m" } else { "" });
        }
    }
}
