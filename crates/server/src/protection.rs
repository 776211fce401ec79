//! How the doors are protected: signatures and TLS, from settings to what the ports need, and what people are told of it.

use crate::credentials;
use crate::server::{StartError, room};
use crate::settings::{AuthSetting, Settings, TlsSetting};
use millrace_access::tls::{Certificates, Source, TlsError};
use millrace_access::{Authorizer, Identities};
use millrace_api::authorize::{Gate, ResourceFacts};
use millrace_api::http::Tls;
use millrace_base::{Clock, SystemDisk};
use std::fs::Permissions;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often certificate files are looked at.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// Holds the key of the server's own authority, within its folder.
const PRIVATE: &str = "private";
/// What the server may be called beside its addresses: `*.s3.localhost` for buckets as host names.
const NAMES: [&str; 4] = ["localhost", "*.localhost", "*.s3.localhost", "host.docker.internal"];

/// What protects the doors.
pub struct Protection {
    /// Decides who gets in; none with `--auth off`.
    pub gate: Option<Arc<Gate>>,
    /// How connections are protected.
    pub tls: Tls,
    /// Where the root keys are, and whether they were made now.
    pub credentials: Option<(PathBuf, bool)>,
    certificates: Option<Arc<Certificates>>,
    identities: Identities,
    data: PathBuf,
}

impl Protection {
    /// Makes or reads keys and certificates, as `settings` ask for.
    pub fn open(
        settings: &Settings,
        identities: &Identities,
        facts: Arc<dyn ResourceFacts>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let credentials = match settings.auth {
            AuthSetting::On => Some(credentials::open(&settings.data, identities).map_err(room("credentials"))?),
            AuthSetting::Off => None,
        };
        let gate = credentials
            .is_some()
            .then(|| Arc::new(Gate { authorizer: Authorizer::new(identities.clone()), facts, clock: clock.clone() }));
        let certificates = match settings.tls {
            TlsSetting::Off => None,
            TlsSetting::On | TlsSetting::Required => Some(certificates(settings, clock)?),
        };
        let config = certificates.as_ref().map(Certificates::config).transpose().map_err(room::<TlsError>("TLS"))?;
        Ok(Self {
            gate,
            tls: Tls { config, required: settings.tls == TlsSetting::Required },
            credentials,
            certificates: certificates.map(Arc::new),
            identities: identities.clone(),
            data: settings.data.clone(),
        })
    }

    /// The file of the authority that clients must trust.
    pub fn authority(&self) -> Option<PathBuf> {
        self.certificates.as_ref().and_then(|certificates| certificates.authority())
    }

    /// Reads keys and certificates again at SIGHUP, and certificates when they change or age, until `stopped`.
    pub fn watch(&self, stopped: impl Future<Output = ()> + Send + 'static) {
        let (certificates, identities, data) = (self.certificates.clone(), self.identities.clone(), self.data.clone());
        let has_keys = self.credentials.is_some();
        tokio::spawn(async move {
            let Ok(mut hung_up) = signal(SignalKind::hangup()) else { return };
            let mut stopped = std::pin::pin!(stopped);
            loop {
                let asked = tokio::select! {
                    () = &mut stopped => return,
                    _ = hung_up.recv() => true,
                    () = tokio::time::sleep(RENEW_EVERY) => false,
                };
                let (certificates, identities, data) = (certificates.clone(), identities.clone(), data.clone());
                let renew = move || {
                    if let Some(certificates) = certificates {
                        tell("certificate", certificates.renew());
                    }
                    if asked && has_keys {
                        tell("root keys", credentials::open(&data, &identities).map(|_| true));
                    }
                };
                let _ = tokio::task::spawn_blocking(renew).await;
            }
        });
    }
}

fn tell<E: std::fmt::Display>(what: &str, renewed: Result<bool, E>) {
    match renewed {
        Ok(true) => tracing::info!("{what}: read again"),
        Ok(false) => {}
        Err(error) => tracing::warn!("{what}: the old one stays, {error}"),
    }
}

fn certificates(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Certificates, StartError> {
    let open = |source| Certificates::open(source, Arc::new(SystemDisk), clock.clone()).map_err(room("TLS"));
    if let Some((cert, key)) = &settings.tls_files {
        return open(Source::Files { cert: cert.clone(), key: key.clone() });
    }
    let dir = settings.data.join("tls");
    let private = dir.join(PRIVATE);
    shut(&private).map_err(room("TLS"))?;
    let certificates = open(Source::Own { dir, names: names(settings) })?;
    shut_files(&private).map_err(room("TLS"))?;
    Ok(certificates)
}

/// Makes a folder that its owner alone may enter.
#[allow(clippy::disallowed_methods, reason = "its mode is a matter of the real file system, outside any simulation")]
fn shut(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Leaves a shut folder's files to their owner, so that they stay private where they are copied to.
#[allow(clippy::disallowed_methods, reason = "their mode is a matter of the real file system, outside any simulation")]
fn shut_files(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        std::fs::set_permissions(entry?.path(), Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The names in the server's certificate: those that everybody has, where it listens, and those asked for.
fn names(settings: &Settings) -> Vec<String> {
    let mut names: Vec<String> = NAMES.map(str::to_owned).into();
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    let ip: IpAddr = settings.address.ip();
    if !ip.is_unspecified() && !ip.is_loopback() {
        names.push(ip.to_string());
    }
    names.extend(host_name());
    names.extend(settings.tls_names.iter().cloned());
    names.sort_unstable();
    names.dedup();
    // The first is the certificate's common name.
    names.sort_by_key(|name| name != "localhost");
    names
}

/// What the machine is called, if it has a name that stands in a certificate.
#[allow(clippy::disallowed_methods, reason = "the machine's name, outside any simulation")]
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_name.then(|| name.to_owned())
}
