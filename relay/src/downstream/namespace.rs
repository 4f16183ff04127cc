//! Namespaces: publishers that announce them, subscribers that listen to a prefix.

use std::collections::HashSet;
use std::sync::Arc;

use access::{Standing, Want};
use fanout::is_reserved;
use moqt::{Namespace, RequestErrorCode};
use transport::{IncomingNamespace, IncomingPrefix, NamespaceEvent, NamespaceWriter, PrefixEvent, Session};

use crate::limit;
use crate::relay::Context;

/// PUBLISH_NAMESPACE: the session's tracks can be subscribed to through this relay until it withdraws.
pub(super) async fn announced(context: Arc<Context>, session: Session, request: IncomingNamespace) {
    if is_reserved(&request.namespace) {
        return request.reject(RequestErrorCode::Unauthorized, None, "this namespace is the relay's own");
    }
    match context.router.announce(request.namespace.clone(), session.clone()) {
        Ok(_registration) => {
            session.connection().set_max_incoming_uni(limit::PUBLISHER_STREAMS);
            tracing::info!(namespace = %request.namespace, peer = %session.connection().info().peer, "namespace announced");
            request.accept().ended().await;
        }
        Err(error) => request.reject(RequestErrorCode::ExcessiveLoad, Some(limit::MIRROR_RETRY), &error.to_string()),
    }
}

/// SUBSCRIBE_NAMESPACE: reports what is announced under the prefix, now and later, as far as the subscriber may see it.
pub(super) async fn watched(context: Arc<Context>, standing: Standing, request: IncomingPrefix) {
    if let Some(reason) = context.loop_reason(&request.parameters.hops) {
        request.reject(RequestErrorCode::PrefixOverlap, None, reason);
        return;
    }
    let mut writer = request.accept();
    loop {
        match report(&context, &standing, &mut writer).await {
            Some(_moved) => {}
            None => return,
        }
    }
}

/// Reports one prefix until the subscriber moves to another (`Some`) or leaves.
async fn report(context: &Arc<Context>, standing: &Standing, writer: &mut NamespaceWriter) -> Option<Namespace> {
    let prefix = writer.prefix().clone();
    let (_registration, known, mut changes) = context.router.watch_namespaces(&prefix);
    let mut shown = HashSet::new();
    let view = standing.view();
    for namespace in known.into_iter().filter(|namespace| view.allows(&Want::See(namespace.clone()))) {
        writer.added(&namespace);
        shown.insert(namespace);
    }
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Some(NamespaceEvent::Added(namespace)) => {
                    if standing.allows(&Want::See(namespace.clone())) {
                        writer.added(&namespace);
                        shown.insert(namespace);
                    }
                }
                Some(NamespaceEvent::Removed(namespace)) => {
                    if shown.remove(&namespace) {
                        writer.removed(&namespace);
                    }
                }
                None => return None,
            },
            event = writer.next() => match event {
                PrefixEvent::Moved(prefix) => return Some(prefix),
                PrefixEvent::Ended => return None,
            },
        }
    }
}
