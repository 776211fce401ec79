//! Deploying: one resource after the other, each step saved before and after it, undone in reverse order on failure.
//!
//! # Crash behaviour
//! A resource is saved as `CREATE_IN_PROGRESS` before its adapter is called and as complete after. A deploy that died is
//! finished by deploying again: what is complete is compared and kept, what was in progress is created again with
//! [`Context::resuming`] set. Replaced and dropped resources are listed in the state until they are gone.

use crate::StackError;
use crate::bind::{Bound, BoundResource, StackName};
use crate::diff::{Action, Plan, decide, same_name};
use crate::error::Problem;
use crate::resource::{Anybody, Approver, Context, Created, Progress, ResourceError, ResourceType, Status, Updated};
use crate::state::{ResourceState, StackState, StackStatus};
use crate::template::{Policy, Template};
use crate::undo::Done;
use millrace_base::{Clock, Dice, Scope};
use millrace_catalog::Catalog;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Deploys templates into the catalog's stacks.
pub struct Deployer {
    pub(crate) catalog: Catalog,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    pub(crate) types: BTreeMap<String, Arc<dyn ResourceType>>,
    busy: Mutex<BTreeSet<String>>,
}

/// A deploy that succeeded.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The stack as it is now.
    pub stack: StackState,
    /// What was done, resource by resource.
    pub changes: Vec<(String, Status)>,
}

/// Where progress goes.
pub(crate) type Tell<'a> = &'a (dyn Fn(&Progress) + Send + Sync);

/// One deploy on its way.
pub(crate) struct Run<'a> {
    pub(crate) deployer: &'a Deployer,
    approver: &'a dyn Approver,
    pub(crate) scope: Scope,
    pub(crate) state: StackState,
    pub(crate) tell: Tell<'a>,
    pub(crate) done: Vec<Done>,
    pub(crate) changes: Vec<(String, Status)>,
}

impl Deployer {
    /// A deployer over the adapters, each under its AWS type name.
    pub fn new(
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
        types: impl IntoIterator<Item = (&'static str, Arc<dyn ResourceType>)>,
    ) -> Self {
        let types = types.into_iter().map(|(name, adapter)| (name.to_owned(), adapter)).collect();
        Self { catalog, clock, dice, types, busy: Mutex::default() }
    }

    /// The stack of that name, if there is one.
    pub fn stack(&self, scope: &Scope, name: &str) -> Result<Option<StackState>, StackError> {
        Ok(StackState::load(&self.catalog, scope, name)?)
    }

    /// Every stack of a scope, by name.
    pub fn stacks(&self, scope: &Scope) -> Result<Vec<StackState>, StackError> {
        Ok(StackState::all(&self.catalog, scope)?)
    }

    /// Whether a text stands anywhere in any stack of any scope.
    pub fn mentions(&self, text: &str) -> Result<bool, StackError> {
        Ok(StackState::any_mentions(&self.catalog, text)?)
    }

    /// Checks a template completely and tells what deploying it would change. Changes nothing.
    pub fn plan(
        &self,
        scope: &Scope,
        name: &str,
        template: &Template,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Plan, StackError> {
        let state = StackState::load(&self.catalog, scope, name)?;
        let id = state.as_ref().map_or_else(|| self.new_id(scope, name), |state| state.id.clone());
        let bound = self.bind(scope, name, id, template, parameters)?;
        Plan::of(&bound, state.as_ref())
    }

    /// Makes the stack what the template says. Nothing is changed unless the whole template is sound; when a resource
    /// fails, what this deploy did is undone in reverse order.
    pub async fn deploy(
        &self,
        scope: &Scope,
        name: &str,
        template: &Template,
        parameters: &BTreeMap<String, String>,
        tell: &(dyn Fn(&Progress) + Send + Sync),
    ) -> Result<Deployed, StackError> {
        self.deploy_as(&Anybody, scope, name, template, parameters, tell).await
    }

    /// [`Deployer::deploy`] for somebody who may not do everything.
    pub async fn deploy_as(
        &self,
        approver: &dyn Approver,
        scope: &Scope,
        name: &str,
        template: &Template,
        parameters: &BTreeMap<String, String>,
        tell: Tell<'_>,
    ) -> Result<Deployed, StackError> {
        let _alone = self.alone(scope, name)?;
        let loaded = StackState::load(&self.catalog, scope, name)?;
        let first = loaded.as_ref().is_none_or(|state| state.resources.is_empty());
        let mut state = loaded.unwrap_or_else(|| self.new_state(scope, name));
        let bound = self.bind(scope, name, state.id.clone(), template, parameters)?;
        state.status = StackStatus::UpdateInProgress;
        state.description = template.description().map(str::to_owned);
        state.parameters = bound.parameters_shown.clone();
        state.save(&self.catalog, scope)?;
        let (scope, done, changes) = (scope.clone(), Vec::new(), Vec::new());
        let mut run = Run { deployer: self, approver, scope, state, tell, done, changes };
        if let Err(failure) = run.apply(&bound).await {
            return Err(run.undo(failure, first).await);
        }
        run.state.status = if first { StackStatus::CreateComplete } else { StackStatus::UpdateComplete };
        run.state.updated = self.clock.now();
        run.save()?;
        // Everything that the template asks for is there: a removal that fails is told and tried again, not undone.
        run.sweep(&bound.file).await?;
        Ok(Deployed { stack: run.state, changes: run.changes })
    }

    /// Deletes the stack: its resources in reverse order of creation, those with `DeletionPolicy: Retain` left alone.
    pub async fn delete(
        &self,
        scope: &Scope,
        name: &str,
        tell: &(dyn Fn(&Progress) + Send + Sync),
    ) -> Result<(), StackError> {
        let _alone = self.alone(scope, name)?;
        let Some(mut state) = StackState::load(&self.catalog, scope, name)? else {
            return Err(StackError::NoStack(name.to_owned()));
        };
        state.status = StackStatus::DeleteInProgress;
        let (approver, scope, done, changes) = (&Anybody, scope.clone(), Vec::new(), Vec::new());
        let mut run = Run { deployer: self, approver, scope, state, tell, done, changes };
        while let Some(resource) = run.state.resources.pop() {
            let kept = resource.deletion != Policy::Delete && resource.is_there();
            match kept {
                true => run.tell(&resource, Status::DeleteSkipped, Some("its DeletionPolicy retains it")),
                false => run.state.leaving.push(resource),
            }
        }
        run.save()?;
        run.sweep(name).await?;
        run.state.forget(&self.catalog, &run.scope)?;
        Ok(())
    }

    fn bind(
        &self,
        scope: &Scope,
        name: &str,
        id: String,
        template: &Template,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Bound, StackError> {
        let stack = StackName { scope: scope.clone(), name: name.to_owned(), id };
        let bound = template.bind(stack, parameters)?;
        bound.check(&self.types)?;
        let known = Default::default();
        let mut problems = Vec::new();
        for resource in bound.resources() {
            let properties = bound.properties(resource, &known)?;
            let context = context(scope, name, resource, "", false);
            let adapter = self.types.get(&resource.type_name);
            if let Some(Err(error)) = adapter.map(|adapter| adapter.check(&context, &properties)) {
                problems.push(problem(&bound, resource, &error));
            }
        }
        if problems.is_empty() { Ok(bound) } else { Err(StackError::Template(problems)) }
    }

    fn new_id(&self, scope: &Scope, name: &str) -> String {
        scope.arn("cloudformation", &format!("stack/{name}/{}", self.dice.uuid())).to_string()
    }

    fn new_state(&self, scope: &Scope, name: &str) -> StackState {
        let now = self.clock.now();
        StackState {
            name: name.to_owned(),
            id: self.new_id(scope, name),
            status: StackStatus::UpdateInProgress,
            created: now,
            updated: now,
            description: None,
            parameters: BTreeMap::new(),
            resources: Vec::new(),
            leaving: Vec::new(),
            outputs: BTreeMap::new(),
            generation: 0,
        }
    }

    /// Holds off other deploys of the stack in this process; the catalog belongs to one process.
    fn alone(&self, scope: &Scope, name: &str) -> Result<Alone<'_>, StackError> {
        let key = format!("{scope}/{name}");
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !busy.insert(key.clone()) {
            return Err(StackError::Busy(name.to_owned()));
        }
        Ok(Alone { busy: &self.busy, key })
    }
}

/// Lets the next deploy in when it is dropped.
struct Alone<'a> {
    busy: &'a Mutex<BTreeSet<String>>,
    key: String,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Run<'_> {
    /// Everything but removals, which come last, so that undoing never has to bring anything back.
    async fn apply(&mut self, bound: &Bound) -> Result<(), StackError> {
        for resource in bound.resources() {
            self.apply_one(bound, resource).await?;
        }
        self.state.outputs = bound.outputs(&self.state.known())?;
        self.drop_missing(bound);
        Ok(())
    }

    async fn apply_one(&mut self, bound: &Bound, resource: &BoundResource) -> Result<(), StackError> {
        let adapter = Arc::clone(&self.deployer.types[&resource.type_name]);
        let before = self.state.resource(&resource.id).cloned();
        let mut deployed = before.clone().filter(ResourceState::is_there);
        if let Some(there) = &deployed {
            let context = context(&self.scope, &self.state.name, resource, &there.generated_name, false);
            let found = adapter.exists(&context, &there.physical_id, &there.properties).await;
            if !found.map_err(|error| failed(bound, resource, &error))? {
                deployed = None;
            }
        }
        let known = self.state.known();
        let new = bound.properties(resource, &known)?;
        match (decide(bound, resource, deployed.as_ref(), &known)?, deployed) {
            (Action::Keep, Some(mut there)) => {
                self.tell(&there, Status::Unchanged, None);
                if (there.deletion, there.replacement) == (resource.deletion, resource.replacement) {
                    return Ok(());
                }
                (there.deletion, there.replacement) = (resource.deletion, resource.replacement);
                self.state.set(there);
                self.save()
            }
            (Action::Update(_), Some(there)) => {
                let context = context(&self.scope, &self.state.name, resource, &there.generated_name, false);
                self.update(bound, resource, &adapter, context, there, new).await
            }
            (Action::Replace(changed), Some(there)) => {
                let why = format!("{} cannot be changed in place", changed.join(", "));
                self.replace(bound, resource, &adapter, there, new, why).await
            }
            _ => {
                let resuming = before.filter(|before| before.status == Status::CreateInProgress);
                let name = resuming.as_ref().map(|before| before.generated_name.clone());
                self.create(bound, resource, &adapter, new, name).await?;
                self.done.push(Done::Created(resource.id.clone()));
                Ok(())
            }
        }
    }

    /// `name` is the generated name of a creation that died, which this one then resumes.
    async fn create(
        &mut self,
        bound: &Bound,
        resource: &BoundResource,
        adapter: &Arc<dyn ResourceType>,
        properties: Value,
        name: Option<String>,
    ) -> Result<(), StackError> {
        let resuming = name.is_some();
        let generated = name.unwrap_or_else(|| self.generate_name(&resource.id));
        let context = context(&self.scope, &self.state.name, resource, &generated, resuming);
        let mut state = ResourceState {
            logical_id: resource.id.clone(),
            type_name: resource.type_name.clone(),
            physical_id: String::new(),
            generated_name: generated,
            properties,
            attributes: BTreeMap::new(),
            status: Status::CreateInProgress,
            deletion: resource.deletion,
            replacement: resource.replacement,
        };
        let before = self.state.resource(&resource.id).cloned();
        self.tell(&state, Status::CreateInProgress, None);
        self.state.set(state.clone());
        self.save()?;
        let made = match self.approver.approve(&resource.type_name, &context, &state.properties) {
            Ok(()) => adapter.create(&context, &state.properties).await,
            Err(refused) => Err(refused),
        };
        match made {
            Ok(created) => {
                complete(&mut state, created, Status::CreateComplete);
                self.tell(&state, Status::CreateComplete, None);
                self.state.set(state);
                self.save()
            }
            Err(error) => {
                self.tell(&state, Status::CreateFailed, Some(&error.to_string()));
                match before.filter(ResourceState::is_there) {
                    Some(before) => self.state.set(before),
                    None => self.state.remove(&resource.id),
                }
                self.save()?;
                Err(failed(bound, resource, &error))
            }
        }
    }

    async fn update(
        &mut self,
        bound: &Bound,
        resource: &BoundResource,
        adapter: &Arc<dyn ResourceType>,
        context: Context,
        there: ResourceState,
        new: Value,
    ) -> Result<(), StackError> {
        self.tell(&there, Status::UpdateInProgress, None);
        let changed = match self.approver.approve(&resource.type_name, &context, &new) {
            Ok(()) => adapter.update(&context, &there.physical_id, &there.properties, &new).await,
            Err(refused) => Err(refused),
        };
        match changed {
            Ok(Updated::InPlace(created)) => {
                let mut state = there.clone();
                state.properties = new;
                (state.deletion, state.replacement) = (resource.deletion, resource.replacement);
                complete(&mut state, created, Status::UpdateComplete);
                self.tell(&state, Status::UpdateComplete, None);
                self.state.set(state);
                self.done.push(Done::Updated(there));
                self.save()
            }
            Ok(Updated::NeedsReplacement(why)) => self.replace(bound, resource, adapter, there, new, why).await,
            Err(error) => {
                self.tell(&there, Status::UpdateFailed, Some(&error.to_string()));
                Err(failed(bound, resource, &error))
            }
        }
    }

    /// The new one first; the old one is removed when all else is done.
    async fn replace(
        &mut self,
        bound: &Bound,
        resource: &BoundResource,
        adapter: &Arc<dyn ResourceType>,
        there: ResourceState,
        new: Value,
        why: String,
    ) -> Result<(), StackError> {
        if let Some(path) = same_name(&resource.type_name, &there.properties, &new) {
            let message = format!(
                "the resource must be replaced ({why}), but its name is given and taken by the old one: \
                 give it another name, or remove the resource from the template, deploy, and add it again"
            );
            let problem = bound.problem(resource, &path, message);
            return Err(StackError::Resource { problem: Box::new(problem), undone: String::new() });
        }
        let mut leaving = there.clone();
        leaving.deletion = there.replacement;
        self.create(bound, resource, adapter, new, None).await?;
        self.state.leaving.push(leaving);
        self.done.push(Done::Replaced(there));
        self.save()
    }

    fn drop_missing(&mut self, bound: &Bound) {
        let wanted = |id: &str| bound.resources().iter().any(|resource| resource.id == id);
        let (stay, go) = std::mem::take(&mut self.state.resources).into_iter().partition(|r| wanted(&r.logical_id));
        let go: Vec<ResourceState> = go;
        self.state.resources = stay;
        self.state.leaving.extend(go.into_iter().rev());
    }

    /// Removes what is leaving, in order.
    pub(crate) async fn sweep(&mut self, file: &str) -> Result<(), StackError> {
        while let Some(resource) = self.state.leaving.first().cloned() {
            if resource.deletion == Policy::Delete {
                if let Err(error) = self.remove(&resource).await {
                    let problem = Problem {
                        file: file.to_owned(),
                        at: Default::default(),
                        path: format!("Resources.{}", resource.logical_id),
                        message: format!("cannot be removed: {error}"),
                    };
                    let undone = "The rest of the stack is as it should be; deploy again to try the removal again.";
                    return Err(StackError::Resource { problem: Box::new(problem), undone: undone.to_owned() });
                }
            } else {
                self.tell(&resource, Status::DeleteSkipped, Some("its policy retains it"));
            }
            self.state.leaving.remove(0);
            self.save()?;
        }
        Ok(())
    }

    pub(crate) async fn remove(&mut self, resource: &ResourceState) -> Result<(), ResourceError> {
        let Some(adapter) = self.deployer.types.get(&resource.type_name).map(Arc::clone) else {
            return Err(ResourceError::Failed(format!("{} is not supported", resource.type_name)));
        };
        self.tell(resource, Status::DeleteInProgress, None);
        let context = self.context_of(resource);
        let gone = adapter.delete(&context, &resource.physical_id, &resource.properties).await;
        match &gone {
            Ok(()) => self.tell(resource, Status::DeleteComplete, None),
            Err(error) => self.tell(resource, Status::DeleteFailed, Some(&error.to_string())),
        }
        gone
    }

    pub(crate) fn context_of(&self, resource: &ResourceState) -> Context {
        Context {
            scope: self.scope.clone(),
            stack: self.state.name.clone(),
            logical_id: resource.logical_id.clone(),
            generated_name: resource.generated_name.clone(),
            resuming: false,
        }
    }

    pub(crate) fn save(&self) -> Result<(), StackError> {
        Ok(self.state.save(&self.deployer.catalog, &self.scope)?)
    }

    pub(crate) fn tell(&mut self, resource: &ResourceState, status: Status, reason: Option<&str>) {
        (self.tell)(&Progress {
            logical_id: resource.logical_id.clone(),
            type_name: resource.type_name.clone(),
            physical_id: Some(resource.physical_id.clone()).filter(|id| !id.is_empty()),
            status,
            reason: reason.map(str::to_owned),
        });
        let ended = !matches!(status, Status::CreateInProgress | Status::UpdateInProgress | Status::DeleteInProgress);
        if ended {
            self.changes.push((resource.logical_id.clone(), status));
        }
    }

    /// `STACK-LOGICALID-` and twelve letters that follow from the stack's id and a counter.
    fn generate_name(&mut self, logical_id: &str) -> String {
        self.state.generation += 1;
        let mut hash = fnv1a(&format!("{}/{logical_id}/{}", self.state.id, self.state.generation));
        let mut suffix = String::new();
        for _ in 0..12 {
            suffix.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[(hash % 36) as usize]));
            hash /= 36;
        }
        format!("{}-{logical_id}-{suffix}", self.state.name)
    }
}

fn complete(state: &mut ResourceState, created: Created, status: Status) {
    state.physical_id = created.physical_id;
    state.attributes = created.attributes;
    state.status = status;
}

fn context(scope: &Scope, stack: &str, resource: &BoundResource, generated: &str, resuming: bool) -> Context {
    Context {
        scope: scope.clone(),
        stack: stack.to_owned(),
        logical_id: resource.id.clone(),
        generated_name: generated.to_owned(),
        resuming,
    }
}

fn problem(bound: &Bound, resource: &BoundResource, error: &ResourceError) -> Problem {
    match error {
        ResourceError::Property { path, message } => bound.problem(resource, path, message.clone()),
        other => bound.problem(resource, "", other.to_string()),
    }
}

fn failed(bound: &Bound, resource: &BoundResource, error: &ResourceError) -> StackError {
    StackError::Resource { problem: Box::new(problem(bound, resource, error)), undone: String::new() }
}

/// FNV-1a: names need to be spread, not secret, and the same on every machine.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
