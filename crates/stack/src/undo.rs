//! Undoing: what a failed deploy did is taken back, the last change first.

use crate::StackError;
use crate::deploy::Run;
use crate::resource::{Status, Updated};
use crate::state::{ResourceState, StackStatus};
use crate::template::Policy;
use std::sync::Arc;

/// A change that can be taken back.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    /// The resource of this name was created.
    Created(String),
    /// The resource was changed; this is what it was.
    Updated(ResourceState),
    /// Another one was created in its place; this one is still there.
    Replaced(ResourceState),
}

impl Run<'_> {
    /// Takes back everything, and puts what became of it into the error.
    pub(crate) async fn undo(&mut self, failure: StackError, first: bool) -> StackError {
        let mut undone = Vec::new();
        let mut left = Vec::new();
        while let Some(done) = self.done.pop() {
            let (id, word) = match &done {
                Done::Created(id) => (id.clone(), "removed"),
                Done::Updated(before) => (before.logical_id.clone(), "changed back"),
                Done::Replaced(before) => (before.logical_id.clone(), "put back"),
            };
            match self.undo_one(done).await {
                Ok(()) => undone.push(format!("{id} {word}")),
                Err(reason) => left.push(format!("{id} could not be {word}: {reason}")),
            }
        }
        self.state.status = match (left.is_empty(), first) {
            (false, _) => StackStatus::RollbackFailed,
            (true, true) => StackStatus::RollbackComplete,
            (true, false) => StackStatus::UpdateRollbackComplete,
        };
        if let Err(error) = self.save() {
            left.push(error.to_string());
        }
        let text = match (undone.is_empty(), left.is_empty()) {
            (true, true) => "Nothing had been changed before.".to_owned(),
            (false, true) => format!("Undone: {}. The stack is as it was before.", undone.join(", ")),
            (_, false) => format!("Undone: [{}]. Left as it is: {}.", undone.join(", "), left.join("; ")),
        };
        match failure {
            StackError::Resource { problem, undone } if undone.is_empty() => {
                StackError::Resource { problem, undone: text }
            }
            StackError::Template(mut problems) if !problems.is_empty() => {
                // Found only once a reference had its value.
                StackError::Resource { problem: Box::new(problems.remove(0)), undone: text }
            }
            other => other,
        }
    }

    async fn undo_one(&mut self, done: Done) -> Result<(), String> {
        match done {
            Done::Created(id) => {
                let Some(resource) = self.state.resource(&id).cloned() else { return Ok(()) };
                if resource.deletion == Policy::Retain {
                    self.tell(&resource, Status::DeleteSkipped, Some("its DeletionPolicy retains it"));
                    return Err("its DeletionPolicy retains it".to_owned());
                }
                self.remove(&resource).await.map_err(|error| error.to_string())?;
                self.state.remove(&id);
            }
            Done::Updated(before) => self.change_back(before).await?,
            Done::Replaced(before) => {
                if let Some(resource) = self.state.resource(&before.logical_id).cloned() {
                    self.remove(&resource).await.map_err(|error| error.to_string())?;
                }
                self.state.leaving.retain(|leaving| leaving.physical_id != before.physical_id);
                self.state.set(before);
            }
        }
        self.save().map_err(|error| error.to_string())
    }

    async fn change_back(&mut self, before: ResourceState) -> Result<(), String> {
        let Some(now) = self.state.resource(&before.logical_id).cloned() else { return Ok(()) };
        let adapter = Arc::clone(&self.deployer.types[&before.type_name]);
        let context = self.context_of(&before);
        self.tell(&now, Status::UpdateInProgress, Some("undoing"));
        match adapter.update(&context, &now.physical_id, &now.properties, &before.properties).await {
            Ok(Updated::InPlace(_)) => {
                self.tell(&before, Status::UpdateComplete, Some("undone"));
                self.state.set(before);
                Ok(())
            }
            Ok(Updated::NeedsReplacement(why)) => Err(why),
            Err(error) => {
                self.tell(&now, Status::UpdateFailed, Some(&error.to_string()));
                Err(error.to_string())
            }
        }
    }
}
