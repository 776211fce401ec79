//! PutCompositeAlarm: an alarm on other alarms.

use super::super::CloudWatch;
use super::{check_actions, invalid, texts};
use crate::http::Caller;
use crate::models::cloudwatch::PutCompositeAlarmInput;
use crate::wire::Fault;
use millrace_watch::alarms::{Actions, Alarm, CompositeAlarm, Status, Suppressor, Watches};

pub fn call(service: &CloudWatch, caller: &Caller, input: PutCompositeAlarmInput) -> Result<(), Fault> {
    let now = service.clock.now();
    let actions = Actions {
        ok: texts(input.ok_actions.as_ref()),
        alarm: texts(input.alarm_actions.as_ref()),
        insufficient_data: texts(input.insufficient_data_actions.as_ref()),
    };
    check_actions([&actions.ok, &actions.alarm, &actions.insufficient_data])?;
    let name = input.alarm_name.to_string();
    let alarm = Alarm {
        scope: caller.scope.clone(),
        name: name.as_str().into(),
        description: input.alarm_description.as_ref().map(|text| text.to_string()),
        actions_enabled: input.actions_enabled.unwrap_or(true),
        actions,
        watches: Watches::Composite(CompositeAlarm {
            rule: input.alarm_rule.to_string(),
            suppressor: suppressor(service, caller, &input)?,
        }),
        configured: now,
        status: Status::unchecked(now),
        tags: Default::default(),
    };
    let is_new = service.alarms.get(&caller.scope, &name).is_err();
    service.alarms.put(alarm)?;
    if is_new && let Some(tags) = &input.tags {
        service.alarms.change(&caller.scope, &name, |alarm| alarm.tags = super::super::dashboards::map(tags))?;
    }
    Ok(())
}

fn suppressor(
    service: &CloudWatch,
    caller: &Caller,
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
    let name = alarm.split_once(":alarm:").map_or(&**alarm, |(_, name)| name);
    if service.alarms.get(&caller.scope, name).is_err() {
        return Err(invalid(format!("ActionsSuppressor names the alarm {name}, which does not exist.")));
    }
    Ok(Some(Suppressor {
        alarm: alarm.to_string(),
        wait: period(input.actions_suppressor_wait_period, "ActionsSuppressorWaitPeriod")?,
        extension: period(input.actions_suppressor_extension_period, "ActionsSuppressorExtensionPeriod")?,
    }))
}
