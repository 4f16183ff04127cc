//! One publisher of a track for as long as the track is watched: subscribed once, sending or standing by as it is told.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use moqt::{Filter, Location, Parameters, Properties, RequestErrorCode};
use tokio::sync::{mpsc, watch};
use transport::{Joined, RequestFailure, Session, Subscription};

use super::ingest::{self, Head, IngestEnd};
use super::offered::{Lent, OfferedTrack};
use super::roster::Role;
use crate::relay::Context;
use crate::router::Source;
use crate::track::{Refusal, Track};
use crate::{limit, metric};

/// What a publisher's seat reports while it lasts.
#[derive(Debug)]
pub(super) enum News {
    /// It sends from here on.
    Sends {
        /// Of the track, as this publisher tells them.
        properties: Properties,
        /// The largest location when it began to.
        largest: Option<Location>,
    },
    /// It stands by, and this is how far it is.
    StandsBy(Option<Location>),
    /// It went on with a later group than the next, and did not say that those between do not exist.
    Hole {
        /// The first of them.
        from: u64,
    },
}

/// Why a seat is empty again.
#[derive(Debug)]
pub(super) enum SeatEnd {
    /// The publisher does not serve the track.
    Refused(Refusal),
    /// The subscription ended.
    Over(IngestEnd),
    /// As it was told, or its offer was withdrawn.
    Left,
}

/// How a seat hears from the track's task and reports to it.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) id: u64,
    pub(super) role: watch::Receiver<Role>,
    pub(super) news: mpsc::Sender<(u64, News)>,
    /// Somebody stands by who takes over if this publisher is lost.
    pub(super) reserve: Arc<AtomicBool>,
}

impl Orders {
    /// What to do now.
    pub(super) fn now(&mut self) -> Role {
        *self.role.borrow_and_update()
    }

    /// Waits for another role. Cancel safe.
    pub(super) async fn next(&mut self) -> Role {
        match self.role.changed().await {
            Ok(()) => self.now(),
            Err(_) => Role::Leave,
        }
    }

    pub(super) async fn report(&self, news: News) {
        // The track's task takes news for as long as it has seats.
        let _ = self.news.send((self.id, news)).await;
    }

    async fn left(&self) {
        let _ = self.role.clone().wait_for(|role| *role == Role::Leave).await;
    }
}

/// A subscription in use.
pub(super) struct Feed {
    session: Session,
    subscription: Held,
    /// Objects are on.
    pub(super) on: bool,
}

/// Whose a subscription is.
enum Held {
    /// Made by SUBSCRIBE: ends with this seat.
    Own(Subscription),
    /// Made by PUBLISH: goes back.
    Lent(Lent),
}

impl Feed {
    pub(super) fn subscription(&mut self) -> &mut Subscription {
        match &mut self.subscription {
            Held::Own(subscription) => subscription,
            Held::Lent(lent) => &mut lent.subscription,
        }
    }

    /// Switches objects on, and fetches what the log lacks before: from the group `from`, or that of its newest object, but no
    /// further back than a log holds.
    pub(super) async fn switch_on(
        &mut self,
        context: &Context,
        track: &Track,
        from: Option<u64>,
    ) -> Result<Head, RequestFailure> {
        let session = self.session.clone();
        let subscription = self.subscription();
        let on = Parameters { forward: Some(true), ..Parameters::default() };
        let answer = subscription.update(on).await?;
        let joining = answer.largest_object.max(subscription.parameters().largest_object);
        let reader = joining.map(|joining| {
            let seen = track.log.largest().map(|largest| largest.group);
            let missed = from.min(seen).or(seen).map_or(0, |first| joining.group.saturating_sub(first));
            // More would push one another out of the log before anybody has seen them.
            let most = context.settings.memory.track_groups.saturating_sub(1) as u64;
            let groups = if missed > most { 0 } else { missed };
            session.fetch_joining(subscription, groups, Parameters::default())
        });
        let head = Head::new(track, reader.transpose()?, joining);
        self.on = true;
        Ok(head)
    }

    /// Switches objects off.
    pub(super) async fn switch_off(&mut self) -> Result<(), RequestFailure> {
        let off = Parameters { forward: Some(false), ..Parameters::default() };
        self.on = false;
        self.subscription().update(off).await.map(|_| ())
    }

    /// Asks how far the publisher is.
    pub(super) async fn largest(&mut self) -> Result<Option<Location>, RequestFailure> {
        let answer = self.subscription().update(Parameters::default()).await?;
        Ok(answer.largest_object)
    }

    async fn release(mut self) {
        if self.on && matches!(self.subscription, Held::Lent(_)) && self.switch_off().await.is_err() {
            return;
        }
        if let Held::Lent(lent) = self.subscription {
            lent.give_back();
        }
    }
}

/// Holds one publisher's subscription until it ends or is told to leave.
pub(super) async fn occupy(
    context: Arc<Context>,
    track: Arc<Track>,
    hops: Vec<u64>,
    source: Source,
    mut orders: Orders,
) -> SeatEnd {
    let role = orders.now();
    let send = matches!(role, Role::Send { .. });
    let begun = match &source.offered {
        // Not given up half way: the offer would end with it.
        Some(offered) => take_up(&context, &track, &source.session, offered, role).await,
        None => tokio::select! {
            begun = subscribe(&context, &track, &hops, source.session.clone(), send) => begun.map(Some),
            () = orders.left() => return SeatEnd::Left,
        },
    };
    let (mut feed, head) = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => return SeatEnd::Left,
        Err(error) => {
            metric::upstream_subscribe(false);
            tracing::debug!(track = %track.name, %error, "upstream did not serve the track");
            return SeatEnd::Refused(as_refusal(error));
        }
    };
    if let Some(unknown) = feed.subscription().properties().unknown_mandatory(&[]) {
        return SeatEnd::Refused(Refusal {
            code: RequestErrorCode::UnsupportedExtension,
            retry: None,
            reason: format!("track needs property {unknown:#x}, which this relay does not know"),
            redirect: None,
        });
    }
    metric::upstream_subscribe(true);
    let _gauge = metric::LiveGauge::upstream_subscription();
    let largest = feed.subscription().parameters().largest_object;
    let news = match &head {
        Some(head) => News::Sends { properties: feed.subscription().properties().clone(), largest: head.joining() },
        None => News::StandsBy(largest),
    };
    orders.report(news).await;
    match ingest::feed(&context, &track, &mut feed, head, &mut orders).await {
        IngestEnd::Told => {
            feed.release().await;
            SeatEnd::Left
        }
        end => SeatEnd::Over(end),
    }
}

/// Takes up what was offered by PUBLISH. `None`: the offer was withdrawn.
async fn take_up(
    context: &Context,
    track: &Track,
    session: &Session,
    offered: &OfferedTrack,
    role: Role,
) -> Result<Option<(Feed, Option<Head>)>, RequestFailure> {
    let Some(lent) = offered.borrow().await else { return Ok(None) };
    let mut feed = Feed { session: session.clone(), subscription: Held::Lent(lent), on: false };
    let head = match role {
        Role::Send { from } => Some(feed.switch_on(context, track, from).await?),
        Role::StandBy(_) | Role::Leave => None,
    };
    Ok(Some((feed, head)))
}

/// Subscribes; with the head of the current group if objects are to come at once.
async fn subscribe(
    context: &Context,
    track: &Track,
    hops: &[u64],
    session: Session,
    send: bool,
) -> Result<(Feed, Option<Head>), RequestFailure> {
    session.connection().set_max_incoming_uni(limit::PUBLISHER_STREAMS);
    let newest = track.largest().map(|largest| largest.group);
    let new_group_request = track.group_requests.outstanding(newest).filter(|_| send);
    let parameters = Parameters { hops: context.onward(hops), new_group_request, ..Parameters::default() };
    if !send {
        let parameters = Parameters { filter: Some(Filter::LargestObject), forward: Some(false), ..parameters };
        let subscription = session.subscribe(track.name.clone(), parameters).await?;
        return Ok((Feed { session, subscription: Held::Own(subscription), on: false }, None));
    }
    let Joined { subscription, head } = session.join(track.name.clone(), parameters, 0).await?;
    let largest = subscription.parameters().largest_object;
    track.group_requests.began_at(largest.map(|largest| largest.group));
    let head = Head::new(track, head, largest);
    Ok((Feed { session, subscription: Held::Own(subscription), on: true }, Some(head)))
}

fn as_refusal(error: RequestFailure) -> Refusal {
    match error {
        RequestFailure::Refused(error) => Refusal {
            code: error.code,
            retry: error.retry,
            reason: error.reason.to_string(),
            redirect: error.redirect.map(Box::new),
        },
        RequestFailure::Timeout => {
            let reason = "upstream did not answer in time".to_owned();
            Refusal { code: RequestErrorCode::Timeout, retry: Some(limit::SOURCE_WAIT), reason, redirect: None }
        }
        other => Refusal {
            code: RequestErrorCode::InternalError,
            retry: Some(limit::SOURCE_WAIT),
            reason: format!("upstream failed: {other}"),
            redirect: None,
        },
    }
}
