//! Two connected ends in memory, with latency, jitter, loss and bandwidth: the same seed gives the same run.
//!
//! Streams are reliable and ordered, each for itself; a lost packet delays only its own stream by a retransmission. Datagrams are lost for good.
//! Under tokio's paused clock a run takes no real time and is deterministic.

mod network;
mod pipe;
mod stream;

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connection::{
    BidiStream, BoxFuture, Connection, ConnectionError, ConnectionInfo, ConnectionStats, DatagramError, RecvStream,
    SendStream, Side, TransportKind,
};
use crate::limit;
use network::{BIDI, CLIENT, End, Network, Next, SERVER, StreamId, UNI, other};
use stream::{LoopbackRecvStream, LoopbackSendStream};

/// How the network between the two ends behaves, the same both ways.
#[derive(Debug, Clone, PartialEq)]
pub struct LoopbackSettings {
    /// One-way delay of everything.
    pub latency: Duration,
    /// Most that is added to it at random, per packet.
    pub jitter: Duration,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Bits per second each way; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// Start of the random sequence.
    pub seed: u64,
    /// The draft both ends agreed on.
    pub version: moqt::Version,
}

impl Default for LoopbackSettings {
    fn default() -> Self {
        let version = moqt::Version::Draft18;
        Self { latency: Duration::ZERO, jitter: Duration::ZERO, loss: 0.0, bandwidth: None, seed: 0, version }
    }
}

/// Makes a client's and a server's end and what moves bytes between them: nothing arrives unless [`LoopbackDriver::run`] is polled.
/// Must be called within a tokio runtime with time.
#[must_use]
pub fn pair(settings: LoopbackSettings) -> (Arc<dyn Connection>, Arc<dyn Connection>, LoopbackDriver) {
    let version = settings.version;
    let shared = Arc::new(Shared { network: Mutex::new(Network::new(settings, Instant::now())), kick: Notify::new() });
    let end = |end: End, side: Side| -> Arc<dyn Connection> {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let kind = TransportKind::Loopback;
        let info = ConnectionInfo {
            peer,
            version,
            kind,
            path: String::new(),
            authority: String::new(),
            side,
            id: String::new(),
        };
        let shared = Arc::new(EndHandle { shared: Arc::clone(&shared), end });
        Arc::new(LoopbackConnection { shared, end, info })
    };
    (end(CLIENT, Side::Client), end(SERVER, Side::Server), LoopbackDriver { shared: Arc::clone(&shared) })
}

/// Moves bytes between the two ends while it is polled. Dropped before both ends closed, it cuts the connection.
#[derive(Debug)]
pub struct LoopbackDriver {
    shared: Arc<Shared>,
}

impl LoopbackDriver {
    /// Runs until both ends have closed.
    pub async fn run(self) {
        loop {
            let next = self.shared.lock().advance(Instant::now());
            match next {
                Next::Over => return,
                Next::Idle => self.shared.kick.notified().await,
                Next::At(time) => tokio::select! {
                    () = self.shared.kick.notified() => {}
                    () = sleep_until(time) => {}
                },
            }
        }
    }
}

impl Drop for LoopbackDriver {
    fn drop(&mut self) {
        self.shared.lock().cut(&ConnectionError::Transport("loopback driver was dropped".into()));
    }
}

/// The network and a bell for its driver.
#[derive(Debug)]
struct Shared {
    network: Mutex<Network>,
    kick: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the network and rings for the driver.
    fn change<T>(&self, change: impl FnOnce(&mut Network, Instant) -> T) -> T {
        let outcome = change(&mut self.lock(), Instant::now());
        self.kick.notify_one();
        outcome
    }
}

/// One end's hold on the network, shared by its connection and streams; the last one dropped closes the end, as in QUIC.
#[derive(Debug)]
struct EndHandle {
    shared: Arc<Shared>,
    end: End,
}

impl Deref for EndHandle {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for EndHandle {
    fn drop(&mut self) {
        self.shared.change(|network, now| network.close(self.end, 0, "", now));
    }
}

#[derive(Debug)]
struct LoopbackConnection {
    shared: Arc<EndHandle>,
    end: End,
    info: ConnectionInfo,
}

impl LoopbackConnection {
    /// Waits until `take` finds something or the connection has ended.
    async fn wait_for<T>(
        &self,
        mut take: impl FnMut(&mut Network, Instant) -> Option<T>,
    ) -> Result<T, ConnectionError> {
        poll_fn(|cx| {
            let mut network = self.shared.lock();
            if let Some(reason) = &network.ends[self.end].closed {
                return Poll::Ready(Err(reason.clone()));
            }
            match take(&mut network, Instant::now()) {
                Some(found) => Poll::Ready(Ok(found)),
                None => {
                    network.wait(self.end, cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    async fn open(&self, direction: usize) -> Result<StreamId, ConnectionError> {
        self.wait_for(|network, now| network.open(self.end, direction, now)).await
    }

    async fn accept(&self, direction: usize) -> Result<StreamId, ConnectionError> {
        self.wait_for(|network, _| network.ends[self.end].accept[direction].pop_front()).await
    }

    fn send_half(&self, stream: StreamId) -> Box<dyn SendStream> {
        Box::new(LoopbackSendStream::new(Arc::clone(&self.shared), stream, self.end))
    }

    fn recv_half(&self, stream: StreamId) -> Box<dyn RecvStream> {
        Box::new(LoopbackRecvStream::new(Arc::clone(&self.shared), stream, other(self.end)))
    }
}

impl Connection for LoopbackConnection {
    fn open_uni(&self) -> BoxFuture<'_, Result<Box<dyn SendStream>, ConnectionError>> {
        Box::pin(async { Ok(self.send_half(self.open(UNI).await?)) })
    }

    fn open_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(async {
            let stream = self.open(BIDI).await?;
            Ok((self.send_half(stream), self.recv_half(stream)))
        })
    }

    fn accept_uni(&self) -> BoxFuture<'_, Result<Box<dyn RecvStream>, ConnectionError>> {
        Box::pin(async { Ok(self.recv_half(self.accept(UNI).await?)) })
    }

    fn accept_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(async {
            let stream = self.accept(BIDI).await?;
            Ok((self.send_half(stream), self.recv_half(stream)))
        })
    }

    fn send_datagram(&self, payload: Bytes) -> Result<(), DatagramError> {
        if payload.len() > limit::LOOPBACK_MAX_DATAGRAM {
            return Err(DatagramError::TooLarge);
        }
        self.shared.change(|network, _| match &network.ends[self.end].closed {
            Some(reason) => Err(DatagramError::Connection(reason.clone())),
            None => {
                network.queue_datagram(self.end, payload);
                Ok(())
            }
        })
    }

    fn read_datagram(&self) -> BoxFuture<'_, Result<Bytes, ConnectionError>> {
        Box::pin(self.wait_for(|network, _| network.ends[self.end].datagrams.pop_front()))
    }

    fn max_datagram_size(&self) -> Option<usize> {
        Some(limit::LOOPBACK_MAX_DATAGRAM)
    }

    fn set_max_incoming_uni(&self, count: u32) {
        self.shared.change(|network, now| network.set_max_incoming(self.end, UNI, count, now));
    }

    fn close(&self, code: u64, reason: &str) {
        self.shared.change(|network, now| network.close(self.end, code, reason, now));
    }

    fn closed(&self) -> BoxFuture<'_, ConnectionError> {
        Box::pin(async {
            match self.wait_for(|_, _| None::<std::convert::Infallible>).await {
                Ok(never) => match never {},
                Err(reason) => reason,
            }
        })
    }

    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn stats(&self) -> ConnectionStats {
        self.shared.lock().ends[self.end].stats
    }
}
