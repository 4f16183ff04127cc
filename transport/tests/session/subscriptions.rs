//! SUBSCRIBE and PUBLISH from the first message to the last.

use std::time::Duration;

use bytes::Bytes;
use moqt::{
    Message, Parameters, Properties, PublishDone, PublishDoneCode, ReasonPhrase, RequestErrorCode, StreamErrorCode,
};
use tokio::time::Instant;
use transport::{CANCELLED, ReadError, RequestFailure, StreamFailure, SubscriptionEvent, TrackEvent, stopped};

use super::pair::{
    MS, SECOND, idle, largest, net, net_with, next_publish, next_subgroup, next_subscribe, next_track_status, object,
    open, read_ids, rough, soon, subscribed, track, write_objects,
};
use super::raw::{Raw, subgroup, subscribe_ok};

async fn expect_done(subscription: &mut transport::Subscription, wanted: PublishDoneCode) {
    match soon(subscription.next()).await {
        TrackEvent::Done { status, .. } => assert_eq!(status, wanted),
        other => panic!("expected PUBLISH_DONE, got {other:?}"),
    }
}

fn done(stream_count: Option<u64>) -> Message {
    let status = PublishDoneCode::TrackEnded;
    Message::PublishDone(PublishDone { request_id: None, status, stream_count, reason: ReasonPhrase::from("over") })
}

#[tokio::test(start_paused = true)]
async fn s11_the_end_comes_after_every_stream_on_any_network() {
    for seed in 0..20 {
        let net = net_with(rough(seed), transport::SessionSettings::default());
        let (mut subscription, writer) = subscribed(&net, "video").await;
        for group in 0..8 {
            let mut stream = open(&writer, group).await;
            write_objects(&mut stream, 0..3).await;
            stream.finish();
        }
        let start = Instant::now();
        writer.done(PublishDoneCode::TrackEnded, "over");
        let mut groups = Vec::new();
        for _ in 0..8 {
            let mut reader = next_subgroup(&mut subscription).await;
            assert_eq!(read_ids(&mut reader).await, [0, 1, 2]);
            groups.push(reader.header().group);
        }
        groups.sort_unstable();
        assert_eq!(groups, (0..8).collect::<Vec<_>>());
        expect_done(&mut subscription, PublishDoneCode::TrackEnded).await;
        // Were the count wrong, the end would only come after the grace for late streams.
        assert!(start.elapsed() < SECOND, "seed {seed}: {:?}", start.elapsed());
        assert!(matches!(soon(subscription.next()).await, TrackEvent::Lost(None)));
        drop(subscription);
        idle(&[&net.client, &net.server]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s04_data_may_overtake_the_answer() {
    let raw = Raw::server().await;
    let publish = async {
        let (mut request, message) = raw.accept().await;
        assert!(matches!(message, Message::Subscribe(_)));
        let mut stream = raw.data(subgroup(7, 3), &object(None, 0, &Bytes::from_static(b"0"))).await;
        stream.finish().unwrap();
        tokio::time::sleep(SECOND).await;
        request.write(&subscribe_ok(7)).await;
        request
    };
    let (subscription, _request) = tokio::join!(raw.session.subscribe(track("video"), Parameters::default()), publish);
    let mut reader = next_subgroup(&mut subscription.unwrap()).await;
    assert_eq!((reader.header().group, read_ids(&mut reader).await), (3, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn s04_streams_nobody_asked_for_are_stopped() {
    let raw = Raw::server().await;
    let start = Instant::now();
    let mut unknown = raw.data(subgroup(99, 0), &[]).await;
    assert_eq!(soon(stopped(&mut *unknown)).await, Some(CANCELLED));
    assert!((2 * SECOND..5 * SECOND).contains(&start.elapsed()), "waits for its SUBSCRIBE_OK: {:?}", start.elapsed());

    let answer = async {
        let (mut request, _) = raw.accept().await;
        request.write(&subscribe_ok(7)).await;
        request
    };
    let (subscription, mut request) =
        tokio::join!(raw.session.subscribe(track("video"), Parameters::default()), answer);
    drop(subscription.unwrap());
    // The whole request stream goes: reset this way, stopped that way.
    assert_eq!(request.read().await, Err(ReadError::Reset(CANCELLED)));
    assert_eq!(soon(stopped(&mut *request.send)).await, Some(CANCELLED));
    let start = Instant::now();
    let mut retired = raw.data(subgroup(7, 0), &[]).await;
    assert_eq!(soon(stopped(&mut *retired)).await, Some(CANCELLED));
    assert!(start.elapsed() < 100 * MS, "the alias is known to be over: {:?}", start.elapsed());
    assert_eq!(raw.session.live_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subscription_is_cancelled_at_the_publisher() {
    let net = net();
    let (subscription, mut writer) = subscribed(&net, "video").await;
    drop(subscription);
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Cancelled);
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Cancelled);
    let mut stream = open(&writer, 0).await;
    assert_eq!(soon(stream.stopped()).await, Some(StreamErrorCode::Cancelled));
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_stream_handles_tell_the_other_side() {
    let net = net();
    let (mut subscription, writer) = subscribed(&net, "video").await;
    let mut unread = open(&writer, 0).await;
    let mut given_up = open(&writer, 1).await;
    let mut behind = open(&writer, 2).await;
    drop(next_subgroup(&mut subscription).await);
    assert_eq!(soon(unread.stopped()).await, Some(StreamErrorCode::Cancelled));
    assert_eq!(
        unread.write(&mut [Bytes::from_static(b"x")]).await,
        Err(StreamFailure::Stopped(StreamErrorCode::Cancelled))
    );
    write_objects(&mut given_up, 0..1).await;
    let mut reader = next_subgroup(&mut subscription).await;
    drop(given_up);
    let end = loop {
        match soon(reader.next()).await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end, Err(StreamFailure::Reset(StreamErrorCode::Cancelled)));
    behind.reset(StreamErrorCode::TooFarBehind);
    let mut reader = next_subgroup(&mut subscription).await;
    assert_eq!(soon(reader.next()).await, Err(StreamFailure::Reset(StreamErrorCode::TooFarBehind)));
    drop(writer);
    expect_done(&mut subscription, PublishDoneCode::InternalError).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_future_cancels_on_the_wire() {
    let net = net();
    let mut subscribe = Box::pin(net.client.subscribe(track("video"), Parameters::default()));
    let mut incoming = tokio::select! {
        incoming = next_subscribe(&net.server) => incoming,
        answer = &mut subscribe => panic!("nobody answered, yet {answer:?}"),
    };
    drop(subscribe);
    soon(incoming.cancelled()).await;
    assert!(incoming.accept(Parameters::default(), Properties::default()).is_err());
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn refusals_reach_the_subscriber() {
    let net = net();
    let serve = async {
        next_subscribe(&net.server).await.reject(RequestErrorCode::DoesNotExist, Some(SECOND), "not here");
        drop(next_subscribe(&net.server).await);
        next_track_status(&net.server).await.accept(largest(4, 2), Properties::default());
    };
    let ask = async {
        let refused = net.client.subscribe(track("a"), Parameters::default()).await.unwrap_err();
        let RequestFailure::Refused(error) = refused else { panic!("{refused:?}") };
        assert_eq!(
            (error.code, error.retry, &*error.reason.to_string()),
            (RequestErrorCode::DoesNotExist, Some(SECOND), "not here")
        );
        let dropped = net.client.subscribe(track("b"), Parameters::default()).await.unwrap_err();
        assert!(matches!(dropped, RequestFailure::Refused(error) if error.code == RequestErrorCode::InternalError));
        net.client.track_status(track("c"), Parameters::default()).await.unwrap()
    };
    let ((), status) = tokio::join!(serve, ask);
    assert_eq!(status.parameters, largest(4, 2));
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_given_is_a_refusal() {
    let net = net();
    let serve = async {
        // EXPIRES belongs in SUBSCRIBE_OK, a filter does not.
        let wrong = Parameters { filter: Some(moqt::Filter::NextGroup), ..Parameters::default() };
        assert!(next_subscribe(&net.server).await.accept(wrong, Properties::default()).is_err());
    };
    let (answer, ()) = tokio::join!(net.client.subscribe(track("a"), Parameters::default()), serve);
    assert!(matches!(answer, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::InternalError));
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_request_times_out_and_is_cancelled() {
    let net = net();
    let start = Instant::now();
    let held = Parameters { rendezvous_timeout: Some(5 * SECOND), ..Parameters::default() };
    let subscribe = net.client.subscribe(track("video"), held);
    let (answer, mut incoming) = tokio::join!(subscribe, next_subscribe(&net.server));
    assert_eq!(answer.unwrap_err(), RequestFailure::Timeout);
    assert_eq!(start.elapsed().as_secs(), 15, "the request timeout and the rendezvous time");
    soon(incoming.cancelled()).await;
    drop(incoming);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn updates_are_accepted_and_refused() {
    let net = net();
    let (mut subscription, mut writer) = subscribed(&net, "video").await;
    let forward = |on| Parameters { forward: Some(on), ..Parameters::default() };
    let serve = async {
        assert_eq!(writer.next_event().await, SubscriptionEvent::Update(forward(false)));
        writer.accept_update(Parameters::default());
        assert_eq!(writer.next_event().await, SubscriptionEvent::Update(forward(true)));
        writer.accept_update(largest(9, 1));
        assert!(matches!(writer.next_event().await, SubscriptionEvent::Update(_)));
        writer.reject_update(RequestErrorCode::Unauthorized, "no");
    };
    let ask = async {
        assert_eq!(subscription.update(forward(false)).await.unwrap(), Parameters::default());
        assert_eq!(subscription.update(forward(true)).await.unwrap(), largest(9, 1));
        let refused = subscription.update(forward(false)).await;
        assert!(matches!(refused, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::Unauthorized));
    };
    soon(async { tokio::join!(serve, ask) }).await;
    expect_done(&mut subscription, PublishDoneCode::UpdateFailed).await;
    drop(subscription);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_the_end_overtakes_does_not_wait() {
    let net = net();
    let (subscription, mut writer) = subscribed(&net, "video").await;
    let serve = async {
        assert!(matches!(writer.next_event().await, SubscriptionEvent::Update(_)));
        writer.done(PublishDoneCode::TrackEnded, "over");
    };
    let start = Instant::now();
    let (answer, ()) = tokio::join!(subscription.update(Parameters::default()), serve);
    assert_eq!(answer.unwrap_err(), RequestFailure::Dropped);
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_published_track_arrives_like_a_subscribed_one() {
    let net = net();
    let answer = Parameters { forward: Some(true), subscriber_priority: Some(3), ..Parameters::default() };
    let accept = async { next_publish(&net.server).await.accept(answer.clone()) };
    let offer = net.client.publish(track("camera"), largest(1, 0), Properties::default());
    let (offered, mut subscription) = tokio::join!(offer, accept);
    let (writer, parameters) = offered.unwrap();
    assert_eq!((parameters, subscription.parameters()), (answer, &largest(1, 0)));
    let mut stream = open(&writer, 2).await;
    write_objects(&mut stream, 0..4).await;
    stream.finish();
    assert_eq!(read_ids(&mut next_subgroup(&mut subscription).await).await, [0, 1, 2, 3]);
    writer.done(PublishDoneCode::TrackEnded, "");
    expect_done(&mut subscription, PublishDoneCode::TrackEnded).await;
    drop(subscription);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_publish_and_a_left_publisher_leave_nothing() {
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
    let mut subscription = incoming.accept(Parameters::default());
    assert!(matches!(soon(subscription.next()).await, TrackEvent::Lost(None)));
    drop(subscription);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn s11_without_a_count_late_streams_get_some_time() {
    let raw = Raw::server().await;
    let publish = async {
        let (mut request, _) = raw.accept().await;
        request.write(&subscribe_ok(7)).await;
        request.write(&done(None)).await;
        tokio::time::sleep(SECOND).await;
        (request, raw.data(subgroup(7, 0), &[]).await)
    };
    let subscribe = async {
        let mut subscription = raw.session.subscribe(track("video"), Parameters::default()).await.unwrap();
        let start = Instant::now();
        let reader = next_subgroup(&mut subscription).await;
        expect_done(&mut subscription, PublishDoneCode::TrackEnded).await;
        assert!((SECOND..4 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        drop(reader);
    };
    soon(async { tokio::join!(publish, subscribe) }).await;
    assert_eq!(raw.session.live_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_just_before_the_close_is_not_lost() {
    let net = net();
    let (mut subscription, writer) = subscribed(&net, "video").await;
    writer.done(PublishDoneCode::TrackEnded, "over");
    tokio::time::sleep(Duration::from_millis(50)).await;
    net.server.close(moqt::SessionErrorCode::NoError, "bye");
    soon(net.client.closed()).await;
    expect_done(&mut subscription, PublishDoneCode::TrackEnded).await;
}

#[tokio::test(start_paused = true)]
async fn datagrams_reach_their_subscription() {
    let net = net();
    let (mut subscription, writer) = subscribed(&net, "audio").await;
    let datagram = moqt::Datagram {
        track_alias: moqt::TrackAlias(0),
        group: 1,
        object_id: 2,
        priority: None,
        properties: Properties::default(),
        end_of_group: false,
        body: moqt::DatagramBody::Payload(Bytes::from_static(b"sound")),
    };
    writer.send_datagram(datagram.clone()).unwrap();
    match soon(subscription.next()).await {
        TrackEvent::Datagram(arrived) => {
            assert_eq!(arrived, moqt::Datagram { track_alias: writer.alias(), ..datagram });
        }
        other => panic!("expected a datagram, got {other:?}"),
    }
}
