//! A whole broadcast: the origin's file, through two relays, as the viewer gets it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use bytes::Bytes;
use media::{Catalog, Demuxer, MediaEvent, Unpackager};
use moqt::{FullTrackName, Location, Parameters};
use tests::system::{Arrival, Frames, RunningOrigin, Viewer, at, chain, track, until, within};

/// The clip that origins have built in.
const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../origin/sample/sample.mp4");

fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The only object of a catalog; `None` while the origin does not know its tracks.
async fn catalog(viewer: &Viewer, name: &FullTrackName) -> Option<Bytes> {
    let subscription = viewer.session.subscribe(name.clone(), Parameters::default()).await.ok()?;
    let mut frames = Frames::new(name, subscription, None);
    let arrival = frames.next().await;
    frames.unsubscribe().await;
    match arrival {
        Arrival::Frame(place, bytes) if place.object == 0 => Some(bytes),
        other => panic!("{other:?} instead of a catalog"),
    }
}

async fn objects(frames: &mut Frames, count: usize) -> BTreeMap<Location, Bytes> {
    let mut found = BTreeMap::new();
    while found.len() < count {
        match frames.next().await {
            Arrival::Frame(place, bytes) => assert_eq!(found.insert(place, bytes), None, "{place:?} came twice"),
            other => panic!("{other:?} instead of a frame"),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_viewer_unpacks_are_the_frames_of_the_file_in_order() {
    let origin = RunningOrigin::playing(Path::new(CLIP), false, anywhere()).await;
    let relays = chain(origin.address, 2).await;
    let viewer = Viewer::over_quic(relays[1].address).await;
    let name = track("live-demo--catalog");
    let mut text = None;
    until("the catalog", async || {
        text = catalog(&viewer, &name).await;
        text.is_some()
    })
    .await;
    let direct = Viewer::over_quic(origin.address).await;
    assert_eq!(catalog(&direct, &name).await, text, "the catalog passes unchanged");

    let parsed = Catalog::from_msf(&text.unwrap()).unwrap();
    let rendition = parsed.tracks.iter().find(|track| track.name == "video0").unwrap();
    let source: Vec<_> = {
        let mut file = media::demux_file(File::open(CLIP).unwrap()).unwrap();
        let video = file.tracks().iter().find(|track| track.kind.is_video()).unwrap().id;
        file.by_ref().map(Result::unwrap).filter(|frame| frame.track == video).collect()
    };
    let mut frames = viewer.join(&track("live-demo--video0"), 0).await.unwrap();
    let found = objects(&mut frames, 75).await;
    let mut unpackager = Unpackager::new(rendition.init.as_ref().unwrap()).unwrap();
    let mut unpacked = Vec::new();
    for chunk in found.values() {
        unpacked.extend(unpackager.unpack(chunk).unwrap());
    }
    let first = source.iter().position(|frame| frame.payload == unpacked[0].payload).expect("a frame of the file");
    assert!(unpacked[0].keyframe, "the first frame can be decoded");
    for (frame, expected) in unpacked.iter().zip(source.iter().cycle().skip(first)) {
        assert_eq!((&frame.payload, frame.keyframe), (&expected.payload, expected.keyframe));
    }
    for (place, next) in found.keys().zip(found.keys().skip(1)) {
        let follows = *next == at(place.group, place.object + 1) || *next == at(place.group + 1, 0);
        assert!(follows, "{next:?} after {place:?}");
    }
    origin.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_a_restarted_origin_is_picked_up_and_group_ids_rise() {
    let origin = RunningOrigin::playing(Path::new(CLIP), false, anywhere()).await;
    let address = origin.address;
    let relays = chain(address, 1).await;
    let name = track("live-demo--video0");
    let mut viewers = Vec::new();
    for _ in 0..20 {
        let viewer = Viewer::over_quic(relays[0].address).await;
        let mut joined = None;
        until("the track", async || {
            joined = viewer.join(&name, 0).await.ok();
            joined.is_some()
        })
        .await;
        viewers.push((viewer, joined.unwrap(), 0));
    }
    for (_, frames, newest) in &mut viewers {
        *newest = objects(frames, 5).await.into_keys().map(|place| place.group).max().unwrap();
    }
    origin.kill().await;
    let again = RunningOrigin::playing(Path::new(CLIP), false, address).await;
    for (_, frames, newest) in &mut viewers {
        loop {
            match frames.next().await {
                Arrival::Frame(place, _) if place.group > *newest + 1 && place.object == 0 => break,
                Arrival::Frame(..) | Arrival::Reset(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    again.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_track_over_http_is_a_film_that_any_demuxer_reads() {
    let origin = RunningOrigin::playing(Path::new(CLIP), false, anywhere()).await;
    let relays = chain(origin.address, 2).await;
    let base = format!("http://{}/tracks/live/demo", relays[1].http);
    for (name, codec) in [("video0", "avc1."), ("audio0", "mp4a.")] {
        let url = format!("{base}/{name}/live");
        let mut live = None;
        until("the origin has its tracks", async || {
            live = reqwest::get(&url).await.ok().filter(|answer| answer.status().is_success());
            live.is_some()
        })
        .await;
        let mut live = live.expect("a track");
        let kind = live.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(kind.contains("/mp4") && kind.contains(codec), "{kind}");
        let (mut demuxer, mut frames, mut last) = (Demuxer::new(), 0, None);
        while frames < 60 {
            let chunk = within(live.chunk()).await.expect("a body").expect("it goes on");
            demuxer.push(&chunk);
            while let Some(event) = demuxer.next().expect("a film") {
                match event {
                    MediaEvent::Tracks(tracks) => assert!(tracks.len() == 1 && tracks[0].codec.starts_with(codec)),
                    MediaEvent::Frame(frame) => {
                        assert!(frames > 0 || frame.keyframe, "the first frame stands for itself");
                        assert!(last.is_none_or(|last| last < frame.decode_time), "frame {frames} goes back in time");
                        last = Some(frame.decode_time);
                        frames += 1;
                    }
                }
            }
        }
    }
}
