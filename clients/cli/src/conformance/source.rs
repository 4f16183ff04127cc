//! The publisher's track: objects appear when the case says so, and every payload follows from its location.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use moqt::{
    FetchObjectHeader, Filter, FullTrackName, Location, ObjectHeader, ObjectStatus, Parameters, Properties,
    PublishDoneCode, RequestErrorCode, StreamErrorCode, encode_object_header,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::{
    FetchWriter, IncomingFetch, IncomingRequest, IncomingSubscribe, Session, StreamFailure, SubgroupFields,
    SubgroupWriter, SubscriptionEvent, SubscriptionWriter, stream_priority,
};

/// Bytes of every payload.
const PAYLOAD: usize = 200;
/// Priority of every object: the draft's default.
const PRIORITY: u8 = 128;

/// The payload of the object at a place: its place in words.
pub(super) fn payload(location: Location) -> Bytes {
    let words = format!("efir conformance {}/{} ", location.group, location.object);
    words.bytes().cycle().take(PAYLOAD).collect()
}

/// A track of one publisher.
#[derive(Debug)]
pub(super) struct Source {
    track: FullTrackName,
    contents: watch::Sender<Contents>,
    /// SUBSCRIBEs answered, FETCHes answered.
    asked: watch::Sender<(usize, usize)>,
}

/// What was published so far: objects 0 to n of each group, one subgroup.
#[derive(Debug, Default)]
struct Contents {
    groups: BTreeMap<u64, Group>,
    ended: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Group {
    objects: u64,
    complete: bool,
}

impl Contents {
    fn largest(&self) -> Option<Location> {
        let (group, contents) = self.groups.last_key_value()?;
        Some(Location::new(*group, contents.objects.checked_sub(1)?))
    }
}

impl Source {
    pub(super) fn new(track: FullTrackName) -> Arc<Self> {
        Arc::new(Self { track, contents: watch::Sender::default(), asked: watch::Sender::default() })
    }

    pub(super) fn track(&self) -> &FullTrackName {
        &self.track
    }

    /// Publishes the next `objects` objects of a group.
    pub(super) fn publish(&self, group: u64, objects: u64) {
        self.contents.send_modify(|contents| contents.groups.entry(group).or_default().objects += objects);
    }

    /// Nothing more comes in this group.
    pub(super) fn complete(&self, group: u64) {
        self.contents.send_modify(|contents| contents.groups.entry(group).or_default().complete = true);
    }

    /// Nothing more comes on this track.
    pub(super) fn end(&self) {
        self.contents.send_modify(|contents| contents.ended = true);
    }

    /// Waits until this location was published.
    pub(super) async fn reached(&self, location: Location) {
        let mut contents = self.contents.subscribe();
        // The sender lives in this source.
        let _ = contents.wait_for(|contents| contents.largest() >= Some(location)).await;
    }

    /// Waits until the relay subscribed.
    pub(super) async fn subscribed(&self) {
        let _ = self.asked.subscribe().wait_for(|(subscribes, _)| *subscribes > 0).await;
    }

    /// What the relay asked of the publisher, in words.
    pub(super) fn told(&self) -> String {
        let (subscribes, fetches) = *self.asked.borrow();
        match (subscribes, fetches) {
            (0, 0) => "the publisher was asked for nothing".to_owned(),
            _ => format!("the publisher answered {subscribes} SUBSCRIBE and {fetches} FETCH"),
        }
    }

    /// Answers the relay's requests until the session ends.
    pub(super) async fn serve(self: Arc<Self>, session: &Session) {
        let mut tasks = JoinSet::new();
        while let Some(request) = session.next_request().await {
            let source = self.clone();
            tasks.spawn(async move { source.answer(request).await });
        }
    }

    async fn answer(&self, request: IncomingRequest) {
        let missing = |request: IncomingRequest| request.reject(RequestErrorCode::DoesNotExist, None, "no such track");
        match request {
            IncomingRequest::Subscribe(request) if request.track == self.track => self.subscription(request).await,
            IncomingRequest::Fetch(request) if request.track == self.track => self.fetch(request).await,
            IncomingRequest::TrackStatus(request) if request.track == self.track => {
                request.accept(self.state(), Properties::default());
            }
            other @ (IncomingRequest::Subscribe(_) | IncomingRequest::Fetch(_) | IncomingRequest::TrackStatus(_)) => {
                missing(other);
            }
            other => other.reject(RequestErrorCode::NotSupported, None, "this publisher has one track only"),
        }
    }

    /// LARGEST_OBJECT, once there is one.
    fn state(&self) -> Parameters {
        Parameters { largest_object: self.contents.borrow().largest(), ..Parameters::default() }
    }

    async fn subscription(&self, request: IncomingSubscribe) {
        let (filter, state) = (request.parameters.filter, self.state());
        let forward = request.parameters.forward.unwrap_or(true);
        let largest = state.largest_object;
        let Ok(writer) = request.accept(state, Properties::default()) else { return };
        self.asked.send_modify(|(subscribes, _)| *subscribes += 1);
        let sender = Sender { source: self, writer, next: first(filter, largest), forward, stream: None };
        sender.run().await;
    }

    async fn fetch(&self, request: IncomingFetch) {
        let Some(largest) = self.contents.borrow().largest().filter(|largest| request.start <= *largest) else {
            return request.reject(RequestErrorCode::InvalidRange, None, "nothing was published there");
        };
        let (start, end, order) = (request.start, request.end, request.order);
        let beyond = end.group > largest.group || (end.group == largest.group && (end.object == 0 || end > largest));
        let end = if beyond { Location::new(largest.group, largest.object + 1) } else { end };
        let priority = stream_priority(PRIORITY, PRIORITY, 0);
        let Ok(writer) = request.accept(false, end, Properties::default(), priority).await else { return };
        self.asked.send_modify(|(_, fetches)| *fetches += 1);
        let mut locations = self.between(start, end);
        if order == moqt::GroupOrder::Descending {
            locations.sort_by_key(|location| (std::cmp::Reverse(location.group), location.object));
        }
        // Who gave the FETCH up needs no answer.
        let _ = send_fetched(writer, &locations).await;
    }

    /// Objects from `start` up to `end`, an end as on the wire.
    fn between(&self, start: Location, end: Location) -> Vec<Location> {
        let contents = self.contents.borrow();
        let all = contents
            .groups
            .iter()
            .flat_map(|(group, contents)| (0..contents.objects).map(move |object| Location::new(*group, object)));
        let inside = |location: &Location| {
            *location >= start && (*location < end || (end.object == 0 && location.group == end.group))
        };
        all.filter(inside).collect()
    }
}

/// Where a subscription begins: never before what is published next, as only FETCH gives the past.
fn first(filter: Option<Filter>, largest: Option<Location>) -> Location {
    let Some(largest) = largest else { return Location::default() };
    let next = Location::new(largest.group, largest.object + 1);
    match filter {
        Some(Filter::NextGroup) => Location::new(largest.group + 1, 0),
        Some(Filter::AbsoluteStart(start) | Filter::AbsoluteRange { start, .. }) => start.max(next),
        Some(Filter::LargestObject) | None => next,
    }
}

async fn send_fetched(mut writer: FetchWriter, locations: &[Location]) -> Result<(), StreamFailure> {
    for location in locations {
        let header = FetchObjectHeader {
            location: *location,
            subgroup: Some(0),
            priority: PRIORITY,
            properties: Properties::default(),
            payload_len: PAYLOAD as u64,
        };
        writer.object(&header)?;
        writer.write(&mut [payload(*location)]).await?;
    }
    writer.finish().await
}

/// One subscription being served.
struct Sender<'a> {
    source: &'a Source,
    writer: SubscriptionWriter,
    /// The next object to send.
    next: Location,
    forward: bool,
    stream: Option<OpenGroup>,
}

struct OpenGroup {
    writer: SubgroupWriter,
    group: u64,
    previous: Option<u64>,
}

impl Sender<'_> {
    async fn run(mut self) {
        let mut contents = self.source.contents.subscribe();
        loop {
            contents.mark_unchanged();
            if self.forward && self.send().await.is_err() {
                return;
            }
            if self.forward && contents.borrow().ended {
                return self.writer.done(PublishDoneCode::TrackEnded, "the case is over");
            }
            tokio::select! {
                changed = contents.changed() => if changed.is_err() { return },
                event = self.writer.next_event() => match event {
                    SubscriptionEvent::Update(parameters) => self.update(&parameters),
                    SubscriptionEvent::Cancelled | SubscriptionEvent::Refused(_) | SubscriptionEvent::Expired => {
                        if let Some(mut open) = self.stream.take() {
                            open.writer.reset(StreamErrorCode::Cancelled);
                        }
                        return;
                    }
                },
            }
        }
    }

    fn update(&mut self, parameters: &Parameters) {
        let state = self.source.state();
        if let Some(forward) = parameters.forward {
            if forward && !self.forward {
                // Switched on again: from here on, not what was missed.
                self.next = self.next.max(first(None, state.largest_object));
            }
            self.forward = forward;
        }
        self.writer.accept_update(state);
    }

    /// Sends everything that is there and was not sent.
    async fn send(&mut self) -> Result<(), StreamFailure> {
        loop {
            let here = self.next.group;
            let (known, later) = {
                let contents = self.source.contents.borrow();
                let later = contents.groups.range(here + 1..).next().map(|(group, _)| *group);
                (contents.groups.get(&here).copied().unwrap_or_default(), later)
            };
            while self.next.object < known.objects {
                self.object(self.next).await?;
                self.next.object += 1;
            }
            if known.complete
                && let Some(mut open) = self.stream.take_if(|open| open.group == here)
            {
                open.writer.finish();
            }
            let Some(later) = later.filter(|_| known.complete || known.objects == 0) else { return Ok(()) };
            self.next = Location::new(later, 0);
        }
    }

    async fn object(&mut self, location: Location) -> Result<(), StreamFailure> {
        let open = match self.stream.take() {
            Some(open) if open.group == location.group => self.stream.insert(open),
            _ => {
                let fields = SubgroupFields {
                    group: location.group,
                    subgroup: 0,
                    priority: Some(PRIORITY),
                    has_properties: false,
                    end_of_group: true,
                    first_object: location.object == 0,
                };
                let writer = self.writer.open_subgroup(fields, stream_priority(PRIORITY, PRIORITY, 0)).await?;
                self.stream.insert(OpenGroup { writer, group: location.group, previous: None })
            }
        };
        let header = ObjectHeader {
            object_id: location.object,
            properties: Properties::default(),
            payload_len: PAYLOAD as u64,
            status: ObjectStatus::Normal,
        };
        let mut head = BytesMut::new();
        // Ascending ids without properties always have a form on the wire.
        if encode_object_header(open.previous, &header, false, &mut head, self.writer.version()).is_err() {
            return Err(StreamFailure::Closed);
        }
        open.previous = Some(location.object);
        open.writer.write(&mut [head.freeze(), payload(location)]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_begin_at_the_live_edge() {
        let largest = Some(Location::new(3, 4));
        assert_eq!(first(Some(Filter::LargestObject), largest), Location::new(3, 5));
        assert_eq!(first(Some(Filter::NextGroup), largest), Location::new(4, 0));
        assert_eq!(first(Some(Filter::AbsoluteStart(Location::new(1, 0))), largest), Location::new(3, 5));
        assert_eq!(first(Some(Filter::AbsoluteStart(Location::new(9, 1))), largest), Location::new(9, 1));
        assert_eq!(first(None, None), Location::default());
    }

    #[test]
    fn ranges_are_taken_as_on_the_wire() {
        let source = Source::new("a--b".parse().unwrap());
        source.publish(0, 2);
        source.publish(1, 3);
        let between = |start: (u64, u64), end: (u64, u64)| {
            source.between(Location::new(start.0, start.1), Location::new(end.0, end.1)).len()
        };
        assert_eq!(between((0, 0), (1, 0)), 5, "object 0 is the whole group");
        assert_eq!(between((0, 1), (1, 1)), 2);
        assert_eq!(between((1, 2), (1, 3)), 1);
    }
}
