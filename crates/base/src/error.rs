//! The few things that someone can do about a failure.

/// What to do about an error, whatever its cause: the outer storey of every crate's own precise error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing was done; the same call may succeed later.
    Retry,
    /// The request is wrong and will never succeed as it is.
    FixRequest,
    /// The data that was read is damaged or of the wrong shape.
    FixData,
    /// A fault of Millrace or of its machine: report it.
    Report,
}
