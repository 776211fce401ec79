//! Uploads in parts: `CreateMultipartUpload`, `UploadPart`, `UploadPartCopy`, `CompleteMultipartUpload`,
//! `AbortMultipartUpload`, `ListParts` and `ListMultipartUploads`.

use super::attributes::Attributes;
use super::buckets::{count, owner};
use super::checksum::{self, Checksums};
use super::conditions;
use super::faults::{
    ENTITY_TOO_SMALL, INVALID_ARGUMENT, INVALID_PART, INVALID_PART_ORDER, MALFORMED_XML, of_store, unsupported,
};
use super::parts::{Part, Upload};
use super::request::{Answer, Request, iso, quoted};
use super::store::Lake;
use super::xml::{Element, Xml};
use crate::wire::Fault;
use millrace_deliver::ObjectInfo;

/// S3's own limits: the number of parts, and the least size of all but the last.
const PARTS_MAX: u32 = 10_000;
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// S3 lists no more at once.
const LISTED_MAX: usize = 1000;

impl Lake {
    /// `CreateMultipartUpload`.
    pub fn create_multipart_upload(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "PutObject")?;
        if request.header("x-amz-checksum-type").is_some_and(|kind| kind != "COMPOSITE") {
            return Err(unsupported(
                "a checksum of the whole of an upload in parts (x-amz-checksum-type: FULL_OBJECT)",
            ));
        }
        let id = self.dice.uuid().replace('-', "");
        let (bucket, key) = (request.bucket().to_owned(), request.key().to_owned());
        let (initiated, attributes) = (self.clock.now(), Attributes::of(request)?);
        self.keep_upload(&id, &Upload { bucket, key, initiated, attributes })?;
        let mut xml = Xml::new("InitiateMultipartUploadResult");
        xml.leaf("Bucket", request.bucket()).leaf("Key", request.key()).leaf("UploadId", &id);
        Ok(Answer::xml(xml.finish()))
    }

    /// `UploadPart`.
    pub fn upload_part(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "PutObject")?;
        let (id, number) = self.part_of(request)?;
        let sums = checksum::verify(request)?;
        let mut pieces = std::iter::once(Ok(request.body.clone()));
        let written = self.lake.write_part(id, number, &mut pieces).map_err(of_store)?;
        self.written(id, number, &written, sums.clone())?;
        let mut answer = Answer::empty(200).with("etag", quoted(&written.etag));
        answer.headers.extend(sums);
        Ok(answer)
    }

    /// `UploadPartCopy`.
    pub fn upload_part_copy(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "PutObject")?;
        let (id, number) = self.part_of(request)?;
        let object = self.source(request)?.object;
        let size = object.info.size;
        let range = match request.header("x-amz-copy-source-range") {
            None => 0..size,
            given => conditions::range(given, size)?.ok_or_else(|| {
                let message = "The x-amz-copy-source-range value must be of the form bytes=first-last";
                INVALID_ARGUMENT.because(message)
            })?,
        };
        let written = self.lake.write_part(id, number, &mut object.pieces(range)).map_err(of_store)?;
        self.written(id, number, &written, Checksums::new())?;
        let mut xml = Xml::new("CopyPartResult");
        xml.leaf("LastModified", &iso(written.modified)).leaf("ETag", &quoted(&written.etag));
        Ok(Answer::xml(xml.finish()))
    }

    /// `CompleteMultipartUpload`: the parts that the request names, in its order, become the object.
    pub fn complete_multipart_upload(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "PutObject")?;
        let id = request.parameter("uploadId").unwrap_or_default();
        let upload = self.upload(request.bucket(), request.key(), id)?;
        let whole = request.headers.keys().find(|name| name.as_str().starts_with("x-amz-checksum-"));
        if let Some(name) = whole.filter(|name| *name != "x-amz-checksum-type") {
            return Err(unsupported(&format!("a checksum of the whole of an upload in parts ({name})")));
        }
        let numbers = self.named_parts(request, id)?;
        let written = self.write(request, &upload.attributes, |lake| {
            lake.lake.join_parts(id, &numbers, request.bucket(), request.key())
        })?;
        self.remove_upload(id)?;
        let location = format!("{}/{}/{}", request.endpoint, request.bucket(), request.key());
        let mut xml = Xml::new("CompleteMultipartUploadResult");
        xml.leaf("Location", &location).leaf("Bucket", request.bucket()).leaf("Key", request.key());
        xml.leaf("ETag", &quoted(&written.etag));
        Ok(Answer::xml(xml.finish()))
    }

    /// `AbortMultipartUpload`.
    pub fn abort_multipart_upload(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "AbortMultipartUpload")?;
        let id = request.parameter("uploadId").unwrap_or_default();
        self.upload(request.bucket(), request.key(), id)?;
        self.remove_upload(id)?;
        Ok(Answer::empty(204))
    }

    /// `ListParts`.
    pub fn list_parts(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_object(request, "ListMultipartUploadParts")?;
        let id = request.parameter("uploadId").unwrap_or_default();
        self.upload(request.bucket(), request.key(), id)?;
        let after: u32 = request.parameter("part-number-marker").and_then(|number| number.parse().ok()).unwrap_or(0);
        let max = count(request, "max-parts", LISTED_MAX)?;
        let mut parts = self.parts(id)?;
        parts.retain(|(number, _)| *number > after);
        let is_more = parts.len() > max;
        parts.truncate(max);
        let mut xml = Xml::new("ListPartsResult");
        xml.leaf("Bucket", request.bucket()).leaf("Key", request.key()).leaf("UploadId", id);
        owner(&mut xml, "Owner", &bucket.scope.account);
        xml.leaf("StorageClass", "STANDARD").leaf("PartNumberMarker", &after.to_string());
        let last = parts.last().filter(|_| is_more).map(|(number, _)| number.to_string());
        xml.some("NextPartNumberMarker", last.as_deref()).leaf("MaxParts", &max.to_string());
        xml.leaf("IsTruncated", if is_more { "true" } else { "false" });
        for (number, Part { etag, size, modified, checksums }) in &parts {
            xml.nest("Part", |xml| {
                xml.leaf("PartNumber", &number.to_string()).leaf("LastModified", &iso(*modified));
                xml.leaf("ETag", &quoted(etag)).leaf("Size", &size.to_string());
                for (name, value) in checksums {
                    xml.leaf(&element(name), value);
                }
            });
        }
        Ok(Answer::xml(xml.finish()))
    }

    /// `ListMultipartUploads`.
    pub fn list_multipart_uploads(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_bucket(request, "ListBucketMultipartUploads")?;
        if request.parameter("delimiter").is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(unsupported("ListMultipartUploads with a delimiter"));
        }
        let prefix = request.parameter("prefix").unwrap_or_default();
        let after = (
            request.parameter("key-marker").unwrap_or_default(),
            request.parameter("upload-id-marker").unwrap_or_default(),
        );
        let max = count(request, "max-uploads", LISTED_MAX)?;
        let mut uploads = self.uploads(&bucket.name)?;
        // Without an id the marker is the whole key.
        let is_behind = |id: &str, key: &str| if after.1.is_empty() { key > after.0 } else { (key, id) > after };
        uploads.retain(|(id, upload)| upload.key.starts_with(prefix) && is_behind(id, &upload.key));
        let is_more = uploads.len() > max;
        uploads.truncate(max);
        let mut xml = Xml::new("ListMultipartUploadsResult");
        xml.leaf("Bucket", &bucket.name).leaf("KeyMarker", after.0).leaf("UploadIdMarker", after.1);
        if let Some((id, upload)) = uploads.last().filter(|_| is_more) {
            xml.leaf("NextKeyMarker", &upload.key).leaf("NextUploadIdMarker", id);
        }
        xml.leaf("Prefix", prefix).leaf("MaxUploads", &max.to_string());
        xml.leaf("IsTruncated", if is_more { "true" } else { "false" });
        for (id, Upload { key, initiated, .. }) in &uploads {
            xml.nest("Upload", |xml| {
                xml.leaf("Key", key).leaf("UploadId", id);
                owner(xml, "Initiator", &bucket.scope.account);
                owner(xml, "Owner", &bucket.scope.account);
                xml.leaf("StorageClass", "STANDARD").leaf("Initiated", &iso(*initiated));
            });
        }
        Ok(Answer::xml(xml.finish()))
    }

    /// The upload and the number of the part that a request brings.
    fn part_of<'a>(&self, request: &'a Request) -> Result<(&'a str, u32), Fault> {
        let id = request.parameter("uploadId").unwrap_or_default();
        self.upload(request.bucket(), request.key(), id)?;
        let number = request.parameter("partNumber").and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=PARTS_MAX).contains(number)).ok_or_else(|| {
            INVALID_ARGUMENT.because(format!("Part number must be an integer between 1 and {PARTS_MAX}, inclusive"))
        })?;
        Ok((id, number))
    }

    fn written(&self, id: &str, number: u32, info: &ObjectInfo, checksums: Checksums) -> Result<(), Fault> {
        let ObjectInfo { size, modified, etag, .. } = info;
        self.keep_part(id, number, &Part { etag: etag.clone(), size: *size, modified: *modified, checksums })
    }

    /// The numbers of the parts that a request names, each the one that was uploaded.
    fn named_parts(&self, request: &Request, id: &str) -> Result<Vec<u32>, Fault> {
        let asked = Element::parse(&request.body, "CompleteMultipartUpload")?;
        let named: Vec<&Element> = asked.children.iter().filter(|child| child.name == "Part").collect();
        let mut numbers: Vec<u32> = Vec::new();
        for (at, element) in named.iter().enumerate() {
            let number = element.child("PartNumber").and_then(|number| number.trim().parse().ok());
            let number: u32 = number.ok_or_else(|| MALFORMED_XML.because("A Part has to have a PartNumber."))?;
            if numbers.last().is_some_and(|last| *last >= number) {
                let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
                return Err(INVALID_PART_ORDER.because(message).with("UploadId", id));
            }
            let part = self.part(id, number)?.filter(|part| is_same(part, element)).ok_or_else(|| {
                let message = "One or more of the specified parts could not be found. The part may not have been \
                               uploaded, or the specified entity tag may not match the part's entity tag.";
                INVALID_PART.because(message).with("PartNumber", number.to_string())
            })?;
            if part.size < PART_BYTES_MIN && at + 1 < named.len() {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                let fault = ENTITY_TOO_SMALL.because(message).with("PartNumber", number.to_string());
                return Err(fault.with("ProposedSize", part.size.to_string()));
            }
            numbers.push(number);
        }
        if numbers.is_empty() {
            return Err(MALFORMED_XML.because("You must specify at least one part"));
        }
        Ok(numbers)
    }
}

/// Whether a part is the one that a request means.
fn is_same(part: &Part, named: &Element) -> bool {
    let etag = named.child("ETag").map(|etag| etag.trim().trim_matches('"'));
    etag == Some(&*part.etag)
        && part.checksums.iter().all(|(name, sum)| named.child(&element(name)).is_none_or(|given| given.trim() == sum))
}

/// `ChecksumCRC32` of `x-amz-checksum-crc32`.
fn element(header: &str) -> String {
    format!("Checksum{}", header.trim_start_matches("x-amz-checksum-").to_ascii_uppercase())
}
