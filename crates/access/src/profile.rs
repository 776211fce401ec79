//! AWS's credentials file: profiles, each a section with an access key.
//!
//! ```text
//! [default]
//! aws_access_key_id = AKIA…
//! aws_secret_access_key = …
//! aws_session_token = …          (temporary keys only)
//! ```
//! Lines that begin with `#` or `;` are comments; what else a section says is left alone.

use crate::Secret;
use std::collections::BTreeMap;

/// The credentials of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The key.
    pub access_key_id: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// The token of a temporary key.
    pub session_token: Option<Secret>,
}

/// The profiles of a credentials file that have a key and its secret, by name.
pub fn profiles(text: &str) -> BTreeMap<String, Profile> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().trim_start_matches("profile ").trim().to_owned();
        } else if let Some((name, value)) = line.split_once('=') {
            let values = sections.entry(section.clone()).or_default();
            values.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let profile = |mut values: BTreeMap<String, String>| {
        Some(Profile {
            access_key_id: values.remove("aws_access_key_id")?,
            secret: Secret::new(values.remove("aws_secret_access_key")?),
            session_token: values.remove("aws_session_token").map(Secret::new),
        })
    };
    sections.into_iter().filter_map(|(name, values)| Some((name, profile(values)?))).collect()
}

/// A credentials file with these profiles, `default` first.
pub fn write_profiles(profiles: &[(&str, &Profile)]) -> String {
    let section = |(name, profile): &(&str, &Profile)| {
        let Profile { access_key_id, secret, session_token } = profile;
        let token = session_token.as_ref().map(|token| format!("aws_session_token = {}\n", token.expose()));
        format!(
            "[{name}]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {}\n{}",
            secret.expose(),
            token.unwrap_or_default()
        )
    };
    profiles.iter().map(section).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let root = Profile { access_key_id: "AKIA1".to_owned(), secret: Secret::new("s/e+c=r"), session_token: None };
        let session = Profile { session_token: Some(Secret::new("tok")), ..root.clone() };
        let text = write_profiles(&[("default", &root), ("me", &session)]);
        let read = profiles(&text);
        assert_eq!((&read["default"], &read["me"], read.len()), (&root, &session, 2));
        assert!(!format!("{read:?}").contains("s/e+c=r"));
    }

    #[test]
    fn comments_and_halves_are_left_out() {
        let text =
            "# mine\n[ a ]\nAWS_Access_Key_Id=1\naws_secret_access_key =2\nregion = x\n[b]\naws_access_key_id=3\n";
        let read = profiles(text);
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!((&*read["a"].access_key_id, read["a"].secret.expose()), ("1", "2"));
    }
}
