//! Which segments become one, and when.

use parking_lot::Mutex;
use tantivy::Index;
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};

/// So many segments of about one size become one: more of them would make searches slow, fewer would make every document be
/// merged more often (thrice instead of twice among a million and a half, at refreshes of three thousand).
const MERGED_AT_LEAST: usize = 16;
/// Of so many deleted documents a segment is freed.
const DELETED_MAX: f32 = 0.3;
/// A merge of more documents is large: a million take a minute and hundreds of megabytes.
const LARGE: u32 = 200_000;

/// Merges by size, of which small ones run beside a large one and a second large one waits.
#[derive(Debug)]
pub struct Merges {
    by_size: LogMergePolicy,
    large: u32,
    index: Index,
    /// The segments of the large merge that was begun last.
    begun: Mutex<Vec<SegmentId>>,
}

impl Merges {
    /// For the segments of `index`.
    pub fn new(index: &Index) -> Self {
        let mut by_size = LogMergePolicy::default();
        by_size.set_del_docs_ratio_before_merge(DELETED_MAX);
        by_size.set_min_num_segments(MERGED_AT_LEAST);
        Self { by_size, large: LARGE, index: index.clone(), begun: Mutex::default() }
    }

    /// Whether a merge of these is under way: tantivy offers them no more, and the index has them still.
    fn is_running(&self, begun: &[SegmentId], offered: &[SegmentMeta]) -> bool {
        let is_offered = |id: &SegmentId| offered.iter().any(|segment| segment.id() == *id);
        let has = |living: Vec<SegmentId>| begun.iter().any(|id| living.contains(id) && !is_offered(id));
        !begun.is_empty() && self.index.searchable_segment_ids().is_ok_and(has)
    }
}

impl MergePolicy for Merges {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut begun = self.begun.lock();
        let mut may_begin = !self.is_running(&begun, segments);
        let docs = |ids: &[SegmentId]| -> u32 {
            segments.iter().filter(|segment| ids.contains(&segment.id())).map(SegmentMeta::num_docs).sum()
        };
        let mut candidates = self.by_size.compute_merge_candidates(segments);
        candidates.retain(|MergeCandidate(ids)| {
            let is_large = docs(ids) > self.large;
            let begins = !is_large || may_begin;
            if is_large && begins {
                may_begin = false;
                begun.clone_from(ids);
            }
            begins
        });
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tantivy::indexer::NoMergePolicy;
    use tantivy::schema::{STORED, Schema};
    use tantivy::{IndexWriter, doc};

    #[test]
    fn a_second_large_merge_waits_and_small_ones_do_not() {
        let mut schema = Schema::builder();
        let field = schema.add_u64_field("n", STORED);
        let index = Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15 << 20).unwrap();
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for docs in [1_u64, 1, 10, 10, 100, 100] {
            for n in 0..docs {
                writer.add_document(doc!(field => n)).unwrap();
            }
            writer.commit().unwrap();
        }
        let mut merges = Merges::new(&index);
        merges.large = 15;
        merges.by_size.set_min_layer_size(1);
        merges.by_size.set_min_num_segments(2);
        let sizes = |segments: &[SegmentMeta]| {
            let candidates = merges.compute_merge_candidates(segments);
            let of = |id: &SegmentId| segments.iter().find(|segment| segment.id() == *id).unwrap().num_docs();
            candidates.iter().map(|candidate| candidate.0.iter().map(of).sum()).collect::<Vec<u32>>()
        };
        let all = index.searchable_segment_metas().unwrap();
        assert_eq!(sizes(&all), [200, 2]);

        let (large, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|segment| segment.num_docs() == 100);
        assert_eq!(sizes(&others), [2], "that of twenty waits");
        assert_eq!(sizes(&[]), [0; 0], "of segments that are not committed yet there are none");
        assert_eq!(sizes(&others), [2]);
        assert_eq!(sizes(&all), [200, 2], "it failed, and is begun again");

        let ids: Vec<SegmentId> = large.iter().map(SegmentMeta::id).collect();
        writer.merge(&ids).wait().unwrap();
        assert_eq!(sizes(&others), [20, 2], "its turn has come");
    }
}
