//! One downstream session from its first byte to its last: requests in, tasks out, all of them ended with the session.

use std::sync::Arc;

use moqt::{RequestErrorCode, SessionErrorCode};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use transport::{Connection, IncomingRequest, Session, SessionSettings};

use super::{fetch, namespace, publish, status, subscribe};
use crate::limit;
use crate::metric;
use crate::relay::Context;

/// Serves one session until it ends. At drain the peer gets GOAWAY and the drain time to leave.
pub(crate) async fn serve(context: Arc<Context>, connection: Arc<dyn Connection>) {
    let peer = connection.info().peer;
    let settings = SessionSettings {
        hops: true,
        request_limit: context.settings.limit.requests_per_session,
        ..SessionSettings::default()
    };
    let (session, mut driver) = match transport::start(connection.clone(), settings) {
        Ok(started) => started,
        Err(error) => {
            tracing::warn!(%peer, %error, "session refused");
            connection.close(
                SessionErrorCode::VersionNegotiationFailed.to_wire(connection.info().version),
                &error.to_string(),
            );
            return;
        }
    };
    let _gauge = metric::SessionGauge::new(connection.info().kind);
    let mut tasks = JoinSet::new();
    let (mut draining, mut asking) = (false, true);
    let mut path = metric::PathMeter::default();
    let mut looks = tokio::time::interval(limit::PATH_LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            biased;
            end = &mut driver => break end,
            () = context.drain.cancelled(), if !draining => {
                draining = true;
                session.go_away("", context.settings.drain());
            }
            Some(finished) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(error) = finished && error.is_panic() {
                    tracing::error!(%peer, %error, "a request's task failed");
                }
            }
            _ = looks.tick() => path.look(connection.stats()),
            request = session.next_request(), if asking && tasks.len() < limit::SESSION_TASKS => match request {
                Some(request) => dispatch(&context, &session, request, &mut tasks),
                // The driver says why.
                None => asking = false,
            },
        }
    };
    metric::session_ended(&end);
    tracing::debug!(%peer, %end, "session ended");
    path.look(connection.stats());
}

fn dispatch(context: &Arc<Context>, session: &Session, request: IncomingRequest, tasks: &mut JoinSet<()>) {
    metric::request(&request);
    if context.drain.is_cancelled() {
        request.reject(RequestErrorCode::GoingAway, None, "relay is shutting down");
        return;
    }
    let (context, session) = (context.clone(), session.clone());
    match request {
        IncomingRequest::Subscribe(request) => tasks.spawn(subscribe::serve(context, request)),
        IncomingRequest::Fetch(request) => tasks.spawn(fetch::serve(context, request)),
        IncomingRequest::TrackStatus(request) => tasks.spawn(status::serve(context, request)),
        IncomingRequest::Publish(request) => tasks.spawn(publish::serve(context, session, request)),
        IncomingRequest::PublishNamespace(request) => tasks.spawn(namespace::announced(context, session, request)),
        IncomingRequest::SubscribeNamespace(request) => tasks.spawn(namespace::watched(context, request)),
        IncomingRequest::SubscribeTracks(request) => tasks.spawn(publish::offer_all(context, session, request)),
    };
}
