//! Operations on buckets.

use super::faults::{BUCKET_NOT_EMPTY, ILLEGAL_LOCATION, INVALID_ARGUMENT, of_buckets, of_disk, of_store, unsupported};
use super::request::{Answer, Request, iso};
use super::store::{Lake, arn};
use super::xml::{Element, Xml};
use crate::authorize::Need;
use crate::wire::Fault;
use millrace_base::Scope;
use millrace_deliver::Bucket;
use sha2::{Digest, Sha256};

/// S3 lists no more buckets at once.
const BUCKETS_MAX: usize = 10_000;

impl Lake {
    /// `ListBuckets`: the caller's.
    pub fn list_buckets(&self, request: &Request) -> Result<Answer, Fault> {
        let scope = &request.caller.scope;
        request.caller.guard.allow(scope, &Need::on("s3:ListAllMyBuckets", "*"))?;
        let count = count(request, "max-buckets", BUCKETS_MAX)?;
        let prefix = request.parameter("prefix").unwrap_or_default();
        let after = request.parameter("continuation-token").unwrap_or_default();
        let mut found = self.buckets.list(scope).map_err(of_buckets)?;
        found.retain(|bucket| bucket.name.starts_with(prefix) && bucket.name.as_str() > after);
        let is_more = found.len() > count;
        found.truncate(count);
        let last = found.last().filter(|_| is_more).map(|bucket| bucket.name.clone());
        let mut xml = Xml::new("ListAllMyBucketsResult");
        owner(&mut xml, "Owner", &scope.account);
        xml.nest("Buckets", |xml| {
            for Bucket { name, scope, created } in &found {
                xml.nest("Bucket", |xml| {
                    xml.leaf("Name", name).leaf("CreationDate", &iso(*created));
                    xml.leaf("BucketRegion", &scope.region).leaf("BucketArn", &arn(name));
                });
            }
        });
        xml.some("ContinuationToken", last.as_deref());
        Ok(Answer::xml(xml.finish()))
    }

    /// `CreateBucket`; one that the caller has already is created again without complaint, as in us-east-1.
    pub fn create_bucket(&self, request: &Request) -> Result<Answer, Fault> {
        let Scope { account, region } = &request.caller.scope;
        let name = request.bucket();
        request.caller.guard.allow(&request.caller.scope, &Need::on("s3:CreateBucket", arn(name)))?;
        if !request.body.is_empty() {
            let wanted = Element::parse(&request.body, "CreateBucketConfiguration")?;
            for child in &wanted.children {
                match &*child.name {
                    "LocationConstraint" if matches!(&*child.text, "" | "EU") || child.text == **region => {}
                    "LocationConstraint" => {
                        return Err(ILLEGAL_LOCATION.because(format!(
                            "The {} location constraint is incompatible for the region specific endpoint this request was sent to.",
                            child.text
                        )));
                    }
                    other => return Err(unsupported(&format!("CreateBucketConfiguration's {other}"))),
                }
            }
        }
        let bucket = Bucket { name: name.to_owned(), scope: Scope::new(account, region), created: self.clock.now() };
        self.buckets.create(&bucket).map_err(of_buckets)?;
        Ok(Answer::empty(200).with("location", format!("/{name}")))
    }

    /// `HeadBucket`.
    pub fn head_bucket(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_bucket(request, "ListBucket")?;
        Ok(Answer::empty(200).with("x-amz-bucket-region", &*bucket.scope.region))
    }

    /// `GetBucketLocation`; us-east-1 is written as nothing.
    pub fn get_bucket_location(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_bucket(request, "GetBucketLocation")?;
        let region = if &*bucket.scope.region == Scope::DEFAULT_REGION { "" } else { &bucket.scope.region };
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{region}</LocationConstraint>"
        );
        Ok(Answer::xml(xml))
    }

    /// `DeleteBucket`: of one that is empty. Uploads that were not completed go with it.
    pub fn delete_bucket(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_bucket(request, "DeleteBucket")?;
        let found = self.lake.list_after(&bucket.name, "", "", 1).map_err(of_store)?;
        if !found.is_empty() {
            let message = "The bucket you tried to delete is not empty";
            return Err(BUCKET_NOT_EMPTY.because(message).with("BucketName", &*bucket.name));
        }
        self.remove_uploads(&bucket.name)?;
        self.buckets.delete(&bucket.name).map_err(of_buckets)?;
        self.lake.remove_bucket(&bucket.name).map_err(|error| of_disk(&error))?;
        Ok(Answer::empty(204))
    }
}

/// An account as S3 shows owners.
pub fn owner(xml: &mut Xml, name: &str, account: &str) {
    let id: String = Sha256::digest(account).iter().map(|byte| format!("{byte:02x}")).collect();
    xml.nest(name, |xml| {
        xml.leaf("ID", &id).leaf("DisplayName", account);
    });
}

/// A parameter that says how much to list at once.
pub fn count(request: &Request, name: &str, max: usize) -> Result<usize, Fault> {
    let Some(given) = request.parameter(name) else { return Ok(max) };
    let count: Result<u32, _> = given.parse();
    let count = count.ok().filter(|count| *count <= i32::MAX.cast_unsigned()).ok_or_else(|| {
        let message = format!("Argument {name} must be an integer between 0 and {}", i32::MAX);
        INVALID_ARGUMENT.because(message).with("ArgumentName", name).with("ArgumentValue", given)
    })?;
    Ok((count as usize).min(max))
}
