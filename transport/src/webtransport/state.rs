//! What the parts of one WebTransport session share: whether it is open, and why it ended.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::connection::{ConnectionError, ReadError, WriteError};
use crate::http3::NO_ERROR;

use super::code;

/// Life of a session. It only moves downwards.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Waiting,
    Open {
        id: u64,
    },
    /// Closed here; the peer has yet to be told.
    Closing {
        code: u64,
        reason: String,
    },
    Ended(ConnectionError),
}

#[derive(Debug)]
pub(crate) struct SessionState {
    phase: watch::Sender<Phase>,
    /// Set from `Closing` on: spares streams the lock.
    over: AtomicBool,
}

impl SessionState {
    pub(crate) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Waiting), over: AtomicBool::new(false) }
    }

    /// The session exists now. False when there already was one.
    pub(crate) fn open(&self, id: u64) -> bool {
        self.phase.send_if_modified(|phase| {
            let waiting = *phase == Phase::Waiting;
            if waiting {
                *phase = Phase::Open { id };
            }
            waiting
        })
    }

    pub(crate) fn close(&self, code: u64, reason: &str) {
        self.phase.send_if_modified(|phase| {
            let open = matches!(phase, Phase::Open { .. });
            if open {
                *phase = Phase::Closing { code, reason: reason.to_owned() };
                self.over.store(true, Ordering::Release);
            }
            open
        });
    }

    /// The session is gone; the first reason stays.
    pub(crate) fn end(&self, reason: ConnectionError) {
        self.phase.send_if_modified(|phase| {
            let reason = match phase {
                Phase::Ended(_) => return false,
                Phase::Closing { .. } => ConnectionError::LocallyClosed,
                Phase::Waiting | Phase::Open { .. } => reason,
            };
            *phase = Phase::Ended(reason);
            self.over.store(true, Ordering::Release);
            true
        });
    }

    /// Waits until this session is open; false when another one is or it has ended.
    pub(crate) async fn wait_open(&self, id: u64) -> bool {
        let mut phase = self.phase.subscribe();
        match phase.wait_for(|phase| *phase != Phase::Waiting).await {
            Ok(phase) => *phase == Phase::Open { id },
            Err(_) => false,
        }
    }

    /// Waits for [`SessionState::close`]; never returns when the session ends otherwise.
    pub(crate) async fn close_request(&self) -> (u64, String) {
        let mut phase = self.phase.subscribe();
        let closing = phase.wait_for(|phase| matches!(phase, Phase::Closing { .. })).await.map(|phase| phase.clone());
        match closing {
            Ok(Phase::Closing { code, reason }) => (code, reason),
            _ => std::future::pending().await,
        }
    }

    /// Waits for the end and says why it came.
    pub(crate) async fn ended(&self) -> ConnectionError {
        let mut phase = self.phase.subscribe();
        let over = phase.wait_for(|phase| matches!(phase, Phase::Closing { .. } | Phase::Ended(_))).await;
        match over.as_deref() {
            Ok(Phase::Ended(reason)) => reason.clone(),
            _ => ConnectionError::LocallyClosed,
        }
    }

    /// Why the session is over, if it is.
    pub(crate) fn over(&self) -> Option<ConnectionError> {
        if !self.over.load(Ordering::Acquire) {
            return None;
        }
        match &*self.phase.borrow() {
            Phase::Ended(reason) => Some(reason.clone()),
            _ => Some(ConnectionError::LocallyClosed),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(&*self.phase.borrow(), Phase::Closing { .. })
    }

    pub(crate) fn write_error(&self, error: WriteError) -> WriteError {
        match error {
            WriteError::Stopped(code) => WriteError::Stopped(application_code(code)),
            WriteError::Connection(error) => WriteError::Connection(self.connection_error(error)),
            WriteError::Closed => WriteError::Closed,
        }
    }

    pub(crate) fn read_error(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Reset(code) => ReadError::Reset(application_code(code)),
            ReadError::Connection(error) => ReadError::Connection(self.connection_error(error)),
            ReadError::Closed => ReadError::Closed,
        }
    }

    /// The session's own reason where there is one, else the QUIC connection's, told in WebTransport terms.
    pub(crate) fn connection_error(&self, error: ConnectionError) -> ConnectionError {
        self.over().unwrap_or_else(|| session_error(error))
    }
}

/// An application code out of a stream's HTTP/3 code; codes of HTTP/3 itself say nothing to the application and count as 0.
pub(crate) fn application_code(code: u64) -> u64 {
    code::from_http(code).unwrap_or(0)
}

/// The end of the QUIC connection as the end of the session on it.
pub(crate) fn session_error(error: ConnectionError) -> ConnectionError {
    match error {
        // Closing the connection without a capsule closes the session with code 0 (WebTransport section 6).
        ConnectionError::Closed { code: NO_ERROR, reason } => ConnectionError::Closed { code: 0, reason },
        ConnectionError::Closed { code, reason } => {
            ConnectionError::Transport(format!("peer closed HTTP/3 with error {code:#x}: {reason}"))
        }
        other => other,
    }
}
