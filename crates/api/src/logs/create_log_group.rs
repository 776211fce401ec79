//! CreateLogGroup.

use super::{CloudWatchLogs, group};
use crate::http::Caller;
use crate::models::logs::CreateLogGroupRequest;
use crate::wire::{Fault, kinds};

pub fn call(service: &CloudWatchLogs, caller: &Caller, input: CreateLogGroupRequest) -> Result<(), Fault> {
    if let Some(class) = input.log_group_class.filter(|class| class.as_str() != "STANDARD") {
        return Err(kinds::UNSUPPORTED
            .because(format!("Millrace does not support 'logGroupClass' {class} yet: leave it out or say STANDARD.")));
    }
    let tags = input.tags.into_iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Ok(service.logs.create_group(&group(caller, &input.log_group_name), tags)?)
}
