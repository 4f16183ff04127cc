//! How sessions end, and that everybody who waits is told why.

use bytes::Bytes;
use moqt::{GoAway, Location, Message, Parameters, Properties, RequestErrorCode, RequestId, SessionErrorCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use transport::loopback::{LoopbackSettings, pair};
use transport::{
    ConnectionError, RequestFailure, SendStream, SessionError, SessionSettings, StreamFailure, SubscriptionEvent,
    TrackEvent, start,
};

use super::pair::{
    MS, SECOND, fields, namespace, net, next_fetch, next_publish_namespace, next_subgroup, next_subscribe,
    next_subscribe_namespace, open, session, soon, subscribed, track,
};
use super::raw::{Raw, encode};

#[tokio::test(start_paused = true)]
async fn the_end_wakes_every_waiter_with_the_reason() {
    let net = net();
    let reason = SessionError::Local("enough".to_owned());
    let (mut subscription, _writer) = subscribed(&net, "a").await;
    let (updated, _updated_writer) = subscribed(&net, "b").await;
    let (mut streaming, writer) = subscribed(&net, "c").await;
    let _stream = open(&writer, 0).await;
    let mut subgroup = next_subgroup(&mut streaming).await;
    let (publication, _hold) =
        tokio::join!(net.client.publish_namespace(namespace(&["mine"]), Parameters::default()), async {
            next_publish_namespace(&net.server).await.accept()
        });
    let mut publication = publication.unwrap();
    let (prefix, _prefix) =
        tokio::join!(net.client.subscribe_namespace(namespace(&["live"]), Parameters::default()), async {
            next_subscribe_namespace(&net.server).await.accept()
        });
    let mut prefix = prefix.unwrap();
    let mut fetch =
        net.client.fetch(track("d"), Location::new(0, 0), Location::new(1, 0), Parameters::default()).unwrap();
    let _fetch = next_fetch(&net.server).await;
    let pending = net.client.subscribe(track("e"), Parameters::default());
    let (served, mut writer) = {
        let serve = async { next_subscribe(&net.client).await.accept(Parameters::default(), Properties::default()) };
        let (served, writer) = tokio::join!(net.server.subscribe(track("f"), Parameters::default()), serve);
        (served.unwrap(), writer.unwrap())
    };
    let blocked = async {
        let mut streams = Vec::new();
        loop {
            match writer.open_subgroup(fields(0), 0).await {
                Ok(stream) => streams.push(stream),
                Err(failure) => return failure,
            }
        }
    };
    let close = async {
        sleep(SECOND).await;
        net.client.close(SessionErrorCode::InternalError, "enough");
    };
    let start = Instant::now();
    let failures = soon(async {
        tokio::join!(
            async { assert!(matches!(subscription.next().await, TrackEvent::Lost(Some(error)) if error == reason)) },
            async { updated.update(Parameters::default()).await.unwrap_err() },
            async { subgroup.next().await.unwrap_err() },
            async { publication.ended().await },
            async { assert_eq!(prefix.next().await, None) },
            async { fetch.next().await.unwrap_err() },
            async { pending.await.unwrap_err() },
            blocked,
            async { assert!(net.client.next_request().await.is_none()) },
            async { net.client.closed().await },
            close,
        )
    })
    .await;
    assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
    let session = StreamFailure::Session(reason.clone());
    assert_eq!(failures.1, RequestFailure::Session(reason.clone()));
    assert_eq!((failures.2, failures.5, failures.7), (session.clone(), session.clone(), session));
    assert_eq!(failures.6, RequestFailure::Session(reason.clone()));
    assert_eq!(failures.9, reason);
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Cancelled);
    assert_eq!(net.client.established().await.map(|_| ()), Ok(()), "what was established stays known");
    let told = soon(net.server.closed()).await;
    assert_eq!(told, SessionError::ClosedByPeer { code: SessionErrorCode::InternalError, reason: "enough".to_owned() });
    let late = net.client.subscribe(track("late"), Parameters::default()).await;
    assert_eq!(late.unwrap_err(), RequestFailure::Session(reason));
    drop((subscription, updated, streaming, publication, prefix, fetch, served, writer));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_driver_closes_the_session() {
    let (near, far, network) = pair(LoopbackSettings::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(network.run());
    let server = session(&mut tasks, far, SessionSettings::default());
    let (client, driver) = start(near, SessionSettings::default()).unwrap();
    let pending = client.subscribe(track("a"), Parameters::default());
    let ((), failure) = tokio::join!(async { drop(driver) }, pending);
    let reason = SessionError::Local("session driver dropped".to_owned());
    assert_eq!(failure.unwrap_err(), RequestFailure::Session(reason.clone()));
    assert_eq!(client.closed().await, reason);
    assert!(client.established().await.is_err());
    assert!(matches!(soon(server.closed()).await, SessionError::ClosedByPeer { code: SessionErrorCode::NoError, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_is_told_as_such() {
    let (near, far, network) = pair(LoopbackSettings::default());
    let mut tasks = JoinSet::new();
    let network = tasks.spawn(network.run());
    let client = session(&mut tasks, near, SessionSettings::default());
    let server = session(&mut tasks, far, SessionSettings::default());
    soon(client.established()).await.unwrap();
    network.abort();
    for end in [client, server] {
        assert!(matches!(soon(end.closed()).await, SessionError::Connection(ConnectionError::Transport(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_setup_is_closed_in_time() {
    let (near, far, network) = pair(LoopbackSettings::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(network.run());
    let start = Instant::now();
    let settings = SessionSettings { setup_timeout: 3 * SECOND, ..SessionSettings::default() };
    let server = session(&mut tasks, far, settings);
    let told = soon(near.closed()).await;
    assert!(matches!(told, ConnectionError::Closed { code: 0x11, .. }), "{told:?}");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(server.established().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn goaway_refuses_new_requests_and_ends_in_time() {
    for server_leaves in [true, false] {
        let net = net();
        let (leaver, other) = if server_leaves { (&net.server, &net.client) } else { (&net.client, &net.server) };
        soon(leaver.established()).await.unwrap();
        let kept = other.subscribe(track("kept"), Parameters::default());
        let serve = async { next_subscribe(leaver).await.accept(Parameters::default(), Properties::default()) };
        let (kept, writer) = tokio::join!(kept, serve);
        let uri = if server_leaves { "https://other.example/" } else { "" };
        // A request that was on its way is answered by the machine.
        let crossing = other.subscribe(track("crossing"), Parameters::default());
        let (crossed, ()) = tokio::join!(crossing, async { leaver.go_away(uri, 5 * SECOND) });
        match crossed.unwrap_err() {
            RequestFailure::Refused(error) => assert_eq!(error.code, RequestErrorCode::GoingAway),
            RequestFailure::NotSent(_) => {}
            failure => panic!("{failure:?}"),
        }
        let notice = soon(other.goaway_received()).await;
        assert_eq!((notice.uri.as_str(), notice.timeout), (uri, 5 * SECOND));
        let refused = other.subscribe(track("late"), Parameters::default()).await;
        assert!(matches!(refused, Err(RequestFailure::NotSent(_))), "{refused:?}");
        let start = Instant::now();
        let told = soon(other.closed()).await;
        assert!(matches!(told, SessionError::ClosedByPeer { code: SessionErrorCode::GoawayTimeout, .. }), "{told:?}");
        drop((kept.unwrap(), writer.unwrap()));
        assert!((4 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_breaks_the_rules_is_closed_and_readers_know_why() {
    let raw = Raw::server().await;
    let goaway = |uri: &str| {
        encode(&Message::GoAway(GoAway { uri: uri.into(), timeout: Some(SECOND), request_id: Some(RequestId(0)) }))
    };
    let Raw { connection, session, mut control, .. } = raw;
    transport::write_all(&mut *control, goaway("")).await.unwrap();
    let waiting = session.goaway_received();
    soon(waiting).await;
    transport::write_all(&mut *control, goaway("")).await.unwrap();
    let told = soon(connection.closed()).await;
    assert!(matches!(told, ConnectionError::Closed { code: 0x3, .. }), "{told:?}");
    match soon(session.closed()).await {
        SessionError::Protocol(error) => assert_eq!(error.code, SessionErrorCode::ProtocolViolation),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_control_stream_ends_the_session() {
    let raw = Raw::server().await;
    let mut control = soon(raw.connection.accept_uni()).await.unwrap();
    sleep(SECOND).await;
    control.stop(0x1);
    assert_eq!(raw.close_code().await, 0x3);
}

#[tokio::test(start_paused = true)]
async fn a_closing_peers_code_wins_over_its_ending_streams() {
    for wait in [0, 1, 50] {
        let mut raw = Raw::server().await;
        soon(raw.session.established()).await.unwrap();
        raw.control.finish().unwrap();
        sleep(MS * wait).await;
        raw.connection.close(0x10, "moving");
        let told = soon(raw.session.closed()).await;
        assert!(matches!(told, SessionError::ClosedByPeer { code: SessionErrorCode::GoawayTimeout, .. }), "{told:?}");
    }
    let mut raw = Raw::server().await;
    raw.control.finish().unwrap();
    assert_eq!(raw.close_code().await, 0x3);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_make_no_sense_close_from_any_stream() {
    for garbage in 0..3 {
        let raw = Raw::client().await;
        let bytes = Bytes::from_static(&[0x3f, 0xff, 0xff, 0xff]);
        let mut kept = None;
        let mut streams: Vec<Box<dyn SendStream>> = Vec::new();
        match garbage {
            0 => streams.push(raw.connection.open_uni().await.unwrap()),
            1 => {
                let (send, recv) = raw.connection.open_bidi().await.unwrap();
                streams.push(send);
                kept = Some(recv);
            }
            _ => raw.connection.send_datagram(bytes.clone()).unwrap(),
        }
        for stream in &mut streams {
            transport::write_all(&mut **stream, bytes.clone()).await.unwrap();
        }
        assert_eq!(raw.close_code().await, 0x3, "{garbage}");
        drop(kept);
    }
}
