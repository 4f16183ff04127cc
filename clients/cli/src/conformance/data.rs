//! The cases in which objects flow from a publisher through the relay.

use std::sync::Arc;
use std::time::Duration;

use moqt::{GroupOrder, Location, Parameters};
use tokio::time::sleep;
use transport::{NamespacePublication, Session};

use super::bench::{Bench, Role};
use super::control::{announce, subscribe};
use super::fault::{Fault, Party};
use super::sink::{Sink, fetched, settle};
use super::source::Source;

/// Time between objects where a case is about joining on the way.
const PACE: Duration = Duration::from_millis(20);

/// A publisher whose namespace is announced.
struct Published {
    session: Session,
    _announced: NamespacePublication,
}

async fn publish(bench: &Bench<'_>, source: &Arc<Source>) -> Result<Published, Fault> {
    let session = bench.connect(Role::Publisher, Some(source)).await?;
    let announced = announce(bench, Role::Publisher, &session, source.track().namespace.clone()).await?;
    Ok(Published { session, _announced: announced })
}

/// Objects of one group.
fn group(group: u64, objects: std::ops::Range<u64>) -> impl Iterator<Item = Location> {
    objects.map(move |object| Location::new(group, object))
}

/// Publishes groups after the subscriber is there, and wants all of them.
async fn groups(bench: &Bench<'_>, count: u64, objects: u64, ends: bool) -> Result<(), Fault> {
    let source = Source::new(bench.own_track());
    let published = publish(bench, &source).await?;
    let session = bench.connect(Role::Subscriber, None).await?;
    let subscription = subscribe(bench, Role::Subscriber, &session, &source).await?;
    bench.expect(Role::Publisher, "SUBSCRIBE from the relay");
    source.subscribed().await;
    let mut sink = Sink::new(bench, Role::Subscriber, subscription);
    for number in 0..count {
        source.publish(number, objects);
        if ends {
            source.complete(number);
        }
        sink.objects(group(number, 0..objects)).await?;
        if ends {
            sink.end_of(number).await?;
        }
    }
    settle(bench, Role::Publisher, &published.session).await?;
    settle(bench, Role::Subscriber, &session).await
}

pub(super) async fn single_object(bench: &Bench<'_>) -> Result<(), Fault> {
    groups(bench, 1, 1, false).await
}

pub(super) async fn single_group(bench: &Bench<'_>) -> Result<(), Fault> {
    groups(bench, 1, 10, true).await
}

pub(super) async fn multiple_groups(bench: &Bench<'_>) -> Result<(), Fault> {
    groups(bench, 3, 5, true).await
}

pub(super) async fn late_subscriber(bench: &Bench<'_>) -> Result<(), Fault> {
    const GROUPS: u64 = 5;
    const OBJECTS: u64 = 10;
    let source = Source::new(bench.own_track());
    let published = publish(bench, &source).await?;
    let session = bench.connect(Role::FirstSubscriber, None).await?;
    let subscription = subscribe(bench, Role::FirstSubscriber, &session, &source).await?;
    bench.expect(Role::Publisher, "SUBSCRIBE from the relay");
    source.subscribed().await;
    let mut first = Sink::new(bench, Role::FirstSubscriber, subscription);
    let publishing = async {
        for number in 0..GROUPS {
            for _ in 0..OBJECTS {
                source.publish(number, 1);
                sleep(PACE).await;
            }
            source.complete(number);
        }
    };
    let joining = async {
        source.reached(Location::new(1, OBJECTS / 2)).await;
        let session = bench.connect(Role::SecondSubscriber, None).await?;
        let subscription = subscribe(bench, Role::SecondSubscriber, &session, &source).await?;
        let Some(largest) = subscription.parameters().largest_object else { return Err(no_largest(bench)) };
        let rest = group(largest.group, largest.object + 1..OBJECTS);
        let later = (largest.group + 1..GROUPS).flat_map(|number| group(number, 0..OBJECTS));
        Sink::new(bench, Role::SecondSubscriber, subscription).objects(rest.chain(later)).await?;
        settle(bench, Role::SecondSubscriber, &session).await
    };
    let ((), joined) = tokio::join!(publishing, joining);
    joined?;
    first.objects((0..GROUPS).flat_map(|number| group(number, 0..OBJECTS))).await?;
    settle(bench, Role::Publisher, &published.session).await
}

pub(super) async fn fetch(bench: &Bench<'_>) -> Result<(), Fault> {
    let source = Source::new(bench.own_track());
    for number in 0..3 {
        source.publish(number, 4);
        source.complete(number);
    }
    let published = publish(bench, &source).await?;
    let session = bench.connect(Role::Subscriber, None).await?;
    let parameters = Parameters { group_order: Some(GroupOrder::Ascending), ..Parameters::default() };
    bench.expect(Role::Subscriber, "FETCH_OK");
    // Of the last group only the first three objects.
    let asked = session.fetch(source.track().clone(), Location::new(0, 1), Location::new(2, 3), parameters);
    let reader = asked.map_err(|failure| bench.request_failed(&failure))?;
    let wanted = group(0, 1..4).chain(group(1, 0..4)).chain(group(2, 0..3));
    fetched(bench, Role::Subscriber, reader, wanted).await.map_err(|fault| with(fault, &source))?;
    settle(bench, Role::Publisher, &published.session).await?;
    settle(bench, Role::Subscriber, &session).await
}

pub(super) async fn joining_fetch(bench: &Bench<'_>) -> Result<(), Fault> {
    let source = Source::new(bench.own_track());
    source.publish(0, 4);
    source.complete(0);
    source.publish(1, 4);
    let published = publish(bench, &source).await?;
    let session = bench.connect(Role::Subscriber, None).await?;
    bench.expect(Role::Subscriber, "SUBSCRIBE_OK");
    let joined = session.join(source.track().clone(), Parameters::default(), 0).await;
    let joined = joined.map_err(|failure| with(bench.request_failed(&failure), &source))?;
    let Some(head) = joined.head else { return Err(no_largest(bench)) };
    fetched(bench, Role::Subscriber, head, group(1, 0..4)).await.map_err(|fault| with(fault, &source))?;
    bench.expect(Role::Publisher, "SUBSCRIBE from the relay");
    source.subscribed().await;
    let mut sink = Sink::new(bench, Role::Subscriber, joined.subscription);
    source.publish(1, 4);
    source.complete(1);
    sink.objects(group(1, 4..8)).await?;
    sink.end_of(1).await?;
    source.end();
    settle(bench, Role::Publisher, &published.session).await?;
    settle(bench, Role::Subscriber, &session).await
}

fn no_largest(bench: &Bench<'_>) -> Fault {
    let story = "SUBSCRIBE_OK of a track with objects has no LARGEST_OBJECT";
    bench.fault(Party::Relay, "SUBSCRIBE_OK without LARGEST_OBJECT", story)
}

/// With what the publisher was asked.
fn with(mut fault: Fault, source: &Source) -> Fault {
    fault.message += &format!("; {}", source.told());
    fault
}
