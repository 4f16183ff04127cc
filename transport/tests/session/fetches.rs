//! FETCH, and joining a live track.

use bytes::Bytes;
use moqt::{
    FetchItem, FetchObjectHeader, FetchOk, Location, Message, Parameters, Properties, ReasonPhrase, RequestError,
    RequestErrorCode, RequestId, StreamErrorCode, UniStreamHeader,
};
use tokio::time::{Instant, sleep};
use transport::{
    CANCELLED, FetchReader, FetchWriter, IncomingFetch, ReadError, RequestFailure, SessionSettings, StreamFailure,
    stopped,
};

use super::pair::{
    MS, SECOND, fields, idle, largest, net, net_with, next_fetch, next_subgroup, next_subscribe, open, read_ids, rough,
    soon, subscribed, track, write_objects,
};
use super::raw::Raw;

const START: Location = Location { group: 5, object: 0 };

fn header(object: u64, payload_len: u64) -> FetchObjectHeader {
    let location = Location::new(START.group, object);
    FetchObjectHeader { location, subgroup: Some(0), priority: 128, properties: Properties::default(), payload_len }
}

async fn accept(request: IncomingFetch, end: Location) -> FetchWriter {
    soon(request.accept(false, end, Properties::default(), 0)).await.unwrap()
}

async fn write(writer: &mut FetchWriter, objects: std::ops::Range<u64>) {
    for id in objects {
        let payload = Bytes::from(id.to_string());
        writer.object(&header(id, payload.len() as u64)).unwrap();
        soon(writer.write(&mut [payload])).await.unwrap();
    }
}

async fn read(reader: &mut FetchReader) -> Result<Vec<u64>, StreamFailure> {
    let mut ids = Vec::new();
    while let Some(object) = soon(reader.next_object(1 << 20)).await? {
        assert_eq!(object.payload, object.header.location.object.to_string());
        ids.push(object.header.location.object);
    }
    Ok(ids)
}

fn ask(net: &super::pair::Net) -> FetchReader {
    net.client.fetch(track("video"), START, Location::new(START.group, 0), Parameters::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn joining_loses_and_repeats_nothing_on_any_network() {
    for seed in 0..20 {
        let net = net_with(rough(seed), SessionSettings::default());
        let published = 3 + seed % 5;
        let publish = async {
            let subscribe = next_subscribe(&net.server).await;
            let writer = subscribe.accept(largest(START.group, published), Properties::default()).unwrap();
            let live = async {
                let mut stream = writer.open_subgroup(fields(START.group), 0).await.unwrap();
                write_objects(&mut stream, published + 1..12).await;
                stream.finish();
            };
            let head = async {
                let fetch = next_fetch(&net.server).await;
                assert!(fetch.joining);
                assert_eq!((fetch.start, fetch.end), (START, Location::new(START.group, published + 1)));
                let end = fetch.end;
                let mut answer = accept(fetch, end).await;
                write(&mut answer, 0..published + 1).await;
                answer.finish().await.unwrap();
            };
            tokio::join!(live, head);
            writer.done(moqt::PublishDoneCode::TrackEnded, "");
        };
        let join = async {
            let mut joined = net.client.join(track("video"), Parameters::default(), 0).await.unwrap();
            let mut union = read(&mut joined.head.take().unwrap()).await.unwrap();
            union.extend(read_ids(&mut next_subgroup(&mut joined.subscription).await).await);
            assert_eq!(union, (0..12).collect::<Vec<_>>(), "seed {seed}");
        };
        soon(async { tokio::join!(Box::pin(publish), Box::pin(join)) }).await;
        idle(&[&net.client, &net.server]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn joining_an_empty_track_has_no_head() {
    let net = net();
    let publish = async {
        let writer = next_subscribe(&net.server).await.accept(Parameters::default(), Properties::default()).unwrap();
        open(&writer, 0).await;
        writer
    };
    let (joined, _writer) = tokio::join!(net.client.join(track("video"), Parameters::default(), 0), publish);
    assert!(joined.unwrap().head.is_none());
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_read_to_its_end_leaves_nothing() {
    let net = net();
    for _ in 0..50 {
        let mut reader = ask(&net);
        let serve = async {
            let mut writer = accept(next_fetch(&net.server).await, Location::new(5, 3)).await;
            write(&mut writer, 0..3).await;
            writer.end_of_range(Location::new(5, 9), false).unwrap();
            writer.finish().await.unwrap();
        };
        let take = async {
            assert_eq!(reader.ok().await.unwrap().end, Location::new(5, 3));
            assert_eq!(read(&mut reader).await.unwrap(), [0, 1, 2]);
            assert_eq!(reader.next().await, Ok(None), "the end stays the end");
        };
        tokio::join!(serve, take);
        // The handle is still there: what is over is over in the session, too.
        assert_eq!(net.client.live_requests(), 0);
    }
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn range_records_arrive_in_place() {
    let net = net();
    let mut reader = ask(&net);
    let mut writer = accept(next_fetch(&net.server).await, Location::new(5, 9)).await;
    write(&mut writer, 0..1).await;
    writer.end_of_range(Location::new(5, 4), true).unwrap();
    writer.finish().await.unwrap();
    let mut items = Vec::new();
    while let Some(item) = soon(reader.next()).await.unwrap() {
        items.push(item);
    }
    assert_eq!(items[3], FetchItem::EndOfRange { location: Location::new(5, 4), known: true });
    assert_eq!(items.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn refusals_and_resets_are_told_apart() {
    let net = net();
    let mut reader = ask(&net);
    next_fetch(&net.server).await.reject(RequestErrorCode::InvalidRange, None, "nothing there");
    let refused = read(&mut reader).await.unwrap_err();
    assert!(matches!(refused, StreamFailure::Refused(error) if error.code == RequestErrorCode::InvalidRange));
    drop(reader);

    let mut reader = ask(&net);
    let mut writer = accept(next_fetch(&net.server).await, Location::new(5, 3)).await;
    write(&mut writer, 0..1).await;
    sleep(SECOND).await;
    writer.reset(StreamErrorCode::DeliveryTimeout);
    assert_eq!(reader.next_object(9).await.unwrap().unwrap().payload, "0");
    assert_eq!(soon(reader.next_object(9)).await, Err(StreamFailure::Reset(StreamErrorCode::DeliveryTimeout)));
    drop(reader);

    let mut reader = ask(&net);
    drop(next_fetch(&net.server).await);
    let failure = reader.ok().await.unwrap_err();
    assert!(matches!(failure, RequestFailure::Refused(error) if error.code == RequestErrorCode::InternalError));
    drop(reader);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_fetch_times_out() {
    let net = net();
    let start = Instant::now();
    let mut reader = ask(&net);
    let mut request = next_fetch(&net.server).await;
    assert_eq!(reader.next().await, Err(StreamFailure::Timeout));
    assert_eq!(start.elapsed().as_secs(), 10);
    drop(reader);
    soon(request.cancelled()).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reader_cancels_a_blocked_writer() {
    let net = net();
    let reader = ask(&net);
    let mut writer = accept(next_fetch(&net.server).await, Location::new(5, 3)).await;
    writer.object(&header(0, 10 << 20)).unwrap();
    let blocked = async { writer.write(&mut [Bytes::from(vec![0; 10 << 20])]).await };
    let leave = async {
        sleep(SECOND).await;
        drop(reader);
    };
    let (written, ()) = soon(async { tokio::join!(blocked, leave) }).await;
    assert_eq!(written, Err(StreamFailure::Stopped(StreamErrorCode::Cancelled)));
    soon(writer.cancelled()).await;
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_for_a_stream_can_be_cancelled() {
    let net = net();
    let (_subscription, writer) = subscribed(&net, "video").await;
    // Uses up the streams the client allows.
    let mut streams = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SECOND, writer.open_subgroup(fields(0), 0)).await {
        streams.push(stream.unwrap());
    }
    let reader = ask(&net);
    let request = next_fetch(&net.server).await;
    let leave = async {
        sleep(SECOND).await;
        drop(reader);
    };
    let accept = request.accept(false, Location::new(5, 1), Properties::default(), 0);
    let (accepted, ()) = soon(async { tokio::join!(accept, leave) }).await;
    assert!(accepted.is_err());

    // And a server that gives up while it waits tells the client.
    let mut reader = ask(&net);
    let request = next_fetch(&net.server).await;
    let accept = request.accept(false, Location::new(5, 1), Properties::default(), 0);
    assert!(tokio::time::timeout(SECOND, accept).await.is_err());
    reader.ok().await.unwrap();
    assert_eq!(soon(reader.next()).await, Err(StreamFailure::Closed));
    drop((reader, streams, writer, _subscription));
    idle(&[&net.client, &net.server]).await;
}

fn fetch_ok() -> Message {
    Message::FetchOk(FetchOk {
        request_id: None,
        end_of_track: false,
        end: Location::new(5, 1),
        parameters: Parameters::default(),
        properties: Properties::default(),
    })
}

fn raw_fetch(raw: &Raw) -> FetchReader {
    raw.session.fetch(track("video"), START, Location::new(5, 1), Parameters::default()).unwrap()
}

fn data(id: RequestId) -> UniStreamHeader {
    UniStreamHeader::Fetch { request_id: id }
}

#[tokio::test(start_paused = true)]
async fn data_may_overtake_the_answer_which_is_waited_for() {
    let raw = Raw::server().await;
    let mut reader = raw_fetch(&raw);
    let (mut request, message) = raw.accept().await;
    let Message::Fetch(fetch) = message else { panic!("{message:?}") };
    raw.data(data(fetch.request_id), &[]).await.finish().unwrap();
    let start = Instant::now();
    let answer = async {
        sleep(SECOND).await;
        request.write(&fetch_ok()).await;
    };
    let (end, ()) = tokio::join!(reader.next(), answer);
    assert_eq!(end, Ok(None));
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(request.read().await, Ok(None), "this side's half is finished");
    assert_eq!(raw.session.live_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_the_data_is_a_refusal() {
    let raw = Raw::server().await;
    let mut reader = raw_fetch(&raw);
    let (mut request, message) = raw.accept().await;
    let Message::Fetch(fetch) = message else { panic!("{message:?}") };
    raw.data(data(fetch.request_id), &[]).await.finish().unwrap();
    let code = RequestErrorCode::InternalError;
    let reason = ReasonPhrase::from("changed my mind");
    request
        .write(&Message::RequestError(RequestError { request_id: None, code, retry: None, reason, redirect: None }))
        .await;
    assert!(matches!(soon(reader.next()).await, Err(StreamFailure::Refused(_))));
    drop(reader);
    assert_eq!(raw.session.live_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_has_one_data_stream() {
    let raw = Raw::server().await;
    let reader = raw_fetch(&raw);
    let (mut request, message) = raw.accept().await;
    let Message::Fetch(fetch) = message else { panic!("{message:?}") };
    request.write(&fetch_ok()).await;
    let mut first = raw.data(data(fetch.request_id), &[]).await;
    sleep(10 * MS).await;
    let mut second = raw.data(data(fetch.request_id), &[]).await;
    assert_eq!(soon(stopped(&mut *second)).await, Some(CANCELLED));
    assert!(tokio::time::timeout(SECOND, stopped(&mut *first)).await.is_err(), "the first goes on");
    drop(reader);
    assert_eq!(soon(stopped(&mut *first)).await, Some(CANCELLED));
    assert_eq!(request.read().await, Err(ReadError::Reset(CANCELLED)));
    let mut late = raw.data(data(fetch.request_id), &[]).await;
    assert_eq!(soon(stopped(&mut *late)).await, Some(CANCELLED));
}
