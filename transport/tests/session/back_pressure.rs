//! Whoever does not read holds back its own sender, and nobody else.

use bytes::Bytes;
use moqt::{Message, Namespace, Parameters, RequestId, StreamErrorCode, SubscribeNamespace, SubscribeOptions};
use tokio::time::{sleep, timeout};
use transport::limit::LOOPBACK_STREAM_WINDOW;
use transport::{NamespaceEvent, ReadError, TrackEvent};

use super::pair::{
    MS, SECOND, idle, namespace, net, next_subgroup, next_subscribe_namespace, object, open, read_ids, soon,
    subscribed, write_objects,
};
use super::raw::{Raw, subgroup, subscribe_ok};

#[tokio::test(start_paused = true)]
async fn an_unread_stream_blocks_its_writer_only() {
    let net = net();
    let (mut subscription, writer) = subscribed(&net, "video").await;
    let mut unread = open(&writer, 0).await;
    let size = 4 * LOOPBACK_STREAM_WINDOW;
    let payload = Bytes::from(vec![7; size]);
    let mut chunks = object(None, 0, &payload);
    assert!(timeout(10 * SECOND, unread.write(&mut chunks)).await.is_err(), "the window is full");
    let left = chunks.iter().map(Bytes::len).sum::<usize>();
    assert!(left >= size - 2 * LOOPBACK_STREAM_WINDOW, "{left} of {size} bytes are held back");

    let mut slow = next_subgroup(&mut subscription).await;
    let mut quick = open(&writer, 1).await;
    write_objects(&mut quick, 0..100).await;
    quick.finish();
    assert_eq!(read_ids(&mut next_subgroup(&mut subscription).await).await.len(), 100);

    let (written, read) = soon(async { tokio::join!(unread.write(&mut chunks), slow.next_object(1 << 30)) }).await;
    written.unwrap();
    assert_eq!(read.unwrap().unwrap().payload, payload);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_nobody_reads_does_not_hold_up_another() {
    let net = net();
    net.client.connection().set_max_incoming_uni(4096);
    sleep(10 * MS).await;
    let (unread, busy) = subscribed(&net, "a").await;
    let (mut read, writer) = subscribed(&net, "b").await;
    let mut streams = Vec::new();
    for group in 0..1400 {
        streams.push(open(&busy, group).await);
    }
    let mut stream = open(&writer, 0).await;
    write_objects(&mut stream, 0..5).await;
    stream.finish();
    assert_eq!(read_ids(&mut next_subgroup(&mut read).await).await.len(), 5);
    let stopped = soon(streams.last_mut().unwrap().stopped()).await;
    assert_eq!(stopped, Some(StreamErrorCode::ExcessiveLoad), "streams beyond the queue are told");
    assert!(timeout(SECOND, streams[0].stopped()).await.is_err(), "the first ones wait");
    drop(unread);
    assert_eq!(soon(streams[0].stopped()).await, Some(StreamErrorCode::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_datagrams_leaves_room_for_streams() {
    let net = net();
    let (mut subscription, writer) = subscribed(&net, "audio").await;
    for id in 0..3000 {
        let datagram = moqt::Datagram {
            track_alias: writer.alias(),
            group: 0,
            object_id: id,
            priority: None,
            properties: moqt::Properties::default(),
            end_of_group: false,
            body: moqt::DatagramBody::Payload(Bytes::from_static(b"x")),
        };
        writer.send_datagram(datagram).unwrap();
        if id % 100 == 0 {
            sleep(MS).await;
        }
    }
    let mut stream = open(&writer, 1).await;
    write_objects(&mut stream, 0..1).await;
    sleep(SECOND).await;
    let mut datagrams = 0;
    loop {
        match soon(subscription.next()).await {
            TrackEvent::Datagram(_) => datagrams += 1,
            TrackEvent::Subgroup(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((100..1024).contains(&datagrams), "{datagrams} kept");
}

/// Names that are a kilobyte each.
fn large_names(count: usize) -> impl Iterator<Item = Namespace> {
    (0..count).map(|n| Namespace::new(["live".to_owned(), format!("{n:01000}")]).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_namespaces_arrives_whole_at_a_slow_reader() {
    let net = net();
    let (reader, incoming) =
        tokio::join!(net.client.subscribe_namespace(namespace(&["live"]), Parameters::default()), async {
            next_subscribe_namespace(&net.server).await.accept()
        });
    let mut reader = reader.unwrap();
    let names = (0..20_000).map(|n| Namespace::new(["live".to_owned(), n.to_string()]).unwrap());
    for name in names.clone() {
        incoming.added(&name);
    }
    sleep(10 * SECOND).await;
    for name in names {
        assert_eq!(soon(reader.next()).await, Some(NamespaceEvent::Added(name)));
    }
    drop(incoming);
    while let Some(event) = soon(reader.next()).await {
        assert!(matches!(event, NamespaceEvent::Removed(_)));
    }
    drop(reader);
    idle(&[&net.client, &net.server]).await;
}

fn subscribe_namespace(id: u64) -> Message {
    Message::SubscribeNamespace(SubscribeNamespace {
        request_id: RequestId(id),
        prefix: namespace(&["live"]),
        options: SubscribeOptions::Namespaces,
        parameters: Parameters::default(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_no_answers_loses_the_request_only() {
    let raw = Raw::client().await;
    let mut request = raw.open(&subscribe_namespace(0)).await;
    let mut writer = next_subscribe_namespace(&raw.session).await.accept();
    for name in large_names(2000) {
        writer.added(&name);
        tokio::task::yield_now().await;
    }
    assert_eq!(soon(writer.next()).await, transport::PrefixEvent::Ended);
    let end = loop {
        match request.read().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end, Err(ReadError::Reset(0x9)));
    drop(writer);
    assert_eq!(raw.session.live_requests(), 0);
    assert!(!raw.session.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_reset_overtakes_a_blocked_answer() {
    let raw = Raw::client().await;
    let mut request = raw.open(&subscribe_namespace(0)).await;
    let writer = next_subscribe_namespace(&raw.session).await.accept();
    // More than the stream takes, less than what loses the request.
    for name in large_names(600) {
        writer.added(&name);
    }
    sleep(SECOND).await;
    writer.end(StreamErrorCode::GoingAway);
    sleep(SECOND).await;
    assert_eq!(soon(transport::stopped(&mut *request.send)).await, Some(0x4), "at once, though nothing is read");
    assert_eq!(raw.session.live_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn streams_of_unknown_tracks_do_not_hold_up_known_ones() {
    let raw = Raw::server().await;
    let answer = async {
        let (mut request, _) = raw.accept().await;
        request.write(&subscribe_ok(1)).await;
        request
    };
    let (subscription, _request) =
        tokio::join!(raw.session.subscribe(super::pair::track("video"), Parameters::default()), answer);
    let mut unknown = Vec::new();
    for alias in 100..110 {
        unknown.push(raw.data(subgroup(alias, 0), &[]).await);
    }
    let start = tokio::time::Instant::now();
    let _stream = raw.data(subgroup(1, 0), &[]).await;
    next_subgroup(&mut subscription.unwrap()).await;
    assert!(start.elapsed() < 100 * MS, "{:?}", start.elapsed());
}
