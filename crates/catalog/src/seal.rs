//! The seam through which values are sealed.

/// Seals values on their way to the disk, and opens them again. Values of before, which are plain JSON, are opened as they are.
pub trait Seal: Send + Sync + 'static {
    /// The value as it is kept at `place`, which is unique in the catalog.
    fn seal(&self, place: &str, value: Vec<u8>) -> Vec<u8>;
    /// The value behind what is kept at `place`; an error says why there is none.
    fn open(&self, place: &str, kept: &[u8]) -> Result<Vec<u8>, String>;
}
