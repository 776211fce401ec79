//! A topic's access policy: kept, shown, and changed statement by statement. Who evaluates it is outside.

use super::{TopicError, TopicKey};
use serde_json::{Value, json};

/// AWS's default: the owner's account may do everything.
pub(super) fn default(key: &TopicKey) -> String {
    let actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions.map(|action| format!("SNS:{action}")),
            "Resource": key.arn(),
            "Condition": {"StringEquals": {"AWS:SourceOwner": &*key.scope.account}},
        }],
    })
    .to_string()
}

/// Whether a text is a policy.
pub(super) fn check(text: &str) -> Result<(), TopicError> {
    let policy: Option<Value> = serde_json::from_str(text).ok();
    let has_statements = policy.is_some_and(|policy| policy["Statement"].is_array() || policy["Statement"].is_object());
    if has_statements { Ok(()) } else { Err(TopicError::invalid("Policy Error: null")) }
}

/// A statement to be added.
#[derive(Debug, Clone)]
pub struct Permission {
    /// Names the statement.
    pub label: String,
    /// Who may.
    pub accounts: Vec<String>,
    /// May do what, for example `Publish`.
    pub actions: Vec<String>,
}

/// The policy with a statement more.
pub(super) fn add(policy: &str, key: &TopicKey, permission: &Permission) -> Result<String, TopicError> {
    let mut policy = read(policy);
    let statements = statements(&mut policy);
    if statements.iter().any(|statement| statement["Sid"] == *permission.label) {
        return Err(TopicError::invalid("Statement already exists"));
    }
    if permission.accounts.is_empty() || permission.actions.is_empty() {
        return Err(TopicError::invalid("Policy statement needs an account and an action"));
    }
    let principals: Vec<String> =
        permission.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let actions: Vec<String> = permission.actions.iter().map(|action| format!("SNS:{action}")).collect();
    statements.push(json!({
        "Sid": permission.label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_all(principals)},
        "Action": one_or_all(actions),
        "Resource": key.arn(),
    }));
    Ok(policy.to_string())
}

/// The policy without the statement of that label.
pub(super) fn remove(policy: &str, label: &str) -> Result<String, TopicError> {
    let mut policy = read(policy);
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != *label);
    if statements.len() == before {
        return Err(TopicError::NotFound("Statement"));
    }
    Ok(policy.to_string())
}

fn read(policy: &str) -> Value {
    serde_json::from_str(policy).ok().filter(Value::is_object).unwrap_or_else(|| json!({"Statement": []}))
}

fn statements(policy: &mut Value) -> &mut Vec<Value> {
    if !policy["Statement"].is_array() {
        policy["Statement"] = json!([policy["Statement"].take()]);
    }
    policy["Statement"].as_array_mut().expect("it was made an array above")
}

fn one_or_all(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { json!(texts.remove(0)) } else { json!(texts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;

    #[test]
    fn statements_come_and_go_by_label() {
        let key = TopicKey::new(&Scope::default(), "t");
        let permission =
            Permission { label: "x".into(), accounts: vec!["111122223333".into()], actions: vec!["Publish".into()] };
        let more = add(&default(&key), &key, &permission).unwrap();
        assert!(more.contains(r#""AWS":"arn:aws:iam::111122223333:root""#) && more.contains("__default_statement_ID"));
        assert_eq!(
            add(&more, &key, &permission).unwrap_err().to_string(),
            "Invalid parameter: Statement already exists"
        );
        let less = remove(&more, "x").unwrap();
        assert_eq!(less, default(&key));
        assert!(remove(&less, "x").is_err());
    }
}
