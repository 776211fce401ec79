//! PutCompositeAlarm: an alarm on other alarms.

use super::super::CloudWatch;
use super::super::dashboards::map;
use super::{actions, invalid, name_of};
use crate::http::Caller;
use crate::models::cloudwatch::PutCompositeAlarmInput;
use crate::wire::Fault;
use millrace_base::Scope;
use millrace_watch::alarms::{Alarm, CompositeAlarm, Status, Suppressor, Watches};

pub fn call(service: &CloudWatch, caller: &Caller, input: PutCompositeAlarmInput) -> Result<(), Fault> {
    service.put_composite_alarm(&caller.scope, &input)
}

impl CloudWatch {
    /// Defines a composite alarm: what the operation of this name does for its caller's scope.
    pub fn put_composite_alarm(&self, scope: &Scope, input: &PutCompositeAlarmInput) -> Result<(), Fault> {
        Ok(self.alarms.put(alarm(self, scope, input)?)?)
    }
}

fn alarm(service: &CloudWatch, scope: &Scope, input: &PutCompositeAlarmInput) -> Result<Alarm, Fault> {
    let now = service.clock.now();
    Ok(Alarm {
        scope: scope.clone(),
        name: (&*input.alarm_name).into(),
        description: input.alarm_description.as_ref().map(|text| text.to_string()),
        actions_enabled: input.actions_enabled.unwrap_or(true),
        actions: actions([&input.ok_actions, &input.alarm_actions, &input.insufficient_data_actions])?,
        watches: Watches::Composite(CompositeAlarm {
            rule: input.alarm_rule.to_string(),
            suppressor: suppressor(service, scope, input)?,
        }),
        configured: now,
        status: Status::unchecked(now),
        tags: input.tags.as_deref().map(map).unwrap_or_default(),
    })
}

fn suppressor(
    service: &CloudWatch,
    scope: &Scope,
    input: &PutCompositeAlarmInput,
) -> Result<Option<Suppressor>, Fault> {
    let period = |seconds: Option<i32>, name: &str| {
        let wrong = || invalid(format!("{name} is needed beside ActionsSuppressor, in seconds from 0."));
        seconds.and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(wrong)
    };
    let Some(alarm) = &input.actions_suppressor else {
        return match (input.actions_suppressor_wait_period, input.actions_suppressor_extension_period) {
            (None, None) => Ok(None),
            _ => Err(invalid("ActionsSuppressor is needed beside its wait and extension periods.")),
        };
    };
    let name = name_of(alarm);
    if service.alarms.get(scope, name).is_err() {
        return Err(invalid(format!("ActionsSuppressor names the alarm {name}, which does not exist.")));
    }
    Ok(Some(Suppressor {
        alarm: alarm.to_string(),
        wait: period(input.actions_suppressor_wait_period, "ActionsSuppressorWaitPeriod")?,
        extension: period(input.actions_suppressor_extension_period, "ActionsSuppressorExtensionPeriod")?,
    }))
}
