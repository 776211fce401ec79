//! Objects beside a lake, and the step in which they take their places.
//!
//! # Format
//! ```text
//! _backfill/ID/replaced.json            the keys that go, a JSON array; written before anything is staged
//! _backfill/ID/CHUNK/KEY.staged         what will be KEY; CHUNK has eight digits
//! ```
//! Nothing here ends as the lake's objects do, and readers of Hive's layout pass over names that begin with an underscore.
//!
//! # Crash behaviour
//! Before the swap the job says which chunks are whole; what later ones have left is removed before they are written again.
//! In the swap what is replaced goes, then what is staged comes, one object at a time, each out of the staging area only once
//! it is in its place. No key of the one is a key of the other: the delivery stream's version is part of them. The list goes
//! last. Whatever was cut off is done by doing all of it again: there is no state in which a record is there twice, nor one from
//! which a second pass does not end in the whole.

use bytes::Bytes;
use millrace_deliver::{ObjectStore, STAGING_PREFIX, StoreError};

const LIST: &str = "replaced.json";
const ENDING: &str = ".staged";

/// The staging area of one job.
#[derive(Clone, Copy)]
pub struct Staging<'a> {
    /// The lake.
    pub store: &'a dyn ObjectStore,
    /// The bucket.
    pub bucket: &'a str,
    /// The job.
    pub id: &'a str,
}

impl Staging<'_> {
    fn own(&self) -> String {
        format!("{STAGING_PREFIX}{}/", self.id)
    }

    fn list_key(&self) -> String {
        format!("{}{LIST}", self.own())
    }

    /// Writes down what will go.
    pub async fn mark(&self, replaced: &[String]) -> Result<(), StoreError> {
        let list = serde_json::to_vec(replaced).unwrap_or_default();
        self.store.put(self.bucket, &self.list_key(), list.into()).await
    }

    /// What will go; none when that is not written down, or everything is over.
    pub async fn marked(&self) -> Result<Option<Vec<String>>, StoreError> {
        match self.store.get(self.bucket, &self.list_key()).await {
            Ok(list) => serde_json::from_slice(&list).map(Some).map_err(|error| self.failed(&error.to_string())),
            Err(StoreError::NoSuchKey { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps an object of a chunk beside its place.
    pub async fn write(&self, chunk: u64, key: &str, content: Bytes) -> Result<(), StoreError> {
        self.store.put(self.bucket, &format!("{}{chunk:08}/{key}{ENDING}", self.own()), content).await
    }

    /// Removes what the chunks from this one on have left.
    pub async fn clear_from(&self, chunk: u64) -> Result<(), StoreError> {
        for (number, staged, _) in self.staged().await? {
            if number >= chunk {
                self.store.delete(self.bucket, &staged).await?;
            }
        }
        Ok(())
    }

    /// Puts everything into its place.
    pub async fn swap(&self) -> Result<(), StoreError> {
        let staged = self.staged().await?;
        let Some(replaced) = self.marked().await? else {
            return if staged.is_empty() { Ok(()) } else { Err(self.failed("the list of what goes is not there")) };
        };
        // All of it first: an object's folder follows its oldest record, so that a record may come into another one than before.
        for key in &replaced {
            self.store.delete(self.bucket, key).await?;
        }
        for (_, from, to) in &staged {
            let content = self.store.get(self.bucket, from).await?;
            self.store.put(self.bucket, to, content).await?;
            self.store.delete(self.bucket, from).await?;
        }
        self.store.delete(self.bucket, &self.list_key()).await
    }

    /// Removes everything beside.
    pub async fn remove(&self) -> Result<(), StoreError> {
        for object in self.store.list(self.bucket, &self.own()).await? {
            self.store.delete(self.bucket, &object.key).await?;
        }
        Ok(())
    }

    /// Chunk, key and final key of everything that is staged.
    async fn staged(&self) -> Result<Vec<(u64, String, String)>, StoreError> {
        let own = self.own();
        let parse = |key: String| {
            let (chunk, to) = key.strip_prefix(&own)?.strip_suffix(ENDING)?.split_once('/')?;
            Some((chunk.parse().ok()?, key.clone(), to.to_owned()))
        };
        let listed = self.store.list(self.bucket, &own).await?;
        Ok(listed.into_iter().filter_map(|object| parse(object.key)).collect())
    }

    fn failed(&self, reason: &str) -> StoreError {
        let (bucket, key) = (self.bucket.to_owned(), self.list_key());
        StoreError::Failed { bucket, key, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use millrace_deliver::ObjectInfo;
    use parking_lot::Mutex;
    use std::collections::BTreeMap;

    /// A store that dies at a change, before or after it took place.
    #[derive(Default)]
    struct Dying {
        objects: Mutex<BTreeMap<String, Bytes>>,
        /// Changes until it dies; none for ever.
        left: Mutex<Option<usize>>,
    }

    impl Dying {
        fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Bytes>)) -> Result<(), StoreError> {
            let dead = || StoreError::Failed { bucket: "b".into(), key: "k".into(), reason: "dead".into() };
            let mut left = self.left.lock();
            match &mut *left {
                None => change(&mut self.objects.lock()),
                Some(0) => return Err(dead()),
                Some(1) => {
                    *left = Some(0);
                    change(&mut self.objects.lock());
                    return Err(dead());
                }
                Some(more) => {
                    *more -= 1;
                    change(&mut self.objects.lock());
                }
            }
            Ok(())
        }
    }

    #[async_trait]
    impl ObjectStore for Dying {
        async fn put(&self, _: &str, key: &str, content: Bytes) -> Result<(), StoreError> {
            self.change(|objects| drop(objects.insert(key.to_owned(), content)))
        }
        async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
            let missing = || StoreError::NoSuchKey { bucket: bucket.to_owned(), key: key.to_owned() };
            self.objects.lock().get(key).cloned().ok_or_else(missing)
        }
        async fn head(&self, _: &str, _: &str) -> Result<ObjectInfo, StoreError> {
            unreachable!("a swap asks for nothing but contents")
        }
        async fn list(&self, _: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
            let info = |key: &String| ObjectInfo { key: key.clone(), size: 0, modified: 0, etag: String::new() };
            Ok(self.objects.lock().keys().filter(|key| key.starts_with(prefix)).map(info).collect())
        }
        async fn delete(&self, _: &str, key: &str) -> Result<(), StoreError> {
            self.change(|objects| drop(objects.remove(key)))
        }
    }

    fn block<F: Future>(future: F) -> F::Output {
        futures::executor::block_on(future)
    }

    fn staging(store: &Dying) -> Staging<'_> {
        Staging { store, bucket: "b", id: "0123456789" }
    }

    /// Records are letters; an object holds those of its content.
    fn in_place(store: &Dying) -> Vec<char> {
        let objects = store.objects.lock();
        let live = objects.iter().filter(|(key, _)| !key.starts_with(STAGING_PREFIX));
        let mut records: Vec<char> =
            live.flat_map(|(_, content)| std::str::from_utf8(content).unwrap().chars().collect::<Vec<_>>()).collect();
        records.sort_unstable();
        records
    }

    fn world() -> Dying {
        let store = Dying::default();
        let put = |key: &str, content: &'static str| block(store.put("b", key, Bytes::from(content))).unwrap();
        // What stays, what goes (one in a folder that nothing comes into), and what the delivery stream writes meanwhile.
        for (key, content) in
            [("h=1/kept", "a"), ("h=1/old", "bc"), ("h=2/old", "de"), ("h=3/old", "f"), ("h=4/live", "z")]
        {
            put(key, content);
        }
        let beside = staging(&store);
        block(beside.mark(&["h=1/old".to_owned(), "h=2/old".to_owned(), "h=3/old".to_owned()])).unwrap();
        block(beside.write(0, "h=1/new", Bytes::from("b"))).unwrap();
        block(beside.write(0, "h=2/new-1", Bytes::from("d"))).unwrap();
        block(beside.write(1, "h=2/new-2", Bytes::from("ef"))).unwrap();
        block(beside.write(1, "h=1/new-3", Bytes::from("c"))).unwrap();
        store
    }

    #[test]
    fn a_swap_that_dies_anywhere_ends_in_the_whole_and_never_shows_a_record_twice() {
        let mut died = 0;
        for changes in 0.. {
            let store = world();
            *store.left.lock() = Some(changes);
            let first = block(staging(&store).swap());
            let seen = in_place(&store);
            assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{changes} changes: {seen:?}");
            if first.is_ok() {
                break;
            }
            died += 1;
            // It dies once more a little later, then lives.
            *store.left.lock() = Some(2);
            drop(block(staging(&store).swap()));
            *store.left.lock() = None;
            block(staging(&store).swap()).unwrap();
            assert_eq!(in_place(&store), ['a', 'b', 'c', 'd', 'e', 'f', 'z'], "{changes} changes");
            assert_eq!(block(store.list("b", STAGING_PREFIX)).unwrap(), []);
            block(staging(&store).swap()).unwrap();
        }
        // Three go, four come and leave the staging area, the list goes.
        assert_eq!(died, 3 + 2 * 4 + 1 + 1);
    }

    #[test]
    fn what_a_cut_off_chunk_has_left_is_removed() {
        let store = world();
        block(staging(&store).clear_from(1)).unwrap();
        let left: Vec<String> = block(staging(&store).staged()).unwrap().into_iter().map(|(_, _, to)| to).collect();
        assert_eq!(left, ["h=1/new", "h=2/new-1"]);
        assert_eq!(block(staging(&store).marked()).unwrap().map(|keys| keys.len()), Some(3));
        block(staging(&store).remove()).unwrap();
        assert_eq!(in_place(&store), ['a', 'b', 'c', 'd', 'e', 'f', 'z']);
        assert_eq!(block(store.list("b", STAGING_PREFIX)).unwrap(), []);
    }

    #[test]
    fn nothing_is_swapped_in_without_the_list_of_what_goes() {
        let store = world();
        block(store.delete("b", &staging(&store).list_key())).unwrap();
        assert!(block(staging(&store).swap()).unwrap_err().to_string().contains("the list of what goes is not there"));
        assert_eq!(in_place(&store), ['a', 'b', 'c', 'd', 'e', 'f', 'z']);
    }
}
