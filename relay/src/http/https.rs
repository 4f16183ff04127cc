//! The public paths once more over TLS and TCP, on the UDP port's number, for browsers that cannot do UDP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use certs::CertificateStore;
use process::{HttpSettings, Shutdown};
use tokio::net::TcpListener;
use transport::{HttpsAcceptor, bind_https};

use crate::relay::LoadError;
use crate::settings::{HttpsSettings, RelaySettings};

/// HTTPS, bound and ready to serve.
#[derive(Debug)]
pub(crate) struct Https {
    listeners: Vec<TcpListener>,
    acceptor: HttpsAcceptor,
    routes: Router,
}

impl Https {
    /// Listens beside these UDP addresses, unless it is off, or nobody insists on it and the port is taken.
    pub(crate) fn bind(
        settings: &RelaySettings,
        udp: &[SocketAddr],
        certificates: Arc<CertificateStore>,
        public: Router,
    ) -> Result<Option<Self>, LoadError> {
        if settings.https.enabled == Some(false) {
            return Ok(None);
        }
        let listeners = match bind_https(udp) {
            Ok(listeners) => listeners,
            Err((address, error)) if settings.https.enabled == Some(true) => {
                return Err(LoadError::Https { address, error });
            }
            Err((address, error)) => {
                tracing::warn!(%address, %error, "no HTTPS: its TCP port cannot be had");
                return Ok(None);
            }
        };
        let acceptor = HttpsAcceptor::new(certificates)?;
        Ok(Some(Self { listeners, acceptor, routes: with_alternative(public, udp) }))
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until shutdown.
    pub(crate) async fn serve(self, settings: &HttpsSettings, shutdown: &Shutdown) {
        let Self { listeners, acceptor, routes } = self;
        let limits = HttpSettings { max_connections: settings.max_connections };
        process::serve_http_after(listeners, routes, &limits, shutdown, |stream| acceptor.accept(stream)).await;
    }
}

/// Tells browsers that the same is to be had over HTTP/3 (RFC 7838).
fn with_alternative(routes: Router, udp: &[SocketAddr]) -> Router {
    let port = udp.first().map_or(0, SocketAddr::port);
    let Ok(service) = HeaderValue::try_from(format!("h3=\":{port}\"; ma=86400")) else { return routes };
    routes.layer(from_fn(move |request: Request, next: Next| {
        let service = service.clone();
        async move {
            let mut response = next.run(request).await;
            response.headers_mut().insert(header::ALT_SVC, service);
            response
        }
    }))
}
