//! What a subscriber receives, checked object by object.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use moqt::Location;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use transport::{FetchReader, Session, StreamFailure, SubgroupReader, Subscription, TrackEvent};

use super::bench::{Bench, Role};
use super::fault::{Fault, Party};
use super::source::payload;
use crate::limit;

/// Takes one subscription's objects.
#[derive(Debug)]
pub(super) struct Sink<'a, 'b> {
    bench: &'a Bench<'b>,
    role: Role,
    seen: mpsc::Receiver<Seen>,
    /// What came of later groups: streams are not in order among each other.
    later: BTreeMap<u64, VecDeque<Seen>>,
    /// Reads the streams; ended with the sink.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
enum Seen {
    Object(Location, Bytes),
    /// The stream of a group ended in good order.
    End(u64),
    Failed(u64, StreamFailure),
    /// The subscription is over: why.
    Over(String),
}

impl Seen {
    fn group(&self) -> Option<u64> {
        match self {
            Self::Object(location, _) => Some(location.group),
            Self::End(group) | Self::Failed(group, _) => Some(*group),
            Self::Over(_) => None,
        }
    }
}

impl<'a, 'b> Sink<'a, 'b> {
    pub(super) fn new(bench: &'a Bench<'b>, role: Role, subscription: Subscription) -> Self {
        let (sender, seen) = mpsc::channel(limit::SEEN_OBJECTS);
        let mut tasks = JoinSet::new();
        tasks.spawn(receive(subscription, sender));
        Self { bench, role, seen, later: BTreeMap::new(), _tasks: tasks }
    }

    /// Waits for these objects, in this order, and nothing else.
    pub(super) async fn objects(&mut self, wanted: impl IntoIterator<Item = Location>) -> Result<(), Fault> {
        for wanted in wanted {
            let what = format!("object {} of group {}", wanted.object, wanted.group);
            loop {
                match self.next(wanted.group, &what).await? {
                    Seen::Object(location, bytes) => {
                        check(self.bench, wanted, location, &bytes)?;
                        break;
                    }
                    Seen::End(group) if group < wanted.group => {}
                    Seen::End(group) => {
                        let story = format!("the stream of group {group} ended before {what}");
                        return Err(self.bench.fault(Party::Relay, "the stream's end", story));
                    }
                    Seen::Failed(_, failure) => return Err(self.bench.stream_failed(&failure)),
                    Seen::Over(why) => {
                        return Err(self.bench.fault(Party::Relay, "the subscription's end", why));
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until the stream of this group ended in good order.
    pub(super) async fn end_of(&mut self, group: u64) -> Result<(), Fault> {
        let what = format!("FIN on the stream of group {group}");
        loop {
            match self.next(group, &what).await? {
                Seen::End(ended) if ended == group => return Ok(()),
                Seen::End(_) => {}
                Seen::Object(location, _) => {
                    let received = format!("object {} of group {}", location.object, location.group);
                    let story = format!("{received} came, which was not published, or came before");
                    return Err(self.bench.fault(Party::Relay, received, story));
                }
                Seen::Failed(_, failure) => return Err(self.bench.stream_failed(&failure)),
                Seen::Over(why) => return Err(self.bench.fault(Party::Relay, "the subscription's end", why)),
            }
        }
    }

    /// The next thing of this group, or of an earlier one.
    async fn next(&mut self, group: u64, what: &str) -> Result<Seen, Fault> {
        self.bench.expect(self.role, what);
        if let Some(seen) = self.later.get_mut(&group).and_then(VecDeque::pop_front) {
            return Ok(seen);
        }
        loop {
            let lost = || self.bench.fault(Party::Relay, "the subscription's end", "nothing more comes");
            let seen = self.seen.recv().await.ok_or_else(lost)?;
            match seen.group().filter(|its| *its > group) {
                Some(its) => self.later.entry(its).or_default().push_back(seen),
                None => return Ok(seen),
            }
        }
    }
}

/// Whether an object is the one that was published there, and comes when it should.
fn check(bench: &Bench<'_>, wanted: Location, location: Location, bytes: &Bytes) -> Result<(), Fault> {
    let received = format!("object {} of group {}", location.object, location.group);
    if location != wanted {
        let what = if location < wanted { "came again, or too late" } else { "came first: there is a hole" };
        let story = format!("{received} {what}");
        return Err(bench.fault(Party::Relay, received, story));
    }
    if *bytes != payload(location) {
        let head: String = bytes.iter().take(limit::RECORDED_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let story = format!("the payload of {received} is not what was published: {head}");
        return Err(bench.fault(Party::Relay, "a changed payload", story));
    }
    Ok(())
}

/// Reads every stream of a subscription. Streams are read side by side, so that one that stays open holds up no other.
async fn receive(mut subscription: Subscription, seen: mpsc::Sender<Seen>) {
    let mut streams = JoinSet::new();
    loop {
        let last = match subscription.next().await {
            TrackEvent::Subgroup(reader) => {
                streams.spawn(read(reader, seen.clone()));
                continue;
            }
            TrackEvent::Datagram(datagram) => {
                format!("object {} of group {} came as a datagram", datagram.object_id, datagram.group)
            }
            TrackEvent::Done { status, reason } => format!("the relay said PUBLISH_DONE {status}: {reason:?}"),
            TrackEvent::Lost(error) => {
                error.map_or_else(|| "the relay dropped the subscription".to_owned(), |error| error.to_string())
            }
        };
        while streams.join_next().await.is_some() {}
        let _ = seen.send(Seen::Over(last)).await;
        return;
    }
}

async fn read(mut reader: SubgroupReader, seen: mpsc::Sender<Seen>) {
    let group = reader.header().group;
    loop {
        let item = match reader.next_object(limit::TEST_OBJECT_BYTES).await {
            Ok(Some(object)) => Seen::Object(Location::new(group, object.header.object_id), object.payload),
            Ok(None) => Seen::End(group),
            Err(failure) => Seen::Failed(group, failure),
        };
        let more = matches!(item, Seen::Object(..));
        // Nobody waits any more when the case is over.
        if seen.send(item).await.is_err() || !more {
            return;
        }
    }
}

/// Reads a whole FETCH answer: these objects in this order, and then its end.
pub(super) async fn fetched(
    bench: &Bench<'_>,
    role: Role,
    mut reader: FetchReader,
    wanted: impl IntoIterator<Item = Location>,
) -> Result<(), Fault> {
    for wanted in wanted {
        bench.expect(role, format!("object {} of group {} in the FETCH", wanted.object, wanted.group));
        let object = reader.next_object(limit::TEST_OBJECT_BYTES).await;
        match object.map_err(|failure| bench.stream_failed(&failure))? {
            Some(object) => check(bench, wanted, object.header.location, &object.payload)?,
            None => return Err(bench.fault(Party::Relay, "the FETCH's end", "the FETCH ended too early")),
        }
    }
    bench.expect(role, "the end of the FETCH");
    let object = reader.next_object(limit::TEST_OBJECT_BYTES).await;
    match object.map_err(|failure| bench.stream_failed(&failure))? {
        None => Ok(()),
        Some(object) => {
            let Location { group, object } = object.header.location;
            let received = format!("object {object} of group {group}");
            Err(bench.fault(Party::Relay, received, "the FETCH holds more than was asked for"))
        }
    }
}

/// The session stays open for a moment after its last step: what the relay holds against it comes late.
pub(super) async fn settle(bench: &Bench<'_>, role: Role, session: &Session) -> Result<(), Fault> {
    bench.still_alive(role, session, SETTLE).await
}

/// How long a relay is given to say that something was wrong.
const SETTLE: Duration = Duration::from_millis(100);
