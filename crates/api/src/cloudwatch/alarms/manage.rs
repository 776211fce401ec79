//! DeleteAlarms, SetAlarmState, EnableAlarmActions and DisableAlarmActions.

use super::super::CloudWatch;
use super::invalid;
use crate::http::Caller;
use crate::models::cloudwatch::{
    DeleteAlarmsInput, DisableAlarmActionsInput, EnableAlarmActionsInput, SetAlarmStateInput, faults,
};
use crate::wire::{Fault, Text};
use millrace_watch::alarms::AlarmState;

pub fn delete(service: &CloudWatch, caller: &Caller, input: DeleteAlarmsInput) -> Result<(), Fault> {
    let names: Vec<String> = input.alarm_names.iter().map(|name| name.to_string()).collect();
    service.alarms.delete(&caller.scope, &names)?;
    Ok(())
}

pub fn set_state(service: &CloudWatch, caller: &Caller, input: SetAlarmStateInput) -> Result<(), Fault> {
    let wrong = || invalid(format!("StateValue {} is none of OK, ALARM, INSUFFICIENT_DATA.", input.state_value));
    let state = input.state_value.parse::<AlarmState>().map_err(|()| wrong())?;
    let data = input.state_reason_data.as_ref().map(|data| data.to_string());
    if let Some(text) = &data
        && serde_json::from_str::<serde_json::Value>(text).is_err()
    {
        return Err(faults::INVALID_FORMAT_FAULT.because("StateReasonData was not syntactically valid JSON"));
    }
    service.alarms.set_state(&caller.scope, &input.alarm_name, state, input.state_reason.to_string(), data)?;
    Ok(())
}

pub fn enable_actions(service: &CloudWatch, caller: &Caller, input: EnableAlarmActionsInput) -> Result<(), Fault> {
    switch(service, caller, &input.alarm_names, true)?;
    Ok(())
}

pub fn disable_actions(service: &CloudWatch, caller: &Caller, input: DisableAlarmActionsInput) -> Result<(), Fault> {
    switch(service, caller, &input.alarm_names, false)?;
    Ok(())
}

/// Alarms that are not there are passed over, as on AWS.
fn switch(service: &CloudWatch, caller: &Caller, names: &[Text], enabled: bool) -> Result<(), Fault> {
    for name in names.iter().filter(|name| service.alarms.get(&caller.scope, name).is_ok()) {
        service.alarms.enable_actions(&caller.scope, name, enabled)?;
    }
    Ok(())
}
