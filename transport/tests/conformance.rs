//! One suite for every implementation of the `Connection` seam.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

mod common;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use common::{Pair, pair, read_all, send_all, within};
use futures_util::FutureExt;
use tokio::time::timeout;
use transport::loopback::{self, LoopbackSettings};
use transport::{
    CANCELLED, Connection, ConnectionError, DatagramError, EndpointSettings, ReadError, Side, TransportKind,
    WriteError, read_chunk, stopped, write_all,
};

/// What keeps the two connections alive, whatever carries them.
type Keep = Box<dyn std::any::Any + Send>;
type Ends = (Arc<dyn Connection>, Arc<dyn Connection>, Keep);

async fn over(scheme: &str) -> Ends {
    let Pair { server, client, near, far } = pair(scheme, EndpointSettings::default()).await;
    (near, far, Box::new((server, client)))
}

async fn quic() -> Ends {
    over("moqt").await
}

async fn webtransport() -> Ends {
    over("https").await
}

/// A short, slightly uneven path; the runtime drives it until the test drops it.
async fn loopback() -> Ends {
    let latency = Duration::from_millis(2);
    let settings = LoopbackSettings { latency, jitter: latency, seed: 7, ..LoopbackSettings::default() };
    let (near, far, driver) = loopback::pair(settings);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver.run());
    (near, far, Box::new(tasks))
}

macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod quic_transport { $(#[tokio::test] async fn $name() { super::$name(super::quic().await).await; })* }
        mod webtransport_transport { $(#[tokio::test] async fn $name() { super::$name(super::webtransport().await).await; })* }
        mod loopback_transport { $(#[tokio::test] async fn $name() { super::$name(super::loopback().await).await; })* }
    };
}

conformance!(
    bidi_echoes_both_ways,
    uni_delivers_in_order,
    a_megabyte_arrives_whole,
    datagrams_arrive_and_have_a_limit,
    reset_code_is_exact,
    stop_code_is_exact,
    dropping_halves_cancels_them,
    finished_streams_report_their_end,
    close_tells_code_and_reason,
    close_from_the_server_ends_everything,
    streams_outlive_the_handle_and_the_last_one_ends_the_connection,
    writer_waits_for_the_reader,
    abandoned_accepts_lose_nothing,
    stream_limit_holds_and_can_be_raised,
    info_names_both_ends,
);

async fn bidi_echoes_both_ways((near, far, _keep): Ends) {
    for (opener, acceptor) in [(&near, &far), (&far, &near)] {
        let (mut send, mut recv) = within(opener.open_bidi()).await.unwrap();
        send_all(&mut *send, "question").await;
        send.finish().unwrap();
        let (mut answer, mut question) = within(acceptor.accept_bidi()).await.unwrap();
        assert_eq!(read_all(&mut *question).await, b"question");
        send_all(&mut *answer, "answer").await;
        answer.finish().unwrap();
        assert_eq!(read_all(&mut *recv).await, b"answer");
    }
}

async fn uni_delivers_in_order((near, far, _keep): Ends) {
    let mut send = within(far.open_uni()).await.unwrap();
    for part in ["one ", "", "two ", "three"] {
        send_all(&mut *send, part).await;
    }
    send.finish().unwrap();
    let mut recv = within(near.accept_uni()).await.unwrap();
    assert_eq!(read_all(&mut *recv).await, b"one two three");
    assert_eq!(within(read_chunk(&mut *recv, 10)).await, Ok(None), "the end stays the end");
}

async fn a_megabyte_arrives_whole((near, far, _keep): Ends) {
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut send = within(near.open_uni()).await.unwrap();
    let mut chunks: Vec<Bytes> = sent.chunks(7_777).map(Bytes::copy_from_slice).collect();
    let write = async {
        transport::write_all_chunks(&mut *send, &mut chunks).await.unwrap();
        send.finish().unwrap();
    };
    let read = async { read_all(&mut *within(far.accept_uni()).await.unwrap()).await };
    let ((), received) = within(async { tokio::join!(write, read) }).await;
    assert!(received == sent, "bytes differ");
    assert!(chunks.iter().all(Bytes::is_empty), "written chunks are taken");
}

async fn datagrams_arrive_and_have_a_limit((near, far, _keep): Ends) {
    let most = near.max_datagram_size().unwrap();
    assert!(most >= 1000, "{most}");
    let received = async {
        loop {
            near.send_datagram(Bytes::from(vec![7; most.min(1000)])).unwrap();
            if let Ok(datagram) = timeout(Duration::from_millis(200), far.read_datagram()).await {
                return datagram.unwrap();
            }
        }
    };
    assert_eq!(within(received).await, vec![7; most.min(1000)]);
    assert_eq!(near.send_datagram(Bytes::from(vec![0; 65_000])), Err(DatagramError::TooLarge));
}

async fn reset_code_is_exact((near, far, _keep): Ends) {
    for code in [0, 7, 0x12, 300, 4_000_000_000] {
        let mut send = within(near.open_uni()).await.unwrap();
        send_all(&mut *send, "begin").await;
        let mut recv = within(far.accept_uni()).await.unwrap();
        assert_eq!(within(read_chunk(&mut *recv, 5)).await.unwrap().unwrap(), "begin");
        send.reset(code);
        assert_eq!(within(read_chunk(&mut *recv, 10)).await, Err(ReadError::Reset(code)));
        assert_eq!(within(read_chunk(&mut *recv, 10)).await, Err(ReadError::Reset(code)), "the reason stays");
        assert_eq!(within(write_all(&mut *send, "more".into())).await, Err(WriteError::Closed));
    }
}

async fn stop_code_is_exact((near, far, _keep): Ends) {
    for code in [0, 7, 0x1d, 300, 4_000_000_000] {
        let mut send = within(near.open_uni()).await.unwrap();
        send_all(&mut *send, "begin").await;
        let mut recv = within(far.accept_uni()).await.unwrap();
        recv.stop(code);
        assert_eq!(within(stopped(&mut *send)).await, Some(code));
        assert_eq!(within(write_all(&mut *send, "more".into())).await, Err(WriteError::Stopped(code)));
        assert_eq!(within(read_chunk(&mut *recv, 10)).await, Err(ReadError::Closed));
    }
}

async fn dropping_halves_cancels_them((near, far, _keep): Ends) {
    let (mut send, recv) = within(near.open_bidi()).await.unwrap();
    send_all(&mut *send, "x").await;
    let (mut far_send, mut far_recv) = within(far.accept_bidi()).await.unwrap();
    assert_eq!(within(read_chunk(&mut *far_recv, 1)).await.unwrap().unwrap(), "x");
    drop(send);
    assert_eq!(within(read_chunk(&mut *far_recv, 1)).await, Err(ReadError::Reset(CANCELLED)));
    drop(recv);
    assert_eq!(within(stopped(&mut *far_send)).await, Some(CANCELLED));
}

async fn finished_streams_report_their_end((near, far, _keep): Ends) {
    let mut send = within(near.open_uni()).await.unwrap();
    send_all(&mut *send, "all").await;
    send.finish().unwrap();
    assert_eq!(send.finish(), Err(WriteError::Closed));
    let mut recv = within(far.accept_uni()).await.unwrap();
    assert_eq!(read_all(&mut *recv).await, b"all");
    assert_eq!(within(stopped(&mut *send)).await, None);
}

async fn close_tells_code_and_reason((near, far, _keep): Ends) {
    let mut send = within(near.open_uni()).await.unwrap();
    send_all(&mut *send, "x").await;
    near.close(0x3, "wrong tune");
    let closed = ConnectionError::Closed { code: 0x3, reason: "wrong tune".into() };
    assert_eq!(within(far.closed()).await, closed);
    assert_eq!(within(far.read_datagram()).await, Err(closed.clone()));
    assert_eq!(within(far.open_uni()).await.err(), Some(closed));
    assert_eq!(within(near.closed()).await, ConnectionError::LocallyClosed);
    assert_eq!(
        within(write_all(&mut *send, "y".into())).await,
        Err(WriteError::Connection(ConnectionError::LocallyClosed))
    );
    near.close(9, "again");
}

async fn close_from_the_server_ends_everything((near, far, _keep): Ends) {
    let mut send = within(near.open_uni()).await.unwrap();
    send_all(&mut *send, "x").await;
    let mut recv = within(far.accept_uni()).await.unwrap();
    assert_eq!(within(read_chunk(&mut *recv, 1)).await.unwrap().unwrap(), "x");
    let waiting = async {
        let (uni, bidi) = tokio::join!(near.accept_uni(), near.accept_bidi());
        (uni.err(), bidi.err())
    };
    let closing = async {
        tokio::task::yield_now().await;
        far.close(0, "");
    };
    let ((uni, bidi), ()) = within(async { tokio::join!(waiting, closing) }).await;
    let closed = ConnectionError::Closed { code: 0, reason: String::new() };
    assert_eq!((uni, bidi), (Some(closed.clone()), Some(closed.clone())));
    assert_eq!(within(near.closed()).await, closed);
    assert_eq!(near.send_datagram(Bytes::from_static(b"x")), Err(DatagramError::Connection(closed)));
    assert!(matches!(
        within(read_chunk(&mut *recv, 1)).await,
        Err(ReadError::Connection(ConnectionError::LocallyClosed))
    ));
}

async fn streams_outlive_the_handle_and_the_last_one_ends_the_connection((near, far, _keep): Ends) {
    let mut send = within(near.open_uni()).await.unwrap();
    drop(near);
    send_all(&mut *send, "still here").await;
    let mut recv = within(far.accept_uni()).await.unwrap();
    assert_eq!(within(read_chunk(&mut *recv, 10)).await.unwrap().unwrap(), "still here");
    drop(send);
    assert_eq!(within(far.closed()).await, ConnectionError::Closed { code: 0, reason: String::new() });
}

async fn writer_waits_for_the_reader((near, far, _keep): Ends) {
    let mut send = within(near.open_uni()).await.unwrap();
    let block = Bytes::from(vec![1; 64 * 1024]);
    let mut accepted = 0usize;
    // Nobody reads: the writer must come to a halt well before 16 MiB.
    while timeout(Duration::from_millis(300), write_all(&mut *send, block.clone())).await.is_ok() {
        accepted += block.len();
        assert!(accepted < 16 << 20, "no back-pressure");
    }
    let mut recv = within(far.accept_uni()).await.unwrap();
    let read = async {
        let mut total = 0;
        while total < accepted {
            total += read_chunk(&mut *recv, 65_536).await.unwrap().unwrap().len();
        }
    };
    within(read).await;
    within(write_all(&mut *send, block)).await.unwrap();
}

async fn abandoned_accepts_lose_nothing((near, far, _keep): Ends) {
    assert!(far.accept_uni().now_or_never().is_none());
    assert!(far.accept_bidi().now_or_never().is_none());
    for n in 0..8u8 {
        let mut send = within(near.open_uni()).await.unwrap();
        send_all(&mut *send, vec![n]).await;
        send.finish().unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 8 {
        // Polled once and dropped when not ready, over and over.
        let mut accept = far.accept_uni();
        let polled = poll_fn(|cx| Poll::Ready(accept.poll_unpin(cx))).await;
        drop(accept);
        match polled {
            Poll::Ready(recv) => seen.push(read_all(&mut *recv.unwrap()).await[0]),
            Poll::Pending => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
}

async fn stream_limit_holds_and_can_be_raised((near, far, _keep): Ends) {
    let mut open = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), near.open_uni()).await {
        let mut stream = stream.unwrap();
        send_all(&mut *stream, "x").await;
        open.push(stream);
        assert!(open.len() <= 64, "no stream limit");
    }
    assert!(open.len() >= 8, "only {} streams", open.len());
    far.set_max_incoming_uni(200);
    while open.len() < 150 {
        let mut stream = within(near.open_uni()).await.unwrap();
        send_all(&mut *stream, "x").await;
        open.push(stream);
    }
}

async fn info_names_both_ends((near, far, _keep): Ends) {
    let (client, server) = (near.info(), far.info());
    assert_eq!((client.side, server.side), (Side::Client, Side::Server));
    assert_eq!((client.kind, client.version), (server.kind, server.version));
    assert_eq!(client.version, moqt::Version::Draft18);
    if client.kind == TransportKind::WebTransport {
        assert_eq!((client.path.as_str(), server.path.as_str()), ("/live?token=1", "/live?token=1"));
        assert_eq!(client.authority, server.authority);
    } else {
        assert_eq!((client.path.as_str(), server.path.as_str()), ("", ""));
    }
    let mut send = within(near.open_uni()).await.unwrap();
    send_all(&mut *send, "x").await;
    send.finish().unwrap();
    assert_eq!(within(stopped(&mut *send)).await, None);
    assert!(near.stats().sent_packets > 0 && near.stats().sent_bytes > 0);
}
