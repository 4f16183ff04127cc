//! PUBLISH from publishers, and towards subscribers of SUBSCRIBE_TRACKS.

use std::sync::Arc;
use std::time::Instant;

use access::{Standing, Want};
use fanout::is_reserved;
use moqt::{FullTrackName, Parameters, RequestErrorCode};
use tokio::task::JoinSet;
use transport::{IncomingPrefix, IncomingPublish, NamespaceWriter, PrefixEvent, RequestFailure, Session};

use super::subscribe;
use crate::limit;
use crate::relay::Context;
use crate::router::Source;
use crate::upstream::offered;

/// Takes an offered track: accepted with forward off, switched on by the first viewer.
pub(super) async fn serve(context: Arc<Context>, session: Session, request: IncomingPublish) {
    if request.properties.unknown_mandatory(&[]).is_some() {
        request.reject(RequestErrorCode::UnsupportedExtension, None, "track needs a property this relay does not know");
        return;
    }
    if is_reserved(&request.track.namespace) {
        return request.reject(RequestErrorCode::Unauthorized, None, "this namespace is the relay's own");
    }
    session.connection().set_max_incoming_uni(limit::PUBLISHER_STREAMS);
    let track = request.track.clone();
    let off = Parameters { forward: Some(false), ..Parameters::default() };
    let (offered, holder) = offered(request.accept(off));
    let source = Source { session: session.clone(), offered: Some(Arc::new(offered)), upstream: false };
    match context.router.offer(track.clone(), source) {
        Ok(_registration) => {
            tracing::info!(%track, peer = %session.connection().info().peer, "track offered");
            holder.run().await;
        }
        Err(error) => tracing::warn!(%track, %error, "offered track dropped"),
    }
}

/// SUBSCRIBE_TRACKS: offers every track under the prefix that the subscriber may watch, except its own, until it leaves.
pub(super) async fn offer_all(context: Arc<Context>, session: Session, standing: Standing, request: IncomingPrefix) {
    let forward = request.parameters.forward.unwrap_or(true);
    let hops = request.parameters.hops.clone();
    let mut writer = request.accept();
    let mut offers = JoinSet::new();
    let spawn = |offers: &mut JoinSet<Offer>, writer: &NamespaceWriter, track: FullTrackName| {
        let Some(watching) = standing.toward(Want::Subscribe(track.clone())) else { return };
        if offers.len() < limit::SESSION_TASKS {
            let offered = Offered { track, forward, hops: hops.clone(), standing: watching };
            offers.spawn(offer(context.clone(), session.clone(), offered));
        } else {
            writer.blocked(&track.namespace, track.name);
        }
    };
    loop {
        let prefix = writer.prefix().clone();
        let (_registration, known, mut new) = context.router.watch_tracks(&prefix);
        for track in known {
            spawn(&mut offers, &writer, track);
        }
        loop {
            tokio::select! {
                track = new.recv() => match track {
                    Some(track) => spawn(&mut offers, &writer, track),
                    None => return,
                },
                Some(ended) = offers.join_next(), if !offers.is_empty() => {
                    if let Ok(Offer::Blocked(track)) = ended {
                        writer.blocked(&track.namespace, track.name);
                    }
                }
                event = writer.next() => match event {
                    PrefixEvent::Moved(_) => break,
                    // Subscriptions that the offers made live on (draft-18 section 6.1): they end with the session.
                    PrefixEvent::Ended => {
                        while offers.join_next().await.is_some() {}
                        return;
                    }
                },
            }
        }
    }
}

/// One track for one subscriber.
struct Offered {
    track: FullTrackName,
    forward: bool,
    hops: Vec<u64>,
    /// To watch it.
    standing: Standing,
}

/// What became of an offer.
enum Offer {
    Over,
    /// The subscriber allowed no stream for it.
    Blocked(FullTrackName),
}

/// Offers one track to one subscriber and serves it if it is wanted.
async fn offer(context: Arc<Context>, session: Session, offered: Offered) -> Offer {
    let Offered { track, forward, hops, standing } = offered;
    if context.router.sources(&track).iter().all(|source| source.session.same(&session)) {
        return Offer::Over;
    }
    let Ok(viewing) = context.open(&track, &hops) else { return Offer::Over };
    let Ok(properties) = viewing.ready().await else { return Offer::Over };
    let parameters =
        Parameters { largest_object: viewing.track.largest(), forward: Some(forward), ..Parameters::default() };
    match session.publish(track.clone(), parameters.clone(), properties).await {
        Ok((mut writer, answer)) => {
            writer.hold(standing.lease());
            if let Some(group) = answer.new_group_request {
                viewing.track.request_group(group);
            }
            let merged = Parameters { forward: answer.forward.or(parameters.forward), ..answer };
            let offered = Instant::now();
            subscribe::serve_writer(&context, &viewing, writer, &merged, parameters.largest_object, offered).await;
        }
        Err(RequestFailure::NoStream) => return Offer::Blocked(track),
        Err(error) => tracing::debug!(%error, "offered track not wanted"),
    }
    Offer::Over
}
