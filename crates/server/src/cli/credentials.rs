//! The credentials that commands sign with, and the authorities that they trust: found as AWS's own tools find them.

use super::client::CliError;
use millrace_access::{Profile, Secret, profiles};
use reqwest::Certificate;
use std::path::PathBuf;

/// The names of refusals that other credentials would mend.
pub const REFUSALS: [&str; 6] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "ExpiredTokenException",
    "InvalidClientTokenId",
];
/// What to do about them.
pub const ADVICE: &str = "This server verifies signatures: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that \
                          it knows, or AWS_SHARED_CREDENTIALS_FILE to its DATA/credentials";
/// The key id and the secret of whoever has none.
const NOBODY: &str = "any";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The credentials of a command: `access_key_id` with the secret of the environment, else `profile` of the credentials file.
pub fn find(access_key_id: Option<&str>, profile: Option<&str>) -> Result<Profile, CliError> {
    if let Some(id) = access_key_id.filter(|id| !id.is_empty()) {
        return Ok(Profile {
            access_key_id: id.to_owned(),
            secret: Secret::new(variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| NOBODY.to_owned())),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
        });
    }
    let named = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let at_home = variable("HOME").map(|home| PathBuf::from(home).join(".aws/credentials"));
    let wanted = named.is_some() || profile.is_some();
    let nobody = Profile { access_key_id: NOBODY.to_owned(), secret: Secret::new(NOBODY), session_token: None };
    let Some(path) = named.or(at_home) else { return Ok(nobody) };
    let profile = profile.unwrap_or("default");
    match read(&path) {
        Ok(text) => match profiles(&text).remove(profile) {
            Some(found) => Ok(found),
            None if !wanted => Ok(nobody),
            None => {
                let message = format!("{} has no profile [{profile}] with a key and its secret", path.display());
                Err(CliError::Input(message))
            }
        },
        Err(_) if !wanted => Ok(nobody),
        Err(error) => Err(CliError::Input(format!("{} cannot be read: {error}", path.display()))),
    }
}

/// The authorities in `AWS_CA_BUNDLE`, which are trusted beside the system's.
pub fn trusted() -> Result<Vec<Certificate>, CliError> {
    let Some(path) = variable("AWS_CA_BUNDLE").map(PathBuf::from) else { return Ok(Vec::new()) };
    let unusable = |error: &dyn std::fmt::Display| {
        CliError::Input(format!("AWS_CA_BUNDLE names {}, which cannot be used: {error}", path.display()))
    };
    let text = read(&path).map_err(|error| unusable(&error))?;
    Certificate::from_pem_bundle(text.as_bytes()).map_err(|error| unusable(&error))
}

#[allow(clippy::disallowed_methods, reason = "the user's own file, named in the environment")]
fn read(path: &std::path::Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}
