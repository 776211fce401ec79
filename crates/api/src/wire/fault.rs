//! Errors as clients see them. Every kind is declared once, here: its code and its HTTP status.

use std::fmt;

/// A kind of wire error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultKind {
    /// AWS's name of it, for example `ResourceNotFoundException`.
    pub code: &'static str,
    /// The HTTP status it is sent with.
    pub status: u16,
}

impl FaultKind {
    const fn new(code: &'static str, status: u16) -> Self {
        Self { code, status }
    }

    /// An error of this kind.
    pub fn because(self, message: impl Into<String>) -> Fault {
        Fault { kind: self, message: message.into() }
    }
}

/// The kinds of errors that Millrace sends.
pub mod kinds {
    use super::FaultKind;

    /// The caller may not do this, or the resource belongs to somebody else.
    pub const ACCESS_DENIED: FaultKind = FaultKind::new("AccessDeniedException", 400);
    /// Glue has this database or table already.
    pub const ALREADY_EXISTS: FaultKind = FaultKind::new("AlreadyExistsException", 400);
    /// `DryRun` was given and the request would have been carried out.
    pub const DRY_RUN: FaultKind = FaultKind::new("DryRunOperationException", 400);
    /// Somebody else changed the resource meanwhile: describe it and try again.
    pub const CONCURRENT_MODIFICATION: FaultKind = FaultKind::new("ConcurrentModificationException", 400);
    /// Glue has no such database or table.
    pub const ENTITY_NOT_FOUND: FaultKind = FaultKind::new("EntityNotFoundException", 400);
    /// A shard iterator is older than five minutes.
    pub const EXPIRED_ITERATOR: FaultKind = FaultKind::new("ExpiredIteratorException", 400);
    /// A page's token is older than five minutes.
    pub const EXPIRED_NEXT_TOKEN: FaultKind = FaultKind::new("ExpiredNextTokenException", 400);
    /// A signature's parts are missing.
    pub const INCOMPLETE_SIGNATURE: FaultKind = FaultKind::new("IncompleteSignatureException", 403);
    /// Millrace or its machine failed; the same call may succeed later.
    pub const INTERNAL_FAILURE: FaultKind = FaultKind::new("InternalFailureException", 500);
    /// A parameter breaks a rule that the model does not know.
    pub const INVALID_ARGUMENT: FaultKind = FaultKind::new("InvalidArgumentException", 400);
    /// Glue's word for a parameter that breaks a rule.
    pub const INVALID_INPUT: FaultKind = FaultKind::new("InvalidInputException", 400);
    /// The request is signed in two ways at once.
    pub const INVALID_SIGNATURE: FaultKind = FaultKind::new("InvalidSignatureException", 400);
    /// A quota is used up.
    pub const LIMIT_EXCEEDED: FaultKind = FaultKind::new("LimitExceededException", 400);
    /// The request names no access key.
    pub const MISSING_AUTHENTICATION: FaultKind = FaultKind::new("MissingAuthenticationTokenException", 400);
    /// The body is larger than the door takes.
    pub const REQUEST_TOO_LARGE: FaultKind = FaultKind::new("RequestEntityTooLargeException", 413);
    /// The resource exists already, or is being changed.
    pub const RESOURCE_IN_USE: FaultKind = FaultKind::new("ResourceInUseException", 400);
    /// There is no such resource.
    pub const RESOURCE_NOT_FOUND: FaultKind = FaultKind::new("ResourceNotFoundException", 400);
    /// The body cannot be read as what the operation takes.
    pub const SERIALIZATION: FaultKind = FaultKind::new("SerializationException", 400);
    /// Firehose's word for a failure of ours; the same call may succeed later.
    pub const SERVICE_UNAVAILABLE: FaultKind = FaultKind::new("ServiceUnavailableException", 503);
    /// AWS has this operation or option, Millrace does not yet.
    pub const UNSUPPORTED: FaultKind = FaultKind::new("UnsupportedOperationException", 400);
    /// Nobody has this operation.
    pub const UNKNOWN_OPERATION: FaultKind = FaultKind::new("UnknownOperationException", 400);
    /// Nobody has this service, or the content type is none of ours.
    pub const UNKNOWN_SERVICE: FaultKind = FaultKind::new("UnknownOperationException", 404);
    /// A parameter breaks a rule of the model.
    pub const VALIDATION: FaultKind = FaultKind::new("ValidationException", 400);
}

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub kind: FaultKind,
    /// What is wrong, where, and what to do about it.
    pub message: String,
}

impl Fault {
    /// The name of the message's member: AWS writes it with a capital in serialization errors and in Glue's.
    pub fn message_member(&self) -> &'static str {
        let capital = [kinds::SERIALIZATION, kinds::ENTITY_NOT_FOUND, kinds::ALREADY_EXISTS, kinds::INVALID_INPUT]
            .contains(&self.kind);
        if capital { "Message" } else { "message" }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code, self.message)
    }
}

impl std::error::Error for Fault {}
