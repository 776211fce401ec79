//! The catalog through its public door, on a real folder.

use millrace_base::SystemDisk;
use millrace_catalog::{Catalog, CatalogError};
use millrace_testkit::SimDisk;
use std::path::{Path, PathBuf};

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("deep/catalog.redb");
    (dir, path)
}

#[test]
fn facts_survive_reopening() {
    let (_dir, path) = scratch();
    let catalog = Catalog::open(&SystemDisk, &path).unwrap();
    catalog.put("stream", "a/orders", &vec![1, 2, 3]).unwrap();
    drop(catalog);
    let catalog = Catalog::open(&SystemDisk, &path).unwrap();
    assert_eq!(catalog.get::<Vec<i32>>("stream", "a/orders").unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(catalog.get::<Vec<i32>>("stream", "a/other").unwrap(), None);
    assert!(catalog.delete("stream", "a/orders").unwrap());
    assert!(!catalog.delete("stream", "a/orders").unwrap());
}

#[test]
fn lists_stay_within_table_and_prefix() {
    let (_dir, path) = scratch();
    let catalog = Catalog::open(&SystemDisk, &path).unwrap();
    for (table, key) in [("s", "a/1"), ("s", "a/2"), ("s", "b/1"), ("r", "a/9"), ("t", "a/9")] {
        catalog.put(table, key, &key).unwrap();
    }
    let keys: Vec<String> = catalog.list::<String>("s", "a/").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a/1", "a/2"]);
    assert_eq!(catalog.list::<String>("s", "").unwrap().len(), 3);
}

#[test]
fn a_failed_update_leaves_no_trace() {
    let (_dir, path) = scratch();
    let catalog = Catalog::open(&SystemDisk, &path).unwrap();
    let failed: Result<(), CatalogError> = catalog.update(|transaction| {
        transaction.put("s", "a", &1)?;
        transaction.get::<String>("s", "a").map(|_| ())
    });
    let message = failed.unwrap_err().to_string();
    assert!(message.starts_with("the catalog entry s/a cannot be read: "), "{message}");
    assert_eq!(catalog.get::<i32>("s", "a").unwrap(), None);
}

#[test]
fn a_full_disk_does_not_close_it() {
    let disk = SimDisk::new(1);
    let catalog = Catalog::open(&disk, Path::new("/catalog.redb")).unwrap();
    catalog.put("s", "kept", &1).unwrap();
    disk.set_capacity(Some(disk.used()));
    let too_much = "x".repeat(1 << 20);
    assert!(catalog.put("s", "lost", &too_much).is_err());
    assert_eq!(catalog.get::<i32>("s", "kept").unwrap(), Some(1), "it can be read while the disk is full");
    assert!(catalog.put("s", "lost", &too_much).is_err());
    let before = catalog.changes();
    disk.set_capacity(None);
    // The call that finds the store closed may say so: the next one opens it.
    let _may_fail = catalog.put("s", "first", &2);
    catalog.put("s", "next", &3).unwrap();
    assert!(catalog.changes() > before + 1, "what was kept of facts before is not taken for current");
    assert_eq!(catalog.get::<String>("s", "lost").unwrap(), None);
    drop(catalog);
    let catalog = Catalog::open(&disk, Path::new("/catalog.redb")).unwrap();
    assert_eq!(catalog.get::<i32>("s", "kept").unwrap(), Some(1));
    assert_eq!(catalog.get::<i32>("s", "next").unwrap(), Some(3));
}
