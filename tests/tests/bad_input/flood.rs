//! Too much of everything: bounded at the relay, and nobody else waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use moqt::{FullTrackName, Message, Namespace, Parameters, RequestId, Subscribe, TrackName, Version};
use tests::raw::{Raw, encode, setup};
use tests::system::{Arena, within};
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::{CANCELLED, Connection, read_chunk, stopped, write_all};

const SUBSCRIBES: u64 = 10_000;
const AT_ONCE: u64 = 48;

fn subscribe(id: u64, name: &str) -> bytes::Bytes {
    let namespace = Namespace::new(["nowhere"]).unwrap();
    let track = FullTrackName::new(namespace, TrackName::new(name.to_owned()).unwrap()).unwrap();
    let (request_id, parameters) = (RequestId(id), Parameters::default());
    encode(&Message::Subscribe(Subscribe { request_id, track, parameters }))
}

async fn ask(connection: Arc<dyn Connection>, first: u64) -> u64 {
    let mut answered = 0;
    for n in (first..SUBSCRIBES).step_by(AT_ONCE as usize) {
        let (mut send, mut recv) = within(connection.open_bidi()).await.unwrap();
        within(write_all(&mut *send, subscribe(2 * n, &format!("t{n}")))).await.unwrap();
        let mut input = BytesMut::new();
        while let Some(bytes) = within(read_chunk(&mut *recv, 4096)).await.unwrap() {
            input.extend_from_slice(&bytes);
        }
        match Message::decode(&mut input, Version::Draft18).unwrap() {
            Some(Message::RequestError(_)) => answered += 1,
            other => panic!("{other:?}"),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn c076_ten_thousand_subscribes_are_all_answered() {
    let mut arena = Arena::new().await;
    let mut raw = arena.raw().await;
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for first in 0..AT_ONCE {
        asking.spawn(ask(raw.connection.clone(), first));
    }
    let mut answered = 0;
    while let Some(count) = asking.join_next().await {
        answered += count.unwrap();
        arena.undisturbed().await;
    }
    assert_eq!(answered, SUBSCRIBES);
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    let mut other = arena.raw().await;
    other.lives("beside the flood").await;
    raw.write_control(encode(&Message::GoAway(moqt::GoAway {
        uri: String::new(),
        timeout: None,
        request_id: Some(RequestId(1)),
    })))
    .await;
    raw.stays("after the flood").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_without_end_stop_at_the_limit() {
    let mut arena = Arena::new().await;
    let raw = Raw::silent(arena.address(), "moqt").await;
    let _control = raw.uni(setup(moqt::SetupOptions::default())).await;
    let (mut requests, mut streams) = (Vec::new(), Vec::new());
    while let Ok(opened) = timeout(Duration::from_millis(300), raw.connection.open_bidi()).await {
        let (mut send, recv) = opened.unwrap();
        within(write_all(&mut *send, bytes::Bytes::from_static(&[0x03]))).await.unwrap();
        requests.push((send, recv));
        assert!(requests.len() <= 1024, "no limit on requests");
    }
    while let Ok(opened) = timeout(Duration::from_millis(300), raw.connection.open_uni()).await {
        let mut send = opened.unwrap();
        within(write_all(&mut *send, bytes::Bytes::from_static(&[0x30]))).await.unwrap();
        streams.push(send);
        assert!(streams.len() <= 1024, "no limit on streams");
    }
    assert!(requests.len() >= 16 && streams.len() >= 8, "{} requests, {} streams", requests.len(), streams.len());
    arena.undisturbed().await;
    arena.raw().await.lives("beside many streams").await;
    // Headers that never come are given up, and with them the places.
    let start = Instant::now();
    assert_eq!(within(stopped(&mut *streams[0])).await, Some(CANCELLED));
    assert!(start.elapsed() < Duration::from_secs(13), "{:?}", start.elapsed());
    streams.clear();
    within(raw.connection.open_uni()).await.unwrap();
    raw.stays("incomplete requests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_never_reads_holds_up_nobody() {
    let mut arena = Arena::new().await;
    let raw = arena.raw().await;
    let track = FullTrackName::new(Namespace::new(["live", "healthy"]).unwrap(), TrackName::new("video0").unwrap());
    let (request_id, parameters) = (RequestId(0), Parameters::default());
    let message = Message::Subscribe(Subscribe { request_id, track: track.unwrap(), parameters });
    let mut request = raw.request(encode(&message)).await;
    assert!(matches!(request.read().await, Ok(Some(Message::SubscribeOk(_)))));
    let start = Instant::now();
    arena.flood(40, 256 * 1024).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    arena.undisturbed().await;
    raw.stays("a viewer that does not read").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_on_every_kind_of_stream_disturb_nobody() {
    let mut arena = Arena::new().await;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    println!("seed {state:#x}");
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 1).unwrap() % below
    };
    for round in 0..60 {
        let mut raw = arena.raw().await;
        let mut garbage: Vec<u8> = (0..1 + random(3000)).map(|_| u8::try_from(random(256)).unwrap()).collect();
        // Half of them begin like something that is known.
        if random(2) == 0 {
            garbage[0] = [0x03, 0x16, 0x0D, 0x1D, 0x06, 0x30, 0x31, 0x05, 0x10][random(9)];
        }
        match round % 4 {
            0 => raw.write_control(garbage.into()).await,
            1 => drop(raw.request(garbage.into()).await.send.finish()),
            2 => drop(raw.uni(garbage.into()).await.finish()),
            _ => {
                garbage.truncate(1000);
                drop(raw.connection.send_datagram(garbage.into()));
            }
        }
        if round % 10 == 0 {
            arena.undisturbed().await;
        }
    }
    arena.undisturbed().await;
    arena.raw().await.lives("after random bytes").await;
}
