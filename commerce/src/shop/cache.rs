//! Answers that need no database: products as they were a moment ago, and what is sold out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use axum::body::Bytes;
use moka::future::Cache;

use crate::clock::Timestamp;
use crate::id::Sku;
use crate::language::Language;
use crate::problem::Problem;

use super::limit::{CACHE_TIME, CACHED_ANSWERS, SOLD_OUT, SOLD_OUT_TIME};

/// An answer as it goes out: JSON that is written once.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The product's version in the upper half, a digest of the JSON in the lower: changes with either.
    pub(crate) tag: i64,
    /// The JSON.
    pub(crate) json: Bytes,
}

/// A tag of an answer: see [`Answer::tag`].
pub(super) fn tag(version: i64, json: &[u8]) -> i64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, json);
    let low = digest.as_ref().iter().take(4).fold(0_i64, |sum, &byte| sum << 8 | i64::from(byte));
    ((version & 0x7fff_ffff) << 32) | low
}

/// The version that an `If-Match` names: a plain one, or the tag of an answer.
pub(crate) fn version_of(tag: i64) -> i64 {
    if tag >> 32 > 0 { tag >> 32 } else { tag }
}

/// Answers about products, per language, for [`CACHE_TIME`]. What this process changes is forgotten at once.
#[derive(Debug, Clone)]
pub(super) struct ProductCache {
    answers: Cache<(Sku, Language), Answer>,
}

impl Default for ProductCache {
    fn default() -> Self {
        let answers = Cache::builder().max_capacity(CACHED_ANSWERS).time_to_live(CACHE_TIME).build();
        Self { answers }
    }
}

impl ProductCache {
    pub(super) async fn get(&self, key: &(Sku, Language)) -> Option<Answer> {
        self.answers.get(key).await
    }

    pub(super) async fn insert(&self, key: (Sku, Language), answer: Answer) {
        self.answers.insert(key, answer).await;
    }

    pub(super) async fn forget(&self, sku: &Sku) {
        for language in Language::ALL {
            self.answers.invalidate(&(sku.clone(), language)).await;
        }
    }
}

/// Products of which nothing can be had at a place, as the writer said a moment ago, and how it said so. An entry that is not
/// true any more lasts no longer than [`SOLD_OUT_TIME`].
#[derive(Debug, Default)]
pub(super) struct SoldOut {
    count: AtomicUsize,
    entries: RwLock<HashMap<Sku, Vec<Entry>>>,
}

/// Where, until when, and how the writer said so.
type Entry = (&'static str, Timestamp, Problem);

impl SoldOut {
    /// The refusal for this product at this place, if it is known to be sold out. One atomic load while nothing is.
    pub(super) fn refusal(&self, location: &str, sku: &Sku, now: Timestamp) -> Option<Problem> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(sku)?.iter().find(|(at, until, _)| *at == location && now < *until);
        entry.map(|(.., problem)| problem.clone())
    }

    pub(super) fn insert(&self, location: &'static str, sku: &Sku, problem: Problem, now: Timestamp) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= SOLD_OUT {
            entries.retain(|_, places| places.iter().any(|(_, until, _)| now < *until));
        }
        if entries.len() < SOLD_OUT || entries.contains_key(sku) {
            let places = entries.entry(sku.clone()).or_default();
            // No more than the shop has places.
            places.retain(|(at, ..)| *at != location);
            places.push((location, now.after(SOLD_OUT_TIME), problem));
        }
        self.count.store(entries.len(), Ordering::Release);
    }

    /// Forgets the product at all places.
    pub(super) fn forget<'a>(&self, skus: impl IntoIterator<Item = &'a Sku>) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for sku in skus {
            entries.remove(sku);
        }
        self.count.store(entries.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{SoldOut, tag, version_of};
    use crate::clock::Timestamp;
    use crate::id::Sku;
    use crate::problem::Problem;

    #[test]
    fn sold_out_is_forgotten() {
        let (sold_out, sku) = (SoldOut::default(), Sku::parse("A").unwrap());
        assert!(sold_out.refusal("main", &sku, Timestamp(0)).is_none());
        sold_out.insert("main", &sku, Problem::out_of_stock("none"), Timestamp(0));
        assert!(sold_out.refusal("main", &sku, Timestamp(999)).is_some());
        assert!(sold_out.refusal("elsewhere", &sku, Timestamp(999)).is_none());
        assert!(sold_out.refusal("main", &sku, Timestamp(1000)).is_none());
        sold_out.insert("main", &sku, Problem::out_of_stock("none"), Timestamp(0));
        sold_out.forget([&sku]);
        assert!(sold_out.refusal("main", &sku, Timestamp(0)).is_none());
    }

    #[test]
    fn tags_name_version_and_text() {
        let tag_of = |version, text: &str| tag(version, text.as_bytes());
        assert_eq!(version_of(tag_of(7, "a")), 7);
        assert_eq!(version_of(7), 7);
        assert_ne!(tag_of(7, "a"), tag_of(7, "b"));
        assert_ne!(tag_of(7, "a"), tag_of(8, "a"));
    }
}
