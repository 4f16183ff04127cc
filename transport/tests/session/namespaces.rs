//! Announcements, prefixes, and tracks offered under them.

use moqt::{Parameters, Properties, RequestErrorCode};
use transport::{NamespaceEvent, PrefixEvent, RequestFailure};

use super::pair::{
    idle, namespace, net, next_publish, next_publish_namespace, next_subscribe_namespace, next_subscribe_tracks, soon,
    track,
};

#[tokio::test(start_paused = true)]
async fn an_announcement_lasts_as_long_as_both_hold_it() {
    let net = net();
    for withdrawn in [true, false] {
        let accept = async { next_publish_namespace(&net.server).await };
        let publish = net.client.publish_namespace(namespace(&["live", "one"]), Parameters::default());
        let (published, mut hold) = tokio::join!(publish, async {
            let incoming = accept.await;
            assert_eq!(incoming.namespace, namespace(&["live", "one"]));
            incoming.accept()
        });
        let mut publication = published.unwrap();
        if withdrawn {
            drop(publication);
            soon(hold.ended()).await;
        } else {
            drop(hold);
            soon(publication.ended()).await;
        }
        idle(&[&net.client, &net.server]).await;
    }
    let refuse = async { next_publish_namespace(&net.server).await.reject(RequestErrorCode::Unauthorized, None, "no") };
    let publish = net.client.publish_namespace(namespace(&["other"]), Parameters::default());
    let (refused, ()) = tokio::join!(publish, refuse);
    assert!(matches!(refused, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::Unauthorized));
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_moved_prefix_voids_what_was_reported() {
    let net = net();
    let (reader, mut writer) =
        tokio::join!(net.client.subscribe_namespace(namespace(&["a"]), Parameters::default()), async {
            next_subscribe_namespace(&net.server).await.accept()
        });
    let mut reader = reader.unwrap();
    writer.added(&namespace(&["a", "x"]));
    writer.added(&namespace(&["b", "ignored"]));
    assert_eq!(soon(reader.next()).await, Some(NamespaceEvent::Added(namespace(&["a", "x"]))));
    writer.removed(&namespace(&["a", "x"]));
    assert_eq!(soon(reader.next()).await, Some(NamespaceEvent::Removed(namespace(&["a", "x"]))));

    // Reported, but not read before the move.
    writer.added(&namespace(&["a", "unread"]));
    let serve = async {
        assert_eq!(writer.next().await, PrefixEvent::Moved(namespace(&["b"])));
        writer.added(&namespace(&["b"]));
        writer.added(&namespace(&["b", "y", "z"]));
    };
    let (moved, ()) = soon(async { tokio::join!(reader.move_to(namespace(&["b"])), serve) }).await;
    moved.unwrap();
    assert_eq!(writer.prefix(), &namespace(&["b"]));
    assert_eq!(soon(reader.next()).await, Some(NamespaceEvent::Added(namespace(&["b"]))));
    assert_eq!(soon(reader.next()).await, Some(NamespaceEvent::Added(namespace(&["b", "y", "z"]))));
    drop(reader);
    assert_eq!(soon(writer.next()).await, PrefixEvent::Ended);
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn tracks_under_a_prefix_are_offered() {
    let net = net();
    let (tracks, mut writer) =
        tokio::join!(net.client.subscribe_tracks(namespace(&["live"]), Parameters::default()), async {
            next_subscribe_tracks(&net.server).await.accept()
        });
    let accept = async { next_publish(&net.client).await.accept(Parameters::default()) };
    let offer = net.server.publish(track("video"), Parameters::default(), Properties::default());
    let (offered, subscription) = tokio::join!(offer, accept);
    drop(tracks.unwrap());
    assert_eq!(soon(writer.next()).await, PrefixEvent::Ended);
    drop((writer, subscription));
    let (mut offered, _) = offered.unwrap();
    assert_eq!(soon(offered.next_event()).await, transport::SubscriptionEvent::Cancelled);
    drop(offered);
    idle(&[&net.client, &net.server]).await;
}
