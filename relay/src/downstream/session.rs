//! One downstream session from its first byte to its last: requests in, tasks out, all of them ended with the session.

use std::sync::Arc;

use access::{Gate, Refused};
use fanout::{is_reserved, serve_reserved};
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
    let gate = Arc::new(Gate::new(context.access.clone(), session.clone(), is_reserved));
    let mut path = metric::PathMeter::default();
    let mut looks = tokio::time::interval(limit::PATH_LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            biased;
            end = &mut driver => break end,
            () = context.drain.cancelled(), if !draining => {
                draining = true;
                let farewell = context.farewell();
                session.go_away(&farewell.uri, farewell.timeout);
            }
            Some(finished) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(error) = finished && error.is_panic() {
                    tracing::error!(%peer, %error, "a request's task failed");
                }
            }
            _ = looks.tick() => path.look(connection.stats()),
            request = session.next_request(), if asking && tasks.len() < limit::SESSION_TASKS => match request {
                Some(request) => {
                    metric::request(&request);
                    tasks.spawn(answer(context.clone(), session.clone(), gate.clone(), request));
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

/// Serves one request from its arrival to its end.
async fn answer(context: Arc<Context>, session: Session, gate: Arc<Gate>, request: IncomingRequest) {
    let kind = metric::kind(&request);
    let (request, standing) = match gate.admit(request).await {
        Ok(admitted) => admitted,
        Err(Refused(code)) => return metric::refused(kind, code),
    };
    if context.drain.is_cancelled() {
        return request.reject(RequestErrorCode::GoingAway, None, "relay is shutting down");
    }
    match request {
        IncomingRequest::Subscribe(request) if is_reserved(&request.track.namespace) => {
            serve_reserved(&**session.connection(), request).await;
        }
        IncomingRequest::Subscribe(request) => Box::pin(subscribe::serve(context, request)).await,
        IncomingRequest::Fetch(request) => Box::pin(fetch::serve(context, request)).await,
        IncomingRequest::TrackStatus(request) => status::serve(context, request).await,
        IncomingRequest::Publish(request) => publish::serve(context, session, request).await,
        IncomingRequest::PublishNamespace(request) => namespace::announced(context, session, request).await,
        IncomingRequest::SubscribeNamespace(request) => namespace::watched(context, standing, request).await,
        IncomingRequest::SubscribeTracks(request) => publish::offer_all(context, session, standing, request).await,
    }
}
