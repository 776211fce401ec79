//! DescribeAlarmHistory: what happened to alarms in the last two weeks.

use super::super::{CloudWatch, place};
use crate::http::Caller;
use crate::models::cloudwatch::{AlarmHistoryItem, DescribeAlarmHistoryInput, DescribeAlarmHistoryOutput};
use crate::wire::{Fault, Text, Timestamp};
use millrace_watch::alarms::HistoryItem;

/// Items of a page, unless the caller wants fewer.
const PAGE: usize = 100;

pub fn history(
    service: &CloudWatch,
    caller: &Caller,
    input: DescribeAlarmHistoryInput,
) -> Result<DescribeAlarmHistoryOutput, Fault> {
    // As on AWS: without types the history of metric alarms is told, unless an alarm is named.
    let types = input.alarm_types.as_deref().unwrap_or_default();
    let wants = |item: &HistoryItem| match types {
        [] => input.alarm_name.is_some() || !item.is_composite,
        types => types.iter().any(|word| &**word == kind(item)),
    };
    let fits = |item: &HistoryItem| {
        wants(item)
            && input.history_item_type.as_deref().is_none_or(|wanted| item.kind.word() == wanted)
            && input.start_date.is_none_or(|start| item.at >= start.0)
            && input.end_date.is_none_or(|end| item.at <= end.0)
    };
    let mut items = service.alarms.history(&caller.scope, input.alarm_name.as_deref())?;
    items.retain(fits);
    if input.scan_by.as_deref() == Some("TimestampAscending") {
        items.reverse();
    }
    let (from, size) = (place(input.next_token.as_deref())?, input.max_records.map_or(PAGE, |size| size as usize));
    let next = (from + size < items.len()).then(|| Text::from((from + size).to_string()));
    let page = items.iter().skip(from).take(size).map(out).collect();
    Ok(DescribeAlarmHistoryOutput { alarm_history_items: Some(page), next_token: next })
}

fn kind(item: &HistoryItem) -> &'static str {
    if item.is_composite { "CompositeAlarm" } else { "MetricAlarm" }
}

fn out(item: &HistoryItem) -> AlarmHistoryItem {
    AlarmHistoryItem {
        alarm_name: Some((&*item.alarm).into()),
        alarm_type: Some(Text::from_static(kind(item))),
        timestamp: Some(Timestamp(item.at)),
        history_item_type: Some(Text::from_static(item.kind.word())),
        history_summary: Some(item.summary.as_str().into()),
        history_data: Some(item.data.as_str().into()),
    }
}
