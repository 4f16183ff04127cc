//! Sessions of different drafts on one relay: what one stores is served on the other.

use moqt::{Pair, Parameters, Properties, RequestErrorCode, Version, property};
use tests::system::{Carrier, Publisher, RunningRelay, Viewer, at, namespace, within};
use transport::{NamespaceEvent, RequestFailure};

const TRACK: &str = "live-demo--video0";

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_both_drafts_and_carriers_see_the_same_frames() {
    let publisher = Publisher::default();
    let properties = Properties::from_pairs([Pair::new(property::TIMESCALE, 90_000u64)]).unwrap();
    let track = publisher.track_with(TRACK, properties);
    track.groups([7, 8], 10);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let mut viewers = Vec::new();
    for version in Version::ALL {
        for carrier in [Carrier::Quic, Carrier::WebTransport] {
            let viewer = Viewer::speaking(version, relay.address, carrier).await;
            let mut frames = viewer.join(track.name(), 0).await.unwrap();
            assert_eq!(frames.largest, Some(at(8, 9)), "{version}");
            let head: Vec<_> = (0..10).map(|object| at(8, object)).collect();
            assert_eq!(frames.up_to(at(8, 9)).await, head, "{version}");
            viewers.push((version, viewer, frames));
        }
    }
    // One after the other: of two groups at once the newer one goes first.
    for group in [9, 10] {
        track.groups([group], 5);
        for (version, _, frames) in &mut viewers {
            let live: Vec<_> = (0..5).map(|object| at(group, object)).collect();
            assert_eq!(frames.up_to(at(group, 4)).await, live, "{version}");
        }
    }
    for (version, viewer, _) in &viewers {
        let (past, unknown) = viewer.fetch(track.name(), at(7, 0), at(8, 10)).await.unwrap();
        assert_eq!((past.len(), unknown), (20, Vec::new()), "{version}");
    }
    assert_eq!(track.subscribes(), 1, "one upstream subscription");
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_16_viewers_see_broadcasts_come_and_go_and_refusals() {
    let publisher = Publisher::default();
    let relay = RunningRelay::below(&[]).await;
    let viewer = Viewer::speaking(Version::Draft16, relay.address, Carrier::WebTransport).await;
    let mut list = within(viewer.session.subscribe_namespace(namespace("live"), Parameters::default())).await.unwrap();
    let dialed = publisher.dial(relay.address).await;
    let announced = dialed.announce(namespace("live-demo")).await;
    assert_eq!(within(list.next()).await, Some(NamespaceEvent::Added(namespace("live-demo"))));
    drop(announced);
    assert_eq!(within(list.next()).await, Some(NamespaceEvent::Removed(namespace("live-demo"))));
    let refused = viewer.subscribe(&"live-nothing--video0".parse().unwrap(), Parameters::default()).await;
    let Err(RequestFailure::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.code, RequestErrorCode::DoesNotExist);
}
