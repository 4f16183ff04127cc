//! One downstream session from its first byte to its last: requests in, tasks out, all of them ended with the session.

use std::sync::Arc;

use fanout::{is_reserved, serve_reserved};
use moqt::session::ResolvedToken;
use moqt::{RequestErrorCode, SessionErrorCode};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use transport::{Connection, IncomingRequest, Session, SessionSettings};

use super::{fetch, namespace, publish, status, subscribe};
use crate::access::{Grants, Right};
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
    let mut grants: Option<Grants> = None;
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
                Some(request) => {
                    let grants = match grants {
                        Some(grants) => grants,
                        // The first request comes after SETUP, so this does not wait.
                        None => *grants.insert(shown(&context, &session).await),
                    };
                    dispatch(&context, &session, grants, request, &mut tasks);
                }
                // The driver says why.
                None => asking = false,
            },
        }
    };
    metric::session_ended(&end);
    tracing::debug!(%peer, %end, "session ended");
    path.look(connection.stats());
}

/// What the peer may do by what it showed when the session began; nothing once the session is over.
async fn shown(context: &Context, session: &Session) -> Grants {
    let Ok(setup) = session.established().await else { return Grants::default() };
    let info = session.connection().info();
    let path = setup.path.as_deref().unwrap_or(&info.path);
    context.access.session(path, &setup.tokens)
}

/// What a request needs, and the tokens it brought along.
fn needs(request: &IncomingRequest) -> (Right, &[ResolvedToken]) {
    match request {
        IncomingRequest::Subscribe(request) => (Right::Subscribe, &request.tokens),
        IncomingRequest::Fetch(request) => (Right::Subscribe, &request.tokens),
        IncomingRequest::TrackStatus(request) => (Right::Subscribe, &request.tokens),
        IncomingRequest::SubscribeNamespace(request) | IncomingRequest::SubscribeTracks(request) => {
            (Right::Subscribe, &request.tokens)
        }
        IncomingRequest::Publish(request) => (Right::Publish, &request.tokens),
        IncomingRequest::PublishNamespace(request) => (Right::Publish, &request.tokens),
    }
}

fn dispatch(
    context: &Arc<Context>,
    session: &Session,
    grants: Grants,
    request: IncomingRequest,
    tasks: &mut JoinSet<()>,
) {
    metric::request(&request);
    let (right, tokens) = needs(&request);
    if !grants.allow(right) && !context.access.request(tokens).allow(right) {
        let (code, reason) = right.refusal();
        metric::refused(metric::kind(&request), code);
        request.reject(code, None, reason);
        return;
    }
    if context.drain.is_cancelled() {
        request.reject(RequestErrorCode::GoingAway, None, "relay is shutting down");
        return;
    }
    let (context, session) = (context.clone(), session.clone());
    match request {
        IncomingRequest::Subscribe(request) if is_reserved(&request.track.namespace) => {
            tasks.spawn(async move { serve_reserved(&**session.connection(), request).await })
        }
        IncomingRequest::Subscribe(request) => tasks.spawn(subscribe::serve(context, request)),
        IncomingRequest::Fetch(request) => tasks.spawn(fetch::serve(context, request)),
        IncomingRequest::TrackStatus(request) => tasks.spawn(status::serve(context, request)),
        IncomingRequest::Publish(request) => tasks.spawn(publish::serve(context, session, request)),
        IncomingRequest::PublishNamespace(request) => tasks.spawn(namespace::announced(context, session, request)),
        IncomingRequest::SubscribeNamespace(request) => tasks.spawn(namespace::watched(context, request)),
        IncomingRequest::SubscribeTracks(request) => tasks.spawn(publish::offer_all(context, session, request)),
    };
}
