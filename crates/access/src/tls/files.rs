//! A certificate and its key in files of one's own, in PEM.

use super::TlsError;
use millrace_base::Disk;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;

fn read_file(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, TlsError> {
    disk.read(path).map_err(|error| TlsError::File { path: path.display().to_string(), error })
}

/// What both files hold, to see whether they changed.
pub fn content(disk: &dyn Disk, cert: &Path, key: &Path) -> Result<Vec<u8>, TlsError> {
    let mut content = read_file(disk, cert)?;
    content.push(0);
    content.extend(read_file(disk, key)?);
    Ok(content)
}

/// The chain and the key, which must belong together.
pub fn read(disk: &dyn Disk, cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |path: &Path, reason: String| TlsError::Content { path: path.display().to_string(), reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read_file(disk, cert)?).collect();
    let chain = chain.ok().filter(|chain: &Vec<CertificateDer<'static>>| !chain.is_empty());
    let chain = chain.ok_or_else(|| wrong(cert, "holds no certificate in PEM".to_owned()))?;
    let private = PrivateKeyDer::from_pem_slice(&read_file(disk, key)?);
    let private = private.map_err(|error| wrong(key, format!("holds no private key in PEM: {error}")))?;
    let signer = any_supported_type(&private);
    let signer = signer.map_err(|error| wrong(key, format!("holds a key of an unknown kind: {error}")))?;
    let certified = CertifiedKey::new(chain, signer);
    let fits = certified.keys_match();
    fits.map_err(|error| wrong(key, format!("is not the key of {}: {error}", cert.display())))?;
    Ok(certified)
}
