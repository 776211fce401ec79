//! Queues with keys of their own: what lies on disk, what a key that may not be used stops, and what moves from key to key.

use crate::sqs_kit::{
    TurnedKeys, World, bodies, create, depth, key, lies_plain, map, receive, redrive, send, try_receive,
};
use futures::executor::block_on;
use millrace_queue::{AttributeValue, KeyRefusal, MessageAttribute, NewMessage, QueueError, Queues, TaskStatus};

const SECRET: &str = "xyzzy-4711";

fn world() -> (World, Queues) {
    let mut world = World::new(1);
    let queues = world.open().unwrap();
    (world, queues)
}

fn disable(keys: &TurnedKeys, key: &str) {
    keys.refuse(key, Some(KeyRefusal::Disabled(format!("{key} is disabled."))));
}

fn is_disabled<T: std::fmt::Debug>(outcome: Result<T, QueueError>) -> bool {
    matches!(outcome, Err(QueueError::Key(KeyRefusal::Disabled(_))))
}

#[test]
fn what_a_message_holds_is_sealed_and_comes_back_as_it_was() {
    let (mut world, queues) = world();
    create(&queues, "q", &[("KmsMasterKeyId", "a")]);
    let value = AttributeValue::Text(SECRET.as_bytes().into());
    let attribute = MessageAttribute { name: "of".into(), data_type: "String".into(), value };
    let message = NewMessage {
        attributes: vec![attribute.clone()],
        trace_header: Some(format!("Root={SECRET}")),
        ..NewMessage::of(format!("body {SECRET}"))
    };
    let sent = block_on(queues.send(&key("q"), vec![message])).unwrap().remove(0);
    drop(queues);
    assert!(!lies_plain(&world, SECRET));
    let queues = world.open().unwrap();
    let found = receive(&queues, "q", 1).remove(0);
    assert_eq!(found.body, format!("body {SECRET}"));
    assert_eq!((&found.md5_of_body, found.attributes), (&sent.md5_of_body, vec![attribute]));
    assert_eq!(found.system.trace_header, Some(format!("Root={SECRET}")));
    create(&queues, "managed", &[("SqsManagedSseEnabled", "true")]);
    send(&queues, "managed", &[SECRET]);
    assert!(!lies_plain(&world, SECRET));
    assert_eq!(bodies(&receive(&queues, "managed", 1)), [SECRET]);
    create(&queues, "plain", &[]);
    send(&queues, "plain", &[SECRET]);
    assert!(lies_plain(&world, SECRET), "the search finds what is there");
}

#[test]
fn a_key_that_may_not_be_used_stops_its_queue_and_hides_nothing() {
    let (world, queues) = world();
    create(&queues, "q", &[("KmsMasterKeyId", "a"), ("VisibilityTimeout", "1000")]);
    send(&queues, "q", &["one"]);
    disable(&world.keys, "a");
    assert!(is_disabled(block_on(queues.send(&key("q"), vec![NewMessage::of("two")]))));
    assert!(is_disabled(try_receive(&queues, "q", 1, None)));
    assert_eq!(depth(&queues, "q"), (1, 0, 0), "nothing was taken");
    assert!(is_disabled(queues.create(&key("other"), &map(&[("KmsMasterKeyId", "a")]), &map(&[]))));
    assert!(is_disabled(queues.set_attributes(&key("q"), &map(&[("KmsMasterKeyId", "a")]))));
    queues.set_attributes(&key("q"), &map(&[("DelaySeconds", "0")])).unwrap();
    world.keys.refuse("a", None);
    assert_eq!(receive(&queues, "q", 1)[0].system.receive_count, 1);
}

#[test]
fn a_key_of_the_past_does_not_hold_up_what_came_later() {
    let (world, queues) = world();
    create(&queues, "q", &[("KmsMasterKeyId", "a"), ("VisibilityTimeout", "0")]);
    send(&queues, "q", &["old"]);
    queues.set_attributes(&key("q"), &map(&[("KmsMasterKeyId", "b")])).unwrap();
    disable(&world.keys, "a");
    assert!(is_disabled(try_receive(&queues, "q", 1, None)), "there is nothing else to be had");
    send(&queues, "q", &["new"]);
    assert_eq!(bodies(&receive(&queues, "q", 2)), ["new"]);
    world.keys.refuse("a", None);
    assert_eq!(bodies(&receive(&queues, "q", 2)), ["old", "new"]);
}

#[test]
fn messages_that_move_are_sealed_by_the_key_of_where_they_are() {
    let (mut world, queues) = world();
    create(&queues, "dead", &[("KmsMasterKeyId", "b")]);
    let policy = redrive("dead", 1);
    create(&queues, "q", &[("KmsMasterKeyId", "a"), ("RedrivePolicy", &policy), ("VisibilityTimeout", "0")]);
    create(&queues, "elsewhere", &[]);
    send(&queues, "q", &[SECRET]);
    receive(&queues, "q", 1);

    // The other queue's key is disabled: the message stays where it is until the key is enabled.
    disable(&world.keys, "b");
    assert!(receive(&queues, "q", 1).is_empty());
    assert_eq!((depth(&queues, "q").1, depth(&queues, "dead").0), (1, 0));
    world.keys.refuse("b", None);
    world.pass_secs(1);
    assert!(receive(&queues, "q", 1).is_empty());
    assert_eq!((depth(&queues, "q").0, depth(&queues, "dead").0), (0, 1));

    // What lies there needs the key of there, and no other.
    disable(&world.keys, "a");
    drop(queues);
    let queues = world.open().unwrap();
    let letter = receive(&queues, "dead", 1).remove(0);
    assert_eq!((letter.body, letter.system.receive_count), (SECRET.into(), 2));
    assert!(!lies_plain(&world, SECRET));

    // It cannot go back while the key of there is disabled; it can go where there is none, and lies plain.
    world.pass_secs(31);
    queues.start_move(&key("dead"), None, None).unwrap();
    queues.upkeep();
    let failed = queues.moves(&key("dead")).unwrap().remove(0);
    assert_eq!((failed.status, failed.failure.as_deref()), (TaskStatus::Failed, Some("a is disabled.")));
    world.pass_secs(31);
    queues.start_move(&key("dead"), Some(&key("elsewhere")), None).unwrap();
    queues.upkeep();
    assert_eq!(bodies(&receive(&queues, "elsewhere", 1)), [SECRET]);
    assert!(lies_plain(&world, SECRET));
}
