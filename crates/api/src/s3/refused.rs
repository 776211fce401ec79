//! Headers that ask for what is not here: refused, never ignored.

use super::encryption::{AES256, SEALING, not_sealed};
use super::faults::{ACL_NOT_SUPPORTED, unsupported};
use crate::wire::Fault;
use axum::http::HeaderMap;

/// Headers by what they begin with, and the values that ask for nothing more than what there is.
const HEADERS: &[(&str, &[&str])] = &[
    ("x-amz-bucket-object-lock-enabled", &["false"]),
    ("x-amz-bypass-governance-retention", &["false"]),
    ("x-amz-copy-source-server-side-encryption", &[]),
    ("x-amz-mfa", &[]),
    ("x-amz-object-lock-", &[]),
    ("x-amz-object-ownership", &["BucketOwnerEnforced"]),
    ("x-amz-optional-object-attributes", &[]),
    ("x-amz-request-payer", &[]),
    ("x-amz-server-side-encryption", &[]),
    ("x-amz-storage-class", &["STANDARD"]),
    ("x-amz-tagging", &["", "COPY"]),
    ("x-amz-website-redirect-location", &[]),
    ("x-amz-write-offset-bytes", &[]),
];
/// Canned lists that say what holds anyway.
const ACLS: [&str; 2] = ["private", "bucket-owner-full-control"];

/// Refuses a request with a header that asks for what is not here. `is_sealed`: what is written is encrypted in any case.
pub fn refuse(headers: &HeaderMap, is_sealed: bool) -> Result<(), Fault> {
    for (name, value) in headers {
        let (name, value) = (name.as_str(), value.to_str().unwrap_or_default().trim());
        if name.starts_with("x-amz-grant-") || (name == "x-amz-acl" && !ACLS.contains(&value)) {
            let message = "The bucket does not allow ACLs: policies of IAM say who may do what.";
            return Err(ACL_NOT_SUPPORTED.because(message));
        }
        if name == SEALING && value == AES256 {
            if is_sealed {
                continue;
            }
            return Err(not_sealed());
        }
        let asked = HEADERS.iter().find(|(prefix, _)| name.starts_with(prefix));
        if asked.is_some_and(|(_, harmless)| !harmless.contains(&value)) {
            return Err(unsupported(&format!("the header {name}: {value}")));
        }
    }
    Ok(())
}
