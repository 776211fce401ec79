//! Lambda: functions (a version or alias where one is called), layers and event source mappings.

use super::input::Input;
use super::needs::{Need, Needs};

/// What a function's role is handed to.
const SERVICE: &str = "lambda.amazonaws.com";

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = match operation {
        "Invoke" => "lambda:InvokeFunction".to_owned(),
        "GetLayerVersionByArn" => "lambda:GetLayerVersion".to_owned(),
        other => format!("lambda:{other}"),
    };
    let function = || input.text("FunctionName").map(|name| function(input, name, None));
    let mut all = match operation {
        "ListFunctions" | "ListLayers" | "ListLayerVersions" | "GetAccountSettings" => vec![Need::on(action, "*")],
        "CreateEventSourceMapping" => {
            vec![Need::on(action, "*").with("lambda:functionarn", function().as_deref())]
        }
        "ListEventSourceMappings" => vec![Need::on(action, "*")],
        "GetEventSourceMapping" | "UpdateEventSourceMapping" | "DeleteEventSourceMapping" => {
            let mapping = format!("event-source-mapping:{}", input.text("UUID").unwrap_or("*"));
            vec![Need::on(action, input.arn("lambda", &mapping)).with("lambda:functionarn", function().as_deref())]
        }
        "GetLayerVersionByArn" => vec![Need::on(action, input.text("Arn").unwrap_or("*"))],
        "GetLayerVersion" | "DeleteLayerVersion" | "PublishLayerVersion" => {
            vec![Need::on(action, layer(input, operation))]
        }
        "TagResource" | "UntagResource" | "ListTags" => vec![Need::on(action, input.text("Resource").unwrap_or("*"))],
        // Only what runs is told apart by version and alias.
        "Invoke" | "InvokeAsync" => {
            let named = input.text("FunctionName").unwrap_or("*");
            vec![Need::on(action, self::function(input, named, input.text("Qualifier")))]
        }
        _ => vec![Need::on(action, function().unwrap_or_else(|| "*".to_owned()))],
    };
    if operation == "AddPermission" {
        let first = all.remove(0);
        all.push(first.with("lambda:principal", input.text("Principal")));
    }
    if matches!(operation, "CreateFunction" | "UpdateFunctionConfiguration") {
        all.extend(input.text("Role").map(|role| Need::pass_role(role, SERVICE)));
        let layers = input.texts("Layers");
        if !layers.is_empty() {
            all[0].keys.push(("lambda:layer".into(), layers.clone()));
        }
        all.extend(layers.into_iter().map(|layer| Need::on("lambda:GetLayerVersion", layer)));
    }
    Needs::All(all)
}

/// A function's ARN from its name, `ACCOUNT:function:NAME`, or an ARN, with a qualifier when one is given here or there.
fn function(input: &Input<'_>, named: &str, qualifier: Option<&str>) -> String {
    let (arn, own) = match named.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "lambda", _, _, "function", name, own] => {
            (named[..named.len() - own.len() - 1].to_owned(), Some((name, own)))
        }
        ["arn", ..] => (named.to_owned(), None),
        [account, "function", name, own] => (of(input, account, name), Some((name, own))),
        [account, "function", name] => (of(input, account, name), None),
        [name, own] => (of(input, &input.scope.account, name), Some((name, own))),
        _ => (of(input, &input.scope.account, named), None),
    };
    match qualifier.or(own.map(|(_, own)| own)) {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    }
}

fn of(input: &Input<'_>, account: &str, name: &str) -> String {
    format!("arn:aws:lambda:{}:{account}:function:{name}", input.scope.region)
}

fn layer(input: &Input<'_>, operation: &str) -> String {
    let name = input.text("LayerName").unwrap_or("*");
    let arn = if name.starts_with("arn:") { name.to_owned() } else { input.arn("lambda", &format!("layer:{name}")) };
    // The version is a number, which says no more about what may be done than the layer does.
    if operation == "PublishLayerVersion" { arn } else { format!("{arn}:*") }
}
