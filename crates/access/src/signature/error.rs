//! Why a request is refused before it is known who made it, in AWS's words.

use crate::IdentityError;

/// A request whose signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// It is not signed.
    #[error("Missing Authentication Token")]
    Missing,
    /// A part of the signature is absent or has not the form it must have.
    #[error("{0}")]
    Incomplete(String),
    /// It is signed by a key that nobody has, or that is inactive, or without the token that belongs to it.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session of its key has ended.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// Its time, scope or form cannot be right; the message says which.
    #[error("{0}")]
    Invalid(String),
    /// A presigned URL after its time.
    #[error("Request has expired.")]
    RequestExpired,
    /// What it says its payload's hash is, is not.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadHash,
    /// Another signature follows from what arrived. The message tells from what, so that the difference can be found.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request \
         should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
    )]
    Mismatch {
        /// The canonical request.
        canonical: String,
        /// What was signed of it.
        string_to_sign: String,
    },
    /// A chunk of the payload is not what was signed, or the payload is not in chunks.
    #[error("{0}")]
    Chunk(String),
    /// The keys cannot be read.
    #[error(transparent)]
    Store(#[from] IdentityError),
}

impl SignatureError {
    /// A mismatch, for people.
    pub(crate) fn mismatch(canonical: &[u8], string_to_sign: &str) -> Self {
        let canonical = String::from_utf8_lossy(canonical).into_owned();
        Self::Mismatch { canonical, string_to_sign: string_to_sign.to_owned() }
    }
}
