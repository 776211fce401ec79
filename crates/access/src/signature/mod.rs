//! SigV4: whether a request is made by who it says, and unchanged.
//!
//! ```text
//! request ─► Claim (who, when, which headers) ─► Verifier::key (known? active? in time?) ─► Verifier::verify (the same bytes?)
//!                                                                                         └► chunks, each signed by itself
//! ```
//!
//! A claim is read from the `Authorization` header or from the query of a presigned URL. The canonical request that it
//! signs is built again from what arrived, and signed with the key's secret; only if that gives the claim's signature, in
//! a comparison whose time says nothing, is the request who it says. Errors are AWS's, in its words.
//!
//! # Limits
//! - The clock of a client may be wrong by [`SKEW`] at most.
//! - A presigned URL holds for seven days at most.
//! - `x-amz-*` headers must be signed, except those that change nothing (`canonical::is_free`).
//! - `UNSIGNED-PAYLOAD` and `STREAMING-UNSIGNED-PAYLOAD-TRAILER` are S3's alone, as on AWS.
//! - SigV4A (asymmetric keys) and signed event streams in requests are refused: no operation here takes one.

mod canonical;
mod chunked;
mod claim;
mod error;
mod key;
mod sign;
mod time;
mod verify;

pub use canonical::{Head, PathRule};
pub use chunked::{Body, Trailers, unchunk};
pub use claim::{Claim, SKEW};
pub use error::SignatureError;
pub use sign::Signer;
pub use time::{day, parse as parse_time, timestamp};
pub use verify::{PayloadHash, Verifier};

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What ends every credential scope.
const TERMINATOR: &str = "aws4_request";
