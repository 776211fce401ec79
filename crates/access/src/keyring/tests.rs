//! The key ring as KMS's callers see it.

use super::*;
use millrace_testkit::{SimClock, SimDice, SimDisk};
use std::path::Path;

struct World {
    disk: SimDisk,
    clock: SimClock,
}

impl World {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        disk.create_dir(Path::new("/d")).unwrap();
        Self { disk, clock: SimClock::at(1_750_000_000_000) }
    }

    fn open(&self, root: u8) -> Result<KeyRing, KeyError> {
        let parts = KeyRingParts {
            disk: Arc::new(self.disk.clone()),
            dice: Arc::new(SimDice::new(3)),
            clock: Arc::new(self.clock.clone()),
            path: PathBuf::from("/d/keyring"),
        };
        KeyRing::open(parts, Box::new(move || RootKey::parse(&[root; 32], "the test")))
    }
}

fn said(name: &str) -> Context {
    Context::from([("order".to_owned(), name.to_owned())])
}

#[test]
fn rotation_keeps_what_was_encrypted_readable_and_context_is_part_of_it() {
    let world = World::new();
    let ring = world.open(1).unwrap();
    let scope = Scope::default();
    let key = ring.create(&scope, NewKey::default()).unwrap();
    ring.create_alias(&scope, "alias/orders", &key.id).unwrap();
    let old = ring.encrypt(&ring.find(&scope, "alias/orders").unwrap(), &said("a"), b"text").unwrap();
    ring.rotate(&key).unwrap();
    let new = ring.encrypt(&ring.find(&scope, &key.arn()).unwrap(), &said("a"), b"text").unwrap();
    assert_ne!(old.blob[17], new.blob[17]);
    let ring = world.open(1).unwrap();
    for blob in [&old.blob, &new.blob] {
        assert_eq!(ring.decrypt(&said("a"), blob).unwrap().1, b"text");
        assert!(matches!(ring.decrypt(&said("b"), blob), Err(KeyError::InvalidCiphertext)));
    }
    assert!(matches!(ring.decrypt(&said("a"), b"\x01short"), Err(KeyError::InvalidCiphertext)));
    assert_eq!(ring.find(&scope, &key.id).unwrap().rotations().count(), 1);
}

#[test]
fn a_wrong_root_key_is_told_and_another_one_can_be_taken() {
    let world = World::new();
    let ring = world.open(1).unwrap();
    let key = ring.create(&Scope::default(), NewKey::default()).unwrap();
    let error = world.open(2).err().unwrap().to_string();
    assert!(error.contains("--root-key-file") && error.contains("fingerprint"), "{error}");
    ring.rotate_root(RootKey::parse("02".repeat(32).as_bytes(), "the test").unwrap()).unwrap();
    assert!(world.open(1).is_err());
    assert_eq!(world.open(2).unwrap().find(&Scope::default(), &key.id).unwrap().id, key.id);
    let bytes = world.disk.read(Path::new("/d/keyring")).unwrap();
    world.disk.corrupt(Path::new("/d/keyring"), bytes.len() as u64 - 20, 1);
    assert!(world.open(2).err().unwrap().to_string().contains("damaged"));
}

#[test]
fn states_decide_what_may_be_done() {
    let world = World::new();
    let ring = world.open(1).unwrap();
    let scope = Scope::default();
    let key = ring.create(&scope, NewKey::default()).unwrap();
    let now = |ring: &KeyRing| ring.find(&scope, &key.id).unwrap();
    let blob = ring.encrypt(&key, &Context::new(), b"text").unwrap().blob;
    ring.set_enabled(&key, false).unwrap();
    assert!(matches!(ring.encrypt(&now(&ring), &Context::new(), b""), Err(KeyError::Disabled(_))));
    assert!(matches!(ring.decrypt(&Context::new(), &blob), Err(KeyError::Disabled(_))));
    let at = ring.schedule_deletion(&key, 7).unwrap();
    assert!(matches!(ring.decrypt(&Context::new(), &blob), Err(KeyError::PendingDeletion(_))));
    ring.cancel_deletion(&key).unwrap();
    assert_eq!(now(&ring).state, KeyState::Disabled);
    ring.schedule_deletion(&key, 7).unwrap();
    world.clock.set(at);
    assert!(matches!(ring.find(&scope, &key.id), Err(KeyError::NoKey(_))));
    ring.upkeep().unwrap();
    assert!(ring.keys(&scope).is_empty());
}

#[test]
fn a_key_that_is_due_is_rotated_by_itself() {
    let world = World::new();
    let ring = world.open(1).unwrap();
    let scope = Scope::default();
    let key = ring.create(&scope, NewKey::default()).unwrap();
    ring.set_rotation(&key, Some(90)).unwrap();
    ring.upkeep().unwrap();
    assert_eq!(ring.find(&scope, &key.id).unwrap().version_count(), 1);
    world.clock.set(world.clock.now() + 90 * 86_400_000);
    ring.upkeep().unwrap();
    ring.upkeep().unwrap();
    assert_eq!(ring.find(&scope, &key.id).unwrap().version_count(), 2);
}

#[test]
fn scopes_are_walls_and_services_keys_are_made_when_they_are_named() {
    let world = World::new();
    let ring = world.open(1).unwrap();
    let (here, there) = (Scope::default(), Scope::new("111111111111", "eu-west-1"));
    let own = ring.find(&here, "alias/aws/kinesis").unwrap();
    assert_eq!(own.manager, Manager::Aws);
    assert_eq!(ring.find(&here, "alias/aws/kinesis").unwrap().id, own.id);
    assert_ne!(ring.find(&there, "alias/aws/kinesis").unwrap().id, own.id);
    assert!(matches!(ring.find(&there, &own.id), Err(KeyError::NoKey(_))));
    assert!(matches!(ring.find(&there, &own.arn()), Err(KeyError::NoKey(_))));
    assert!(matches!(ring.set_enabled(&own, false), Err(KeyError::Managed(_))));
    assert!(matches!(ring.find(&here, "alias/nothing"), Err(KeyError::NoAlias(_))));
}
