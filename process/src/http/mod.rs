//! HTTP/1 and HTTP/2 over TCP with the bounds that a server facing strangers needs.

use std::{
    future, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::{
    HANDSHAKE_TIMEOUT, HEADER_TIMEOUT, LogLimit, MAX_HEADER_BYTES, Shutdown,
    limit::{ACCEPT_PAUSE, ACCEPT_QUEUE, BIND_ATTEMPTS, DEFAULT_CONNECTIONS, KEEP_ALIVE, MAX_HEADERS, MAX_STREAMS},
};

/// What an operator decides about HTTP over TCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Connections served at a time, at least 1; more wait in the operating system's queue.
    pub max_connections: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { max_connections: DEFAULT_CONNECTIONS }
    }
}

/// Listens on `address`, with a queue that a crowd fits into which comes at once: who finds it full tries again a second later.
/// Must be called within a tokio runtime.
///
/// # Errors
///
/// The address is taken or not this computer's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port whose old connections are still being closed is free, as for every server.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE)
}

/// Listens on 127.0.0.1 and ::1 on the same port, which is chosen if `port` is 0. On a computer without IPv6 (or without
/// IPv4) there is one listener.
///
/// # Errors
///
/// The port is taken on either address, or neither address exists.
pub fn bind_localhost(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match bind_both(port) {
            // A port that was free on one address was taken on the other.
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse && attempt < BIND_ATTEMPTS => {}
            result => return result,
        }
    }
}

fn bind_both(port: u16) -> io::Result<Vec<TcpListener>> {
    let missing =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported);
    let v4 = match listen((Ipv4Addr::LOCALHOST, port).into()) {
        Err(error) if missing(&error) => {
            tracing::warn!(%error, "no IPv4 on this computer");
            return Ok(vec![listen((Ipv6Addr::LOCALHOST, port).into())?]);
        }
        result => result?,
    };
    match listen((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()).into()) {
        Err(error) if missing(&error) => {
            tracing::warn!(%error, "no IPv6 on this computer");
            Ok(vec![v4])
        }
        result => Ok(vec![v4, result?]),
    }
}

/// Serves `router` on all `listeners` until shutdown; handlers may extract `ConnectInfo<SocketAddr>`.
///
/// When shutdown begins, the listeners close, requests under way are finished and idle connections end; what is left at the
/// deadline is dropped. Dropping the future drops all connections at once.
pub async fn serve_http(listeners: Vec<TcpListener>, router: Router, settings: &HttpSettings, shutdown: &Shutdown) {
    serve_http_after(listeners, router, settings, shutdown, async |stream| Ok(stream)).await;
}

/// [`serve_http`] on what `handshake` makes of each connection, which is TLS as a rule. A handshake has
/// [`HANDSHAKE_TIMEOUT`] and takes a place among the connections.
pub async fn serve_http_after<H, F, S>(
    listeners: Vec<TcpListener>,
    router: Router,
    settings: &HttpSettings,
    shutdown: &Shutdown,
    handshake: H,
) where
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(settings.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let builder = builder();
    let failures = LogLimit::new();
    let mut connections = JoinSet::new();
    let mut begun = pin!(shutdown.begun());
    loop {
        let (permit, accepted) = tokio::select! {
            biased;
            () = &mut begun => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listeners, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, %peer, "small responses may be late");
                }
                let stream = timeout(HANDSHAKE_TIMEOUT, handshake(stream));
                let (builder, router, shutdown) = (builder.clone(), router.clone(), shutdown.clone());
                connections.spawn(async move {
                    let stream = tokio::select! {
                        stream = stream => stream,
                        () = shutdown.begun() => return,
                    };
                    match stream {
                        Ok(Ok(stream)) => serve_connection(builder, stream, peer, router, shutdown).await,
                        Ok(Err(error)) => tracing::debug!(%error, %peer, "handshake failed"),
                        Err(_) => tracing::debug!(%peer, "handshake took too long"),
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                if failures.permits(error.kind()) {
                    tracing::warn!(%error, "cannot accept HTTP connections");
                }
                drop(permit);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listeners);
    // Every connection watches the deadline itself.
    while connections.join_next().await.is_some() {}
}

/// Cancel safe: a connection is taken only when this returns.
async fn accept(
    listeners: &[TcpListener],
    permits: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(TcpStream, SocketAddr)>) {
    // Never closed, so there always is a permit at some time.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    let accepted = future::poll_fn(|cx| {
        let ready = listeners.iter().find_map(|listener| match listener.poll_accept(cx) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    });
    (permit, accepted.await)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(HEADER_TIMEOUT);
    builder
}

async fn serve_connection(
    builder: Builder<TokioExecutor>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    shutdown: Shutdown,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let service = service_fn(move |mut request: Request<Incoming>| {
        seen.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
    let (mut begun, mut expired) = (pin!(shutdown.begun()), pin!(shutdown.expired()));
    // hyper's own timeouts start only once it knows the version of the protocol.
    let mut first_request = pin!(sleep(HEADER_TIMEOUT));
    let (mut closing, mut checked) = (false, false);
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(error, %peer, "HTTP connection failed");
                }
                return;
            }
            () = &mut expired => return,
            () = &mut begun, if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = &mut first_request, if !checked => {
                checked = true;
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
