//! Registered consumers: their names, their ARNs, and what becomes of them with their stream.

use crate::kit::{START, World, key, spec};
use millrace_catalog::Catalog;
use millrace_log::{ConsumerError, Consumers, Log};
use std::path::Path;

#[test]
fn consumers_belong_to_one_stream_of_a_name() {
    let world = World::new(1);
    let log = world.open().unwrap();
    let consumers = Consumers::new(Catalog::open(&world.disk, Path::new("/data/consumers.redb")).unwrap());
    let stream = log.create_stream(&key("s"), spec(1)).unwrap();
    let other = log.create_stream(&key("s-2"), spec(1)).unwrap();
    let first = consumers.register(&stream, "app", START + 1999, 2).unwrap();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/app:1790000001";
    assert_eq!(first.arn().to_string(), arn);
    assert_eq!(consumers.find(&*log, &arn.parse().unwrap()).unwrap(), Some(first.clone()));
    for wrong in [arn.replace("0001", "0002"), arn.replace("/s/", "/s-2/"), arn.replace("app", "apps")] {
        assert_eq!(consumers.find(&*log, &wrong.parse().unwrap()).unwrap(), None);
    }
    assert!(matches!(consumers.register(&stream, "app", START, 2), Err(ConsumerError::Exists(_))));
    consumers.register(&stream, "b", START, 2).unwrap();
    assert!(matches!(consumers.register(&stream, "c", START, 2), Err(ConsumerError::TooMany { count: 2, .. })));
    consumers.register(&other, "c", START, 2).unwrap();
    let names = |stream| consumers.list(stream).unwrap().iter().map(|c| c.name.to_string()).collect::<Vec<_>>();
    assert_eq!((names(&stream), names(&other)), (vec!["app".into(), "b".into()], vec!["c".into()]));
    assert!(consumers.deregister(&first).unwrap() && !consumers.deregister(&first).unwrap());
    assert_eq!(consumers.get(&stream, "app").unwrap(), None);

    log.delete_stream(&key("s")).unwrap();
    let again = log.create_stream(&key("s"), spec(1)).unwrap();
    assert_eq!(names(&again), Vec::<String>::new(), "the stream's namesake had consumer b");
    consumers.register(&again, "b", START, 1).unwrap();
    consumers.forget(&key("s")).unwrap();
    assert_eq!((names(&again).len(), names(&other).len()), (0, 1));
}
