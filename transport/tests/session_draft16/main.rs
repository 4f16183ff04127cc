//! Draft-16 sessions in pairs over the in-memory network: one control stream for both sides, ids in every answer, messages
//! where later drafts end a stream.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

use moqt::{
    Location, Parameters, Properties, PublishDoneCode, RequestErrorCode, SessionErrorCode, StreamErrorCode, Version,
};
use tokio::time::sleep;
use transport::{
    FetchReader, NamespaceEvent, PrefixEvent, RequestFailure, SessionError, SessionSettings, SubscriptionEvent,
    TrackEvent,
};

#[path = "../session/pair.rs"]
mod pair;

use pair::{
    MS, Net, SECOND, idle, largest, namespace, net, net_with, next_fetch, next_publish, next_publish_namespace,
    next_subgroup, next_subscribe, next_subscribe_namespace, next_subscribe_tracks, next_track_status, object, open,
    read_ids, rough, smooth, soon, subscribed, track, write_objects,
};

/// What the pairs speak.
const DRAFT: Version = Version::Draft16;

const GROUP: u64 = 7;

async fn expect_done(subscription: &mut transport::Subscription, wanted: PublishDoneCode) {
    match soon(subscription.next()).await {
        TrackEvent::Done { status, .. } => assert_eq!(status, wanted),
        other => panic!("expected PUBLISH_DONE, got {other:?}"),
    }
}

async fn read(reader: &mut FetchReader) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(object) = soon(reader.next_object(1 << 20)).await.unwrap() {
        ids.push(object.header.location.object);
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn the_peers_setup_arrives_and_declares_nothing_private() {
    let net = net();
    for session in [&net.client, &net.server] {
        let setup = soon(session.established()).await.unwrap();
        assert!(setup.implementation.as_ref().unwrap().starts_with("efir/"));
        assert!(!setup.hops);
    }
}

#[tokio::test(start_paused = true)]
async fn a_track_from_first_to_last_on_any_network() {
    for seed in 0..20 {
        let net = net_with(rough(seed), SessionSettings::default());
        let (mut subscription, writer) = subscribed(&net, "video").await;
        for group in 0..8 {
            let mut stream = open(&writer, group).await;
            write_objects(&mut stream, 0..3).await;
            stream.finish();
        }
        writer.done(PublishDoneCode::TrackEnded, "over");
        let mut groups = Vec::new();
        for _ in 0..8 {
            let mut reader = next_subgroup(&mut subscription).await;
            assert_eq!(read_ids(&mut reader).await, [0, 1, 2]);
            groups.push(reader.header().group);
        }
        groups.sort_unstable();
        assert_eq!(groups, (0..8).collect::<Vec<_>>(), "seed {seed}");
        expect_done(&mut subscription, PublishDoneCode::TrackEnded).await;
        drop(subscription);
        idle(&[&net.client, &net.server]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn joining_loses_and_repeats_nothing_on_any_network() {
    for seed in 0..20 {
        let net = net_with(rough(seed), SessionSettings::default());
        let publish = async {
            let writer = next_subscribe(&net.server).await.accept(largest(GROUP, 4), Properties::default()).unwrap();
            let live = async {
                let mut stream = open(&writer, GROUP).await;
                write_objects(&mut stream, 5..12).await;
                stream.finish();
            };
            let head = async {
                let fetch = next_fetch(&net.server).await;
                assert_eq!((fetch.start, fetch.end), (Location::new(GROUP, 0), Location::new(GROUP, 5)));
                let end = fetch.end;
                let mut answer = fetch.accept(false, end, Properties::default(), 0).await.unwrap();
                for id in 0..5 {
                    let header = moqt::FetchObjectHeader {
                        location: Location::new(GROUP, id),
                        subgroup: Some(0),
                        priority: 128,
                        properties: Properties::default(),
                        payload_len: 1,
                    };
                    answer.object(&header).unwrap();
                    answer.write(&mut [bytes::Bytes::from_static(b"x")]).await.unwrap();
                }
                answer.finish().await.unwrap();
            };
            tokio::join!(live, head);
            writer.done(PublishDoneCode::TrackEnded, "");
        };
        let join = async {
            let mut joined = net.client.join(track("video"), Parameters::default(), 0).await.unwrap();
            let mut union = read(&mut joined.head.take().unwrap()).await;
            union.extend(read_ids(&mut next_subgroup(&mut joined.subscription).await).await);
            assert_eq!(union, (0..12).collect::<Vec<_>>(), "seed {seed}");
        };
        soon(async { tokio::join!(Box::pin(publish), Box::pin(join)) }).await;
        idle(&[&net.client, &net.server]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn ids_never_run_out() {
    let net = net_with(transport::loopback::LoopbackSettings { latency: MS, ..smooth() }, SessionSettings::default());
    let serve = async {
        loop {
            let mut writer =
                next_subscribe(&net.server).await.accept(Parameters::default(), Properties::default()).unwrap();
            assert_eq!(writer.next_event().await, SubscriptionEvent::Cancelled);
        }
    };
    let ask = async {
        for n in 0..10_000 {
            drop(net.client.subscribe(track(&format!("t{}", n % 100)), Parameters::default()).await.unwrap());
        }
    };
    tokio::select! {
        never = serve => never,
        () = ask => {}
    }
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn refusals_and_answers_find_their_request() {
    let net = net();
    let ask = async {
        let (refused, status) = tokio::join!(
            net.client.subscribe(track("no"), Parameters::default()),
            net.client.track_status(track("yes"), Parameters::default()),
        );
        let Err(RequestFailure::Refused(error)) = refused else { panic!("{refused:?}") };
        assert_eq!(error.code, RequestErrorCode::DoesNotExist);
        assert_eq!(status.unwrap().parameters.largest_object, Some(Location::new(3, 4)));
    };
    let serve = async {
        let subscribe = next_subscribe(&net.server).await;
        let status = next_track_status(&net.server).await;
        // In the other order than they were asked in.
        status.accept(largest(3, 4), Properties::default());
        subscribe.reject(RequestErrorCode::DoesNotExist, None, "no such track");
    };
    soon(async { tokio::join!(ask, serve) }).await;
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_is_answered_by_its_own_id() {
    let net = net();
    let (subscription, mut writer) = subscribed(&net, "video").await;
    let update = subscription.update(Parameters { forward: Some(false), ..Parameters::default() });
    let serve = async {
        let SubscriptionEvent::Update(parameters) = writer.next_event().await else { panic!("expected an update") };
        assert_eq!(parameters.forward, Some(false));
        writer.accept_update(Parameters::default());
    };
    let (updated, ()) = soon(async { tokio::join!(update, serve) }).await;
    updated.unwrap();
    drop(subscription);
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Cancelled);
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn announcements_last_as_long_as_both_hold_them() {
    let net = net();
    for withdrawn in [true, false] {
        let publish = net.client.publish_namespace(namespace(&["live", "one"]), Parameters::default());
        let (published, mut hold) = tokio::join!(publish, async { next_publish_namespace(&net.server).await.accept() });
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
}

#[tokio::test(start_paused = true)]
async fn namespaces_and_tracks_have_a_stream_of_their_own() {
    let net = net();
    let (reader, mut writer) =
        tokio::join!(net.client.subscribe_namespace(namespace(&["a"]), Parameters::default()), async {
            next_subscribe_namespace(&net.server).await.accept()
        });
    let mut reader = reader.unwrap();
    writer.added(&namespace(&["a", "x"]));
    assert_eq!(soon(reader.next()).await, Some(NamespaceEvent::Added(namespace(&["a", "x"]))));
    drop(reader);
    assert_eq!(soon(writer.next()).await, PrefixEvent::Ended);
    drop(writer);

    let (tracks, writer) =
        tokio::join!(net.client.subscribe_tracks(namespace(&["live"]), Parameters::default()), async {
            next_subscribe_tracks(&net.server).await.accept()
        });
    let accept = async { next_publish(&net.client).await.accept(Parameters::default()) };
    let offer = net.server.publish(track("video"), Parameters::default(), Properties::default());
    let (offered, mut subscription) = tokio::join!(offer, accept);
    let (offered, _) = offered.unwrap();
    let mut stream = open(&offered, 2).await;
    write_objects(&mut stream, 0..4).await;
    stream.finish();
    assert_eq!(read_ids(&mut next_subgroup(&mut subscription).await).await, [0, 1, 2, 3]);
    offered.done(PublishDoneCode::TrackEnded, "");
    expect_done(&mut subscription, PublishDoneCode::TrackEnded).await;
    drop((tracks, writer, subscription));
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_is_refused_taken_back_or_left() {
    let net = net();
    let refuse = async { next_publish(&net.server).await.reject(RequestErrorCode::Uninterested, None, "no") };
    let offer = net.client.publish(track("camera"), Parameters::default(), Properties::default());
    let (refused, ()) = tokio::join!(offer, refuse);
    assert!(matches!(refused, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::Uninterested));

    let offer = tokio::spawn({
        let client = net.client.clone();
        async move { client.publish(track("camera"), Parameters::default(), Properties::default()).await.map(|_| ()) }
    });
    let mut incoming = next_publish(&net.server).await;
    offer.abort();
    soon(incoming.cancelled()).await;
    drop(incoming);

    let accept = async { next_publish(&net.server).await.accept(Parameters::default()) };
    let offer = net.client.publish(track("camera"), Parameters::default(), Properties::default());
    let (offered, subscription) = tokio::join!(offer, accept);
    drop(subscription);
    let (mut writer, _) = offered.unwrap();
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Cancelled);
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_fetch_stops_its_writer() {
    let net = net();
    let reader =
        net.client.fetch(track("video"), Location::new(1, 0), Location::new(1, 0), Parameters::default()).unwrap();
    let fetch = next_fetch(&net.server).await;
    let mut writer = fetch.accept(false, Location::new(1, 9), Properties::default(), 0).await.unwrap();
    drop(reader);
    soon(writer.cancelled()).await;
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_stream_keeps_its_code() {
    let net = net();
    let (mut subscription, writer) = subscribed(&net, "video").await;
    let mut stream = open(&writer, 1).await;
    stream.write(&mut object(None, 0, &bytes::Bytes::from_static(b"0"))).await.unwrap();
    let mut reader = next_subgroup(&mut subscription).await;
    stream.reset(StreamErrorCode::DeliveryTimeout);
    sleep(SECOND).await;
    let end = loop {
        match reader.next().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(end, Err(transport::StreamFailure::Reset(StreamErrorCode::DeliveryTimeout)));
}

#[tokio::test(start_paused = true)]
async fn goaway_names_a_place_and_refuses_what_follows() {
    let Net { client, server, .. } = &net();
    soon(client.established()).await.unwrap();
    server.go_away("https://other.example/", 5 * SECOND);
    assert_eq!(soon(client.goaway_received()).await.uri, "https://other.example/");
    let refused = client.subscribe(track("late"), Parameters::default()).await;
    assert!(matches!(refused, Err(RequestFailure::NotSent(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_control_stream_that_ends_ends_the_session() {
    let (near, far, driver) = transport::loopback::pair(smooth());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver.run());
    let server = pair::session(&mut tasks, far, SessionSettings::default());
    let (mut send, _recv) = near.open_bidi().await.unwrap();
    let setup = moqt::Setup { sender: Some(moqt::Side::Client), options: moqt::SetupOptions::default() };
    let mut bytes = bytes::BytesMut::new();
    moqt::Message::Setup(setup).encode(&mut bytes, DRAFT).unwrap();
    transport::write_all(&mut *send, bytes.freeze()).await.unwrap();
    soon(server.established()).await.unwrap();
    send.finish().unwrap();
    let end = soon(server.closed()).await;
    let SessionError::Protocol(error) = end else { panic!("{end:?}") };
    assert_eq!(error.code, SessionErrorCode::ProtocolViolation);
}
