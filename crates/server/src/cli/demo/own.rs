//! A demo's own server: its folder, its ports, and what protects it.

use crate::cli::client::CliError;
use crate::logging::LogArgs;
use crate::server::{Server, StartError};
use crate::settings::{AuthSetting, OnOff, Settings, TemplateArgs, UpArgs};
use crate::vault::EncryptionArgs;
use clap::Args;
use std::path::PathBuf;

/// Where a demo runs.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
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

/// How a demo's server is guarded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard {
    /// Signatures are verified, policies decide, and everything on disk is sealed.
    pub protected: bool,
    /// AWS's quotas of a shard are kept.
    pub quotas: bool,
}

/// The demo's folder, and whether it is a temporary one.
#[allow(clippy::disallowed_methods, reason = "the demo's own folder, on the real disk")]
pub fn folder(data: Option<&PathBuf>) -> Result<(PathBuf, bool), CliError> {
    let Some(folder) = data else {
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

/// Removes a temporary folder.
#[allow(clippy::disallowed_methods, reason = "the demo's own folder, on the real disk")]
pub fn remove(folder: &PathBuf) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        eprintln!("{} is left behind: {error}", folder.display());
    }
}

/// Starts a server on the wanted ports, or on free ones when those are taken.
pub async fn start(place: &PlaceArgs, data: PathBuf, guard: Guard) -> Result<Server, CliError> {
    let mut up = UpArgs {
        port: place.port,
        search_port: place.search_port,
        host: [127, 0, 0, 1].into(),
        data,
        auth: if guard.protected { AuthSetting::On } else { AuthSetting::Off },
        insecure_no_auth: false,
        insecure_plaintext: false,
        tls: None,
        tls_cert: None,
        tls_key: None,
        tls_names: Vec::new(),
        s3_endpoint: None,
        deploy: TemplateArgs::default(),
        encryption: EncryptionArgs { encrypt: guard.protected, ..EncryptionArgs::default() },
        kinesis_quotas: guard.quotas,
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
