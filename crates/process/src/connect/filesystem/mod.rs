//! `filesystem`: files and folders as a table, one record a line.

mod sink;
mod source;

pub(super) use sink::FileSink;
pub(super) use source::FileSource;

use super::{ConnectError, Options};
use millrace_schema::format;
use std::path::PathBuf;

/// The table's format. Files hold a record a line, which only text can.
fn text_format<'a>(options: &Options<'a>) -> Result<&'a str, ConnectError> {
    let name = options.format()?;
    if format::NAMES.contains(&name) && !format::TEXT_NAMES.contains(&name) {
        let usable = format::TEXT_NAMES.join(", ");
        return Err(options.error(format!("the format '{name}' is not supported in files yet: use one of {usable}")));
    }
    Ok(name)
}

/// The table's `path`, a plain path or a `file://` URL.
fn path(options: &Options<'_>) -> Result<PathBuf, ConnectError> {
    let text = options.required("path", "file:///data/orders")?;
    let plain = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text);
    match plain.split_once("://") {
        Some((scheme, _)) => {
            Err(options.error(format!("'path' = '{text}': {scheme}:// is not supported yet; use a local path")))
        }
        None => Ok(PathBuf::from(plain)),
    }
}
