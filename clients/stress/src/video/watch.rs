//! One viewer on one track: reads its streams as they come and judges every frame.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use moqt::{FetchItem, ObjectStatus, Parameters, StreamErrorCode, SubgroupItem};
use tokio::time::{Sleep, sleep};
use transport::{FetchReader, Session, StreamFailure, SubgroupReader, Subscription, TrackEvent};

use super::frame::{Fault, FrameCheck};
use super::ledger::{Ledger, StreamEnd};
use super::publisher::Track;
use super::series::{CORRUPT, DISORDER, ERRORS, NO_HEAD, RESETS};
use super::sight::Sight;
use crate::clock::Moment;
use crate::connect::{request_error, session_error, stream_error};
use crate::limit;
use crate::measure::Meter;
use crate::plan::{Join, Rate};

/// How a viewer watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WatchStyle {
    pub(crate) run: u64,
    pub(crate) join: Join,
    pub(crate) read_rate: Option<Rate>,
    pub(crate) stall: Duration,
    /// When the plan had the viewer come, if this is its first track since.
    pub(crate) came: Option<Moment>,
}

/// One viewer on one track. Its [`Future`]-like [`Watch::run`] may be dropped at any time; then [`Watch::leave`] settles.
#[derive(Debug)]
pub(crate) struct Watch {
    style: WatchStyle,
    track: Arc<Track>,
    meter: Meter,
    ledger: Ledger,
    sight: Sight,
    head: Option<Next<FetchReader, Result<Option<FetchItem>, StreamFailure>>>,
    head_state: Reading,
    events: Option<Next<Subscription, TrackEvent>>,
    streams: Vec<LiveStream>,
    /// A slow reader waits.
    pause: Option<Pin<Box<Sleep>>>,
    /// Why the subscription is over, while its last streams are read.
    over: Option<String>,
}

/// A reader on its way to what comes next: moved along, so that nothing is lost when others are looked at meanwhile.
struct Next<R, T>(Pin<Box<dyn Future<Output = (R, T)> + Send>>);

impl<R, T> std::fmt::Debug for Next<R, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Next")
    }
}

#[derive(Debug)]
struct LiveStream {
    reader: SubgroupReader,
    state: Reading,
}

/// The object under way on a stream.
#[derive(Debug)]
struct Reading {
    check: FrameCheck,
    place: (u64, u64),
    announced: u64,
    has_frame: bool,
    last_sequence: Option<u64>,
}

/// What became of a stream.
enum Step {
    Wait,
    /// Others get their turn first.
    Yield,
    Ended,
}

impl Watch {
    pub(crate) fn new(style: WatchStyle, track: Arc<Track>, meter: Meter) -> Self {
        let sight = Sight::new(meter.clone(), style.stall, style.came);
        Self {
            ledger: Ledger::new(style.join == Join::Head, track.group_frames),
            sight,
            track,
            meter,
            style,
            head: None,
            head_state: Reading::new(),
            events: None,
            streams: Vec::new(),
            pause: None,
            over: None,
        }
    }

    /// What is watched.
    pub(crate) fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// Subscribes and reads until the subscription is over; says why.
    pub(crate) async fn run(&mut self, session: &Session) -> String {
        if let Err(reason) = self.join(session).await {
            return reason;
        }
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Settles the books. `expected`: frames that were published and have had time to arrive.
    pub(crate) fn leave(mut self, expected: Option<u64>) {
        let found = self.ledger.take();
        self.sight.found(&found);
        let missing = match (expected, self.ledger.newest()) {
            (Some(expected), Some(newest)) => expected.saturating_sub(newest + 1),
            // Nothing at all, though there was a head to be had.
            (Some(expected), None) if self.style.join == Join::Head => expected.min(1),
            _ => 0,
        };
        self.sight.found(&self.ledger.close());
        self.sight.leave(missing, expected.is_some());
    }

    async fn join(&mut self, session: &Session) -> Result<(), String> {
        self.sight.asked();
        let name = self.track.name.clone();
        let failed = |failure| request_error("subscribe", &failure);
        let subscription = match self.style.join {
            Join::Head => {
                let joined = session.join(name, Parameters::default(), 0).await.map_err(failed)?;
                let published = self.track.published();
                self.head = joined.head.map(next_in_head);
                match &self.head {
                    Some(_) => self.ledger.head_begun(),
                    None if published > 0 => self.begins_anywhere("relay knows of no frame yet"),
                    None => {}
                }
                joined.subscription
            }
            Join::Live => {
                let live = Parameters {
                    filter: Some(moqt::Filter::LargestObject),
                    forward: Some(true),
                    ..Parameters::default()
                };
                session.subscribe(name, live).await.map_err(failed)?
            }
        };
        self.events = Some(next_event(subscription));
        Ok(())
    }

    /// Relays that do not give a group's beginning exist; their viewers begin where the stream does.
    fn begins_anywhere(&mut self, why: &str) {
        // Of a beginning that broke off the rest stays on its way for ever.
        if self.head_state.last_sequence.is_none() {
            self.ledger.without_head();
        }
        self.sight.without_head();
        self.meter.labelled(&NO_HEAD, why);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        self.poll_events(cx);
        let mut budget = limit::ITEMS_PER_TURN;
        if let Step::Yield = self.poll_head(cx, &mut budget) {
            return self.yielded(cx);
        }
        let mut index = 0;
        while index < self.streams.len() {
            match self.poll_stream(cx, index, &mut budget) {
                Step::Wait => index += 1,
                Step::Yield => return self.yielded(cx),
                Step::Ended => drop(self.streams.swap_remove(index)),
            }
        }
        let found = self.ledger.take();
        self.sight.found(&found);
        match &self.over {
            Some(reason) if self.streams.is_empty() && self.head.is_none() => Poll::Ready(reason.clone()),
            _ => Poll::Pending,
        }
    }

    fn yielded(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        // A slow reader is woken by its pause instead.
        let waits = self.pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_pending());
        if !waits {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_events(&mut self, cx: &mut Context<'_>) {
        while let Some(Next(next)) = &mut self.events {
            let Poll::Ready((subscription, event)) = next.as_mut().poll(cx) else { return };
            self.events = None;
            match event {
                TrackEvent::Subgroup(mut reader) if self.streams.len() >= limit::TRACK_STREAMS => {
                    reader.stop(StreamErrorCode::ExcessiveLoad);
                    self.meter.labelled(&ERRORS, "more streams than a viewer reads");
                }
                TrackEvent::Subgroup(reader) => {
                    self.streams.push(LiveStream { reader, state: Reading::new() });
                }
                TrackEvent::Datagram(_) => self.meter.labelled(&ERRORS, "datagram instead of a stream"),
                TrackEvent::Done { status, .. } => {
                    self.over = Some(format!("subscription ended with {status}"));
                    return;
                }
                TrackEvent::Lost(error) => {
                    let reason = error.as_ref().map_or_else(|| "subscription dropped".to_owned(), session_error);
                    self.over = Some(reason);
                    return;
                }
            }
            self.events = Some(next_event(subscription));
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, budget: &mut usize) -> Step {
        while let Some(Next(next)) = &mut self.head {
            if *budget == 0 {
                return Step::Yield;
            }
            let Poll::Ready((reader, item)) = next.as_mut().poll(cx) else { return Step::Wait };
            *budget -= 1;
            self.head = None;
            let mut taken = 0;
            match item {
                Ok(Some(FetchItem::Header { header, .. })) => {
                    let place = (header.location.group, header.location.object);
                    self.head_state.begin(place, header.payload_len, ObjectStatus::Normal);
                }
                Ok(Some(FetchItem::Payload(part))) => {
                    self.head_state.check.push(&part);
                    taken = part.len();
                }
                Ok(Some(FetchItem::End)) => {
                    let mut state = std::mem::replace(&mut self.head_state, Reading::new());
                    self.whole(&mut state, false);
                    self.head_state = state;
                }
                Ok(Some(FetchItem::EndOfRange { .. })) => {}
                Ok(None) => {
                    self.ledger.head_ended();
                    return Step::Ended;
                }
                Err(failure) => {
                    self.begins_anywhere(&stream_error("joining fetch", &failure));
                    return Step::Ended;
                }
            }
            self.head = Some(next_in_head(reader));
            if self.pauses(taken) {
                return Step::Yield;
            }
        }
        Step::Wait
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, index: usize, budget: &mut usize) -> Step {
        loop {
            if *budget == 0 {
                return Step::Yield;
            }
            let LiveStream { reader, state } = &mut self.streams[index];
            // Cancel safe: what was read stays in the reader.
            let Poll::Ready(item) = pin!(reader.next()).poll(cx) else { return Step::Wait };
            *budget -= 1;
            let group = reader.header().group;
            match item {
                Ok(Some(SubgroupItem::Header { header, .. })) => {
                    state.begin((group, header.object_id), header.payload_len, header.status);
                }
                Ok(Some(SubgroupItem::Payload(part))) => {
                    state.check.push(&part);
                    if self.pauses(part.len()) {
                        return Step::Yield;
                    }
                }
                Ok(Some(SubgroupItem::End)) => {
                    let mut state = std::mem::replace(state, Reading::new());
                    self.whole(&mut state, true);
                    self.streams[index].state = state;
                }
                Ok(None) => {
                    self.ledger.stream_ended(group, StreamEnd::Whole);
                    return Step::Ended;
                }
                Err(failure) => {
                    self.ledger.stream_ended(group, StreamEnd::Reset);
                    if let StreamFailure::Reset(code) = failure {
                        self.meter.labelled(&RESETS, &code.to_string());
                    }
                    return Step::Ended;
                }
            }
        }
    }

    /// A whole object: judged, timed, entered.
    fn whole(&mut self, state: &mut Reading, live: bool) {
        if !std::mem::take(&mut state.has_frame) {
            return;
        }
        let bytes = state.check.length();
        let judged = state.check.finish(self.style.run, self.track.index, state.place);
        let stamp = match judged {
            Ok(stamp) if bytes as u64 == state.announced => stamp,
            Ok(_) => return self.spoiled(state.place, Fault::Length),
            Err(fault) => return self.spoiled(state.place, fault),
        };
        if state.last_sequence.replace(stamp.sequence).is_some_and(|last| last >= stamp.sequence) {
            self.meter.count(&DISORDER, 1);
        }
        if self.ledger.frame(&stamp) {
            let first = stamp.object == 0 || self.style.join == Join::Live;
            self.sight.frame(&stamp, bytes, live, first);
        }
    }

    /// A frame that came, but not as it was sent.
    fn spoiled(&mut self, (group, object): (u64, u64), fault: Fault) {
        self.ledger.spoiled(group, object);
        self.meter.labelled(&CORRUPT, fault.name());
    }

    /// Whether a slow reader now waits as long as these bytes take it.
    fn pauses(&mut self, bytes: usize) -> bool {
        let Some(Rate(rate)) = self.style.read_rate.filter(|_| bytes > 0) else { return false };
        self.pause = Some(Box::pin(sleep(Duration::from_secs_f64(bytes as f64 * 8.0 / rate))));
        true
    }
}

impl Reading {
    fn new() -> Self {
        Self { check: FrameCheck::new(), place: (0, 0), announced: 0, has_frame: false, last_sequence: None }
    }

    fn begin(&mut self, place: (u64, u64), announced: u64, status: ObjectStatus) {
        self.place = place;
        self.announced = announced;
        // Marks of a group's or track's end carry no frame.
        self.has_frame = status == ObjectStatus::Normal;
    }
}

fn next_in_head(mut reader: FetchReader) -> Next<FetchReader, Result<Option<FetchItem>, StreamFailure>> {
    Next(Box::pin(async move {
        let item = reader.next().await;
        (reader, item)
    }))
}

fn next_event(mut subscription: Subscription) -> Next<Subscription, TrackEvent> {
    Next(Box::pin(async move {
        let event = subscription.next().await;
        (subscription, event)
    }))
}
