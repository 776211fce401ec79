//! Errors as clients see them. Every kind is declared once, here: its code and its HTTP status.

use std::fmt;

/// A kind of wire error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultKind {
    /// AWS's name of it, for example `ResourceNotFoundException`.
    pub code: &'static str,
    /// The HTTP status it is sent with.
    pub status: u16,
    /// Its name in the query protocol, when that is another.
    query_code: Option<&'static str>,
    /// The message's member begins with a capital.
    capital: bool,
}

impl FaultKind {
    /// A kind that every protocol calls `code`. Those of a service's model are generated: see its `faults`.
    pub const fn new(code: &'static str, status: u16) -> Self {
        Self { code, status, query_code: None, capital: false }
    }

    /// The same kind, called `code` in the query protocol.
    pub const fn query(mut self, code: &'static str) -> Self {
        self.query_code = Some(code);
        self
    }

    /// The same kind, its message in a member called `Message`.
    pub const fn capital(mut self) -> Self {
        self.capital = true;
        self
    }

    /// Its name in the query protocol.
    pub const fn query_code(self) -> &'static str {
        match self.query_code {
            Some(code) => code,
            None => self.code,
        }
    }

    /// True when the request is to blame, false when the server is.
    pub const fn is_sender(self) -> bool {
        self.status < 500
    }

    /// An error of this kind.
    pub fn because(self, message: impl Into<String>) -> Fault {
        Fault { kind: self, message: message.into(), details: Vec::new() }
    }
}

/// The kinds of errors that Millrace sends.
pub mod kinds {
    use super::FaultKind;

    /// The caller may not do this, or the resource belongs to somebody else.
    pub const ACCESS_DENIED: FaultKind = FaultKind::new("AccessDeniedException", 400).query("AccessDenied");
    /// Glue has this database or table already.
    pub const ALREADY_EXISTS: FaultKind = FaultKind::new("AlreadyExistsException", 400).capital();
    /// `DryRun` was given and the request would have been carried out.
    pub const DRY_RUN: FaultKind = FaultKind::new("DryRunOperationException", 400);
    /// Somebody else changed the resource meanwhile: describe it and try again.
    pub const CONCURRENT_MODIFICATION: FaultKind = FaultKind::new("ConcurrentModificationException", 400);
    /// Glue has no such database or table.
    pub const ENTITY_NOT_FOUND: FaultKind = FaultKind::new("EntityNotFoundException", 400).capital();
    /// A shard iterator is older than five minutes.
    pub const EXPIRED_ITERATOR: FaultKind = FaultKind::new("ExpiredIteratorException", 400);
    /// The session of the request's key has ended.
    pub const EXPIRED_TOKEN: FaultKind = FaultKind::new("ExpiredTokenException", 400).query("ExpiredToken");
    /// A page's token is older than five minutes.
    pub const EXPIRED_NEXT_TOKEN: FaultKind = FaultKind::new("ExpiredNextTokenException", 400);
    /// A signature's parts are missing.
    pub const INCOMPLETE_SIGNATURE: FaultKind =
        FaultKind::new("IncompleteSignatureException", 403).query("IncompleteSignature");
    /// Millrace or its machine failed; the same call may succeed later.
    pub const INTERNAL_FAILURE: FaultKind = FaultKind::new("InternalFailureException", 500).query("InternalFailure");
    /// A parameter breaks a rule that the model does not know.
    pub const INVALID_ARGUMENT: FaultKind = FaultKind::new("InvalidArgumentException", 400);
    /// Glue's word for a parameter that breaks a rule.
    pub const INVALID_INPUT: FaultKind = FaultKind::new("InvalidInputException", 400).capital();
    /// Another signature follows from what arrived, or the signature's time or scope cannot be right.
    pub const INVALID_SIGNATURE: FaultKind =
        FaultKind::new("InvalidSignatureException", 400).query("SignatureDoesNotMatch");
    /// A quota is used up.
    pub const LIMIT_EXCEEDED: FaultKind = FaultKind::new("LimitExceededException", 400);
    /// The request names no access key.
    pub const MISSING_AUTHENTICATION: FaultKind =
        FaultKind::new("MissingAuthenticationTokenException", 400).query("MissingAuthenticationToken");
    /// A shard has no room for more in this second.
    pub const PROVISIONED_THROUGHPUT: FaultKind = FaultKind::new("ProvisionedThroughputExceededException", 400);
    /// The body is larger than the door takes.
    pub const REQUEST_TOO_LARGE: FaultKind = FaultKind::new("RequestEntityTooLargeException", 413);
    /// A presigned request after its time.
    pub const REQUEST_EXPIRED: FaultKind = FaultKind::new("RequestExpired", 400);
    /// The resource exists already, or is being changed.
    pub const RESOURCE_IN_USE: FaultKind = FaultKind::new("ResourceInUseException", 400);
    /// There is no such resource.
    pub const RESOURCE_NOT_FOUND: FaultKind = FaultKind::new("ResourceNotFoundException", 400);
    /// The body cannot be read as what the operation takes.
    pub const SERIALIZATION: FaultKind =
        FaultKind::new("SerializationException", 400).query("MalformedInput").capital();
    /// Firehose's word for a failure of ours; the same call may succeed later.
    pub const SERVICE_UNAVAILABLE: FaultKind = FaultKind::new("ServiceUnavailableException", 503);
    /// AWS has this operation or option, Millrace does not yet.
    pub const UNSUPPORTED: FaultKind = FaultKind::new("UnsupportedOperationException", 400);
    /// Nobody has this operation.
    pub const UNKNOWN_OPERATION: FaultKind = FaultKind::new("UnknownOperationException", 400).query("InvalidAction");
    /// Nobody has this service, or the content type is none of ours.
    pub const UNKNOWN_SERVICE: FaultKind = FaultKind::new("UnknownOperationException", 404);
    /// Nobody has the request's access key, or its token does not belong to it.
    pub const UNRECOGNIZED_CLIENT: FaultKind =
        FaultKind::new("UnrecognizedClientException", 400).query("InvalidClientTokenId");
    /// A parameter breaks a rule of the model.
    pub const VALIDATION: FaultKind = FaultKind::new("ValidationException", 400).query("ValidationError");
}

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub kind: FaultKind,
    /// What is wrong, where, and what to do about it.
    pub message: String,
    /// Further members of the error, as its shape names them.
    pub details: Vec<(&'static str, String)>,
}

impl Fault {
    /// The error with one more member, for example `Reason` of Lambda's `TooManyRequestsException`.
    pub fn with(mut self, member: &'static str, value: impl Into<String>) -> Self {
        self.details.push((member, value.into()));
        self
    }

    /// The name of the message's member: AWS writes it with a capital in serialization errors and in some services'.
    pub fn message_member(&self) -> &'static str {
        if self.kind.capital { "Message" } else { "message" }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code, self.message)
    }
}

impl std::error::Error for Fault {}
