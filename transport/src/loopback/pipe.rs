//! One direction of a stream: what its sender queued and what its receiver has not read.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use crate::connection::{ReadError, WriteError};
use crate::limit;

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) priority: i32,
    queued: VecDeque<Bytes>,
    /// Bytes written whose credit has not come back.
    outstanding: usize,
    finished: bool,
    fin_sent: bool,
    acknowledged: bool,
    reset: bool,
    stopped: Option<u64>,
    /// Finished, reset or stopped: nothing more will be written.
    pub(super) sender_done: bool,
    /// Its handle was dropped.
    pub(super) sender_gone: bool,
    /// When the last packet sent arrives.
    pub(super) last_arrival: Instant,
    received: VecDeque<Bytes>,
    fin_received: bool,
    reset_received: Option<u64>,
    /// Read to the end, reset or stopped: nothing more will be read.
    pub(super) receiver_done: bool,
    /// Its handle was dropped.
    pub(super) receiver_gone: bool,
    write_waker: Option<Waker>,
    stop_waker: Option<Waker>,
    read_waker: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            priority: 0,
            queued: VecDeque::new(),
            outstanding: 0,
            finished: false,
            fin_sent: false,
            acknowledged: false,
            reset: false,
            stopped: None,
            sender_done: false,
            sender_gone: false,
            last_arrival: now,
            received: VecDeque::new(),
            fin_received: false,
            reset_received: None,
            receiver_done: false,
            receiver_gone: false,
            write_waker: None,
            stop_waker: None,
            read_waker: None,
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>> {
        if self.finished || self.reset {
            return Poll::Ready(Err(WriteError::Closed));
        }
        if let Some(code) = self.stopped {
            return Poll::Ready(Err(WriteError::Stopped(code)));
        }
        let mut whole = 0;
        let mut room = limit::LOOPBACK_STREAM_WINDOW - self.outstanding;
        for chunk in chunks.iter_mut() {
            if chunk.len() > room {
                break;
            }
            room -= chunk.len();
            self.enqueue(std::mem::take(chunk));
            whole += 1;
        }
        if whole < chunks.len() {
            if room == 0 && whole == 0 {
                self.write_waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let part = chunks[whole].split_to(room);
            self.enqueue(part);
        }
        Poll::Ready(Ok(whole))
    }

    fn enqueue(&mut self, bytes: Bytes) {
        self.outstanding += bytes.len();
        if !bytes.is_empty() {
            self.queued.push_back(bytes);
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), WriteError> {
        if self.finished || self.reset {
            return Err(WriteError::Closed);
        }
        self.finished = true;
        self.sender_done = true;
        Ok(())
    }

    /// False when there is nothing left to give up.
    pub(super) fn reset(&mut self) -> bool {
        if self.reset || self.acknowledged {
            return false;
        }
        self.reset = true;
        self.sender_done = true;
        self.queued.clear();
        self.wake_sender();
        true
    }

    pub(super) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        if self.stopped.is_some() || self.acknowledged || self.reset {
            return Poll::Ready(self.stopped);
        }
        self.stop_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready with the chunk read; the caller returns its length as credit.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Bytes>, ReadError>> {
        if let Some(front) = self.received.front_mut() {
            let chunk = front.split_to(front.len().min(max));
            if front.is_empty() {
                self.received.pop_front();
            }
            return Poll::Ready(Ok(Some(chunk)));
        }
        if self.fin_received {
            self.receiver_done = true;
            return Poll::Ready(Ok(None));
        }
        if let Some(code) = self.reset_received {
            return Poll::Ready(Err(ReadError::Reset(code)));
        }
        if self.receiver_done {
            return Poll::Ready(Err(ReadError::Closed));
        }
        self.read_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// False when the stream had already ended.
    pub(super) fn stop(&mut self) -> bool {
        let first = !std::mem::replace(&mut self.receiver_done, true);
        if first {
            self.received.clear();
            self.fin_received = false;
        }
        first
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn has_to_send(&self) -> bool {
        !self.reset && (!self.queued.is_empty() || (self.finished && !self.fin_sent))
    }

    /// Nothing queued is left behind when both handles are gone.
    pub(super) fn is_drained(&self) -> bool {
        !self.has_to_send() || self.stopped.is_some()
    }

    pub(super) fn take_packet(&mut self, most: usize) -> (Bytes, bool) {
        let bytes = match self.queued.front_mut() {
            Some(front) => {
                let packet = front.split_to(front.len().min(most));
                if front.is_empty() {
                    self.queued.pop_front();
                }
                packet
            }
            None => Bytes::new(),
        };
        self.fin_sent = self.finished && self.queued.is_empty();
        (bytes, self.fin_sent)
    }

    pub(super) fn receive(&mut self, bytes: Bytes, fin: bool) {
        if self.receiver_done || self.reset_received.is_some() {
            return;
        }
        if !bytes.is_empty() {
            self.received.push_back(bytes);
        }
        self.fin_received |= fin;
        wake(&mut self.read_waker);
    }

    pub(super) fn receive_reset(&mut self, code: u64) {
        if self.receiver_done || self.fin_received {
            return;
        }
        self.received.clear();
        self.reset_received = Some(code);
        self.receiver_done = true;
        wake(&mut self.read_waker);
    }

    pub(super) fn receive_stop(&mut self, code: u64) {
        if self.acknowledged || self.reset {
            return;
        }
        self.stopped.get_or_insert(code);
        self.sender_done = true;
        self.queued.clear();
        self.wake_sender();
    }

    pub(super) fn receive_credit(&mut self, bytes: usize) {
        self.outstanding = self.outstanding.saturating_sub(bytes);
        wake(&mut self.write_waker);
    }

    pub(super) fn receive_acknowledgement(&mut self) {
        self.acknowledged = true;
        wake(&mut self.stop_waker);
    }

    fn wake_sender(&mut self) {
        wake(&mut self.write_waker);
        wake(&mut self.stop_waker);
    }

    pub(super) fn wake_all(&mut self) {
        self.wake_sender();
        wake(&mut self.read_waker);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
