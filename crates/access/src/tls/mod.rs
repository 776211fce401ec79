//! TLS: the certificate that the doors show, of an authority of the server's own or of files.
//!
//! ```text
//! DATA/tls/ca.pem            the authority: clients that trust it trust the server   (AWS_CA_BUNDLE, SSL_CERT_FILE)
//! DATA/tls/private/ca.key    its key, P-256: never leaves the machine
//! ```
//!
//! The server's own certificate is made anew at every start, signed by the authority, and never touches the disk; it holds
//! for `authority::SERVER_DAYS` and is renewed long before. With files of one's own (`--tls-cert`, `--tls-key`) there is no
//! authority; they are read again when they change. Connections that are open keep the certificate that they began with.

mod authority;
mod files;

use millrace_base::{Clock, Disk, Millis};
use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto::ring};
use std::path::PathBuf;
use std::sync::Arc;

/// How old a certificate of ours becomes before it is made anew, in milliseconds: 30 days.
const RENEW_AFTER: Millis = 30 * 24 * 3600 * 1000;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file does not hold what it must.
    #[error("{path} {reason}")]
    Content {
        /// Which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate cannot be made.
    #[error("no certificate can be made: {0}")]
    Make(String),
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An authority of the server's own, in `dir`.
    Own {
        /// `DATA/tls`.
        dir: PathBuf,
        /// The names and addresses that clients may call the server by.
        names: Vec<String>,
    },
    /// Files in PEM: a chain of certificates, the server's first, and its key.
    Files {
        /// The chain.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// The certificate that is shown, and where the next one comes from.
pub struct Certificates {
    source: Source,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    shown: Arc<Shown>,
}

#[derive(Debug)]
struct Shown(RwLock<Current>);

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    since: Millis,
    /// What the files held; empty for a certificate of ours.
    content: Vec<u8>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().key.clone())
    }
}

impl Certificates {
    /// Reads the files, or makes the authority (once) and a certificate.
    pub fn open(source: Source, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let current = current(&source, &*disk, clock.now())?;
        Ok(Self { source, disk, clock, shown: Arc::new(Shown(RwLock::new(current))) })
    }

    /// What servers show: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|error| TlsError::Make(error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self.shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Shows a new certificate if the files changed or the old one ages. True when it did. After an error the old one stays.
    pub fn renew(&self) -> Result<bool, TlsError> {
        let now = self.clock.now();
        let is_due = match &self.source {
            Source::Own { .. } => now - self.shown.0.read().since > RENEW_AFTER,
            Source::Files { cert, key } => files::content(&*self.disk, cert, key)? != self.shown.0.read().content,
        };
        if is_due {
            *self.shown.0.write() = current(&self.source, &*self.disk, now)?;
        }
        Ok(is_due)
    }

    /// The authority that clients must trust; none for files of one's own.
    pub fn authority(&self) -> Option<PathBuf> {
        match &self.source {
            Source::Own { dir, .. } => Some(dir.join(authority::CA)),
            Source::Files { .. } => None,
        }
    }
}

fn current(source: &Source, disk: &dyn Disk, since: Millis) -> Result<Current, TlsError> {
    match source {
        Source::Own { dir, names } => {
            let key = authority::open(disk, dir, since)?.certify(names, since)?;
            Ok(Current { key: Arc::new(key), since, content: Vec::new() })
        }
        Source::Files { cert, key } => {
            let content = files::content(disk, cert, key)?;
            Ok(Current { key: Arc::new(files::read(disk, cert, key)?), since, content })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_testkit::{SimClock, SimDisk};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
    use std::path::Path;

    fn own(names: &[&str]) -> Source {
        Source::Own { dir: "tls".into(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    /// The certificate that a client sees who trusts `ca` and calls the server `name`.
    fn shown(certificates: &Certificates, ca: &[u8], name: &str) -> Result<Vec<u8>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(certificates.config().unwrap()).unwrap();
        while client.is_handshaking() {
            let mut sent = Vec::new();
            client.write_tls(&mut sent).unwrap();
            server.read_tls(&mut &*sent).unwrap();
            server.process_new_packets()?;
            let mut answer = Vec::new();
            server.write_tls(&mut answer).unwrap();
            client.read_tls(&mut &*answer).unwrap();
            client.process_new_packets()?;
        }
        Ok(client.peer_certificates().unwrap()[0].to_vec())
    }

    /// Clients look at the machine's clock, so these tests do too.
    fn clock() -> SimClock {
        SimClock::at(millrace_base::SystemClock.now())
    }

    #[test]
    fn whoever_trusts_the_authority_trusts_the_server_under_its_names() {
        let (disk, clock) = (SimDisk::new(1), clock());
        let names = own(&["localhost", "127.0.0.1", "::1", "*.s3.localhost"]);
        let open = || Certificates::open(names.clone(), Arc::new(disk.clone()), Arc::new(clock.clone())).unwrap();
        let certificates = open();
        let ca = disk.read(Path::new("tls/ca.pem")).unwrap();
        for name in ["localhost", "127.0.0.1", "::1", "bucket.s3.localhost"] {
            assert!(shown(&certificates, &ca, name).is_ok(), "{name}");
        }
        assert!(shown(&certificates, &ca, "example.org").is_err());
        // A restart keeps the authority and makes a new certificate.
        let again = open();
        assert_eq!(disk.read(Path::new("tls/ca.pem")).unwrap(), ca);
        assert_ne!(shown(&again, &ca, "localhost").unwrap(), shown(&certificates, &ca, "localhost").unwrap());
        // So does time.
        assert!(!again.renew().unwrap());
        clock.advance(RENEW_AFTER + 1);
        assert!(again.renew().unwrap());
        let stranger = SimDisk::new(2);
        Certificates::open(names.clone(), Arc::new(stranger.clone()), Arc::new(clock.clone())).unwrap();
        let other = stranger.read(Path::new("tls/ca.pem")).unwrap();
        assert!(shown(&certificates, &other, "localhost").is_err());
    }

    #[test]
    fn files_are_read_again_when_they_change() {
        let (disk, clock) = (SimDisk::new(1), clock());
        let put = |seed: u64| {
            let made = rcgen::generate_simple_self_signed(vec!["box".to_owned(), format!("box{seed}")]).unwrap();
            disk.replace(Path::new("cert.pem"), made.cert.pem().as_bytes()).unwrap();
            disk.replace(Path::new("key.pem"), made.signing_key.serialize_pem().as_bytes()).unwrap();
            made.cert.der().to_vec()
        };
        let first = put(1);
        let source = Source::Files { cert: "cert.pem".into(), key: "key.pem".into() };
        let open = || Certificates::open(source.clone(), Arc::new(disk.clone()), Arc::new(clock.clone()));
        let certificates = open().unwrap();
        let key = || certificates.shown.0.read().key.cert[0].to_vec();
        assert_eq!((key(), certificates.renew().unwrap()), (first, false));
        let second = put(2);
        assert_eq!((certificates.renew().unwrap(), key()), (true, second.clone()));
        // Half a change leaves what was there.
        let whole = disk.read(Path::new("cert.pem")).unwrap();
        disk.replace(Path::new("cert.pem"), b"nonsense").unwrap();
        let refused = certificates.renew().unwrap_err().to_string();
        assert_eq!((refused.as_str(), key()), ("cert.pem holds no certificate in PEM", second));
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        disk.replace(Path::new("cert.pem"), &whole).unwrap();
        disk.replace(Path::new("key.pem"), other.as_bytes()).unwrap();
        let refused = open().err().unwrap().to_string();
        assert!(refused.starts_with("key.pem is not the key of cert.pem"), "{refused}");
    }
}
