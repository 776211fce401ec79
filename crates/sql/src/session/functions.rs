//! `CREATE EXTERNAL FUNCTION`, `DROP FUNCTION`, `SHOW FUNCTIONS`.

use super::{Outcome, Session, done};
use crate::bind::bind_function;
use crate::error::SqlError;
use crate::tree::{CreateFunction, DropFunction};
use millrace_base::did_you_mean;
use std::sync::Arc;

impl Session {
    pub(super) fn create_function(&mut self, create: &CreateFunction) -> Result<Outcome, SqlError> {
        let name = create.name.resolved();
        let key = name.to_lowercase();
        let exists = self.objects.functions.contains_key(&key);
        if exists && create.if_not_exists {
            return Ok(done(format!("Function '{name}' exists already.")));
        }
        if exists && !create.or_replace {
            return Err(SqlError::invalid(create.name.span, format!("a function named '{name}' exists already"))
                .help("write CREATE OR REPLACE EXTERNAL FUNCTION, or DROP FUNCTION it first"));
        }
        let function = bind_function(create)?;
        Arc::make_mut(&mut self.objects.functions).insert(key, Arc::new(function));
        Ok(done(format!("Function '{name}' {}.", if exists { "replaced" } else { "created" })))
    }

    pub(super) fn drop_function(&mut self, drop: &DropFunction) -> Result<Outcome, SqlError> {
        let name = drop.name.resolved();
        if Arc::make_mut(&mut self.objects.functions).remove(&name.to_lowercase()).is_some() {
            return Ok(done(format!("Dropped function '{name}'.")));
        }
        if drop.if_exists {
            return Ok(done(format!("There is no function '{name}'.")));
        }
        let help = did_you_mean(&name, self.objects.functions.values().map(|function| function.name.as_str()));
        Err(SqlError::invalid(drop.name.span, format!("there is no function '{name}' of yours")).help_with(help))
    }

    /// The declared functions; the built-in ones too, unless only those of the `user` are asked for.
    pub(super) fn show_functions(&self, user: bool) -> String {
        let mut names: Vec<String> = self.objects.functions.values().map(|function| function.name.clone()).collect();
        if !user {
            let is_word = |name: &&str| name.starts_with(|c: char| c.is_ascii_alphabetic());
            names.extend(millrace_process::functions::names().into_iter().filter(is_word).map(str::to_owned));
            names.extend(millrace_process::aggregates::NAMES.iter().map(|name| (*name).to_owned()));
        }
        names.sort_unstable_by_key(|name| name.to_lowercase());
        names.dedup();
        names.join("\n")
    }
}
