//! A sealed file's header: which key unwraps its data key.

use std::io;
use std::path::Path;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 256;
/// What a sealed file begins with; no text does.
pub(crate) const MAGIC: &[u8; 8] = b"\x89MRSEAL\n";
/// What a whole header ends with.
const END: &[u8; 8] = b"SEALHEAD";
/// The version that is written.
const VERSION: u16 = 1;
const BLOB: usize = 12;
const BLOB_BYTES_MAX: usize = HEADER_BYTES - BLOB - END.len();

/// What the beginning of a file says.
pub(crate) enum Beginning {
    /// A sealed file, with its wrapped data key.
    Sealed(Vec<u8>),
    /// A header that was never written whole.
    Torn,
    /// Nothing but zeros.
    Zeros,
    /// Something else.
    Plain,
}

/// A header around a wrapped data key.
pub(crate) fn encode(blob: &[u8]) -> Vec<u8> {
    assert!(blob.len() <= BLOB_BYTES_MAX, "a wrapped key is far shorter");
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&(blob.len() as u16).to_le_bytes());
    header.extend_from_slice(blob);
    header.resize(HEADER_BYTES - END.len(), 0);
    header.extend_from_slice(END);
    header
}

/// Reads the first bytes of a file: [`HEADER_BYTES`], or all when it is shorter.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> io::Result<Beginning> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(Beginning::Zeros);
    }
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Ok(Beginning::Plain);
    }
    let end = bytes.get(HEADER_BYTES - END.len()..).unwrap_or_default();
    let written = end.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if END.starts_with(&end[..written]) && written < END.len() {
        return Ok(Beginning::Torn);
    }
    let damaged = |what: String| {
        let message = format!("{} is damaged: {what} in its header", path.display());
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    };
    let version = u16::from_le_bytes([bytes[8], bytes[9]]);
    let len = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    match () {
        () if end != END => damaged("bad end mark".into()),
        () if version != VERSION => damaged(format!("version {version}, this Millrace reads {VERSION},")),
        () if len > BLOB_BYTES_MAX => damaged("too long a wrapped key".into()),
        () => Ok(Beginning::Sealed(bytes[BLOB..BLOB + len].to_vec())),
    }
}
