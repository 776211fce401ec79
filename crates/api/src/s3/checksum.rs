//! What a client says its bytes add up to, compared with what arrived.

use super::faults::{BAD_DIGEST, INVALID_DIGEST, INVALID_REQUEST, unsupported};
use super::request::Request;
use crate::wire::Fault;
use base64_simd::STANDARD;
use md5::{Digest as _, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use std::collections::BTreeMap;

/// The checksums of a body: the header's name and the value in base64.
pub type Checksums = BTreeMap<String, String>;

const PREFIX: &str = "x-amz-checksum-";
/// Headers that begin so and are no checksums.
const ABOUT: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"];
/// The reflected polynomials.
const CASTAGNOLI: u64 = 0x82f6_3b78;
const NVME: u64 = 0x9a6c_9329_ac4b_c9b5;
static CASTAGNOLI_TABLE: [u64; 256] = table(CASTAGNOLI);
static NVME_TABLE: [u64; 256] = table(NVME);

/// Verifies a request's body by all that its headers and trailers say of it; gives the checksums that hold.
pub fn verify(request: &Request) -> Result<Checksums, Fault> {
    if let Some(given) = request.header("content-md5") {
        let wanted = STANDARD.decode_to_vec(given).ok().filter(|bytes| bytes.len() == 16);
        let wanted = wanted.ok_or_else(|| INVALID_DIGEST.because("The Content-MD5 you specified was invalid."))?;
        if wanted != Md5::digest(&request.body)[..] {
            let message = "The Content-MD5 you specified did not match what we received.";
            return Err(BAD_DIGEST.because(message).with("ExpectedDigest", given));
        }
    }
    for promised in request.header("x-amz-trailer").unwrap_or_default().split(',').map(str::trim) {
        let is_there = request.trailers.iter().any(|(name, _)| name.eq_ignore_ascii_case(promised));
        if !promised.is_empty() && !is_there {
            return Err(INVALID_REQUEST.because(format!("The trailer {promised} was announced and did not come.")));
        }
    }
    let headers = request.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let trailers = request.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut found = Checksums::new();
    for (name, given) in headers.chain(trailers) {
        if let Some(algorithm) = name.strip_prefix(PREFIX).filter(|_| !ABOUT.contains(&name)) {
            check(algorithm, given, &request.body)?;
            found.insert(name.to_owned(), given.to_owned());
        }
    }
    Ok(found)
}

fn check(algorithm: &str, given: &str, body: &[u8]) -> Result<(), Fault> {
    let computed = match algorithm {
        "crc32" => crc32fast::hash(body).to_be_bytes().to_vec(),
        "crc32c" => crc(&CASTAGNOLI_TABLE, u32::MAX.into(), body)[4..].to_vec(),
        "crc64nvme" => crc(&NVME_TABLE, u64::MAX, body).to_vec(),
        "sha1" => digest(&SHA1_FOR_LEGACY_USE_ONLY, body).as_ref().to_vec(),
        "sha256" => digest(&SHA256, body).as_ref().to_vec(),
        other => return Err(unsupported(&format!("the checksum {other}"))),
    };
    match STANDARD.decode_to_vec(given) {
        Ok(given) if given == computed => Ok(()),
        Ok(given) if given.len() == computed.len() => {
            let name = algorithm.to_ascii_uppercase();
            Err(BAD_DIGEST.because(format!("The {name} you specified did not match the calculated checksum.")))
        }
        _ => Err(INVALID_REQUEST.because(format!("Value for {PREFIX}{algorithm} header is invalid."))),
    }
}

/// A reflected CRC that begins with all ones and ends inverted.
fn crc(table: &[u64; 256], ones: u64, bytes: &[u8]) -> [u8; 8] {
    let step = |crc: u64, byte: &u8| table[((crc ^ u64::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    (bytes.iter().fold(ones, step) ^ ones).to_be_bytes()
}

const fn table(polynomial: u64) -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut value, mut bit) = (at as u64, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        // The check values of the catalogue of parametrised CRC algorithms.
        assert_eq!(crc(&CASTAGNOLI_TABLE, u32::MAX.into(), b"123456789")[4..], 0xe306_9283_u32.to_be_bytes());
        assert_eq!(crc(&NVME_TABLE, u64::MAX, b"123456789"), 0xae8b_1486_0a79_9888_u64.to_be_bytes());
        assert!(check("crc32", "y/Q5Jg==", b"123456789").is_ok());
        assert_eq!(check("crc32", "y/Q5Jg==", b"123456780").unwrap_err().kind, BAD_DIGEST);
        assert_eq!(check("crc32", "y/Q5", b"123456789").unwrap_err().kind, INVALID_REQUEST);
        assert!(check("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", b"").is_ok());
        assert!(check("sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", b"").is_ok());
        assert_eq!(check("xxhash", "", b"").unwrap_err().kind.status, 501);
    }
}
