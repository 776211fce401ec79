//! S3's errors.

use crate::http::Refused;
use crate::wire::{Fault, FaultKind, escape, kinds};
use millrace_access::signature::SignatureError;
use millrace_deliver::{DeliverError, StoreError};
use std::io;

pub const ACCESS_DENIED: FaultKind = FaultKind::new("AccessDenied", 403);
pub const ACL_NOT_SUPPORTED: FaultKind = FaultKind::new("AccessControlListNotSupported", 400);
pub const AUTHORIZATION_MALFORMED: FaultKind = FaultKind::new("AuthorizationHeaderMalformed", 400);
pub const BAD_DIGEST: FaultKind = FaultKind::new("BadDigest", 400);
pub const BUCKET_EXISTS: FaultKind = FaultKind::new("BucketAlreadyExists", 409);
pub const BUCKET_NOT_EMPTY: FaultKind = FaultKind::new("BucketNotEmpty", 409);
pub const ENTITY_TOO_LARGE: FaultKind = FaultKind::new("EntityTooLarge", 400);
pub const ENTITY_TOO_SMALL: FaultKind = FaultKind::new("EntityTooSmall", 400);
pub const EXPIRED_TOKEN: FaultKind = FaultKind::new("ExpiredToken", 400);
pub const ILLEGAL_LOCATION: FaultKind = FaultKind::new("IllegalLocationConstraintException", 400);
pub const INTERNAL_ERROR: FaultKind = FaultKind::new("InternalError", 500);
pub const INVALID_ACCESS_KEY: FaultKind = FaultKind::new("InvalidAccessKeyId", 403);
pub const INVALID_ARGUMENT: FaultKind = FaultKind::new("InvalidArgument", 400);
pub const INVALID_BUCKET_NAME: FaultKind = FaultKind::new("InvalidBucketName", 400);
pub const INVALID_DIGEST: FaultKind = FaultKind::new("InvalidDigest", 400);
pub const INVALID_PART: FaultKind = FaultKind::new("InvalidPart", 400);
pub const INVALID_PART_ORDER: FaultKind = FaultKind::new("InvalidPartOrder", 400);
pub const INVALID_RANGE: FaultKind = FaultKind::new("InvalidRange", 416);
pub const INVALID_REQUEST: FaultKind = FaultKind::new("InvalidRequest", 400);
pub const INVALID_URI: FaultKind = FaultKind::new("InvalidURI", 400);
pub const MALFORMED_XML: FaultKind = FaultKind::new("MalformedXML", 400);
pub const METADATA_TOO_LARGE: FaultKind = FaultKind::new("MetadataTooLarge", 400);
pub const METHOD_NOT_ALLOWED: FaultKind = FaultKind::new("MethodNotAllowed", 405);
pub const NO_ENCRYPTION: FaultKind = FaultKind::new("ServerSideEncryptionConfigurationNotFoundError", 404);
pub const NO_SUCH_BUCKET: FaultKind = FaultKind::new("NoSuchBucket", 404);
pub const NO_SUCH_KEY: FaultKind = FaultKind::new("NoSuchKey", 404);
pub const NO_SUCH_UPLOAD: FaultKind = FaultKind::new("NoSuchUpload", 404);
pub const NOT_IMPLEMENTED: FaultKind = FaultKind::new("NotImplemented", 501);
pub const NOT_MODIFIED: FaultKind = FaultKind::new("NotModified", 304);
pub const PRECONDITION_FAILED: FaultKind = FaultKind::new("PreconditionFailed", 412);
pub const SIGNATURE_DOES_NOT_MATCH: FaultKind = FaultKind::new("SignatureDoesNotMatch", 403);
pub const WRONG_SHA256: FaultKind = FaultKind::new("XAmzContentSHA256Mismatch", 400);

/// The refusal of something that S3 has and Millrace does not.
pub fn unsupported(what: &str) -> Fault {
    NOT_IMPLEMENTED
        .because(format!("Millrace does not support {what} of S3 yet: docs/compat/s3.md lists what it does."))
}

/// The refusal of an absent bucket.
pub fn no_such_bucket(bucket: &str) -> Fault {
    NO_SUCH_BUCKET.because("The specified bucket does not exist").with("BucketName", bucket)
}

/// The refusal of an absent object.
pub fn no_such_key(key: &str) -> Fault {
    NO_SUCH_KEY.because("The specified key does not exist.").with("Key", key)
}

/// A request that did not get in.
pub fn shut_out(refused: Refused) -> Fault {
    use SignatureError as Error;
    let error = match refused {
        Refused::Body(fault) if fault.kind == kinds::REQUEST_TOO_LARGE => {
            let message =
                format!("{} Upload it in parts (the AWS CLI and the SDKs do so by themselves).", fault.message);
            return ENTITY_TOO_LARGE.because(message);
        }
        Refused::Body(fault) => return INVALID_REQUEST.because(fault.message),
        Refused::Signature(error) => error,
    };
    let kind = match &error {
        Error::Missing | Error::RequestExpired => ACCESS_DENIED,
        Error::Incomplete(_) => AUTHORIZATION_MALFORMED,
        Error::UnknownKey => INVALID_ACCESS_KEY,
        Error::ExpiredToken => EXPIRED_TOKEN,
        Error::Invalid(_) | Error::Mismatch { .. } => SIGNATURE_DOES_NOT_MATCH,
        Error::PayloadHash => WRONG_SHA256,
        Error::Chunk(_) => INVALID_REQUEST,
        Error::Store(_) => INTERNAL_ERROR,
    };
    match error {
        Error::Missing => {
            kind.because("Access Denied: the request is not signed, and nothing here is open to everybody.")
        }
        Error::UnknownKey => kind.because("The AWS Access Key Id you provided does not exist in our records."),
        other => kind.because(other.to_string()),
    }
}

/// The error as S3 writes it.
pub fn xml(fault: &Fault, resource: &str, id: &str) -> String {
    let mut details = String::new();
    for (name, value) in &fault.details {
        details.push_str(&format!("<{name}>{}</{name}>", escape(value)));
    }
    let code = match fault.kind.query_code() {
        "InternalFailure" => "InternalError",
        other => other,
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>{details}\
         <Resource>{}</Resource><RequestId>{id}</RequestId></Error>",
        escape(&fault.message),
        escape(resource)
    )
}

/// A store's error in S3's words.
pub fn of_store(error: StoreError) -> Fault {
    match error {
        StoreError::NoSuchKey { key, .. } => no_such_key(&key),
        StoreError::NoSuchBucket(bucket) => no_such_bucket(&bucket),
        StoreError::BadKey { .. } => INVALID_ARGUMENT.because(error.to_string()),
        StoreError::Failed { .. } => INTERNAL_ERROR.because(error.to_string()),
    }
}

/// The error of the facts about buckets in S3's words.
pub fn of_buckets(error: DeliverError) -> Fault {
    match error {
        DeliverError::InvalidArgument(message) => INVALID_BUCKET_NAME.because(message),
        DeliverError::InUse(message) => BUCKET_EXISTS.because(message),
        other => INTERNAL_ERROR.because(other.to_string()),
    }
}

/// A disk's error.
pub fn of_disk(error: &io::Error) -> Fault {
    INTERNAL_ERROR.because(format!("the object cannot be read: {error}"))
}
