//! Applications as AWS's API asks for them.

use super::{Application, Applications, TABLE, key};
use crate::resources::ApplicationPort;
use millrace_api::analytics::{
    AnalyticsError, AnalyticsRoom, ApplicationDefinition, ApplicationSnapshot, ApplicationState, Restore,
};
use millrace_base::Scope;

fn state(application: Application) -> ApplicationState {
    ApplicationState {
        definition: application.definition,
        version: application.version,
        created: application.created,
        updated: application.updated,
        running: !application.stopped,
        restored: application.restored,
    }
}

impl AnalyticsRoom for Applications {
    fn describe(&self, scope: &Scope, name: &str) -> Result<ApplicationState, AnalyticsError> {
        self.known(scope, name).map(state)
    }

    fn list(&self, scope: &Scope) -> Result<Vec<ApplicationState>, AnalyticsError> {
        let all = self.catalog.list::<Application>(TABLE, &format!("{scope}/"));
        let all = all.map_err(|error| AnalyticsError::Failed(error.to_string()))?;
        Ok(all.into_iter().map(|(_, application)| state(application)).collect())
    }

    fn create(&self, scope: &Scope, definition: ApplicationDefinition) -> Result<ApplicationState, AnalyticsError> {
        Ok(state(self.add(scope, definition, false)?))
    }

    fn delete(&self, scope: &Scope, name: &str) -> Result<(), AnalyticsError> {
        self.known(scope, name)?;
        Ok(futures::executor::block_on(ApplicationPort::delete(self, scope, name))?)
    }

    fn start(&self, scope: &Scope, name: &str, from: Restore) -> Result<(), AnalyticsError> {
        let _changing = self.changing.lock();
        self.begin(scope, name, from)
    }

    fn stop(&self, scope: &Scope, name: &str) -> Result<(), AnalyticsError> {
        let _changing = self.changing.lock();
        let old = self.known(scope, name)?;
        if old.stopped {
            return Err(AnalyticsError::InUse(format!("Application {name} is READY: it does not run.")));
        }
        let key = key(scope, name);
        let new = Application { stopped: true, ..old };
        self.catalog.put(TABLE, &key, &new).map_err(|error| AnalyticsError::Failed(error.to_string()))?;
        Applications::stop(self, &key);
        Ok(())
    }

    fn create_snapshot(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<(), AnalyticsError> {
        let _changing = self.changing.lock();
        self.take_snapshot(scope, name, snapshot)
    }

    fn delete_snapshot(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<(), AnalyticsError> {
        let _changing = self.changing.lock();
        self.known(scope, name)?;
        self.forget_snapshot(scope, name, snapshot)
    }

    fn snapshots(&self, scope: &Scope, name: &str) -> Result<Vec<ApplicationSnapshot>, AnalyticsError> {
        self.known(scope, name)?;
        self.snapshots_of(scope, name)
    }
}
