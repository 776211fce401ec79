//! Encryption of buckets and objects: with a sealed disk everything is AES256, without one nothing is. What S3 calls its own keys
//! is the server's key here; keys of KMS are not used for objects.

use super::checksum;
use super::faults::{INVALID_REQUEST, MALFORMED_XML, NO_ENCRYPTION, unsupported};
use super::request::{Answer, Request};
use super::store::Lake;
use super::xml::{Element, Xml};
use crate::wire::Fault;

/// The header that asks for encryption, and tells of it.
pub const SEALING: &str = "x-amz-server-side-encryption";
/// Encryption by a key of the server's.
pub const AES256: &str = "AES256";
/// Operations that write what is sealed.
const WRITING: [&str; 6] =
    ["PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"];

/// The refusal of encryption by a server that has none.
pub fn not_sealed() -> Fault {
    INVALID_REQUEST.because(
        "Nothing is encrypted here: start the server with --encrypt, then every object that is written is (AES256).",
    )
}

impl Lake {
    /// An answer that tells of the encryption of what was written. Objects that are read may be older than it.
    pub fn told(&self, operation: &str, answer: Answer) -> Answer {
        match self.is_sealed && WRITING.contains(&operation) {
            true => answer.with(SEALING, AES256),
            false => answer,
        }
    }

    /// `GetBucketEncryption`: the same for all buckets.
    pub fn get_bucket_encryption(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_bucket(request, "GetEncryptionConfiguration")?;
        if !self.is_sealed {
            let message = "The server side encryption configuration was not found";
            return Err(NO_ENCRYPTION.because(message).with("BucketName", &*bucket.name));
        }
        let mut xml = Xml::new("ServerSideEncryptionConfiguration");
        xml.nest("Rule", |xml| {
            xml.nest("ApplyServerSideEncryptionByDefault", |xml| {
                xml.leaf("SSEAlgorithm", AES256);
            });
            xml.leaf("BucketKeyEnabled", "false");
        });
        Ok(Answer::xml(xml.finish()))
    }

    /// `PutBucketEncryption`: takes what holds anyway.
    pub fn put_bucket_encryption(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_bucket(request, "PutEncryptionConfiguration")?;
        checksum::verify(request)?;
        let wanted = Element::parse(&request.body, "ServerSideEncryptionConfiguration")?;
        check(&wanted)?;
        if self.is_sealed { Ok(Answer::empty(200)) } else { Err(not_sealed()) }
    }

    /// `DeleteBucketEncryption`: back to what holds without a word, which is the same.
    pub fn delete_bucket_encryption(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_bucket(request, "PutEncryptionConfiguration")?;
        Ok(Answer::empty(204))
    }
}

/// Whether a configuration asks for no more than AES256.
fn check(wanted: &Element) -> Result<(), Fault> {
    let [rule] = &wanted.children[..] else {
        return Err(MALFORMED_XML.because("The XML you provided was not well-formed: there has to be one Rule"));
    };
    for member in &rule.children {
        match (&*member.name, &*member.text) {
            ("ApplyServerSideEncryptionByDefault", _) => {}
            ("BucketKeyEnabled", "false") => {}
            (name, value) => return Err(unsupported(&format!("PutBucketEncryption's {name} {value}"))),
        }
    }
    let default = rule.children.iter().find(|member| member.name == "ApplyServerSideEncryptionByDefault");
    let Some(default) = default else {
        let message = "The XML you provided was not well-formed: the Rule has no ApplyServerSideEncryptionByDefault";
        return Err(MALFORMED_XML.because(message));
    };
    match (default.child("SSEAlgorithm"), default.child("KMSMasterKeyID")) {
        (Some(AES256), None) => Ok(()),
        (Some(AES256), Some(_)) => Err(INVALID_REQUEST.because("A KMSMasterKeyID goes with aws:kms, not with AES256.")),
        (Some(other), _) => Err(unsupported(&format!("the encryption {other} (AES256 is)"))),
        (None, _) => Err(MALFORMED_XML.because("The XML you provided was not well-formed: there is no SSEAlgorithm")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(rule: &str) -> Result<(), &'static str> {
        let text = format!("<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>");
        let wanted = Element::parse(text.as_bytes(), "ServerSideEncryptionConfiguration").unwrap();
        check(&wanted).map_err(|fault| fault.kind.code)
    }

    #[test]
    fn what_holds_anyway_may_be_asked_for() {
        let rule = |algorithm: &str, more: &str| {
            checked(&format!(
                "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>\
                 </ApplyServerSideEncryptionByDefault>{more}</Rule>"
            ))
        };
        assert_eq!(rule("AES256", ""), Ok(()));
        assert_eq!(rule("AES256", "<BucketKeyEnabled>false</BucketKeyEnabled>"), Ok(()));
        assert_eq!(rule("AES256", "<BucketKeyEnabled>true</BucketKeyEnabled>"), Err("NotImplemented"));
        assert_eq!(rule("aws:kms", ""), Err("NotImplemented"));
        assert_eq!(checked("<Rule></Rule>"), Err("MalformedXML"));
        assert_eq!(checked(""), Err("MalformedXML"));
    }
}
