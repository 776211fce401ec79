//! What topics do, case by case.

use crate::sns_kit::{FUNCTION, Outside, URL, message, open, subscribe, text_of, topic, with_number};
use crate::sqs_kit::{World, body, create, key, lies_plain, map, receive};
use futures::executor::block_on;
use millrace_queue::sns::{NewNotification, SubscriberPermits, TopicError, TopicKey, Topics};
use millrace_queue::{KeyRefusal, Queues};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Stage {
    world: World,
    outside: Outside,
    queues: Queues,
    topics: Topics,
}

impl Stage {
    fn new() -> Self {
        let (world, outside) = (World::new(1), Outside::default());
        let (queues, topics) = open(&world, &outside, 1).unwrap();
        topics.create(&topic("t"), &BTreeMap::new(), BTreeMap::new()).unwrap();
        create(&queues, "q", &[]);
        create(&queues, "dead", &[]);
        Self { world, outside, queues, topics }
    }

    fn publish(&self, new: NewNotification) -> String {
        block_on(self.topics.publish(&topic("t"), new)).unwrap().message_id
    }

    fn subscribe(&self, protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> String {
        subscribe(&self.topics, "t", protocol, endpoint, attributes).unwrap().arn()
    }

    fn deliver(&self, arn: &str) -> usize {
        block_on(self.topics.deliver(arn, 0)).unwrap()
    }

    fn received(&self, queue: &str) -> Vec<String> {
        receive(&self.queues, queue, 10).iter().map(body).collect()
    }
}

fn queue_arn(name: &str) -> String {
    key(name).arn().to_string()
}

fn dead_letters() -> String {
    json!({"deadLetterTargetArn": queue_arn("dead")}).to_string()
}

#[test]
fn a_queue_gets_the_envelope_and_a_raw_one_the_message_itself() {
    let stage = Stage::new();
    create(&stage.queues, "raw", &[]);
    let arn = stage.subscribe("sqs", &queue_arn("q"), &[]);
    stage.subscribe("sqs", &queue_arn("raw"), &[("RawMessageDelivery", "true")]);
    let id = stage.publish(NewNotification { subject: Some("s".into()), ..with_number("hello", "n", 7) });
    let envelope: Value = serde_json::from_str(&stage.received("q")[0]).unwrap();
    assert_eq!(envelope["Type"], "Notification");
    assert_eq!(envelope["MessageId"], id);
    assert_eq!((&envelope["Subject"], &envelope["Message"]), (&json!("s"), &json!("hello")));
    assert_eq!(envelope["MessageAttributes"]["n"], json!({"Type": "Number", "Value": "7"}));
    assert_eq!(envelope["Timestamp"], "2023-11-14T22:13:20.000Z");
    let unsubscribe = format!("http://localhost:4566/?Action=Unsubscribe&SubscriptionArn={arn}");
    assert_eq!(envelope["UnsubscribeURL"], unsubscribe);
    let raw = receive(&stage.queues, "raw", 1);
    assert_eq!(body(&raw[0]), "hello");
    assert_eq!((raw[0].attributes[0].name.as_str(), raw[0].attributes.len()), ("n", 1));
}

#[test]
fn a_filter_lets_through_what_it_matches() {
    let stage = Stage::new();
    let arn = stage.subscribe("sqs", &queue_arn("q"), &[("FilterPolicy", r#"{"n": [{"numeric": [">", 5]}]}"#)]);
    stage.publish(with_number("small", "n", 5));
    stage.publish(message("bare"));
    stage.publish(with_number("large", "n", 6));
    assert_eq!(stage.received("q").iter().map(|body| text_of(body)).collect::<Vec<_>>(), ["large"]);
    // Another scope would make this policy look into the body.
    stage.topics.set_subscription_attributes(&arn, &map(&[("FilterPolicyScope", "MessageBody")])).unwrap();
    stage.publish(message(r#"{"n": 9}"#));
    stage.publish(with_number("6", "n", 6));
    assert_eq!(stage.received("q").iter().map(|body| text_of(body)).collect::<Vec<_>>(), [r#"{"n": 9}"#]);
    stage.topics.set_subscription_attributes(&arn, &map(&[("FilterPolicy", "{}")])).unwrap();
    stage.publish(message("all"));
    assert_eq!(stage.received("q").len(), 1);
}

#[test]
fn a_structured_message_has_a_text_for_each_protocol() {
    let stage = Stage::new();
    stage.subscribe("sqs", &queue_arn("q"), &[]);
    let function = stage.subscribe("lambda", FUNCTION, &[]);
    let structured = r#"{"default": "for all", "sqs": "for queues"}"#;
    stage.publish(NewNotification { per_protocol: true, ..message(structured) });
    assert_eq!(text_of(&stage.received("q")[0]), "for queues");
    assert_eq!(stage.deliver(&function), 1);
    assert_eq!(text_of(&stage.outside.functions.bodies()[0]), "for all");
}

#[test]
fn an_http_endpoint_is_asked_first() {
    let stage = Stage::new();
    let pending = subscribe(&stage.topics, "t", "http", URL, &[]).unwrap();
    let arn = pending.arn();
    stage.publish(message("too early"));
    assert_eq!(stage.deliver(&arn), 1);
    let question = stage.outside.http.deliveries.lock().remove(0);
    let header = |name: &str| question.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
    assert_eq!(header("x-amz-sns-message-type").as_deref(), Some("SubscriptionConfirmation"));
    assert_eq!(header("x-amz-sns-topic-arn"), Some(topic("t").arn()));
    assert_eq!(header("x-amz-sns-subscription-arn"), None);
    let asked: Value = serde_json::from_slice(&question.body).unwrap();
    let token = asked["Token"].as_str().unwrap();
    assert_eq!(
        asked["SubscribeURL"],
        format!("http://localhost:4566/?Action=ConfirmSubscription&TopicArn={}&Token={token}", topic("t").arn())
    );
    assert_eq!(stage.topics.attributes(&topic("t")).unwrap()["SubscriptionsPending"], "1");
    assert!(matches!(stage.topics.confirm(&topic("t"), "wrong", false), Err(TopicError::InvalidParameter(_))));
    for _ in 0..2 {
        // Confirming twice is no error.
        assert_eq!(stage.topics.confirm(&topic("t"), token, false).unwrap().arn(), arn);
    }
    stage.publish(message("now"));
    assert_eq!(stage.deliver(&arn), 1);
    let taken = stage.outside.http.deliveries.lock().remove(0);
    assert_eq!(text_of(std::str::from_utf8(&taken.body).unwrap()), "now");
    assert!(taken.headers.contains(&("x-amz-sns-subscription-arn", arn.clone())));
    assert!(taken.headers.contains(&("Content-Type", "text/plain; charset=UTF-8".into())));
}

#[test]
fn a_token_is_good_for_three_days() {
    let stage = Stage::new();
    let pending = subscribe(&stage.topics, "t", "https", "https://example.test/", &[]).unwrap().pending.unwrap();
    stage.world.pass_secs(3 * 24 * 3600 + 1);
    assert!(stage.topics.confirm(&topic("t"), &pending.token, false).is_err());
}

#[test]
fn who_confirmed_with_authentication_ends_with_authentication() {
    let stage = Stage::new();
    let pending = subscribe(&stage.topics, "t", "http", URL, &[]).unwrap();
    let token = pending.pending.as_ref().unwrap().token.clone();
    stage.topics.confirm(&topic("t"), &token, true).unwrap();
    assert!(matches!(stage.topics.unsubscribe(&pending.arn(), false), Err(TopicError::AuthorizationError(_))));
    stage.topics.unsubscribe(&pending.arn(), true).unwrap();
    assert!(matches!(stage.topics.subscription(&pending.arn()), Err(TopicError::NotFound(_))));
    assert_eq!(stage.topics.attributes(&topic("t")).unwrap()["SubscriptionsDeleted"], "1");
    // Gone is gone, also for one who asks again.
    stage.topics.unsubscribe(&pending.arn(), false).unwrap();
}

#[test]
fn an_endpoint_that_fails_is_tried_again_and_then_given_up() {
    let stage = Stage::new();
    let policy = r#"{"healthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 5, "numRetries": 2}}"#;
    let attributes = [("DeliveryPolicy", policy), ("RedrivePolicy", &dead_letters())];
    let pending = subscribe(&stage.topics, "t", "http", URL, &attributes).unwrap();
    stage.topics.confirm(&topic("t"), &pending.pending.as_ref().unwrap().token, false).unwrap();
    assert_eq!(stage.deliver(&pending.arn()), 1);
    *stage.outside.http.refuse_one_in.lock() = 1;
    stage.publish(message("lost"));
    for _ in 0..3 {
        assert_eq!(stage.deliver(&pending.arn()), 1);
        assert_eq!(stage.deliver(&pending.arn()), 0, "the next try is five seconds away");
        stage.world.pass_secs(5);
    }
    assert_eq!(stage.deliver(&pending.arn()), 0);
    let dead = receive(&stage.queues, "dead", 10);
    assert_eq!(text_of(&body(&dead[0])), "lost");
    let reasons: Vec<&str> = dead[0].attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(reasons, ["ErrorCode", "ErrorMessage"]);
}

#[test]
fn a_function_that_is_gone_is_not_tried_again() {
    let stage = Stage::new();
    let arn = stage.subscribe("lambda", FUNCTION, &[("RedrivePolicy", &dead_letters())]);
    *stage.outside.functions.is_gone.lock() = true;
    stage.publish(message("lost"));
    assert_eq!(stage.deliver(&arn), 1);
    assert_eq!(text_of(&stage.received("dead")[0]), "lost");
    assert_eq!(stage.deliver(&arn), 0);
}

/// Lets no topic deliver to what it names.
struct Refuses(String);

impl SubscriberPermits for Refuses {
    fn check(&self, topic: &TopicKey, endpoint: &str) -> Result<(), String> {
        if endpoint == self.0 { Err(format!("{} may not", topic.arn())) } else { Ok(()) }
    }
}

#[test]
fn a_subscriber_whose_policy_refuses_the_topic_gets_nothing_and_its_dead_letter_queue_says_why() {
    for (protocol, endpoint) in [("sqs", queue_arn("q")), ("lambda", FUNCTION.to_owned())] {
        let stage = Stage::new();
        create(&stage.queues, "other", &[]);
        stage.topics.ask_permits(Arc::new(Refuses(endpoint.clone())));
        let arn = stage.subscribe(protocol, &endpoint, &[("RedrivePolicy", &dead_letters())]);
        stage.subscribe("sqs", &queue_arn("other"), &[]);
        stage.publish(message("hello"));
        if protocol == "lambda" {
            assert_eq!(stage.deliver(&arn), 1);
        }
        assert!(stage.received("q").is_empty() && stage.outside.functions.bodies().is_empty());
        assert_eq!(stage.received("other").len(), 1);
        let dead = receive(&stage.queues, "dead", 10);
        assert_eq!(text_of(&body(&dead[0])), "hello");
        let said = |place: usize| String::from_utf8_lossy(dead[0].attributes[place].value.bytes()).into_owned();
        assert_eq!((said(0), said(1)), ("AccessDenied".into(), format!("{} may not", topic("t").arn())));
        let (_, tally) = stage.topics.tallies()[0];
        assert_eq!((tally.delivered, tally.failed, tally.redriven), (1, 1, 1));
    }
}

#[test]
fn a_queue_that_is_gone_is_the_subscribers_business() {
    let stage = Stage::new();
    stage.subscribe("sqs", &queue_arn("q"), &[]);
    stage.subscribe("sqs", &queue_arn("absent"), &[("RedrivePolicy", &dead_letters())]);
    stage.publish(message("hello"));
    assert_eq!(stage.received("q").len(), 1);
    assert_eq!(text_of(&stage.received("dead")[0]), "hello");
}

#[test]
fn fifo_topics_keep_order_and_tell_repeated_messages() {
    let stage = Stage::new();
    let fifo = topic("t.fifo");
    stage.topics.create(&fifo, &map(&[("FifoTopic", "true")]), BTreeMap::new()).unwrap();
    create(&stage.queues, "q.fifo", &[("FifoQueue", "true")]);
    subscribe(&stage.topics, "t.fifo", "sqs", &queue_arn("q.fifo"), &[]).unwrap();
    subscribe(&stage.topics, "t.fifo", "sqs", &queue_arn("q"), &[("RawMessageDelivery", "true")]).unwrap();
    let publish = |text: &str, id: &str| {
        let new = NewNotification { group_id: Some("g".into()), deduplication_id: Some(id.into()), ..message(text) };
        block_on(stage.topics.publish(&fifo, new)).unwrap()
    };
    let (first, second, again) = (publish("one", "1"), publish("two", "2"), publish("one", "1"));
    assert_eq!(first, again);
    assert!(first.sequence_number < second.sequence_number && first.sequence_number.as_ref().unwrap().len() == 20);
    assert_eq!(stage.received("q.fifo").iter().map(|body| text_of(body)).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(stage.received("q").len(), 2);
    stage.world.pass_secs(301);
    assert_ne!(publish("one", "1"), first);
}

#[test]
fn a_batch_is_published_entry_by_entry() {
    let stage = Stage::new();
    stage.subscribe("sqs", &queue_arn("q"), &[("RawMessageDelivery", "true")]);
    let entries = |texts: &[&str]| -> Vec<(String, NewNotification)> {
        texts.iter().enumerate().map(|(at, text)| (format!("e{at}"), message(text))).collect()
    };
    let batch = |entries: &[(String, NewNotification)]| block_on(stage.topics.publish_batch(&topic("t"), entries));
    let results = batch(&entries(&["a", "", "c"])).unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(stage.received("q"), ["a", "c"]);
    assert!(matches!(batch(&[]), Err(TopicError::EmptyBatch)));
    assert!(matches!(batch(&entries(&["x"; 11])), Err(TopicError::TooManyEntries)));
    let mut twice = entries(&["a", "b"]);
    twice[1].0 = "e0".into();
    assert!(matches!(batch(&twice), Err(TopicError::IdsNotDistinct)));
    twice[1].0 = "e 1".into();
    assert!(matches!(batch(&twice), Err(TopicError::InvalidEntryId)));
    let long = "x".repeat(200_000);
    assert!(matches!(batch(&entries(&[&long, &long])), Err(TopicError::BatchTooLong)));
}

#[test]
fn the_same_topic_and_the_same_subscription_are_one() {
    let stage = Stage::new();
    let create = |attributes: &[(&str, &str)], tags: &[(&str, &str)]| {
        stage.topics.create(&topic("t"), &map(attributes), map(tags)).map_err(|error| error.to_string())
    };
    assert_eq!(create(&[], &[]), Ok(()));
    assert!(create(&[("DisplayName", "other")], &[]).unwrap_err().contains("different attributes"));
    assert!(create(&[], &[("a", "b")]).unwrap_err().contains("different tags"));
    let (one, two) = (stage.subscribe("sqs", &queue_arn("q"), &[]), stage.subscribe("sqs", &queue_arn("q"), &[]));
    assert_eq!(one, two);
    let raw = [("RawMessageDelivery", "true")];
    let other = subscribe(&stage.topics, "t", "sqs", &queue_arn("q"), &raw).unwrap_err();
    assert!(other.to_string().contains("already exists with different attributes"));
    assert_eq!(stage.topics.subscriptions_of(&topic("t"), None).unwrap().items.len(), 1);
}

#[test]
fn definitions_survive_and_deletion_takes_all_along() {
    let stage = Stage::new();
    stage.subscribe("sqs", &queue_arn("q"), &[("FilterPolicy", r#"{"n": [1]}"#)]);
    stage.subscribe("lambda", FUNCTION, &[]);
    stage.topics.tag(&topic("t"), map(&[("a", "b")])).unwrap();
    let Stage { world, outside, queues, topics } = stage;
    drop((queues, topics));
    let (queues, topics) = open(&world, &outside, 2).unwrap();
    assert_eq!(topics.subscriptions_of(&topic("t"), None).unwrap().items.len(), 2);
    assert_eq!(topics.tags(&topic("t")).unwrap(), map(&[("a", "b")]));
    block_on(topics.publish(&topic("t"), message("filtered"))).unwrap();
    assert_eq!(receive(&queues, "q", 1).len(), 0);
    topics.delete(&topic("t")).unwrap();
    topics.delete(&topic("t")).unwrap();
    assert!(matches!(block_on(topics.publish(&topic("t"), message("x"))), Err(TopicError::NotFound("Topic"))));
    assert_eq!(topics.subscriptions(&topic("t").scope, None).items.len(), 0);
    let outboxes = queues.all_counts().into_iter().filter(|(key, _)| &*key.scope.account == "sns").count();
    assert_eq!(outboxes, 0);
}

#[test]
fn large_messages_are_for_queues_and_functions() {
    let stage = Stage::new();
    let large = || "x".repeat(300_000);
    stage.subscribe("sqs", &queue_arn("q"), &[("RawMessageDelivery", "true")]);
    assert!(block_on(stage.topics.publish(&topic("t"), message(&large()))).is_err());
    stage.topics.set_attribute(&topic("t"), "MaximumMessageSize", "400000").unwrap();
    stage.publish(message(&large()));
    assert_eq!(stage.received("q")[0].len(), 300_000);
    assert!(
        subscribe(&stage.topics, "t", "http", URL, &[]).unwrap_err().to_string().contains("queues and functions only")
    );
    stage.topics.set_attribute(&topic("t"), "MaximumMessageSize", "").unwrap();
    subscribe(&stage.topics, "t", "http", URL, &[]).unwrap();
    assert!(stage.topics.set_attribute(&topic("t"), "MaximumMessageSize", "400000").is_err());
}

#[test]
fn lists_have_pages() {
    let stage = Stage::new();
    for number in 0..150 {
        stage.topics.create(&topic(&format!("n{number:03}")), &BTreeMap::new(), BTreeMap::new()).unwrap();
    }
    let scope = topic("t").scope;
    let first = stage.topics.list(&scope, None);
    let second = stage.topics.list(&scope, first.next_token.as_deref());
    assert_eq!((first.items.len(), second.items.len(), second.next_token), (100, 51, None));
}

#[test]
fn what_waits_for_functions_is_sealed_by_the_topic_s_key() {
    let stage = Stage::new();
    let before = stage.subscribe("lambda", FUNCTION, &[]);
    stage.topics.set_attribute(&topic("t"), "KmsMasterKeyId", "a").unwrap();
    let after = stage.subscribe("lambda", &format!("{FUNCTION}2"), &[]);
    stage.publish(message("xyzzy-4711"));
    assert!(!lies_plain(&stage.world, "xyzzy-4711"));
    assert_eq!((stage.deliver(&before), stage.deliver(&after)), (1, 1));
    assert!(stage.outside.functions.bodies().iter().all(|body| text_of(body) == "xyzzy-4711"));

    let disabled = KeyRefusal::Disabled("a is disabled.".to_owned());
    stage.world.keys.refuse("a", Some(disabled.clone()));
    let refused = block_on(stage.topics.publish(&topic("t"), message("no")));
    assert!(matches!(refused, Err(TopicError::Key(why)) if why == disabled));
    let created = stage.topics.create(&topic("u"), &map(&[("KmsMasterKeyId", "a")]), BTreeMap::new());
    assert!(matches!(created, Err(TopicError::Key(_))));
    stage.topics.set_attribute(&topic("t"), "KmsMasterKeyId", "").unwrap();
    stage.publish(message("plain-4711"));
    assert!(lies_plain(&stage.world, "plain-4711"));
}
