//! Looks at alarms every second, and carries out what they are to do: topics, queues, functions and webhooks.
//!
//! With `--auth on` the policy of the topic, queue or function must let CloudWatch in, as on AWS; a refusal is told in the
//! alarm's history.

use crate::calling::function;
use bytes::Bytes;
use millrace_access::Principal;
use millrace_api::authorize::{Circumstances, Gate, Guard, Need, Via};
use millrace_base::{Arn, Clock, Dice, Millis};
use millrace_functions::{Events, Invocation, InvokeError};
use millrace_queue::sns::{NewNotification, TopicError, TopicKey, Topics};
use millrace_queue::{NewMessage, QueueError, QueueKey, Queues};
use millrace_watch::alarms::{Alarms, PendingAction};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often alarms are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The history is tidied after so many looks.
const TIDY_EVERY: u64 = 3600;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// An action that fails is tried again: at once, and after these pauses.
const RETRY_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];
/// AWS's subject of a notification.
const SUBJECT_LETTERS_MAX: usize = 100;
/// An action that was left over for longer, because the server was down, is stale but still carried out; this is said.
const LATE_MS: Millis = 60_000;

/// Who acts on topics and queues, and who on functions.
const CLOUDWATCH: &str = "cloudwatch.amazonaws.com";
const LAMBDA_ALARMS: &str = "lambda.alarms.cloudwatch.amazonaws.com";

/// Where actions go.
#[derive(Clone)]
pub struct Actors {
    /// SNS.
    pub topics: Topics,
    /// SQS.
    pub queues: Queues,
    /// Lambda.
    pub events: Events,
    /// Decides who may do what; none with `--auth off`.
    pub gate: Option<Arc<Gate>>,
    /// Request ids.
    pub dice: Arc<dyn Dice>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Looks until `stopped`. An action that is under way then is carried out again at the next start.
pub async fn run(alarms: Alarms, actors: Actors, mut stopped: watch::Receiver<()>) {
    let http = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build().unwrap_or_default();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut acting, mut busy, mut looks) = (JoinSet::new(), Vec::<String>::new(), 0u64);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopped.changed() => return,
            Some(done) = acting.join_next() => {
                if let Ok(id) = done {
                    busy.retain(|other| *other != id);
                }
                continue;
            }
        }
        looks += 1;
        for action in look(&alarms, looks.is_multiple_of(TIDY_EVERY)).await {
            if !busy.contains(&action.id) {
                busy.push(action.id.clone());
                acting.spawn(carry_out(alarms.clone(), actors.clone(), http.clone(), action));
            }
        }
    }
}

async fn look(alarms: &Alarms, tidies: bool) -> Vec<PendingAction> {
    let alarms = alarms.clone();
    let looked = tokio::task::spawn_blocking(move || {
        alarms.step()?;
        if tidies {
            alarms.tidy()?;
        }
        alarms.pending()
    });
    match looked.await {
        Ok(Ok(pending)) => pending,
        Ok(Err(error)) => {
            tracing::error!(%error, "alarms could not be looked at, the next look is in a second");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

async fn carry_out(alarms: Alarms, actors: Actors, http: reqwest::Client, action: PendingAction) -> String {
    let late = actors.clock.now() - action.since;
    if late > LATE_MS {
        tracing::info!(alarm = %action.alarm, seconds = late / 1000, "an action of an alarm is carried out late");
    }
    let mut outcome = actors.act(&http, &action).await;
    for pause in RETRY_AFTER {
        match &outcome {
            Err(trouble) if !trouble.is_final => tokio::time::sleep(pause).await,
            _ => break,
        }
        outcome = actors.act(&http, &action).await;
    }
    let outcome = outcome.map_err(|trouble| trouble.reason);
    if let Err(reason) = &outcome {
        tracing::error!(alarm = %action.alarm, action = %action.action, %reason, "an action of an alarm failed");
    }
    let id = action.id.clone();
    let noted = tokio::task::spawn_blocking(move || alarms.acted(&action, &outcome)).await;
    if let Ok(Err(error)) = noted {
        tracing::error!(%error, "an action of an alarm was carried out and will be again: that it was could not be written");
    }
    id
}

/// Why an action was not carried out.
struct Trouble {
    reason: String,
    /// Trying again helps nobody: what it goes to is not there, or lets nobody in.
    is_final: bool,
}

impl Trouble {
    fn last(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), is_final: true }
    }

    fn passing(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), is_final: false }
    }
}

impl Actors {
    async fn act(&self, http: &reqwest::Client, action: &PendingAction) -> Result<(), Trouble> {
        if action.action.starts_with("http://") || action.action.starts_with("https://") {
            return webhook(http, action).await;
        }
        let arn: Arn = action.action.parse().map_err(Trouble::last)?;
        let (service, verb) = match &*arn.service {
            "sns" => (CLOUDWATCH, "sns:Publish"),
            "sqs" => (CLOUDWATCH, "sqs:SendMessage"),
            _ => (LAMBDA_ALARMS, "lambda:InvokeFunction"),
        };
        self.may(service, verb, action)?;
        match &*arn.service {
            "sns" => self.publish(&arn, action).await,
            "sqs" => self.send(&arn, action).await,
            "lambda" => self.invoke(action).await,
            other => Err(Trouble::last(format!("actions go to sns, sqs, lambda and webhooks, not to {other}"))),
        }
    }

    /// Whether the policy of what is acted on lets CloudWatch act for the alarm.
    fn may(&self, service: &str, verb: &'static str, action: &PendingAction) -> Result<(), Trouble> {
        let Some(gate) = &self.gate else { return Ok(()) };
        let scope = &action.scope;
        let circumstances = Circumstances {
            secure: true,
            via: Some(Via {
                service: service.to_owned(),
                source_arn: Some(scope.arn("cloudwatch", &format!("alarm:{}", action.alarm)).to_string()),
                source_account: Some(scope.account.to_string()),
            }),
            ..Circumstances::default()
        };
        let guard = Guard::new(gate.clone(), Principal::service(&scope.account, service), circumstances);
        // The condition of topics' default policies.
        let need = Need::on(verb, action.action.as_str()).with("aws:sourceowner", Some(&scope.account));
        guard.allow(scope, &need).map_err(|fault| Trouble::last(fault.message))
    }

    async fn publish(&self, arn: &Arn, action: &PendingAction) -> Result<(), Trouble> {
        let key = TopicKey::of_arn(&arn.to_string()).ok_or_else(|| Trouble::last("it is no topic's ARN"))?;
        let state = action.notification["NewStateValue"].as_str().unwrap_or_default();
        let region = action.notification["Region"].as_str().unwrap_or_default();
        let subject = format!("{state}: \"{}\" in {region}", action.alarm);
        let new = NewNotification {
            message: action.notification.to_string(),
            subject: Some(subject.chars().take(SUBJECT_LETTERS_MAX).collect()),
            ..NewNotification::default()
        };
        let published = self.topics.publish(&key, new).await;
        published.map(drop).map_err(|error| match error {
            TopicError::NotFound(_) => Trouble::last(error),
            other => Trouble::passing(other),
        })
    }

    async fn send(&self, arn: &Arn, action: &PendingAction) -> Result<(), Trouble> {
        let key = QueueKey::of_arn(arn).ok_or_else(|| Trouble::last("it is no queue's ARN"))?;
        let body = Bytes::from(action.notification.to_string());
        let new = NewMessage { sender_id: key.scope.account.to_string(), ..NewMessage::of(body) };
        let sent = self.queues.send(&key, vec![new]).await;
        sent.map(drop).map_err(|error| match error {
            QueueError::NoQueue(_) => Trouble::last(error),
            other => Trouble::passing(other),
        })
    }

    async fn invoke(&self, action: &PendingAction) -> Result<(), Trouble> {
        let (function, qualifier) = function(&action.action).map_err(Trouble::last)?;
        let invocation = Invocation {
            function,
            qualifier,
            request_id: self.dice.uuid().into(),
            payload: Bytes::from(action.sent().to_string()),
            client_context: None,
        };
        self.events.submit(invocation).await.map_err(|error| match error {
            InvokeError::NotFound(_) => Trouble::last(error),
            other => Trouble::passing(other),
        })
    }
}

async fn webhook(http: &reqwest::Client, action: &PendingAction) -> Result<(), Trouble> {
    let answer = http.post(&action.action).json(&action.notification).send().await;
    let answer = answer.map_err(Trouble::passing)?;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(Trouble::passing(format!("it answered {}", answer.status()))),
    }
}
