//! Datagrams between viewers and a relay, each flow on a bad path of its own.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Impairment;
use super::line::Line;
use crate::engine::{Phase, Stop};
use crate::limit;

/// A bound proxy before one relay.
#[derive(Debug)]
pub struct Proxy {
    socket: std::net::UdpSocket,
    relay: SocketAddr,
    path: Impairment,
    seed: u64,
}

/// Datagrams on their way in one direction, first in first out.
#[derive(Debug)]
struct Path {
    line: Line,
    begun: Instant,
    queue: VecDeque<(Instant, Vec<u8>)>,
}

impl Proxy {
    /// Binds a free port of this machine.
    ///
    /// # Errors
    /// There is none.
    pub fn bind(relay: SocketAddr, path: Impairment, seed: u64) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, relay, path, seed })
    }

    /// Where viewers dial instead of the relay.
    ///
    /// # Errors
    /// The socket has no address.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Carries datagrams until the end.
    pub(crate) async fn run(self, stop: Stop) {
        tokio::select! {
            biased;
            () = stop.reached(Phase::Ended) => {}
            failed = self.carry() => if let Err(error) = failed {
                tracing::error!(%error, "the impairing proxy failed");
            }
        }
    }

    /// Carries datagrams for ever.
    ///
    /// # Errors
    /// The socket failed.
    pub async fn carry(self) -> io::Result<()> {
        let Self { socket, relay, path, mut seed } = self;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let mut flows: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut buffer = vec![0; limit::DATAGRAM_BYTES];
        loop {
            let (length, viewer) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // A viewer that left: the next datagram is another's.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            while tasks.try_join_next().is_some() {}
            if !flows.contains_key(&viewer) && flows.len() < limit::FLOWS {
                let (sender, receiver) = mpsc::channel(limit::FLOW_QUEUE);
                let there = Path::new(Line::new(&path, false, seed));
                let back = Path::new(Line::new(&path, true, !seed));
                seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                tasks.spawn(flow(socket.clone(), viewer, relay, receiver, there, back));
                flows.insert(viewer, sender);
            }
            if let Some(flow) = flows.get(&viewer) {
                // A full queue loses datagrams, as a router does.
                let _ = flow.try_send(buffer[..length].to_vec());
            }
        }
    }
}

/// One viewer's datagrams, both ways.
async fn flow(
    front: Arc<UdpSocket>,
    viewer: SocketAddr,
    relay: SocketAddr,
    mut sent: mpsc::Receiver<Vec<u8>>,
    mut there: Path,
    mut back: Path,
) -> io::Result<()> {
    let any: SocketAddr =
        if relay.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(relay).await?;
    let mut buffer = vec![0; limit::DATAGRAM_BYTES];
    loop {
        tokio::select! {
            datagram = sent.recv() => match datagram {
                Some(datagram) => there.enter(datagram),
                None => return Ok(()),
            },
            received = socket.recv(&mut buffer) => match received {
                Ok(length) => back.enter(buffer[..length].to_vec()),
                // The relay is not there now; it may come again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            },
            // What the system does not take is lost.
            datagram = there.next() => drop(socket.send(&datagram).await),
            datagram = back.next() => drop(front.send_to(&datagram, viewer).await),
        }
    }
}

impl Path {
    fn new(line: Line) -> Self {
        Self { line, begun: Instant::now(), queue: VecDeque::new() }
    }

    fn enter(&mut self, datagram: Vec<u8>) {
        let out = self.line.admit(self.begun.elapsed(), datagram.len());
        if let Some(out) = out.filter(|_| self.queue.len() < limit::FLOW_QUEUE) {
            self.queue.push_back((self.begun + out, datagram));
        }
    }

    /// The first datagram, once it has arrived. Cancel safe.
    async fn next(&mut self) -> Vec<u8> {
        match self.queue.front() {
            Some((at, _)) => sleep_until(*at).await,
            None => std::future::pending().await,
        }
        self.queue.pop_front().map(|(_, datagram)| datagram).unwrap_or_default()
    }
}
