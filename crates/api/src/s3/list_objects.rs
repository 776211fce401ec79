//! `ListObjects` and `ListObjectsV2`.

use super::buckets::{count, owner};
use super::faults::{INVALID_ARGUMENT, of_store, unsupported};
use super::request::{Answer, Request, iso, quoted};
use super::store::{Lake, arn, may};
use super::xml::Xml;
use crate::authorize::Need;
use crate::wire::Fault;
use base64_simd::URL_SAFE_NO_PAD;
use millrace_deliver::{Bucket, ObjectInfo};

/// S3 lists no more objects at once.
const KEYS_MAX: usize = 1000;
/// Comes behind every key that begins as it does.
const LAST: char = char::MAX;

/// What is asked for.
struct Asked<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    after: String,
    count: usize,
    is_encoded: bool,
}

/// A page of a bucket's objects.
#[derive(Default)]
struct Page {
    objects: Vec<ObjectInfo>,
    prefixes: Vec<String>,
    /// The last key or prefix, when there are more.
    next: Option<String>,
}

impl Lake {
    /// `ListObjects`.
    pub fn list_objects(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_list(request)?;
        let marker = request.parameter("marker").unwrap_or_default();
        let mut asked = Asked::of(request, marker.to_owned())?;
        // A prefix that was the last of a page does not come again.
        if !asked.delimiter.is_empty() && marker.ends_with(asked.delimiter) && marker.len() > asked.prefix.len() {
            asked.after.push(LAST);
        }
        let page = self.page(&bucket, &asked)?;
        let mut xml = Xml::new("ListBucketResult");
        head(&mut xml, &bucket, &asked);
        xml.leaf("Marker", &asked.text(marker)).leaf("IsTruncated", said(page.next.is_some()));
        let next = page.next.as_ref().filter(|_| !asked.delimiter.is_empty());
        xml.some("NextMarker", next.map(|next| asked.text(next)).as_deref());
        contents(&mut xml, &asked, &page, Some(&bucket.scope.account));
        Ok(Answer::xml(xml.finish()).with("x-amz-bucket-region", &*bucket.scope.region))
    }

    /// `ListObjectsV2`.
    pub fn list_objects_v2(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_list(request)?;
        let start = request.parameter("start-after").unwrap_or_default();
        let token = request.parameter("continuation-token");
        let after = token.map(of_token).transpose()?.unwrap_or_else(|| start.to_owned());
        let asked = Asked::of(request, after)?;
        let page = self.page(&bucket, &asked)?;
        let mut xml = Xml::new("ListBucketResult");
        head(&mut xml, &bucket, &asked);
        xml.leaf("KeyCount", &(page.objects.len() + page.prefixes.len()).to_string());
        xml.leaf("IsTruncated", said(page.next.is_some())).some("ContinuationToken", token);
        let next = page.next.as_ref().map(|next| to_token(next, asked.delimiter));
        xml.some("NextContinuationToken", next.as_deref());
        xml.some("StartAfter", Some(asked.text(start)).filter(|start| !start.is_empty()).as_deref());
        let shows_owner = request.parameter("fetch-owner") == Some("true");
        contents(&mut xml, &asked, &page, Some(&*bucket.scope.account).filter(|_| shows_owner));
        Ok(Answer::xml(xml.finish()).with("x-amz-bucket-region", &*bucket.scope.region))
    }

    fn may_list(&self, request: &Request) -> Result<Bucket, Fault> {
        let bucket = self.bucket(request)?;
        let need = Need::on("s3:ListBucket", arn(&bucket.name))
            .with("s3:prefix", request.parameter("prefix"))
            .with("s3:delimiter", request.parameter("delimiter"))
            .with("s3:max-keys", request.parameter("max-keys"));
        may(request, &bucket, need)?;
        Ok(bucket)
    }

    fn page(&self, bucket: &Bucket, asked: &Asked<'_>) -> Result<Page, Fault> {
        let mut page = Page::default();
        let mut after = asked.after.clone();
        let mut last = String::new();
        // One object behind the page tells that there are more.
        loop {
            let wanted = asked.count + 1 - page.objects.len() - page.prefixes.len();
            let found = self.lake.list_after(&bucket.name, asked.prefix, &after, wanted).map_err(of_store)?;
            let is_end = found.len() < wanted;
            for object in found {
                if object.key.as_str() <= after.as_str() {
                    // It lies under a prefix that is listed.
                    continue;
                }
                if page.objects.len() + page.prefixes.len() == asked.count {
                    page.next = Some(last).filter(|_| asked.count > 0);
                    return Ok(page);
                }
                match asked.common(&object.key) {
                    Some(common) => {
                        after = format!("{common}{LAST}");
                        common.clone_into(&mut last);
                        page.prefixes.push(last.clone());
                    }
                    None => {
                        after.clone_from(&object.key);
                        last.clone_from(&object.key);
                        page.objects.push(object);
                    }
                }
            }
            if is_end {
                return Ok(page);
            }
        }
    }
}

impl<'a> Asked<'a> {
    fn of(request: &'a Request, after: String) -> Result<Self, Fault> {
        let is_encoded = match request.parameter("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                return Err(INVALID_ARGUMENT.because(message).with("ArgumentValue", other));
            }
        };
        if request.parameter("list-type").is_some_and(|version| version != "2") {
            return Err(unsupported("any list-type but 2"));
        }
        Ok(Self {
            prefix: request.parameter("prefix").unwrap_or_default(),
            delimiter: request.parameter("delimiter").unwrap_or_default(),
            after,
            count: count(request, "max-keys", KEYS_MAX)?,
            is_encoded,
        })
    }

    /// The prefix that a key is listed by.
    fn common<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let at = key.get(self.prefix.len()..)?.find(self.delimiter)?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }

    /// A key as it is asked to be written.
    fn text(&self, key: &str) -> String {
        if !self.is_encoded {
            return key.to_owned();
        }
        let mut text = String::with_capacity(key.len());
        for byte in key.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b'*' => {
                    text.push(char::from(byte))
                }
                other => text.push_str(&format!("%{other:02X}")),
            }
        }
        text
    }
}

fn head(xml: &mut Xml, bucket: &Bucket, asked: &Asked<'_>) {
    xml.leaf("Name", &bucket.name).leaf("Prefix", &asked.text(asked.prefix));
    xml.leaf("MaxKeys", &asked.count.to_string());
    xml.some("Delimiter", Some(asked.text(asked.delimiter)).filter(|text| !text.is_empty()).as_deref());
    xml.some("EncodingType", asked.is_encoded.then_some("url"));
}

fn contents(xml: &mut Xml, asked: &Asked<'_>, page: &Page, account: Option<&str>) {
    for ObjectInfo { key, size, modified, etag } in &page.objects {
        xml.nest("Contents", |xml| {
            xml.leaf("Key", &asked.text(key)).leaf("LastModified", &iso(*modified)).leaf("ETag", &quoted(etag));
            xml.leaf("Size", &size.to_string()).leaf("StorageClass", "STANDARD");
            if let Some(account) = account {
                owner(xml, "Owner", account);
            }
        });
    }
    for prefix in &page.prefixes {
        xml.nest("CommonPrefixes", |xml| {
            xml.leaf("Prefix", &asked.text(prefix));
        });
    }
}

fn said(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

/// A token holds the key that comes before the next page; what lies under a prefix that was listed is behind it.
fn to_token(last: &str, delimiter: &str) -> String {
    let is_prefix = !delimiter.is_empty() && last.ends_with(delimiter);
    let after = if is_prefix { format!("{last}{LAST}") } else { last.to_owned() };
    URL_SAFE_NO_PAD.encode_to_string(after)
}

fn of_token(token: &str) -> Result<String, Fault> {
    let after = URL_SAFE_NO_PAD.decode_to_vec(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    after.ok_or_else(|| INVALID_ARGUMENT.because("The continuation token provided is incorrect"))
}
