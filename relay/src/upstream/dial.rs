//! Keeps one session to each configured upstream, for as long as the relay runs.

use std::sync::Arc;

use access::Credential;
use fanout::is_reserved;
use moqt::{Namespace, Parameters, SessionErrorCode};
use process::Backoff;
use tokio::time::Instant;
use transport::{Connection, NamespaceEvent, NamespaceReader, RequestFailure, Session, SessionSettings};

use crate::limit;
use crate::metric;
use crate::relay::Context;
use crate::router::Registration;
use crate::upstream::dialer::Upstream;

/// Dials an upstream again and again, and registers its session while it lives. Never returns; dropped at shutdown.
pub(crate) async fn keep(context: Arc<Context>, index: usize, upstream: Upstream) {
    let mut backoff = Backoff::new(limit::BACKOFF_FIRST, limit::BACKOFF_MOST);
    let mut moved: Option<String> = None;
    loop {
        let began = Instant::now();
        let target = moved.as_deref().map_or_else(|| upstream.address.without_query().to_string(), shown);
        match context.dialer.dial(&upstream, moved.as_deref()).await {
            Ok(connection) => {
                moved = use_connection(&context, index, &upstream, connection).await;
                context.router.set_upstream(index, None);
            }
            Err(error) => {
                metric::upstream_dial_failed();
                tracing::warn!(upstream = %target, %error, "upstream cannot be reached");
                moved = None;
            }
        }
        if began.elapsed() >= limit::STEADY {
            backoff.reset();
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// Holds a session on one connection until it ends or is to move; resolves to where.
async fn use_connection(
    context: &Arc<Context>,
    index: usize,
    upstream: &Upstream,
    connection: Arc<dyn Connection>,
) -> Option<String> {
    let address = &upstream.address;
    let shown = upstream.credential.current().await;
    let settings = SessionSettings {
        hops: true,
        path: Some(address.path.clone()),
        authority: Some(address.authority()),
        tokens: Credential::tokens(shown.as_ref()),
        ..SessionSettings::default()
    };
    let (session, driver) = match transport::start(connection, settings) {
        Ok(started) => started,
        Err(error) => {
            tracing::error!(upstream = %address.without_query(), %error, "upstream cannot be used");
            return None;
        }
    };
    let mut driver = Box::pin(driver);
    let moved = tokio::select! {
        moved = follow(context, index, &session) => moved,
        () = upstream.credential.changed(shown.as_ref()) => {
            tracing::info!(upstream = %address.without_query(), "another token for the upstream");
            Some(address.to_string())
        }
        error = &mut driver => {
            tracing::warn!(upstream = %address.without_query(), %error, "upstream session ended");
            None
        }
    };
    if moved.is_some() {
        // Its tracks move one by one, each when its successor sends.
        context.spawn(async move {
            tokio::select! {
                _ = driver => {}
                () = left(&session) => session.close(SessionErrorCode::NoError, "moved"),
            }
        });
    }
    moved
}

/// Waits until nothing is asked of a session any more, but not for ever.
async fn left(session: &Session) {
    let unused = async {
        // Whoever used it has to hear of its successor first.
        loop {
            tokio::time::sleep(limit::UPSTREAM_OVERLAP).await;
            if session.live_requests() == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(limit::LEAVING_UPSTREAM, unused).await;
}

/// Uses one upstream session until it asks to move; resolves to where. Mirrors its namespaces meanwhile.
async fn follow(context: &Arc<Context>, index: usize, session: &Session) -> Option<String> {
    if session.established().await.is_err() {
        // The driver, polled beside this, tells why.
        return std::future::pending().await;
    }
    context.router.set_upstream(index, Some(session.clone()));
    metric::upstream_connected();
    tracing::info!(upstream = %session.connection().info().peer, "connected to upstream");
    let use_it = async { tokio::join!(mirror(context, session), session.refuse_requests()) };
    let notice = tokio::select! {
        notice = session.goaway_received() => notice,
        _ = use_it => return std::future::pending().await,
    };
    tracing::info!(uri = %shown(&notice.uri), "upstream asks to move");
    if notice.uri.is_empty() {
        // It goes away and names no other place: what it still sends is taken, new requests go elsewhere.
        context.router.set_upstream(index, None);
        tokio::time::sleep(limit::LEAVING_UPSTREAM).await;
        return None;
    }
    Some(notice.uri)
}

/// A URI for the log: without its query, which may hold a token.
fn shown(uri: &str) -> String {
    uri.split('?').next().unwrap_or_default().to_owned()
}

/// Announces the upstream's namespaces here for as long as it reports them. Never returns.
async fn mirror(context: &Arc<Context>, session: &Session) {
    loop {
        let parameters = Parameters { hops: vec![context.id], ..Parameters::default() };
        match session.subscribe_namespace(Namespace::default(), parameters).await {
            Ok(reader) => relay_namespaces(context, session, reader).await,
            Err(RequestFailure::Refused(error)) => {
                tracing::info!(code = ?error.code, "upstream does not list its namespaces; it serves what is asked for by name");
                std::future::pending::<()>().await;
            }
            Err(error) => tracing::debug!(%error, "listing upstream namespaces failed"),
        }
        tokio::time::sleep(limit::MIRROR_RETRY).await;
    }
}

async fn relay_namespaces(context: &Arc<Context>, session: &Session, mut reader: NamespaceReader) {
    let mut held: Vec<(Namespace, Registration)> = Vec::new();
    while let Some(event) = reader.next().await {
        match event {
            NamespaceEvent::Added(namespace) if is_reserved(&namespace) => {}
            NamespaceEvent::Added(namespace) => match context.router.announce(namespace.clone(), session.clone()) {
                Ok(registration) => held.push((namespace, registration)),
                Err(error) => tracing::warn!(%namespace, %error, "upstream namespace not mirrored"),
            },
            NamespaceEvent::Removed(namespace) => held.retain(|(other, _)| *other != namespace),
        }
    }
}
