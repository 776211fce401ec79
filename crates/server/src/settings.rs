//! Settings of a server: what the command line says, checked and made whole.

use crate::lake::StoreSettings;
use crate::logging::LogArgs;
use crate::vault::EncryptionArgs;
use clap::{Args, ValueEnum};
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
    /// Address to listen on. One that other machines reach needs --auth on
    #[arg(long, default_value = "127.0.0.1", env = "MILLRACE_HOST")]
    pub host: IpAddr,
    /// Verify signatures and enforce IAM policies, on both ports. The root user's key is in DIR/credentials
    #[arg(long, value_enum, default_value = "off", env = "MILLRACE_AUTH")]
    pub auth: AuthSetting,
    /// Listen where other machines reach it without verifying anything: whoever reaches the port may do everything
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// Listen where other machines reach it with --auth on and --tls off: keys and data go over the wire in plaintext
    #[arg(long)]
    pub insecure_plaintext: bool,
    /// TLS beside plaintext on the same ports; required: other machines must use it [default: on, and required with
    /// --auth on where other machines reach it]
    #[arg(long, value_enum, env = "MILLRACE_TLS")]
    pub tls: Option<TlsSetting>,
    /// Certificate chain in PEM, instead of one by the server's own authority (DIR/tls/ca.pem)
    #[arg(long, env = "MILLRACE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, env = "MILLRACE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Another name or address that clients call the server by, for its own certificate
    #[arg(long = "tls-name", value_name = "NAME")]
    pub tls_names: Vec<String>,
    /// Folder that holds everything: log, lake, index, definitions. One server at a time
    #[arg(long, default_value = "millrace-data", env = "MILLRACE_DATA", value_name = "DIR")]
    pub data: PathBuf,
    /// Write the lake to this S3 store instead of DIR/lake; credentials and region from AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION
    #[arg(long, env = "MILLRACE_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Keep AWS's quotas of a shard: 1 MiB and 1,000 records a second in, 2 MiB and 5 GetRecords a second out. What
    /// exceeds them is refused as on AWS, so that hot keys show before they cost
    #[arg(long, env = "MILLRACE_KINESIS_QUOTAS")]
    pub kinesis_quotas: bool,
    /// Count what every stage does, for CloudWatch's metrics and `millrace doctor`, and follow records. Off saves a few
    /// percent of the processor; metrics that users put are kept in any case
    #[arg(long, value_enum, default_value_t = OnOff::On, env = "MILLRACE_TELEMETRY", value_name = "on|off")]
    pub telemetry: OnOff,
    /// Send the journeys of records whose producers trace to this OpenTelemetry collector (OTLP over HTTP, JSON), and metrics
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub encryption: EncryptionArgs,
    #[command(flatten)]
    pub deploy: TemplateArgs,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOff {
    /// It is on.
    On,
    /// It is off.
    Off,
}

/// Whether signatures are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthSetting {
    /// Every request must be signed by a key that IAM knows, and its policies decide.
    On,
    /// Whoever reaches a port may do everything.
    Off,
}

/// Whether TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsSetting {
    /// TLS and plaintext on the same ports.
    On,
    /// Plaintext only.
    Off,
    /// Other machines must speak TLS.
    Required,
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

pub(crate) fn parameter(text: &str) -> Result<(String, String), String> {
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
    /// Whether signatures are verified.
    pub auth: AuthSetting,
    /// Whether TLS is spoken.
    pub tls: TlsSetting,
    /// A certificate chain and its key of one's own.
    pub tls_files: Option<(PathBuf, PathBuf)>,
    /// Further names for the server's own certificate.
    pub tls_names: Vec<String>,
    /// Keep AWS's quotas of a shard.
    pub kinesis_quotas: bool,
    /// Count what stages do.
    pub telemetry: bool,
    /// The OpenTelemetry collector.
    pub otlp_endpoint: Option<String>,
    /// What is sealed, and where the root key comes from.
    pub encryption: EncryptionArgs,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Both doors on one port.
    #[error("--port and --search-port are both {0}: give each its own")]
    SamePort(u16),
    /// Other machines would reach a server that verifies nothing.
    #[error(
        "--host {0} can be reached by other machines, and without --auth on whoever reaches it may do everything: give \
         --auth on, or insist with --insecure-no-auth"
    )]
    NoAuth(IpAddr),
    /// Files of a certificate that nobody would see.
    #[error("--tls-cert has no effect with --tls off: leave one of them out")]
    NoTls,
    /// A switch that says the opposite of another.
    #[error(
        "--insecure-no-auth says that nothing is verified, and --auth on that everything is: leave one of them out"
    )]
    BothAuth,
    /// Secrets would go over the wire in plaintext.
    #[error(
        "--auth on with --tls off and --host {0}: other machines would send keys (HTTP Basic of the OpenSearch port) and \
         data in plaintext: leave --tls off out, or insist with --insecure-plaintext"
    )]
    Plaintext(IpAddr),
    /// The collector's address.
    #[error("--otlp-endpoint {endpoint} is no address of a collector ({reason}): write it as http://HOST:4318")]
    Otlp {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A root key that is not there; with --encryption off it is read only when a stream gets a key of its own.
    #[error("--root-key-file {0} does not exist: name the file that holds the root key")]
    RootKey(String),
    /// A name that no certificate can have.
    #[error("--tls-name '{0}' is neither a DNS name nor an IP address, so no certificate can have it")]
    TlsName(String),
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
        let is_reached = !args.host.to_canonical().is_loopback();
        if is_reached && args.auth == AuthSetting::Off && !args.insecure_no_auth {
            return Err(SettingsError::NoAuth(args.host));
        }
        if args.insecure_no_auth && args.auth == AuthSetting::On {
            return Err(SettingsError::BothAuth);
        }
        check_names(args)?;
        // What is signed is not secret: over a wire that others see, answers and secrets need TLS, unless somebody insists.
        let required = is_reached && args.auth == AuthSetting::On;
        let tls = args.tls.unwrap_or(if required { TlsSetting::Required } else { TlsSetting::On });
        if required && tls == TlsSetting::Off && !args.insecure_plaintext {
            return Err(SettingsError::Plaintext(args.host));
        }
        if tls == TlsSetting::Off && args.tls_cert.is_some() {
            return Err(SettingsError::NoTls);
        }
        Ok(Self {
            address: SocketAddr::new(args.host, args.port),
            search_address: SocketAddr::new(args.host, args.search_port),
            store: StoreSettings::derive(args.s3_endpoint.as_deref(), &args.data.join("lake"))?,
            data: args.data.clone(),
            kinesis_quotas: args.kinesis_quotas,
            telemetry: args.telemetry == OnOff::On,
            otlp_endpoint: args.otlp_endpoint.clone(),
            encryption: args.encryption.clone(),
            auth: args.auth,
            tls,
            tls_files: args.tls_cert.clone().zip(args.tls_key.clone()),
            tls_names: args.tls_names.clone(),
        })
    }
}

/// Addresses and names that would be found wrong only when somebody uses them, or never.
fn check_names(args: &UpArgs) -> Result<(), SettingsError> {
    if let Some(endpoint) = args.otlp_endpoint.as_ref().filter(|endpoint| !endpoint.is_empty()) {
        let wrong = |reason: String| SettingsError::Otlp { endpoint: endpoint.clone(), reason };
        let url: reqwest::Url = endpoint.parse().map_err(|error| wrong(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("it does not begin with http:// or https:// and a host".to_owned()));
        }
    }
    if let Some(path) = args.encryption.root.root_key_file.as_ref().filter(|path| !path.exists()) {
        return Err(SettingsError::RootKey(path.display().to_string()));
    }
    match args.tls_names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(SettingsError::TlsName(name.clone())),
        None => Ok(()),
    }
}

/// Whether a certificate can have the name: an IP address, or a DNS name whose first label may be `*`.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let rest = name.strip_prefix("*.").unwrap_or(name);
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && rest.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        up: UpArgs,
    }

    fn refusal(line: &str) -> String {
        let line = Line::parse_from(std::iter::once("up").chain(line.split(' ')));
        Settings::derive(&line.up).map(drop).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_with_a_reason() {
        assert!(refusal("--otlp-endpoint notaurl").contains("http://HOST:4318"));
        assert!(refusal("--encryption off --root-key-file /nope").contains("/nope does not exist"));
        assert!(refusal("--otlp-endpoint ftp://a").contains("http://HOST:4318"));
        assert!(refusal("--tls-name a,b").contains("neither a DNS name nor an IP"));
        assert!(refusal("--auth on --insecure-no-auth").contains("leave one of them out"));
        assert!(refusal("--auth on --tls off --host 0.0.0.0").contains("--insecure-plaintext"));
        for good in [
            "--otlp-endpoint http://127.0.0.1:4318 --tls-name *.mill.example --tls-name ::1",
            "--auth on --tls off",
            "--auth on --tls off --host 0.0.0.0 --insecure-plaintext",
            "--auth on --host 0.0.0.0",
        ] {
            assert_eq!(refusal(good), "", "{good}");
        }
    }
}
