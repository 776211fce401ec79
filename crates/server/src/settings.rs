//! Settings of a server: what the command line says, checked and made whole.

use crate::lake::StoreSettings;
use clap::Args;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What `millrace up` takes. Raw: [`Settings::derive`] checks it.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Port of the AWS APIs, HTTP/1.1 and h2c; 0 picks a free one
    #[arg(long, default_value_t = 4566, env = "MILLRACE_PORT")]
    pub port: u16,
    /// Port of the OpenSearch API; 0 picks a free one
    #[arg(long, default_value_t = 9200, env = "MILLRACE_SEARCH_PORT")]
    pub search_port: u16,
    /// Address to listen on. Signatures are not verified yet: keep it on the loopback unless the network is trusted
    #[arg(long, default_value = "127.0.0.1", env = "MILLRACE_HOST")]
    pub host: IpAddr,
    /// Folder that holds everything: log, lake, index, definitions. One server at a time
    #[arg(long, default_value = "millrace-data", env = "MILLRACE_DATA", value_name = "DIR")]
    pub data: PathBuf,
    /// Write the lake to this S3 store instead of DIR/lake; credentials and region from AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION
    #[arg(long, env = "MILLRACE_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    #[command(flatten)]
    pub deploy: TemplateArgs,
}

/// Templates and their parameters, of `up` and `deploy`.
#[derive(Debug, Clone, Args, Default)]
pub struct TemplateArgs {
    /// CloudFormation templates to deploy; only what changed since the last time is touched
    #[arg(value_name = "TEMPLATE")]
    pub templates: Vec<PathBuf>,
    /// Stack name [default: the template's file name, or its folder's for template.yaml]
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
    /// A template parameter
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter has the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl TemplateArgs {
    /// The stack name for a template: as given, else from its path.
    pub fn stack_name(&self, template: &std::path::Path) -> String {
        if let Some(name) = &self.stack {
            return name.clone();
        }
        let stem = template.file_stem().unwrap_or_default().to_string_lossy();
        let folder = template.parent().and_then(|dir| dir.file_name()).map(|name| name.to_string_lossy());
        let name = match folder {
            Some(folder) if stem == "template" => folder,
            _ => stem,
        };
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }

    /// The parameters as a map; the last of a name wins.
    pub fn parameter_map(&self) -> BTreeMap<String, String> {
        self.parameters.iter().cloned().collect()
    }
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the AWS APIs listen.
    pub address: SocketAddr,
    /// Where the OpenSearch API listens.
    pub search_address: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// Where buckets lie.
    pub store: StoreSettings,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Both doors on one port.
    #[error("--port and --search-port are both {0}: give each its own")]
    SamePort(u16),
    /// The S3 store's settings are incomplete.
    #[error("--s3-endpoint {endpoint} needs {missing} in the environment")]
    S3 {
        /// The endpoint.
        endpoint: String,
        /// The variable that is absent.
        missing: &'static str,
    },
}

impl Settings {
    /// Checks what the command line says.
    pub fn derive(args: &UpArgs) -> Result<Self, SettingsError> {
        if args.port == args.search_port && args.port != 0 {
            return Err(SettingsError::SamePort(args.port));
        }
        Ok(Self {
            address: SocketAddr::new(args.host, args.port),
            search_address: SocketAddr::new(args.host, args.search_port),
            store: StoreSettings::derive(args.s3_endpoint.as_deref(), &args.data.join("lake"))?,
            data: args.data.clone(),
        })
    }
}
