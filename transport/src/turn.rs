//! Whose turn it is among the writers of a connection whose send window is full.
//!
//! Stream priorities decide about bytes in the send buffer. While that is full, room comes in pieces as the peer acknowledges, all
//! writers are woken at once, and whoever runs first takes it. So a writer lets more urgent ones that wait run before it (draft-18
//! section 7.2): once each time it is woken, so that one that waits for its own stream's credit holds nobody up.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Below all priorities.
const NOBODY: i64 = i64::MIN;

/// The writers of one connection that wait.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Their priorities, in no order.
    waiting: Mutex<Vec<i32>>,
    /// The highest of them: all that a writer looks at while nobody waits.
    highest: AtomicI64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { waiting: Mutex::default(), highest: AtomicI64::new(NOBODY) }
    }
}

impl Turns {
    fn change(&self, change: impl FnOnce(&mut Vec<i32>)) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting);
        self.highest.store(waiting.iter().max().map_or(NOBODY, |&highest| highest.into()), Ordering::Release);
    }
}

/// One stream's place among the writers of its connection; dropped, it waits no more.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    priority: i32,
    waits: bool,
    /// Others were let before since it was woken.
    gave_way: bool,
}

impl Turn {
    /// With the priority that streams begin with.
    pub(crate) fn new(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns), priority: 0, waits: false, gave_way: false }
    }

    /// Whether the writer should come back after those that are ready to run now.
    pub(crate) fn gives_way(&mut self) -> bool {
        let urgent = self.turns.highest.load(Ordering::Acquire) > self.priority.into();
        self.gave_way = urgent && !self.gave_way;
        self.gave_way
    }

    /// There was no room for it.
    pub(crate) fn wait(&mut self) {
        self.gave_way = false;
        if !std::mem::replace(&mut self.waits, true) {
            self.turns.change(|waiting| waiting.push(self.priority));
        }
    }

    /// It wrote, or will not write again.
    pub(crate) fn leave(&mut self) {
        self.gave_way = false;
        if std::mem::take(&mut self.waits) {
            self.turns.change(|waiting| remove(waiting, self.priority));
        }
    }

    pub(crate) fn set_priority(&mut self, priority: i32) {
        let before = std::mem::replace(&mut self.priority, priority);
        if self.waits {
            self.turns.change(|waiting| {
                remove(waiting, before);
                waiting.push(priority);
            });
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}

fn remove(waiting: &mut Vec<i32>, priority: i32) {
    if let Some(position) = waiting.iter().position(|&other| other == priority) {
        waiting.swap_remove(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Turn, Turn) {
        let turns = Arc::default();
        let (mut urgent, mut other) = (Turn::new(&turns), Turn::new(&turns));
        urgent.set_priority(7);
        other.set_priority(3);
        (urgent, other)
    }

    #[test]
    fn the_less_urgent_gives_way_once_per_wake() {
        let (mut urgent, mut other) = pair();
        assert!(!other.gives_way());
        urgent.wait();
        assert!(other.gives_way());
        assert!(!other.gives_way(), "then it has its turn");
        other.wait();
        assert!(other.gives_way(), "woken again");
        assert!(!urgent.gives_way());
    }

    #[test]
    fn who_wrote_or_is_gone_is_waited_for_no_more() {
        let (mut urgent, mut other) = pair();
        urgent.wait();
        urgent.leave();
        assert!(!other.gives_way());
        urgent.wait();
        drop(urgent);
        assert!(!other.gives_way());
    }

    #[test]
    fn a_changed_priority_counts_at_once() {
        let (mut urgent, mut other) = pair();
        urgent.wait();
        urgent.set_priority(1);
        assert!(!other.gives_way());
        other.wait();
        assert!(urgent.gives_way());
    }
}
