//! A certificate authority of the server's own.

use super::TlsError;
use crate::signature::day;
use millrace_base::{Disk, Millis};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::io;
use std::path::Path;

/// The authority's certificate.
pub const CA: &str = "ca.pem";
const CA_KEY: &str = "private/ca.key";
const DAY: Millis = 24 * 3600 * 1000;
/// How long the authority holds: longer than anybody remembers to renew it.
const CA_DAYS: i64 = 3650;
/// How long a server's certificate holds: browsers take no more.
pub const SERVER_DAYS: i64 = 397;

/// The authority.
pub struct Authority(KeyPair);

fn file(path: &Path) -> impl Fn(io::Error) -> TlsError {
    let path = path.display().to_string();
    move |error| TlsError::File { path: path.clone(), error }
}

fn failed(error: rcgen::Error) -> TlsError {
    TlsError::Make(error.to_string())
}

/// The authority in `dir`; made if there is none.
pub fn open(disk: &dyn Disk, dir: &Path, now: Millis) -> Result<Authority, TlsError> {
    let (ca, ca_key) = (dir.join(CA), dir.join(CA_KEY));
    let key = match disk.read(&ca_key) {
        Ok(pem) => {
            let pem = String::from_utf8_lossy(&pem).into_owned();
            KeyPair::from_pem(&pem).map_err(|error| TlsError::Content {
                path: ca_key.display().to_string(),
                reason: format!("holds no private key ({error}): remove it and {CA}, and clients trust the new one"),
            })?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate().map_err(failed)?;
            disk.create_dir(&dir.join("private")).map_err(file(dir))?;
            disk.replace(&ca_key, key.serialize_pem().as_bytes()).map_err(file(&ca_key))?;
            key
        }
        Err(error) => return Err(file(&ca_key)(error)),
    };
    let authority = Authority(key);
    match disk.read(&ca) {
        Ok(_) => Ok(authority),
        // Whoever has the key can always write the certificate again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut params = authority.params()?;
            holds(&mut params, now, CA_DAYS);
            let pem = params.self_signed(&authority.0).map_err(failed)?.pem();
            disk.replace(&ca, pem.as_bytes()).map_err(file(&ca))?;
            Ok(authority)
        }
        Err(error) => Err(file(&ca)(error)),
    }
}

impl Authority {
    fn params(&self) -> Result<CertificateParams, TlsError> {
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        // Two servers' authorities must not look like one.
        let id = digest(&SHA256, self.0.public_key_raw());
        let id = u32::from_be_bytes(id.as_ref()[..4].try_into().unwrap_or_default());
        params.distinguished_name.push(DnType::OrganizationName, "Millrace");
        params.distinguished_name.push(DnType::CommonName, format!("Millrace authority {id:08x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }

    /// A certificate for a server of these names, with a key of its own.
    pub fn certify(&self, names: &[String], now: Millis) -> Result<CertifiedKey, TlsError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
        holds(&mut params, now, SERVER_DAYS);
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = self.params()?;
        let certificate = params.signed_by(&key, &Issuer::from_params(&issuer, &self.0)).map_err(failed)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = any_supported_type(&der).map_err(|error| TlsError::Make(error.to_string()))?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
    }
}

/// Makes a certificate hold from yesterday, for clients whose clocks are late, until `days` from now.
fn holds(params: &mut CertificateParams, now: Millis, days: i64) {
    let date = |time: Millis| {
        let day = day(time);
        let number = |from: usize, to: usize| day[from..to].parse::<u16>().unwrap_or_default();
        let small = |from: usize| u8::try_from(number(from, from + 2)).unwrap_or(1);
        date_time_ymd(i32::from(number(0, 4)), small(4), small(6))
    };
    params.not_before = date(now - DAY);
    params.not_after = date(now + days * DAY);
}
