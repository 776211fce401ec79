//! Which requests are S3's, and what they ask for.
//!
//! A request is S3's when its signature is for `s3`. One that is not signed is S3's when its host names a bucket, or when its
//! path may be one of a bucket and is nobody else's. Bucket and key stand in the path (`/BUCKET/KEY`), or the bucket stands in
//! the host (`BUCKET.s3.localhost`, and `BUCKET.localhost` where there is such a bucket).

use super::faults::{INVALID_URI, METHOD_NOT_ALLOWED, unsupported};
use crate::wire::Fault;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

/// All operations that there are here.
pub const OPERATIONS: &[&str] = &[
    "ListBuckets",
    "CreateBucket",
    "HeadBucket",
    "DeleteBucket",
    "GetBucketLocation",
    "GetBucketEncryption",
    "PutBucketEncryption",
    "DeleteBucketEncryption",
    "ListObjects",
    "ListObjectsV2",
    "GetObject",
    "HeadObject",
    "GetObjectTagging",
    "PutObject",
    "CopyObject",
    "DeleteObject",
    "DeleteObjects",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
    "ListMultipartUploads",
];
/// Parameters of the query string that some operation here knows.
const PARAMETERS: &[&str] = &[
    "continuation-token",
    "delete",
    "delimiter",
    "encoding-type",
    "encryption",
    "fetch-owner",
    "key-marker",
    "list-type",
    "location",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
    "prefix",
    "start-after",
    "tagging",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "x-id",
];
/// Names in hosts that are the server's own and no bucket's.
const NO_BUCKETS: [&str; 2] = ["_millrace", "metrics"];

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The operation.
    pub operation: &'static str,
    /// The bucket; empty for `ListBuckets`.
    pub bucket: String,
    /// The key; empty for a bucket.
    pub key: String,
    /// The query string, without the signature.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// A parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The service that a request is signed for, whether or not the signature holds.
pub fn signed_for(head: &Parts) -> Option<String> {
    let header = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(header) if header.trim_start().starts_with("AWS4-") => {
            header.split_once("Credential=")?.1.split([',', ' ']).next()?.to_owned()
        }
        Some(_) => return Some(String::new()),
        None => {
            let query = head.uri.query()?;
            let mut given = form_urlencoded::parse(query.as_bytes());
            given.find(|(name, _)| name == "X-Amz-Credential")?.1.into_owned()
        }
    };
    credential.split('/').nth(3).map(str::to_owned)
}

/// Whether a request that is not signed may be S3's by its path.
pub fn may_be_path(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    let is_name = (3..=63).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    // `/ACCOUNT/QUEUE` is a queue.
    let is_account = first.len() == 12 && first.bytes().all(|byte| byte.is_ascii_digit());
    is_name && !is_account && !NO_BUCKETS.contains(&first)
}

/// The bucket in a host; `is_bucket` tells which there are.
pub fn bucket_of_host(head: &Parts, is_bucket: impl Fn(&str) -> bool) -> Option<String> {
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let host = authority.or_else(|| head.headers.get("host")?.to_str().ok())?;
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    let host = host.to_ascii_lowercase();
    if let Some((bucket, _)) = host.rsplit_once(".s3.") {
        return Some(bucket.to_owned());
    }
    let bucket = host.strip_suffix(".localhost")?;
    let creates = head.method == Method::PUT && head.uri.path() == "/" && signed_for(head).as_deref() == Some("s3");
    (bucket != "s3" && (creates || is_bucket(bucket))).then(|| bucket.to_owned())
}

/// What a request asks for; `bucket` is the one in its host.
pub fn target(head: &Parts, bucket: Option<String>) -> Result<Target, Fault> {
    // Only one: a key may begin with slashes.
    let path = head.uri.path().strip_prefix('/').unwrap_or_default().to_owned();
    let (bucket, key) = match bucket {
        Some(bucket) => (bucket, path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
            (decoded(bucket)?, key.to_owned())
        }
    };
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned();
    let query: Vec<(String, String)> =
        query.filter(|(name, _)| !name.to_ascii_lowercase().starts_with("x-amz-")).collect();
    let target = Target { operation: "", bucket, key: decoded(&key)?, query };
    let known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("response-");
    if let Some((name, _)) = target.query.iter().find(|(name, _)| !known(name)) {
        return Err(unsupported(&format!("the parameter ?{name}")));
    }
    let operation = operation(&head.method, &target, &head.headers)?;
    Ok(Target { operation, ..target })
}

fn operation(method: &Method, target: &Target, headers: &HeaderMap) -> Result<&'static str, Fault> {
    let has = |name: &str| target.parameter(name).is_some();
    let copies = headers.contains_key("x-amz-copy-source");
    let is = |other: Method| *method == other;
    if has("tagging") && (target.key.is_empty() || !is(Method::GET)) {
        return Err(unsupported("tags (?tagging)"));
    }
    let found = match (target.bucket.is_empty(), target.key.is_empty()) {
        (true, _) if is(Method::GET) => "ListBuckets",
        (true, _) => "",
        (false, true) => match method.as_str() {
            "GET" if has("encryption") => "GetBucketEncryption",
            "PUT" if has("encryption") => "PutBucketEncryption",
            "DELETE" if has("encryption") => "DeleteBucketEncryption",
            "GET" if has("location") => "GetBucketLocation",
            "GET" if has("uploads") => "ListMultipartUploads",
            "GET" if target.parameter("list-type") == Some("2") => "ListObjectsV2",
            "GET" => "ListObjects",
            "HEAD" => "HeadBucket",
            "PUT" => "CreateBucket",
            "DELETE" => "DeleteBucket",
            "POST" if has("delete") => "DeleteObjects",
            "POST" => return Err(unsupported("uploading by a form (POST)")),
            _ => "",
        },
        (false, false) => match method.as_str() {
            "GET" if has("uploadId") => "ListParts",
            "GET" if has("tagging") => "GetObjectTagging",
            "GET" | "HEAD" if has("partNumber") => return Err(unsupported("reading one part (?partNumber)")),
            "GET" => "GetObject",
            "HEAD" => "HeadObject",
            "PUT" if has("uploadId") && copies => "UploadPartCopy",
            "PUT" if has("uploadId") => "UploadPart",
            "PUT" if copies => "CopyObject",
            "PUT" => "PutObject",
            "POST" if has("uploads") => "CreateMultipartUpload",
            "POST" if has("uploadId") => "CompleteMultipartUpload",
            "DELETE" if has("uploadId") => "AbortMultipartUpload",
            "DELETE" => "DeleteObject",
            _ => "",
        },
    };
    match found {
        "" => Err(METHOD_NOT_ALLOWED.because("The specified method is not allowed against this resource.")),
        found => Ok(found),
    }
}

/// A part of a path without its escapes; a plus is a plus.
pub fn decoded(text: &str) -> Result<String, Fault> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain)
        .map_err(|_| INVALID_URI.because("Couldn't parse the specified URI: a key has to be UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn head(method: &str, uri: &str, host: &str) -> Parts {
        Request::builder().method(method).uri(uri).header("host", host).body(()).unwrap().into_parts().0
    }

    #[test]
    fn paths_and_hosts_name_buckets() {
        let found = target(&head("GET", "/lake/a%20b+c//d%C3%A9", "localhost:4566"), None).unwrap();
        assert_eq!((found.operation, &*found.bucket, &*found.key), ("GetObject", "lake", "a b+c//dé"));
        let host = |host: &str| bucket_of_host(&head("GET", "/x", host), |name| name == "lake");
        assert_eq!(host("a.b.s3.localhost:4566").as_deref(), Some("a.b"));
        assert_eq!(host("lake.localhost:4566").as_deref(), Some("lake"));
        assert_eq!((host("other.localhost"), host("s3.localhost"), host("127.0.0.1:4566")), (None, None, None));
        let found = target(&head("PUT", "//x", "lake.localhost"), Some("lake".to_owned())).unwrap();
        assert_eq!((found.operation, &*found.key), ("PutObject", "/x"));
    }

    #[test]
    fn what_is_not_here_says_so() {
        let kind = |method: &str, uri: &str| target(&head(method, uri, "x"), None).unwrap_err().kind.code;
        assert_eq!(kind("GET", "/lake?acl"), "NotImplemented");
        assert_eq!(kind("GET", "/lake/x?versionId=1"), "NotImplemented");
        assert_eq!(kind("PATCH", "/lake/x"), "MethodNotAllowed");
        assert_eq!(kind("GET", "/lake/%FF"), "InvalidURI");
        assert!(may_be_path("/lake/x") && !may_be_path("/000000000000/queue") && !may_be_path("/_millrace/health"));
        assert!(!may_be_path("/metrics") && !may_be_path("/"));
    }
}
