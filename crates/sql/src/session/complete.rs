//! Completion for a prompt.

use super::Session;
use crate::bind::Object;
use crate::settings::SETTINGS;
use crate::words::OFFERED;

impl Session {
    /// What the word that ends `before` may become: keywords, functions, tables, columns, settings; sorted.
    pub fn complete(&self, before: &str) -> Vec<String> {
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '-' | '$'))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let prefix = &before[start..];
        if prefix.is_empty() {
            return Vec::new();
        }
        let quoted = before[..start].ends_with('\'');
        let lower = prefix.to_lowercase();
        let mut out: Vec<String> =
            if quoted { SETTINGS.iter().map(|(name, _)| (*name).to_owned()).collect() } else { self.words() };
        out.retain(|word| word.to_lowercase().starts_with(&lower));
        out.sort();
        out.dedup();
        out
    }

    /// The names of tables and views.
    pub fn tables(&self) -> Vec<String> {
        self.objects.by_name.keys().cloned().collect()
    }

    fn words(&self) -> Vec<String> {
        let functions = millrace_process::functions::names();
        let is_word = |name: &&str| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains(' ');
        let mut out: Vec<String> = OFFERED.iter().map(|word| (*word).to_owned()).collect();
        out.extend(functions.into_iter().filter(is_word).map(str::to_owned));
        out.extend(millrace_process::aggregates::NAMES.iter().map(|name| (*name).to_owned()));
        out.extend(self.objects.functions.values().map(|function| function.name.clone()));
        for (name, object) in &self.objects.by_name {
            out.push(name.clone());
            match object {
                Object::Table(table) => out.extend(table.columns.iter().map(|column| column.name.clone())),
                Object::View(rel) => out.extend(rel.columns.iter().map(|column| column.name.clone())),
            }
        }
        out
    }
}
