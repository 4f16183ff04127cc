//! Everybody who publishes one track, at once: one sends, the others stand by and take over.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use moqt::{Location, PublishDoneCode, RequestErrorCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::ingest::IngestEnd;
use super::roster::{Role, Roster};
use super::seat::{News, Orders, SeatEnd, occupy};
use crate::relay::Context;
use crate::router::Source;
use crate::track::{Refusal, Track, TrackState};
use crate::{delay, limit, metric};

/// Why a track's task stops.
pub(super) enum Stop {
    /// Nobody watched for a linger.
    Idle,
    /// The publisher said so, or is gone for good.
    Ended(PublishDoneCode, &'static str),
    /// No source serves it.
    Refused(Refusal),
}

/// Why nobody feeds a track any more.
pub(super) enum Over {
    Stop(Stop),
    /// Every source refused, or was lost.
    Nobody {
        refusal: Option<Refusal>,
        /// One of them served the track before.
        served: bool,
    },
}

/// The sources of one track that are in use.
///
/// Publishers that came to this relay are all subscribed to (draft-18 section 9.5). The best one sends; the others are subscribed
/// with forward off, and take over when it ends, is lost, falls silent while they go on, or leaves groups out. Configured
/// upstreams are this operator's own tree and as good as one another: they are asked in turn, and only when nobody came here.
pub(super) struct Publishers<'a> {
    context: &'a Arc<Context>,
    track: &'a Arc<Track>,
    hops: &'a [u64],
    roster: Roster,
    seats: Vec<Seat>,
    running: FuturesUnordered<BoxFuture<'static, (u64, SeatEnd)>>,
    report: mpsc::Sender<(u64, News)>,
    news: mpsc::Receiver<(u64, News)>,
    next_id: u64,
    /// Sources that refused or ended, and when.
    spent: Vec<(Source, Instant)>,
    refusal: Option<Refusal>,
    served: bool,
    /// What the last publisher to end the track said, for when no other is left.
    ended: Option<PublishDoneCode>,
    silence: Silence,
    /// Whether one who is lost is succeeded at once.
    reserve: Arc<AtomicBool>,
}

/// One source in use.
struct Seat {
    id: u64,
    source: Source,
    role: watch::Sender<Role>,
    /// The upstream moves: who succeeds it.
    successor: Option<u64>,
    /// When it is left: once a group above this one has begun, or at this time.
    ends: Option<(u64, Instant)>,
}

/// How long nothing has come, and when those who stand by are to be asked about it.
struct Silence {
    largest: Option<Location>,
    since: Instant,
    patience: Duration,
}

impl Silence {
    fn new() -> Self {
        Self { largest: None, since: Instant::now(), patience: limit::PUBLISHER_SILENCE }
    }

    /// Whether it has lasted long enough to ask; then it must last twice as long for the next time.
    fn is_long(&mut self, largest: Option<Location>) -> bool {
        if self.largest != largest {
            *self = Self { largest, ..Self::new() };
        }
        let long = self.since.elapsed() >= self.patience;
        if long {
            (self.since, self.patience) = (Instant::now(), (self.patience * 2).min(limit::PUBLISHER_SILENCE_MOST));
        }
        long
    }

    /// Whether somebody who was asked because of it is further than the log.
    fn is_broken_by(&self, other: Option<Location>, largest: Option<Location>) -> bool {
        self.patience > limit::PUBLISHER_SILENCE && self.largest == largest && other > largest
    }
}

impl<'a> Publishers<'a> {
    pub(super) fn new(context: &'a Arc<Context>, track: &'a Arc<Track>, hops: &'a [u64]) -> Self {
        let (report, news) = mpsc::channel(limit::PUBLISHER_NEWS);
        Self {
            context,
            track,
            hops,
            roster: Roster::new(context.settings.merge_publishers),
            seats: Vec::new(),
            running: FuturesUnordered::new(),
            report,
            news,
            next_id: 0,
            spent: Vec::new(),
            refusal: None,
            served: false,
            ended: None,
            silence: Silence::new(),
            reserve: Arc::default(),
        }
    }

    /// Feeds the track's log until nobody is left to feed it, nobody watches it, or it is over.
    pub(super) async fn run(mut self) -> Over {
        let mut changes = self.context.router.changes();
        let mut looks = interval(limit::PUBLISHER_LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (track, linger) = (self.track.clone(), self.context.settings.linger());
        let mut idle = pin!(track.idle(linger));
        loop {
            changes.mark_unchanged();
            self.admit();
            if self.seats.is_empty() && !self.ask_upstream() {
                return self.nobody();
            }
            tokio::select! {
                biased;
                Some((id, end)) = self.running.next() => {
                    // What it said comes before its end.
                    while let Ok((id, news)) = self.news.try_recv() {
                        self.hear(id, news);
                    }
                    if let Some(stop) = self.vacated(id, end) {
                        return Over::Stop(stop);
                    }
                }
                Some((id, news)) = self.news.recv() => self.hear(id, news),
                _ = changes.changed() => {}
                _ = looks.tick(), if self.seats.len() > 1 || !self.spent.is_empty() => self.look(),
                () = &mut idle => {
                    self.leave().await;
                    return Over::Stop(Stop::Idle);
                }
            }
            self.tell_roles();
        }
    }

    /// Gives a seat to every publisher that came to this relay and has none.
    fn admit(&mut self) {
        let sources = self.context.router.sources(&self.track.name);
        self.follow_upstream(&sources);
        for source in sources {
            let seated = self.seats.iter().any(|seat| seat.source.session.same(&source.session));
            let room = self.seats.len() < limit::PUBLISHERS_PER_TRACK;
            if room && !source.upstream && !seated && !self.is_spent(&source) {
                let _ = self.seat(source);
            }
        }
    }

    /// Joins the place that an upstream in use asked to move to, before the old one is left (GOAWAY, draft-18 section 9.4.1).
    fn follow_upstream(&mut self, sources: &[Source]) {
        let gone = |seat: &Seat| {
            let known = sources.iter().any(|source| source.session.same(&seat.source.session));
            seat.source.upstream && seat.successor.is_none() && !known
        };
        let Some(place) = self.seats.iter().position(gone) else { return };
        let next = sources.iter().find(|source| source.upstream && !self.is_spent(source));
        let Some(next) = next.filter(|next| !self.seats.iter().any(|seat| seat.source.is_same(next))).cloned() else {
            return;
        };
        let successor = self.seat(next);
        self.seats[place].successor = Some(successor);
    }

    /// A publisher is ready to take over from one that it succeeds, or has done so.
    fn succeed(&mut self, id: u64, sends: bool) {
        let Some(old) = self.seats.iter_mut().find(|seat| seat.successor == Some(id)) else { return };
        if sends {
            let newest = self.track.largest().map_or(0, |largest| largest.group);
            old.ends = Some((newest, Instant::now() + limit::UPSTREAM_OVERLAP));
            // Its place in the order is taken; it sends on until it is told to leave.
            self.roster.remove(old.id, Instant::now());
        } else {
            self.roster.join(id, Instant::now());
        }
    }

    /// Leaves upstreams whose successors have begun a group.
    fn leave_moved(&mut self) {
        let newest = self.track.largest().map_or(0, |largest| largest.group);
        for seat in &self.seats {
            if seat.ends.is_some_and(|(group, at)| newest > group || Instant::now() >= at) {
                seat.role.send_replace(Role::Leave);
            }
        }
    }

    /// Gives a seat to the next configured upstream, if there is one.
    fn ask_upstream(&mut self) -> bool {
        let sources = self.context.router.sources(&self.track.name);
        let next = sources.into_iter().find(|source| source.upstream && !self.is_spent(source));
        next.map(|source| self.seat(source)).is_some()
    }

    fn is_spent(&self, source: &Source) -> bool {
        self.spent.iter().any(|(spent, _)| spent.is_same(source))
    }

    fn seat(&mut self, source: Source) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let role = watch::Sender::new(self.roster.add(id, Instant::now()));
        let orders = Orders { id, role: role.subscribe(), news: self.report.clone(), reserve: self.reserve.clone() };
        let seat = occupy(self.context.clone(), self.track.clone(), self.hops.to_vec(), source.clone(), orders);
        self.running.push(Box::pin(async move { (id, seat.await) }));
        self.seats.push(Seat { id, source, role, successor: None, ends: None });
        id
    }

    fn tell_roles(&self) {
        self.reserve.store(self.roster.has_reserve(), Ordering::Relaxed);
        for seat in self.seats.iter().filter(|seat| seat.ends.is_none()) {
            let role = self.roster.role(seat.id);
            seat.role.send_if_modified(|now| std::mem::replace(now, role) != role);
        }
    }

    fn hear(&mut self, id: u64, news: News) {
        match news {
            News::Sends { properties, largest } => {
                self.roster.settled(id);
                self.succeed(id, true);
                self.served = true;
                if self.roster.sends(id) {
                    // A word on the largest location counts for as long as who gave it.
                    let alone = self.seats.len() == 1 || self.roster.has_reserve();
                    self.track.tell_largest(if alone { largest } else { largest.max(self.track.largest()) });
                    self.track.set(TrackState::Live(delay::declared(&self.context.settings.delay, &properties)));
                }
            }
            News::StandsBy(largest) => {
                self.roster.settled(id);
                self.succeed(id, false);
                if !self.roster.sends(id) && self.silence.is_broken_by(largest, self.track.log.largest()) {
                    tracing::info!(track = %self.track.name, "publisher fell silent; another one is further");
                    self.switched();
                    self.roster.choose(id, Instant::now());
                }
            }
            News::Hole { from } if self.roster.has_reserve() => {
                tracing::info!(track = %self.track.name, "publisher leaves groups out; every publisher sends now");
                self.roster.merge(from, Instant::now());
            }
            News::Hole { .. } => {}
        }
    }

    fn look(&mut self) {
        self.leave_moved();
        // Who refused or ended may have the track by now.
        self.spent.retain(|(_, at)| at.elapsed() < limit::PUBLISHER_RETRY);
        if self.roster.look(Instant::now()) {
            tracing::info!(track = %self.track.name, "publisher does not answer; another one sends");
            self.switched();
        }
        if self.roster.has_reserve() && self.silence.is_long(self.track.log.largest()) {
            self.roster.probe();
        }
    }

    fn switched(&self) {
        metric::publisher_switched();
    }

    /// A seat has become empty; `Some` when the track is over with it.
    fn vacated(&mut self, id: u64, end: SeatEnd) -> Option<Stop> {
        let sent = self.roster.sends(id);
        if let Some(place) = self.seats.iter().position(|seat| seat.id == id) {
            self.spent.push((self.seats.remove(place).source, Instant::now()));
        }
        self.roster.remove(id, Instant::now());
        let left = !self.seats.is_empty();
        if left && sent && matches!(end, SeatEnd::Over(_)) {
            self.switched();
        }
        match end {
            SeatEnd::Left => None,
            SeatEnd::Refused(refusal) => {
                self.refusal = Some(refusal);
                None
            }
            SeatEnd::Over(end) => self.judge(end, left),
        }
    }

    /// What the end of one publisher's subscription means for the track.
    fn judge(&mut self, end: IngestEnd, left: bool) -> Option<Stop> {
        match end {
            IngestEnd::Malformed => {
                Some(Stop::Ended(PublishDoneCode::MalformedTrack, "what was published contradicts itself"))
            }
            IngestEnd::Done(status @ (PublishDoneCode::TrackEnded | PublishDoneCode::MalformedTrack)) => {
                self.ended = Some(status);
                (!left).then_some(Stop::Ended(status, "publisher ended the track"))
            }
            IngestEnd::BeganAnew => {
                (!left).then_some(Stop::Ended(PublishDoneCode::InternalError, "publisher began anew; subscribe again"))
            }
            IngestEnd::Done(status) => {
                tracing::info!(track = %self.track.name, ?status, left, "upstream ended the subscription");
                None
            }
            IngestEnd::Lost => {
                tracing::info!(track = %self.track.name, left, "upstream lost");
                None
            }
            IngestEnd::Told => None,
        }
    }

    fn nobody(self) -> Over {
        match self.ended {
            Some(status) => Over::Stop(Stop::Ended(status, "publisher ended the track")),
            None => Over::Nobody { refusal: self.refusal, served: self.served },
        }
    }

    /// Lets every publisher go; what was offered by PUBLISH is given back.
    async fn leave(&mut self) {
        self.news.close();
        for seat in &self.seats {
            seat.role.send_replace(Role::Leave);
        }
        let all = async { while self.running.next().await.is_some() {} };
        if timeout(limit::PUBLISHER_LEAVE, all).await.is_err() {
            tracing::debug!(track = %self.track.name, "a publisher did not let go in time");
        }
    }
}

/// The refusal when there is no source at all.
pub(super) fn no_source(context: &Context, track: &Track) -> Refusal {
    let name = &track.name;
    if context.router.upstreams_ready() {
        Refusal {
            code: RequestErrorCode::DoesNotExist,
            retry: None,
            reason: format!("nobody publishes {name} here"),
            redirect: None,
        }
    } else {
        let reason = format!("nobody publishes {name} here, and an upstream cannot be reached");
        Refusal { code: RequestErrorCode::DoesNotExist, retry: Some(limit::SOURCE_WAIT), reason, redirect: None }
    }
}
