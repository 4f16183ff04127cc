//! Many requests at once and in a row: bounded, refused in words, and gone when they are over.

use bytes::Bytes;
use futures_util::future::join_all;
use moqt::{Message, Parameters, Properties, RequestErrorCode};
use transport::loopback::LoopbackSettings;
use transport::{ReadError, RequestFailure, SessionSettings, SubscriptionEvent};

use tokio::time::sleep;

use super::pair::{MS, Net, SECOND, fields, idle, net, net_with, next_subscribe, rough, soon, track};
use super::raw::{Raw, encode, subscribe};

#[tokio::test(start_paused = true)]
async fn ten_thousand_subscriptions_in_a_row_leave_nothing() {
    let net = net_with(LoopbackSettings { latency: MS, ..LoopbackSettings::default() }, SessionSettings::default());
    let serve = async {
        loop {
            let mut writer =
                next_subscribe(&net.server).await.accept(Parameters::default(), Properties::default()).unwrap();
            drop(writer.open_subgroup(fields(0), 0).await);
            assert_eq!(writer.next_event().await, SubscriptionEvent::Cancelled);
        }
    };
    let ask = async {
        for n in 0..10_000 {
            drop(net.client.subscribe(track(&format!("t{}", n % 100)), Parameters::default()).await.unwrap());
            assert!(net.client.live_requests() <= 1);
            assert!(net.server.live_requests() <= 64, "{}", net.server.live_requests());
        }
    };
    tokio::select! {
        never = serve => never,
        () = ask => {}
    }
    idle(&[&net.client, &net.server]).await;
    // The streams are gone as well: every one the client may open can be had.
    let mut open = Vec::new();
    for _ in 0..transport::limit::MAX_INCOMING_BIDI {
        open.push(soon(net.client.connection().open_bidi()).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_dropped_at_any_moment_leave_nothing() {
    for seed in 0..10 {
        let net = net_with(rough(seed), SessionSettings::default());
        let serve = async {
            loop {
                let request = net.server.next_request().await.unwrap();
                drop(request);
            }
        };
        let ask = async {
            for n in 0..200 {
                let name = track(&format!("t{n}"));
                let patience = MS * (n * 7 % 150);
                let _ = tokio::time::timeout(patience, net.client.join(name, Parameters::default(), 0)).await;
            }
            idle(&[&net.client, &net.server]).await;
        };
        tokio::select! {
            never = serve => never,
            () = ask => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_limit_are_refused_in_words() {
    let settings = SessionSettings { request_limit: 8, ..SessionSettings::default() };
    let net = net_with(LoopbackSettings::default(), settings);
    let asked = (0..40).map(|n| net.client.subscribe(track(&format!("t{n}")), Parameters::default()));
    // Nobody answers: what is let in times out.
    let (mut refused, mut late) = (0, 0);
    for answer in soon(join_all(asked.map(|one| async { one.await.err() }))).await {
        match answer.unwrap() {
            RequestFailure::Refused(error) => {
                assert_eq!(error.code, RequestErrorCode::ExcessiveLoad);
                assert!(error.retry.is_some());
                refused += 1;
            }
            RequestFailure::Timeout => late += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused + late, 40);
    assert!((8..=9).contains(&late), "{late} were let in");
    assert_eq!(net.client.live_requests(), 0);
    sleep(SECOND).await;
    // They still wait unread, and end when they are looked at.
    for _ in 0..late {
        assert!(next_subscribe(&net.server).await.accept(Parameters::default(), Properties::default()).is_err());
    }
    idle(&[&net.server]).await;
    let subscribe = net.client.subscribe(track("again"), Parameters::default());
    let serve = async { next_subscribe(&net.server).await.accept(Parameters::default(), Properties::default()) };
    let (again, writer) = tokio::join!(subscribe, serve);
    assert!(again.is_ok() && writer.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_the_session_refuses_itself_leaves_nothing() {
    let raw = Raw::client().await;
    let first = raw.open(&subscribe(0, "video")).await;
    let held = next_subscribe(&raw.session).await;
    for n in 1..200 {
        let mut again = raw.open(&subscribe(2 * n, "video")).await;
        match again.read().await {
            Ok(Some(Message::RequestError(error))) => assert_eq!(error.code, RequestErrorCode::DuplicateSubscription),
            other => panic!("{other:?}"),
        }
        assert_eq!(again.read().await, Ok(None));
    }
    assert_eq!(raw.session.live_requests(), 1);
    // Streams that never say what they ask for end without a trace, too.
    for _ in 0..200 {
        let (mut send, recv) = soon(raw.connection.open_bidi()).await.unwrap();
        send.finish().unwrap();
        drop(recv);
    }
    drop((first, held));
    idle(&[&raw.session]).await;
    assert!(!raw.session.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ended_before_it_was_looked_at_is_forgotten() {
    let Raw { connection, session, .. } = &Raw::client().await;
    let (mut send, mut recv) = connection.open_bidi().await.unwrap();
    transport::write_all(&mut *send, encode(&subscribe(0, "a"))).await.unwrap();
    sleep(SECOND).await;
    send.reset(0x1);
    let end = soon(transport::read_chunk(&mut *recv, 100)).await;
    assert_eq!(end, Err(ReadError::Reset(0x1)));
    drop(next_subscribe(session).await);
    idle(&[session]).await;
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_streams_and_can_be_given_up_there() {
    let net = net();
    let mut held = Vec::new();
    for _ in 0..transport::limit::MAX_INCOMING_BIDI {
        held.push(soon(net.client.connection().open_bidi()).await.unwrap());
    }
    let waiting = tokio::time::timeout(SECOND, net.client.subscribe(track("a"), Parameters::default())).await;
    assert!(waiting.is_err());
    assert_eq!(net.client.live_requests(), 0);
    drop(held);
    let serve = async { next_subscribe(&net.server).await.reject(RequestErrorCode::DoesNotExist, None, "") };
    let (answer, ()) = tokio::join!(net.client.subscribe(track("b"), Parameters::default()), serve);
    assert!(matches!(answer, Err(RequestFailure::Refused(_))));
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_handles_are_gone_refuses_requests() {
    let net = net();
    let Net { client, server, .. } = net;
    drop(server);
    let refused = client.subscribe(track("a"), Parameters::default()).await;
    assert!(matches!(refused, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::NotSupported));
    idle(&[&client]).await;
    assert!(!client.is_closed());
}

/// Valid messages and stream headers with a few bytes changed, in pieces.
fn mutated(random: &mut impl FnMut(u64) -> u64) -> (bool, Vec<Bytes>) {
    let valid = [
        (true, encode(&subscribe(0, "a"))),
        (true, encode(&subscribe(2, "b"))),
        (true, Bytes::from_static(&[0x02, 0, 2, 4, 0])),
        (false, Bytes::from_static(&[0x30, 5, 9, 0, 5, b'a', b'b', b'c'])),
        (false, Bytes::from_static(&[0x05, 0x12, 0x1C, 0, 0, 1, b'a'])),
        (false, Bytes::from_static(&[0xAF, 0x00, 0, 0])),
    ];
    let (request, bytes) = &valid[random(valid.len() as u64) as usize];
    let mut bytes = bytes.to_vec();
    for _ in 0..random(4) {
        let at = random(bytes.len() as u64) as usize;
        bytes[at] = random(256) as u8;
    }
    let cut = random(bytes.len() as u64 + 1) as usize;
    let rest = bytes.split_off(cut);
    (*request, vec![bytes.into(), rest.into()])
}

#[tokio::test(start_paused = true)]
async fn changed_bytes_never_hang_or_leak() {
    let (mut closed, mut survived) = (0, 0);
    for seed in 1..400_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let raw = Raw::client().await;
        let session = raw.session.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { while session.next_request().await.is_some() {} });
        for _ in 0..random(5) {
            let (request, pieces) = mutated(&mut random);
            let opened = async {
                match request {
                    true => raw.connection.open_bidi().await.map(|(send, recv)| (send, Some(recv))),
                    false => raw.connection.open_uni().await.map(|send| (send, None)),
                }
            };
            let Ok((mut send, _recv)) = soon(opened).await else { break };
            for piece in pieces {
                let _ = soon(transport::write_all(&mut *send, piece)).await;
                sleep(MS * random(3) as u32).await;
            }
            match random(3) {
                0 => {
                    let _ = send.finish();
                }
                1 => send.reset(random(20)),
                _ => {}
            }
        }
        sleep(30 * SECOND).await;
        match raw.session.is_closed() {
            true => closed += 1,
            false => {
                survived += 1;
                assert_eq!(raw.session.live_requests(), 0, "seed {seed}");
            }
        }
        raw.connection.close(0, "");
        soon(raw.session.closed()).await;
        soon(tasks.join_all()).await;
        assert_eq!(raw.session.live_requests(), 0, "seed {seed}");
    }
    assert!(closed > 50 && survived > 20, "{closed} closed, {survived} survived");
}
