//! What waits to be written on one request's stream. Bytes keep their order; a reset overtakes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::limit;

/// Makes both ends of an outbox.
pub(crate) fn outbox() -> (OutboxSender, OutboxReceiver) {
    let shared = Arc::new(Outbox::default());
    (OutboxSender(shared.clone()), OutboxReceiver(shared))
}

/// The session's end. Dropped before the stream's last word, it resets the stream.
#[derive(Debug)]
pub(crate) struct OutboxSender(Arc<Outbox>);

/// The stream task's end.
#[derive(Debug)]
pub(crate) struct OutboxReceiver(Arc<Outbox>);

/// The peer does not read its answers: more bytes wait than are kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// What the stream task is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Write these, and finish the stream after them if told so.
    Write { chunks: Vec<Bytes>, fin: bool },
    /// Reset the stream: with this code, or as if it had been dropped.
    Reset(Option<u64>),
}

#[derive(Debug, Default)]
struct Outbox {
    state: Mutex<Contents>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    fin: bool,
    reset: Option<u64>,
    /// The session said its last word or has forgotten the request.
    closed: bool,
    /// Nobody writes any more.
    abandoned: bool,
}

impl Contents {
    /// The reset that is due, whatever else waits.
    fn interruption(&self) -> Option<Option<u64>> {
        match self.reset {
            Some(code) => Some(Some(code)),
            None => (self.closed && !self.fin).then_some(None),
        }
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_for<T>(&self, mut look: impl FnMut(&mut Contents) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            let found = look(&mut self.lock());
            match found {
                Some(found) => return found,
                None => changed.await,
            }
        }
    }
}

impl OutboxSender {
    /// Queues bytes; `fin` ends the stream after them.
    pub(crate) fn push(&self, bytes: Bytes, fin: bool) -> Result<(), Full> {
        let mut contents = self.0.lock();
        if contents.abandoned {
            return Ok(());
        }
        // One message always fits an empty box.
        if !contents.chunks.is_empty() && contents.bytes + bytes.len() > limit::REQUEST_WRITE_BYTES {
            return Err(Full);
        }
        contents.bytes += bytes.len();
        contents.fin |= fin;
        if !bytes.is_empty() {
            contents.chunks.push_back(bytes);
        }
        drop(contents);
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Resets the stream; what waits is dropped.
    pub(crate) fn reset(&self, code: u64) {
        let mut contents = self.0.lock();
        contents.reset = Some(code);
        contents.chunks.clear();
        drop(contents);
        self.0.changed.notify_waiters();
    }
}

impl Drop for OutboxSender {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_waiters();
    }
}

impl OutboxReceiver {
    /// The next thing to do. Cancel safe.
    pub(crate) async fn next(&self) -> Outgoing {
        self.0
            .wait_for(|contents| {
                if let Some(code) = contents.interruption() {
                    return Some(Outgoing::Reset(code));
                }
                (!contents.chunks.is_empty() || contents.fin).then(|| {
                    contents.bytes = 0;
                    Outgoing::Write { chunks: contents.chunks.drain(..).collect(), fin: contents.fin }
                })
            })
            .await
    }

    /// Waits for a reset, and gives its code as in [`Outgoing::Reset`]. Cancel safe.
    pub(crate) async fn interrupted(&self) -> Option<u64> {
        self.0.wait_for(|contents| contents.interruption()).await
    }
}

impl Drop for OutboxReceiver {
    fn drop(&mut self) {
        let mut contents = self.0.lock();
        contents.abandoned = true;
        contents.chunks.clear();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn write(bytes: &'static [u8], fin: bool) -> Option<Outgoing> {
        Some(Outgoing::Write { chunks: vec![Bytes::from_static(bytes)], fin })
    }

    #[test]
    fn bytes_keep_their_order_and_the_end_comes_last() {
        let (sender, receiver) = outbox();
        assert_eq!(receiver.next().now_or_never(), None);
        sender.push(Bytes::from_static(b"a"), false).unwrap();
        assert_eq!(receiver.next().now_or_never(), write(b"a", false));
        sender.push(Bytes::from_static(b"b"), true).unwrap();
        drop(sender);
        assert_eq!(receiver.interrupted().now_or_never(), None, "the last word is still to be written");
        assert_eq!(receiver.next().now_or_never(), write(b"b", true));
    }

    #[test]
    fn a_reset_overtakes_what_waits() {
        let (sender, receiver) = outbox();
        sender.push(Bytes::from_static(b"a"), false).unwrap();
        sender.reset(7);
        assert_eq!(receiver.next().now_or_never(), Some(Outgoing::Reset(Some(7))));
        let (sender, receiver) = outbox();
        sender.push(Bytes::from_static(b"a"), false).unwrap();
        drop(sender);
        assert_eq!(receiver.interrupted().now_or_never(), Some(None));
    }

    #[test]
    fn what_waits_is_bounded_and_nothing_is_kept_for_nobody() {
        let (sender, receiver) = outbox();
        let large = Bytes::from(vec![0; limit::REQUEST_WRITE_BYTES]);
        sender.push(large.clone(), false).unwrap();
        assert_eq!(sender.push(Bytes::from_static(b"a"), false), Err(Full));
        drop(receiver);
        sender.push(large, false).unwrap();
        assert!(sender.0.lock().chunks.is_empty());
    }
}
