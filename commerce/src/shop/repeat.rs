//! Which requests may be repeats of orders that were taken, as far as this process knows without asking the database.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::store::{Database, Once, StoreError, args};

use super::limit::REPEATS;

/// Keys of the newest orders that went to the writer, as hashes. A hit sends a request to the writer, which knows for sure; without it a
/// repeat of an order that took the last unit would hear that it came too late.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    known: HashSet<u64>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl Repeats {
    /// Whether an order with this key went to the writer not long ago.
    pub(super) fn contains(&self, once: &Once) -> bool {
        let hash = self.hasher.hash_one((once.owner.as_str(), once.key.as_str()));
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&hash)
    }

    /// An order with this key goes to the writer.
    pub(super) fn insert(&self, owner: &str, key: &str) {
        let hash = self.hasher.hash_one((owner, key));
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.known.insert(hash) {
            return;
        }
        keys.order.push_back(hash);
        if keys.order.len() > REPEATS
            && let Some(oldest) = keys.order.pop_front()
        {
            keys.known.remove(&oldest);
        }
    }

    /// Learns the newest keys of the time before this process.
    pub(super) async fn recall(&self, db: &Database) -> Result<(), StoreError> {
        let limit = i64::try_from(REPEATS).unwrap_or(i64::MAX);
        for row in db.rows("SELECT owner, key FROM answer ORDER BY at DESC LIMIT $1", args![limit]).await?.iter().rev()
        {
            self.insert(row.text(0)?, row.text(1)?);
        }
        Ok(())
    }
}

/// Whether an answer is kept for this key: for processes that share the database, where memory does not know it all.
pub(super) async fn is_answered(db: &Database, once: &Once) -> Result<bool, StoreError> {
    let select = "SELECT at FROM answer WHERE owner = $1 AND key = $2";
    Ok(db.row(select, args![&once.owner, &once.key]).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::{REPEATS, Repeats};
    use crate::store::Once;

    #[test]
    fn the_oldest_is_forgotten() {
        let repeats = Repeats::default();
        for key in 0..=REPEATS {
            repeats.insert("demo", &key.to_string());
            repeats.insert("demo", &key.to_string());
        }
        let known = |owner: &str, key: usize| repeats.contains(&Once::new(owner, key.to_string(), ""));
        assert!(!known("demo", 0) && known("demo", 1) && known("demo", REPEATS));
        assert!(!known("other", 1));
    }
}
