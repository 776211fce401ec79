//! CloudWatch: alarms, mute rules and dashboards have names, metrics have none.

use super::input::Input;
use super::needs::{Need, Needs};

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("cloudwatch:{operation}");
    let alarm = |name: &str| input.arn("cloudwatch", &format!("alarm:{name}"));
    let mute = |name: &str| input.arn("cloudwatch", &format!("alarm-mute-rule:{name}"));
    let dashboard = |name: &str| format!("arn:aws:cloudwatch::{}:dashboard/{name}", input.scope.account);
    let many = |names: Vec<String>, arn: &dyn Fn(&str) -> String| {
        let resources = names.iter().map(|name| arn(name)).collect();
        Needs::All(vec![Need { action: action.clone(), resources, keys: Vec::new() }])
    };
    match operation {
        "PutMetricAlarm" | "PutCompositeAlarm" | "SetAlarmState" | "DescribeAlarmHistory" => {
            Need::on(action.clone(), alarm(input.text("AlarmName").unwrap_or("*"))).into()
        }
        "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => many(input.texts("AlarmNames"), &alarm),
        "DescribeAlarms" if !input.texts("AlarmNames").is_empty() => many(input.texts("AlarmNames"), &alarm),
        "DescribeAlarms" => Need::on(action.clone(), alarm("*")).into(),
        "PutAlarmMuteRule" => {
            let mut resources = vec![mute(input.text("Name").unwrap_or("*"))];
            resources.extend(input.texts("MuteTargets.AlarmNames").iter().map(|name| alarm(name)));
            Needs::All(vec![Need { action: action.clone(), resources, keys: Vec::new() }])
        }
        "GetAlarmMuteRule" | "DeleteAlarmMuteRule" => {
            Need::on(action.clone(), mute(input.text("AlarmMuteRuleName").unwrap_or("*"))).into()
        }
        "ListAlarmMuteRules" => Need::on(action.clone(), mute("*")).into(),
        "GetDashboard" | "PutDashboard" => {
            Need::on(action.clone(), dashboard(input.text("DashboardName").unwrap_or("*"))).into()
        }
        "DeleteDashboards" => many(input.texts("DashboardNames"), &dashboard),
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            Need::on(action.clone(), input.text("ResourceARN").unwrap_or("*")).into()
        }
        _ => Need::on(action.clone(), "*").with("cloudwatch:namespace", input.text("Namespace")).into(),
    }
}
