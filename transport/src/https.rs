//! HTTPS over TCP for browsers that cannot do UDP: the endpoint's certificates and addresses, on the port of the same number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::server::ResolvesServerCert;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::limit;
use crate::tls::{TlsError, https_config};

/// Protocols offered, most wanted first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A connection after its handshake.
pub type HttpsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Makes TLS of TCP connections, offering HTTP/2 and HTTP/1.1.
#[derive(Clone)]
pub struct HttpsAcceptor(tokio_rustls::TlsAcceptor);

impl std::fmt::Debug for HttpsAcceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsAcceptor").finish_non_exhaustive()
    }
}

impl HttpsAcceptor {
    /// `certificates` is asked at each handshake, so it may change what it serves.
    ///
    /// # Errors
    /// The TLS library refuses the configuration.
    pub fn new(certificates: Arc<dyn ResolvesServerCert>) -> Result<Self, TlsError> {
        let alpn = ALPN.iter().map(|name| name.to_vec()).collect();
        Ok(Self(Arc::new(https_config(certificates, alpn)?).into()))
    }

    /// One handshake. Takes as long as the client makes it last: bound it in time.
    ///
    /// # Errors
    /// The connection broke, or the client does not speak TLS 1.2 or 1.3.
    pub fn accept(&self, stream: TcpStream) -> impl Future<Output = io::Result<HttpsStream>> + Send + 'static {
        self.0.accept(stream)
    }
}

/// Listens on TCP on the addresses of a UDP endpoint, with their real port.
///
/// Needs a tokio runtime with IO.
///
/// # Errors
/// An address that cannot be had, and the system's words.
pub fn bind_https(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    addresses.iter().map(|address| listen(*address).map_err(|error| (*address, error))).collect()
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Its IPv4 sibling has a listener of its own.
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limit::TCP_BACKLOG)?;
    TcpListener::from_std(socket.into())
}
