//! Disks that seal what they hold, under the suites of the log, the queues and the whole pipeline: the same worlds, the same seeds,
//! the same auditors.

use crate::kit::{World, append, key, read_all, record, spec};
use millrace_access::keyring::{KeyRing, KeyRingParts, RootKey};
use millrace_access::{SealedDisk, SealedValues};
use millrace_base::{Disk, ShardId};
use millrace_catalog::{Catalog, CatalogError};
use millrace_log::Log;
use millrace_testkit::{SimClock, SimDice, SimDisk};
use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, LazyLock};

thread_local! {
    static SEALED: Cell<bool> = const { Cell::new(false) };
}

/// The ring lies on a disk of its own, which is not what fails here.
static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let disk = SimDisk::new(1);
    disk.create_dir(Path::new("/ring")).unwrap();
    let parts = KeyRingParts {
        disk: Arc::new(disk),
        dice: Arc::new(SimDice::new(1)),
        clock: Arc::new(SimClock::at(0)),
        path: "/ring/keyring".into(),
    };
    KeyRing::open(parts, Box::new(|| RootKey::parse(&[1; 32], "the test"))).unwrap()
});

/// A process's sealed view of a disk.
pub fn over(disk: &SimDisk) -> Arc<dyn Disk> {
    let sealed = SealedDisk::new(Arc::new(disk.clone()), RING.clone(), Arc::new(SimDice::new(disk.used())));
    sealed.seal_all(Some(RING.own_key().unwrap()));
    Arc::new(sealed)
}

/// A process's view of a disk in a test that may be [`all_sealed`].
pub fn view(disk: &SimDisk) -> Arc<dyn Disk> {
    if SEALED.get() { over(disk) } else { Arc::new(disk.clone()) }
}

/// A catalog in such a test: it lies on the bare disk, its values are sealed.
pub fn catalog(disk: &SimDisk, path: &Path) -> Result<Catalog, CatalogError> {
    if !SEALED.get() {
        return Catalog::open(disk, path);
    }
    let key = RING.own_key().unwrap();
    let values = SealedValues::new(RING.clone(), Arc::new(SimDice::new(disk.used())), Some(&key)).unwrap();
    Catalog::open_sealed(disk, path, Arc::new(values))
}

/// Runs a test with everything sealed.
pub fn all_sealed(test: impl FnOnce()) {
    SEALED.set(true);
    test();
    SEALED.set(false);
}

#[test]
fn a_start_reads_little_of_what_a_stream_keeps() {
    let mut world = World::new(15);
    world.options.segment_bytes = 4 << 20;
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(1)).unwrap();
    for number in 0..41 {
        append(&*log, &key("s"), vec![record("k", vec![number; 900_000])], None).unwrap();
    }
    drop(log);
    world.disk.kill();
    let before = world.disk.bytes_read();
    let log = world.open().unwrap();
    let (read, kept) = (world.disk.bytes_read() - before, world.disk.used());
    assert!(read < kept / 4, "{read} of {kept} bytes were read, and the last segment holds one record of 41");
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 41);
}
