//! What SQS does, rule by rule.

use crate::sqs_kit::{World, bodies, body, create, delete, depth, fifo, key, map, receive, redrive, send, try_receive};
use futures::executor::block_on;
use millrace_queue::{NewMessage, QueueError, Queues, ReceiveOptions, TaskStatus};
use std::collections::BTreeMap;

fn world() -> (World, Queues) {
    let mut world = World::new(1);
    let queues = world.open().unwrap();
    (world, queues)
}

fn send_fifo(queues: &Queues, name: &str, messages: &[(&str, &str, Option<&str>)]) -> Vec<bool> {
    let messages = messages.iter().map(|(text, group, id)| fifo(text, group, *id)).collect();
    block_on(queues.send(&key(name), messages)).unwrap().into_iter().map(|sent| sent.is_duplicate).collect()
}

#[test]
fn a_received_message_is_hidden_until_its_timeout() {
    let (world, queues) = world();
    create(&queues, "q", &[("VisibilityTimeout", "10")]);
    send(&queues, "q", &["a", "b"]);
    let first = receive(&queues, "q", 1);
    assert_eq!(bodies(&first), ["a"]);
    assert_eq!(depth(&queues, "q"), (1, 1, 0));
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["b"]);
    world.clock.advance(9_999);
    assert!(receive(&queues, "q", 10).is_empty());
    world.clock.advance(1);
    let again = receive(&queues, "q", 10);
    assert_eq!(bodies(&again), ["a", "b"]);
    assert_eq!(again[0].system.receive_count, 2);
    assert_eq!(again[0].system.first_received, first[0].system.first_received);
    assert_ne!(again[0].receipt_handle, first[0].receipt_handle);
    // A standard queue's message can be deleted by the handle of any of its receives.
    delete(&queues, "q", &first[0]).unwrap();
    assert_eq!(depth(&queues, "q"), (0, 1, 0));
    delete(&queues, "q", &first[0]).unwrap();
    let foreign = block_on(queues.delete(&key("q"), vec!["nonsense".into()])).unwrap().remove(0);
    assert!(matches!(foreign, Err(QueueError::InvalidReceipt(_))));
}

#[test]
fn visibility_can_be_changed_while_it_lasts() {
    let (world, queues) = world();
    create(&queues, "q", &[]);
    send(&queues, "q", &["a"]);
    let message = receive(&queues, "q", 1).remove(0);
    let change = |secs| {
        block_on(queues.change_visibility(&key("q"), vec![(message.receipt_handle.clone(), secs)])).unwrap().remove(0)
    };
    change(100).unwrap();
    world.pass_secs(99);
    assert!(receive(&queues, "q", 1).is_empty());
    assert!(change(43_200).is_err(), "twelve hours from the receive are the most");
    assert!(change(43_201).is_err());
    change(0).unwrap();
    assert!(matches!(change(5), Err(QueueError::NotInFlight(_))));
    assert_eq!(receive(&queues, "q", 1).len(), 1);
}

#[test]
fn delays_are_the_message_s_own_or_the_queue_s() {
    let (world, queues) = world();
    create(&queues, "q", &[("DelaySeconds", "5")]);
    let now = NewMessage { delay_secs: Some(0), ..NewMessage::of("now") };
    let late = NewMessage { delay_secs: Some(20), ..NewMessage::of("late") };
    block_on(queues.send(&key("q"), vec![NewMessage::of("soon"), now, late])).unwrap();
    assert_eq!(depth(&queues, "q"), (1, 0, 2));
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["now"]);
    world.pass_secs(5);
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["soon"]);
    world.pass_secs(15);
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["late"]);
}

#[test]
fn messages_outlive_a_restart_and_not_their_retention() {
    let (mut world, queues) = world();
    create(&queues, "q", &[("MessageRetentionPeriod", "60")]);
    send(&queues, "q", &["a"]);
    world.pass_secs(30);
    send(&queues, "q", &["b"]);
    world.disk.crash();
    let queues = world.open().unwrap();
    world.pass_secs(30);
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["b"], "a is a minute old");
    queues.upkeep();
    assert_eq!(depth(&queues, "q"), (0, 1, 0));
    world.pass_secs(31);
    queues.upkeep();
    assert_eq!(depth(&queues, "q"), (0, 0, 0));
    // Longer retention does not bring back what has gone.
    queues.set_attributes(&key("q"), &map(&[("MessageRetentionPeriod", "600")])).unwrap();
    world.disk.kill();
    assert_eq!(depth(&world.open().unwrap(), "q"), (0, 0, 0));
}

#[test]
fn a_group_comes_one_after_the_other_and_groups_side_by_side() {
    let (world, queues) = world();
    create(&queues, "q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    let messages = [("a1", "a", None), ("b1", "b", None), ("a2", "a", None), ("b2", "b", None), ("a3", "a", None)];
    send_fifo(&queues, "q.fifo", &messages);
    let a = receive(&queues, "q.fifo", 2);
    assert_eq!(bodies(&a), ["a1", "a2"]);
    let b = receive(&queues, "q.fifo", 1);
    assert_eq!(bodies(&b), ["b1"]);
    assert!(receive(&queues, "q.fifo", 10).is_empty(), "both groups are in flight");
    assert_eq!(depth(&queues, "q.fifo"), (2, 3, 0));
    delete(&queues, "q.fifo", &a[1]).unwrap();
    assert!(receive(&queues, "q.fifo", 10).is_empty(), "a1 is in flight");
    world.pass_secs(30);
    assert_eq!(bodies(&receive(&queues, "q.fifo", 10)), ["a1", "a3", "b1", "b2"]);
    let expired = delete(&queues, "q.fifo", &a[0]);
    assert!(matches!(expired, Err(QueueError::ReceiptExpired(_))), "{expired:?}");
}

#[test]
fn repeated_messages_are_kept_once_within_five_minutes_even_through_a_restart() {
    let (mut world, queues) = world();
    create(&queues, "q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    assert_eq!(send_fifo(&queues, "q.fifo", &[("a", "g", None), ("a", "g", None)]), [false, true]);
    assert_eq!(send_fifo(&queues, "q.fifo", &[("a", "other", None), ("x", "g", Some("id"))]), [true, false]);
    assert_eq!(send_fifo(&queues, "q.fifo", &[("y", "g", Some("id"))]), [true]);
    for message in receive(&queues, "q.fifo", 10) {
        delete(&queues, "q.fifo", &message).unwrap();
    }
    world.clock.advance(299_999);
    world.disk.crash();
    let queues = world.open().unwrap();
    assert_eq!(send_fifo(&queues, "q.fifo", &[("a", "g", None)]), [true]);
    world.clock.advance(1);
    assert_eq!(send_fifo(&queues, "q.fifo", &[("a", "g", None)]), [false]);
    let scope = map(&[("DeduplicationScope", "messageGroup"), ("FifoThroughputLimit", "perMessageGroupId")]);
    queues.set_attributes(&key("q.fifo"), &scope).unwrap();
    assert_eq!(send_fifo(&queues, "q.fifo", &[("z", "g", None), ("z", "other", None)]), [false, false]);
}

#[test]
fn a_repeated_attempt_gets_the_same_messages() {
    let (_world, queues) = world();
    create(&queues, "q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    send_fifo(&queues, "q.fifo", &[("a", "g", None), ("b", "g", None)]);
    let attempt = |id: &str| {
        let options = ReceiveOptions { max: 10, wait: Some(0), attempt_id: Some(id.into()), ..Default::default() };
        block_on(queues.receive(&key("q.fifo"), options)).unwrap()
    };
    let first = attempt("one");
    assert_eq!(bodies(&first), ["a", "b"]);
    let again = attempt("one");
    assert_eq!(again[0].receipt_handle, first[0].receipt_handle);
    assert!(attempt("two").is_empty());
    delete(&queues, "q.fifo", &first[0]).unwrap();
    assert!(attempt("one").is_empty(), "what was deleted ends the attempt");
}

#[test]
fn a_message_that_was_received_too_often_is_given_up() {
    let (mut world, queues) = world();
    create(&queues, "dead", &[]);
    create(&queues, "q", &[("RedrivePolicy", &redrive("dead", 2)), ("VisibilityTimeout", "1")]);
    send(&queues, "q", &["poison"]);
    let sent = receive(&queues, "q", 1)[0].system.sent;
    world.pass_secs(1);
    assert_eq!(receive(&queues, "q", 1)[0].system.receive_count, 2);
    world.pass_secs(1);
    assert!(receive(&queues, "q", 1).is_empty());
    assert_eq!((depth(&queues, "q"), depth(&queues, "dead")), ((0, 0, 0), (1, 0, 0)));
    world.disk.crash();
    let queues = world.open().unwrap();
    let dead = receive(&queues, "dead", 10);
    assert_eq!(bodies(&dead), ["poison"]);
    assert_eq!(dead[0].system.receive_count, 3, "receives are counted over all queues");
    assert_eq!(dead[0].system.sent, sent);
    assert_eq!(dead[0].system.dead_letter_source, Some(key("q").arn().to_string()));
    let sources = queues.dead_letter_sources(&key("dead")).unwrap();
    assert_eq!(sources.iter().map(|info| &*info.key.name).collect::<Vec<_>>(), ["q"]);
}

#[test]
fn redrive_policies_are_checked_against_the_other_queue() {
    let (_world, queues) = world();
    let none = BTreeMap::new();
    let make = |policy: &str| queues.create(&key("q"), &map(&[("RedrivePolicy", policy)]), &none);
    let missing = make(&redrive("dead", 3)).unwrap_err();
    assert!(missing.to_string().ends_with("Reason: Dead letter target does not exist."), "{missing}");
    create(&queues, "dead", &[("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)]);
    assert!(make(&redrive("dead", 3)).is_err());
    let only = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{}"]}}"#, key("q").arn());
    queues.set_attributes(&key("dead"), &map(&[("RedriveAllowPolicy", &only)])).unwrap();
    make(&redrive("dead", 3)).unwrap();
}

#[test]
fn move_tasks_bring_messages_back_through_a_restart() {
    let (mut world, queues) = world();
    create(&queues, "dead", &[]);
    create(&queues, "q", &[("RedrivePolicy", &redrive("dead", 1)), ("VisibilityTimeout", "0")]);
    for at in 0..30 {
        send(&queues, "q", &[&format!("m{at:02}")]);
    }
    receive(&queues, "q", 30);
    assert!(receive(&queues, "q", 30).is_empty());
    assert_eq!(depth(&queues, "dead"), (30, 0, 0));
    assert!(queues.start_move(&key("q"), None, None).is_err(), "q is nobody's dead-letter queue");
    let handle = queues.start_move(&key("dead"), None, Some(10)).unwrap();
    assert!(matches!(queues.start_move(&key("dead"), None, None), Err(QueueError::Unsupported(_))));
    queues.upkeep();
    assert_eq!((depth(&queues, "q").0, depth(&queues, "dead").0), (10, 20));
    world.disk.crash();
    let queues = world.open().unwrap();
    queues.upkeep();
    assert_eq!((depth(&queues, "q").0, depth(&queues, "dead").0), (20, 10));
    world.pass_secs(1);
    queues.upkeep();
    world.pass_secs(1);
    queues.upkeep();
    let task = queues.moves(&key("dead")).unwrap().remove(0);
    assert_eq!((task.handle == handle, task.status, task.to_move), (true, TaskStatus::Completed, 30));
    let back = receive(&queues, "q", 30);
    assert_eq!(back.len(), 30);
    assert_eq!((back[0].system.receive_count, &back[0].system.dead_letter_source), (1, &None));
    assert!(queues.cancel_move(&key("q").scope, &handle).is_err());
}

#[test]
fn a_queue_is_purged_once_a_minute() {
    let (mut world, queues) = world();
    create(&queues, "q", &[]);
    send(&queues, "q", &["a", "b"]);
    receive(&queues, "q", 1);
    block_on(queues.purge(&key("q"))).unwrap();
    assert_eq!(depth(&queues, "q"), (0, 0, 0));
    send(&queues, "q", &["c"]);
    assert!(matches!(block_on(queues.purge(&key("q"))), Err(QueueError::PurgeInProgress(_))));
    world.pass_secs(60);
    world.disk.crash();
    let queues = world.open().unwrap();
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["c"]);
    block_on(queues.purge(&key("q"))).unwrap();
}

#[test]
fn a_queue_is_made_once_and_forgotten_when_deleted() {
    let (mut world, queues) = world();
    create(&queues, "q", &[("VisibilityTimeout", "7")]);
    create(&queues, "q", &[("VisibilityTimeout", "7")]);
    create(&queues, "q", &[]);
    let other = queues.create(&key("q"), &map(&[("VisibilityTimeout", "8")]), &BTreeMap::new()).unwrap_err();
    assert_eq!(
        other.to_string(),
        "A queue already exists with the same name and a different value for attribute VisibilityTimeout"
    );
    send(&queues, "q", &["old"]);
    let receipt = receive(&queues, "q", 1).remove(0);
    queues.delete_queue(&key("q")).unwrap();
    assert!(matches!(queues.counts(&key("q")), Err(QueueError::NoQueue(_))));
    create(&queues, "q", &[]);
    assert_eq!(depth(&queues, "q"), (0, 0, 0));
    assert!(matches!(delete(&queues, "q", &receipt), Err(QueueError::InvalidReceipt(_))));
    world.disk.crash();
    assert_eq!(depth(&world.open().unwrap(), "q"), (0, 0, 0));
}

#[test]
fn sizes_and_characters_are_checked() {
    let (_world, queues) = world();
    create(&queues, "q", &[("MaximumMessageSize", "1024")]);
    let refused = |message: NewMessage| block_on(queues.send(&key("q"), vec![message])).unwrap_err().to_string();
    assert_eq!(
        refused(NewMessage::of("x".repeat(1025))),
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    );
    assert_eq!(refused(NewMessage::of("")), "The request must contain the parameter MessageBody.");
    assert!(refused(NewMessage::of("\u{1}")).starts_with("Invalid characters found."));
    assert!(refused(NewMessage { delay_secs: Some(901), ..NewMessage::of("x") }).contains("DelaySeconds"));
    assert!(refused(NewMessage { deduplication_id: Some("i".into()), ..NewMessage::of("x") }).contains("queue type"));
    let label = NewMessage { group_id: Some("tenant".into()), ..NewMessage::of("fair") };
    block_on(queues.send(&key("q"), vec![label])).unwrap();
    assert_eq!(receive(&queues, "q", 1)[0].system.group_id.as_deref(), Some("tenant"));
}

#[test]
fn messages_in_flight_have_a_ceiling() {
    let (_world, queues) = world();
    create(&queues, "q", &[]);
    let texts: Vec<String> = (0..millrace_queue::IN_FLIGHT_MAX + 1).map(|at| at.to_string()).collect();
    for part in texts.chunks(10_000) {
        send(&queues, "q", &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(receive(&queues, "q", usize::MAX).len(), millrace_queue::IN_FLIGHT_MAX);
    assert!(matches!(try_receive(&queues, "q", 1, None), Err(QueueError::OverLimit)));
}

#[tokio::test]
async fn a_waiting_receive_is_woken_by_the_send() {
    let (_world, queues) = world();
    create(&queues, "q", &[]);
    let waiting = queues.clone();
    let waiter = tokio::spawn(async move {
        let options = ReceiveOptions { max: 1, wait: Some(20), ..Default::default() };
        waiting.receive(&key("q"), options).await.unwrap()
    });
    tokio::task::yield_now().await;
    queues.send(&key("q"), vec![NewMessage::of("a")]).await.unwrap();
    // The simulated clock stands still, so only the wake-up can end the wait.
    let got = tokio::time::timeout(std::time::Duration::from_secs(10), waiter).await.unwrap().unwrap();
    assert_eq!(body(&got[0]), "a");
}
