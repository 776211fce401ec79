//! The sealed disk against a model, over a disk that fails.

use super::SealedDisk;
use crate::keyring::{KeyRing, KeyRingParts, RootKey};
use millrace_base::{Dice, Disk, DiskFile, Stamp};
use millrace_testkit::{Call, SimClock, SimDice, SimDisk};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

const FILE: &str = "/d/file";

pub(super) fn ring(disk: &SimDisk, dice: &Arc<SimDice>) -> KeyRing {
    disk.create_dir(Path::new("/")).unwrap();
    let parts = KeyRingParts {
        disk: Arc::new(disk.clone()),
        dice: dice.clone(),
        clock: Arc::new(SimClock::at(1_750_000_000_000)),
        path: PathBuf::from("/keyring"),
    };
    KeyRing::open(parts, Box::new(|| RootKey::parse(&[7; 32], "the test"))).unwrap()
}

fn sealed(disk: impl Disk, ring: &KeyRing, dice: &Arc<SimDice>) -> SealedDisk {
    let sealed = SealedDisk::new(Arc::new(disk), ring.clone(), dice.clone());
    sealed.seal_all(Some(ring.own_key().unwrap()));
    sealed
}

struct World {
    disk: SimDisk,
    ring: KeyRing,
    dice: Arc<SimDice>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (disk, dice) = (SimDisk::new(seed), Arc::new(SimDice::new(seed ^ 0x5ea1)));
        // The ring lies on a disk of its own, which is not what fails here.
        let ring = ring(&SimDisk::new(seed), &dice);
        disk.create_dir(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        Self { disk, ring, dice }
    }

    fn process(&self) -> SealedDisk {
        sealed(self.disk.clone(), &self.ring, &self.dice)
    }

    fn below(&self, end: u64) -> u64 {
        self.dice.roll() % end
    }

    fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        crate::keyring::crypto::fill(&*self.dice, &mut bytes);
        bytes
    }
}

/// What a file may hold: what was synced, and what each change since then makes of it.
struct Model {
    states: Vec<Vec<u8>>,
}

impl Model {
    fn now(&self) -> &Vec<u8> {
        self.states.last().unwrap()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        for (number, part) in bytes.chunks(super::extent::EXTENT_BYTES_MAX).enumerate() {
            let mut next = self.now().clone();
            let at = offset + number * super::extent::EXTENT_BYTES_MAX;
            next.resize(next.len().max(at + part.len()), 0);
            next[at..at + part.len()].copy_from_slice(part);
            self.states.push(next);
        }
    }

    fn set_len(&mut self, len: usize) {
        let mut next = self.now().clone();
        next.resize(len, 0);
        self.states.push(next);
    }

    fn sync(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }
}

fn content(disk: &dyn Disk) -> io::Result<Vec<u8>> {
    disk.read(Path::new(FILE))
}

fn one_change(world: &World, file: &dyn DiskFile, model: &mut Model) -> io::Result<()> {
    let len = model.now().len() as u64;
    match world.below(10) {
        0..=4 => {
            let bytes = world.bytes(1 + world.below(300) as usize);
            file.write_at(&bytes, len).inspect(|()| model.write(len as usize, &bytes))
        }
        5 => {
            let bytes = world.bytes(1 + world.below(150_000) as usize);
            file.write_at(&bytes, len).inspect(|()| model.write(len as usize, &bytes))
        }
        6 => {
            let (at, bytes) = (world.below(len + 100), world.bytes(1 + world.below(500) as usize));
            file.write_at(&bytes, at).inspect(|()| model.write(at as usize, &bytes))
        }
        7 => {
            let to = world.below(len + 200);
            file.set_len(to).inspect(|()| model.set_len(to as usize))
        }
        8 => file.sync().inspect(|()| model.sync()),
        _ => file.finish().inspect(|()| model.sync()),
    }
}

/// What the process that follows a kill or crash finds is a state that the model allows; it is taken for the truth, as the file's owner
/// would, by making it durable.
fn settle(world: &World, model: &mut Model, seed: u64, may_lose: bool) -> (SealedDisk, Arc<dyn DiskFile>) {
    let disk = world.process();
    let found = content(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let states = if may_lose { &model.states[..] } else { &model.states[model.states.len() - 1..] };
    // The first bytes of a file that was never synced may be lost, and others not: then nothing can be said of it.
    let unknown = may_lose && states[0].is_empty() && found.iter().take(256).all(|byte| *byte == 0);
    assert!(unknown || states.contains(&found), "seed {seed}: found {} bytes", found.len());
    let file = disk.open(Path::new(FILE), true).unwrap();
    file.sync().unwrap();
    model.states = vec![found];
    (disk, file)
}

#[test]
fn what_was_synced_is_there_after_every_crash() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match setting("MILLRACE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("MILLRACE_SEEDS").unwrap_or(400),
    };
    for seed in seeds {
        let world = World::new(seed);
        let mut disk = world.process();
        let mut file = disk.open(Path::new(FILE), true).unwrap();
        let mut model = Model { states: vec![Vec::new()] };
        disk.sync_dir(Path::new("/d")).unwrap();
        for _ in 0..60 {
            if world.below(30) == 0 {
                world.disk.fail(Call::Sync, 1 + world.below(3), "file");
            }
            let done = one_change(&world, &*file, &mut model);
            if done.is_ok() {
                assert_eq!(content(&disk).unwrap(), *model.now(), "seed {seed}");
            }
            let (failed, fate) = (done.is_err(), world.below(12));
            if failed && fate < 6 || fate == 0 {
                drop(file);
                world.disk.kill();
                (disk, file) = settle(&world, &mut model, seed, failed);
            } else if failed || fate == 1 {
                drop(file);
                world.disk.crash();
                (disk, file) = settle(&world, &mut model, seed, true);
            }
        }
    }
}

#[test]
fn damage_is_told_from_a_torn_end() {
    let world = World::new(5);
    let disk = world.process();
    let file = disk.open(Path::new(FILE), true).unwrap();
    for number in 0..20_u8 {
        file.write_at(&[number; 1000], u64::from(number) * 1000).unwrap();
        file.sync().unwrap();
    }
    drop(file);
    let sealed_len = world.disk.files().iter().find(|(path, _)| path == Path::new(FILE)).unwrap().1;
    let flip = |at: u64| world.disk.corrupt(Path::new(FILE), at, 0x10);
    for at in (0..sealed_len - 1056).step_by(97) {
        flip(at);
        let read = content(&world.process());
        // The zeros that fill a header up mean nothing.
        let means_nothing = (93..248).contains(&at);
        let error = read.map_or_else(
            |error| error.to_string(),
            |content| {
                assert!(means_nothing || at < 8, "byte {at} was changed, and {} bytes were read", content.len());
                String::new()
            },
        );
        assert!(means_nothing || at < 8 || error.contains("/d/file"), "byte {at}: {error}");
        flip(at);
    }
    flip(sealed_len - 1);
    assert_eq!(content(&world.process()).unwrap().len(), 19_000, "the last extent may be torn");
    flip(sealed_len - 1);
    assert_eq!(content(&world.process()).unwrap().len(), 20_000);
}

/// A finished file of 40 times 100,000 bytes, which nobody has open.
fn finished(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let bytes: Vec<u8> = (0..40_u8).flat_map(|number| vec![number; 100_000]).collect();
    let file = disk.open(path, true).unwrap();
    for (number, piece) in bytes.chunks(100_000).enumerate() {
        file.write_at(piece, number as u64 * 100_000).unwrap();
    }
    file.finish().unwrap();
    file.finish().unwrap();
    bytes
}

#[test]
fn a_finished_file_is_opened_by_its_table() {
    let world = World::new(12);
    let bytes = finished(&world.process(), Path::new(FILE));
    let before = world.disk.bytes_read();
    let read = || world.disk.bytes_read() - before;
    let disk = world.process();
    let file = disk.open(Path::new(FILE), false).unwrap();
    assert_eq!(file.len().unwrap(), bytes.len() as u64);
    assert!(read() < 5_000, "{} bytes were read", read());
    let mut part = [0; 10];
    file.read_exact_at(&mut part, 1_999_995).unwrap();
    assert_eq!(part, [19, 19, 19, 19, 19, 20, 20, 20, 20, 20]);
    assert!(read() < 300_000, "{} bytes were read", read());
    assert_eq!(content(&disk).unwrap(), bytes);

    // What is written to it nevertheless is there, and so is what was before.
    file.write_at(b"more", bytes.len() as u64).unwrap();
    file.write_at(b"else", 0).unwrap();
    file.finish().unwrap();
    let expected = [&b"else"[..], &bytes[4..], b"more"].concat();
    assert!(content(&disk).unwrap() == expected && content(&world.process()).unwrap() == expected);
}

#[test]
fn a_table_that_is_damaged_is_done_without() {
    let world = World::new(13);
    let bytes = finished(&world.process(), Path::new(FILE));
    let sealed_len = world.disk.files().iter().find(|(path, _)| path == Path::new(FILE)).unwrap().1;
    let flip = |at: u64| world.disk.corrupt(Path::new(FILE), at, 0x10);
    for behind in (1..400).step_by(7) {
        flip(sealed_len - behind);
        assert!(content(&world.process()).unwrap() == bytes, "{behind} bytes before the end");
        flip(sealed_len - behind);
    }
    flip(2_000_000);
    let error = content(&world.process()).unwrap_err().to_string();
    assert!(error.contains("/d/file is damaged at byte"), "{error}");
}

#[test]
fn whoever_opens_a_file_holds_up_nobody_who_opens_another() {
    let world = World::new(14);
    let (slow, quick) = (Path::new("/d/slow"), Path::new(FILE));
    world.process().replace(slow, b"slow").unwrap();
    world.process().replace(quick, b"quick").unwrap();
    let watched = Watched::new(&world.disk);
    let disk = sealed(watched.clone(), &world.ring, &world.dice);
    watched.hold(true);
    let open = || {
        let disk = disk.clone();
        thread::spawn(move || disk.open(slow, false).unwrap())
    };
    let (one, other) = (open(), open());
    watched.wait_until_held();
    let (done, quick_is_done) = sync_channel(1);
    let quick_disk = disk.clone();
    thread::spawn(move || done.send(quick_disk.read(quick).unwrap()));
    let read = quick_is_done.recv_timeout(Duration::from_secs(20));
    watched.hold(false);
    assert_eq!(read.expect("the other file is opened meanwhile"), b"quick");
    let (one, other) = (one.join().unwrap(), other.join().unwrap());
    one.write_at(b"er", 4).unwrap();
    other.write_at(b" still", 6).unwrap();
    assert_eq!(disk.read(slow).unwrap(), b"slower still", "both have the same file");
}

/// A disk that may keep whoever reads `slow` waiting.
#[derive(Clone)]
struct Watched {
    disk: Arc<dyn Disk>,
    state: Arc<(Mutex<Watch>, Condvar)>,
}

#[derive(Default)]
struct Watch {
    is_held: bool,
    waiting: usize,
}

impl Watched {
    fn new(disk: &SimDisk) -> Self {
        Self { disk: Arc::new(disk.clone()), state: Arc::default() }
    }

    fn hold(&self, is_held: bool) {
        self.state.0.lock().is_held = is_held;
        self.state.1.notify_all();
    }

    fn wait_until_held(&self) {
        let mut watch = self.state.0.lock();
        while watch.waiting == 0 {
            self.state.1.wait(&mut watch);
        }
    }
}

impl Disk for Watched {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let is_slow = path.ends_with("slow");
        Ok(Arc::new(WatchedFile { file: self.disk.open(path, create)?, is_slow, state: self.state.clone() }))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.disk.stamp(path)
    }
}

struct WatchedFile {
    file: Arc<dyn DiskFile>,
    is_slow: bool,
    state: Arc<(Mutex<Watch>, Condvar)>,
}

impl DiskFile for WatchedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (watch, changed) = &*self.state;
        let mut watch = watch.lock();
        while self.is_slow && watch.is_held {
            watch.waiting += 1;
            changed.notify_all();
            changed.wait(&mut watch);
        }
        drop(watch);
        self.file.read_exact_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

#[test]
fn plain_files_are_read_and_sealed_when_they_begin_anew() {
    let world = World::new(6);
    let path = Path::new(FILE);
    world.disk.replace(path, b"from before").unwrap();
    let disk = world.process();
    let file = disk.open(path, false).unwrap();
    file.write_at(b", and more", 11).unwrap();
    assert_eq!(disk.read(path).unwrap(), b"from before, and more");
    assert_eq!(world.disk.read(path).unwrap(), b"from before, and more");
    file.set_len(0).unwrap();
    file.write_at(b"secret", 0).unwrap();
    assert_eq!(disk.read(path).unwrap(), b"secret");
    assert!(world.disk.read(path).unwrap().starts_with(super::header::MAGIC));
    world.disk.replace(path, &[0; 5000]).unwrap();
    let disk = world.process();
    disk.open(path, false).unwrap().write_at(b"secret", 5000).unwrap();
    assert_eq!(world.process().read(path).unwrap(), [vec![0; 5000], b"secret".to_vec()].concat());
}

#[test]
fn handles_of_one_file_are_one_and_names_follow() {
    let world = World::new(7);
    let disk = world.process();
    let path = Path::new(FILE);
    let (writer, reader) = (disk.open(path, true).unwrap(), disk.open(path, false).unwrap());
    writer.write_at(b"hello", 0).unwrap();
    let mut found = [0; 5];
    reader.read_exact_at(&mut found, 0).unwrap();
    assert_eq!(&found, b"hello");
    disk.rename(path, Path::new("/d/other")).unwrap();
    writer.write_at(b"!", 5).unwrap();
    assert_eq!(disk.read(Path::new("/d/other")).unwrap(), b"hello!");
    assert_eq!(disk.open(path, false).err().unwrap().kind(), io::ErrorKind::NotFound);
    disk.remove(Path::new("/d/other")).unwrap();
    disk.replace(Path::new("/d/other"), b"new").unwrap();
    assert_eq!(disk.read(Path::new("/d/other")).unwrap(), b"new");
}

#[test]
fn folders_have_keys_of_their_own_and_rotation_leaves_old_files_readable() {
    let world = World::new(8);
    let scope = millrace_base::Scope::default();
    let key = world.ring.create(&scope, Default::default()).unwrap();
    let name = crate::keyring::KeyName(key.id.as_str().into());
    let disk = world.process();
    disk.seal_all(None);
    disk.seal_folder(Path::new("/d"), Some(name));
    disk.replace(Path::new("/plain"), b"plain").unwrap();
    disk.replace(Path::new("/d/one"), b"one").unwrap();
    world.ring.rotate(&key).unwrap();
    disk.replace(Path::new("/d/two"), b"two").unwrap();
    disk.seal_folder(Path::new("/d"), None);
    disk.replace(Path::new("/d/three"), b"three").unwrap();
    assert_eq!(world.disk.read(Path::new("/plain")).unwrap(), b"plain");
    assert_eq!(world.disk.read(Path::new("/d/three")).unwrap(), b"three");
    let versions = ["one", "two"].map(|name| world.disk.read(&Path::new("/d").join(name)).unwrap()[12 + 17]);
    assert_eq!(versions, [0, 1]);
    let again = world.process();
    assert_eq!(again.read(Path::new("/d/one")).unwrap(), b"one");
    assert_eq!(again.read(Path::new("/d/two")).unwrap(), b"two");
}

#[test]
fn the_format_is_as_it_was() {
    let world = World::new(9);
    let disk = world.process();
    let path = Path::new(FILE);
    let file = disk.open(path, true).unwrap();
    file.write_at(b"a record", 0).unwrap();
    file.sync().unwrap();
    file.write_at(b"A R", 0).unwrap();
    file.set_len(6).unwrap();
    file.sync().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sealed-v1.bin");
    let bytes = world.disk.read(path).unwrap();
    if std::env::var_os("MILLRACE_WRITE_FIXTURES").is_some() {
        millrace_base::SystemDisk.replace(&fixture, &bytes).unwrap();
    }
    let kept = millrace_base::SystemDisk.read(&fixture).unwrap();
    assert_eq!(bytes, kept);
    world.disk.replace(path, &kept).unwrap();
    assert_eq!(world.process().read(path).unwrap(), b"A Reco");
}

#[test]
fn catalogs_seal_their_values_and_read_those_of_before() {
    use super::SealedValues;
    use millrace_catalog::Catalog;
    let world = World::new(10);
    let path = Path::new("/d/catalog");
    let open = |key: bool| {
        let key = key.then(|| world.ring.own_key().unwrap());
        let values = SealedValues::new(world.ring.clone(), world.dice.clone(), key.as_ref()).unwrap();
        Catalog::open_sealed(&world.disk, path, Arc::new(values)).unwrap()
    };
    Catalog::open(&world.disk, path).unwrap().put("t", "old", &"from before").unwrap();
    open(true).put("t", "new", &"known secret").unwrap();
    assert_eq!(open(false).get::<String>("t", "new").unwrap().as_deref(), Some("known secret"));
    assert_eq!(open(true).list::<String>("t", "").unwrap().len(), 2);
    let bytes = world.disk.read(path).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("from before") && !holds("known secret"));
    assert!(Catalog::open(&world.disk, path).unwrap().get::<String>("t", "new").is_err());
}

/// Not a test of anything that fails: `cargo test -p millrace-access -- --ignored --nocapture what_sealing_costs`.
#[test]
#[ignore = "it measures"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the real clock")]
fn what_sealing_costs() {
    let home = tempfile::tempdir().unwrap();
    let world = World::new(11);
    let bare = millrace_base::SystemDisk;
    let disk = SealedDisk::new(Arc::new(bare), world.ring.clone(), Arc::new(millrace_base::SystemDice));
    disk.seal_all(Some(world.ring.own_key().unwrap()));
    // No frame of a log ends with a page.
    for (size, count) in [(4_196, 1000), (65_636, 1000), (1_048_676, 300)] {
        let bytes = world.bytes(size);
        let mut took = [std::time::Duration::ZERO; 2];
        // Turn by turn, so that the machine's moods hit both.
        for round in 0..4 {
            for (which, under) in [&bare as &dyn Disk, &disk].into_iter().enumerate() {
                let file = under.open(&home.path().join(format!("{size}-{round}-{which}")), true).unwrap();
                let began = std::time::Instant::now();
                for number in 0..count / 4 {
                    file.write_at(&bytes, number * size as u64).unwrap();
                    file.sync().unwrap();
                    file.forget(number * size as u64, size as u64);
                }
                took[which] += began.elapsed();
            }
        }
        let rate = |time: std::time::Duration| (size as u64 * count) as f64 / time.as_secs_f64() / 1e6;
        println!("{size:>8} bytes a sync: plain {:.1} MB/s, sealed {:.1} MB/s", rate(took[0]), rate(took[1]));
    }
}
