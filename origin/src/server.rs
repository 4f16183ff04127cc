//! Serves whoever connects here.

use std::sync::Arc;

use access::Access;
use moqt::SessionErrorCode;
use process::Shutdown;
use tokio::{task::JoinSet, time::Instant};
use transport::{Accepted, Connection, Incoming, ServerEndpoint, Session, SessionSettings};

use crate::{
    limit::SESSION_REQUESTS,
    metric,
    serve::{Publications, serve},
};

/// Accepts sessions until shutdown begins, then asks them to move and waits until they did or the
/// deadline closes them. The endpoint bounds how many there are.
pub(crate) async fn run(
    endpoint: &ServerEndpoint,
    publications: &Arc<Publications>,
    access: &Arc<Access>,
    shutdown: &Shutdown,
) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(_) = sessions.join_next() => {}
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => {
                    sessions.spawn(visit(incoming, publications.clone(), access.clone(), shutdown.clone()));
                }
                None => break,
            },
        }
    }
    while sessions.join_next().await.is_some() {}
    endpoint.close(SessionErrorCode::NoError.to_wire(moqt::Version::Draft18), "shutdown");
}

async fn visit(incoming: Incoming, publications: Arc<Publications>, access: Arc<Access>, shutdown: Shutdown) {
    let peer = incoming.peer();
    let accepted = tokio::select! {
        accepted = incoming.accept() => accepted,
        // Whoever is not through yet can turn to somebody else at once.
        () = shutdown.begun() => return,
    };
    match accepted {
        Ok(Accepted::Session(connection)) => run_session(connection, &publications, access, &shutdown).await,
        Ok(Accepted::HttpDone) => {}
        Err(error) => tracing::debug!(%peer, %error, "a client did not get through"),
    }
}

/// Serves one session to its end.
pub(crate) async fn run_session(
    connection: Arc<dyn Connection>,
    publications: &Arc<Publications>,
    access: Arc<Access>,
    shutdown: &Shutdown,
) {
    let peer = connection.info().peer;
    let settings = SessionSettings { request_limit: SESSION_REQUESTS, ..SessionSettings::default() };
    let (session, driver) = match transport::start(connection, settings) {
        Ok(started) => started,
        Err(error) => {
            tracing::debug!(%peer, %error, "a session could not begin");
            return;
        }
    };
    let _present = metric::Present::session();
    tracing::debug!(%peer, "session");
    let leave = async {
        shutdown.begun().await;
        say_goodbye(&session, shutdown).await;
    };
    let reason = tokio::select! {
        reason = driver => reason.to_string(),
        () = serve(&session, publications, access) => session.closed().await.to_string(),
        () = leave => "shutdown".to_owned(),
    };
    tracing::debug!(%peer, reason, "session over");
}

/// GOAWAY, and the end at the deadline.
async fn say_goodbye(session: &Session, shutdown: &Shutdown) {
    let deadline = shutdown.deadline().unwrap_or_else(Instant::now);
    session.go_away("", deadline.saturating_duration_since(Instant::now()));
    shutdown.expired().await;
    session.close(SessionErrorCode::NoError, "shutdown");
}
