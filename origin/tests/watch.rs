//! What a viewer of an origin gets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeSet;

use access::{AccessSettings, Algorithm, Claims, KeyPair, OneOrMany, sign};
use common::{MAX_OBJECT, Running, patiently, sample_frames, sample_path, settings, track};
use moqt::{FullTrackName, Location, Namespace, Parameters, PublishDoneCode, RequestErrorCode, TrackName, property};
use origin::{Packaging, SourceSettings};
use transport::{IncomingRequest, NamespaceEvent, RequestFailure, TrackEvent};

fn sample() -> SourceSettings {
    SourceSettings::Sample { once: false }
}

fn refusal<T>(outcome: Result<T, RequestFailure>) -> RequestErrorCode {
    match outcome {
        Err(RequestFailure::Refused(error)) => error.code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_a_viewer_gets_the_group_from_its_first_frame_and_the_frames_of_the_source() {
    let origin = Running::start(settings(sample())).await;
    // Into the middle of a group.
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let viewer = origin.viewer().await;
    let catalog = viewer.catalog().await;
    let source = sample_frames();
    let mut groups = Vec::new();
    for (video, name, count) in [(true, "video0", 45), (false, "audio0", 70)] {
        let entry = catalog.tracks.iter().find(|track| track.name == name).unwrap();
        let init = entry.init.clone().unwrap();
        let mut watched = viewer.join(name).await;
        let frames = watched.frames(count, &init).await;
        assert!(frames[0].1.keyframe);
        // The loop repeats, so the first frame tells where in the source the viewer is.
        let all = &source[&video];
        let offset = all.iter().position(|frame| frame.payload == frames[0].1.payload).unwrap();
        for (index, (location, frame)) in frames.iter().enumerate() {
            let expected = &all[(offset + index) % all.len()];
            assert_eq!((&frame.payload, frame.keyframe), (&expected.payload, expected.keyframe), "{name} {location:?}");
            assert!(!video || frame.keyframe == (location.object == 0), "groups begin at keyframes only");
        }
        groups.push(frames.iter().map(|(location, _)| location.group).collect::<BTreeSet<u64>>());
        let priority = watched.subscription().properties().default_publisher_priority();
        assert_eq!(priority, if video { 96 } else { 48 });
    }
    assert!(groups.iter().all(|ids| ids.len() >= 2), "a group border was crossed: {groups:?}");
    assert!(!groups[0].is_disjoint(&groups[1]), "sound has the group ids of the pictures: {groups:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hang_viewers_find_the_same_tracks() {
    let origin = Running::start(settings(sample())).await;
    let viewer = origin.viewer().await;
    let msf = viewer.catalog().await;
    let (_, payload) = viewer.join("catalog.json").await.next().await.unwrap();
    let hang = media::Catalog::from_hang(&payload).unwrap();
    let names =
        |catalog: &media::Catalog| catalog.tracks.iter().map(|track| track.name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(&msf), names(&hang));
    assert_eq!(names(&msf), ["audio0", "video0"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn loc_objects_are_bare_frames_with_their_times() {
    let mut settings = settings(sample());
    settings.broadcasts[0].packaging = Packaging::Loc;
    let origin = Running::start(settings).await;
    let viewer = origin.viewer().await;
    let catalog = viewer.catalog().await;
    let video = catalog.tracks.iter().find(|track| track.name == "video0").unwrap();
    assert_eq!(video.packaging, media::Packaging::Loc);
    let mut joined = patiently(viewer.session.join(track("video0"), Parameters::default(), 0)).await.unwrap();
    let timescale = joined.subscription.properties().get_int(property::TIMESCALE);
    assert_eq!(timescale, video.timescale.map(u64::from));
    let first = match joined.head.take() {
        Some(mut head) => {
            let object = patiently(head.next_object(MAX_OBJECT)).await.unwrap().unwrap();
            (object.header.properties, object.payload)
        }
        None => match patiently(joined.subscription.next()).await {
            TrackEvent::Subgroup(mut reader) => {
                let object = patiently(reader.next_object(MAX_OBJECT)).await.unwrap().unwrap();
                (object.header.properties, object.payload)
            }
            other => panic!("{other:?}"),
        },
    };
    assert!(first.0.get_int(property::TIMESTAMP).is_some());
    assert_eq!(first.0.get_bytes(property::VIDEO_CONFIG), video.description);
    assert!(sample_frames()[&true].iter().any(|frame| frame.payload == first.1));
    assert_eq!(
        refusal(patiently(viewer.session.subscribe(track("catalog.json"), Parameters::default())).await),
        RequestErrorCode::DoesNotExist
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_p25_what_does_not_exist_is_refused() {
    let origin = Running::start(settings(sample())).await;
    let viewer = origin.viewer().await;
    let session = &viewer.session;
    let other = FullTrackName::new(Namespace::new(["live", "other"]).unwrap(), TrackName::default()).unwrap();
    for name in [track("video7"), other] {
        let parameters = Parameters::default();
        let answer = patiently(session.subscribe(name.clone(), parameters.clone())).await;
        assert_eq!(refusal(answer), RequestErrorCode::DoesNotExist);
        let answer = patiently(session.track_status(name.clone(), parameters.clone())).await;
        assert_eq!(refusal(answer), RequestErrorCode::DoesNotExist);
        let mut reader = session.fetch(name, Location::new(0, 0), Location::new(1, 0), parameters).unwrap();
        assert_eq!(refusal(patiently(reader.ok()).await.map(|_| ())), RequestErrorCode::DoesNotExist);
    }
    let answer = patiently(session.publish_namespace(Namespace::new(["mine"]).unwrap(), Parameters::default())).await;
    assert_eq!(refusal(answer), RequestErrorCode::NotSupported);
    let far = Location::new(u64::MAX >> 2, 0);
    let mut reader = session.fetch(track("catalog"), far, far, Parameters::default()).unwrap();
    assert_eq!(refusal(patiently(reader.ok()).await.map(|_| ())), RequestErrorCode::InvalidRange);
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_fetch_brings_what_is_kept_and_says_where_it_ends() {
    let origin = Running::start(settings(sample())).await;
    let viewer = origin.viewer().await;
    let mut watched = viewer.join("video0").await;
    let mut seen = Vec::new();
    while seen.len() < 40 {
        seen.push(watched.next().await.unwrap());
    }
    let (start, last) = (seen[0].0, seen[39].0);
    // The end names an object that is not there yet in a group that is not over: the answer ends before.
    let beyond = Location::new(last.group + 5, 0);
    let mut reader = viewer.session.fetch(track("video0"), start, beyond, Parameters::default()).unwrap();
    let ok = patiently(reader.ok()).await.unwrap().clone();
    assert!(ok.end > last && ok.end < beyond && !ok.end_of_track, "{ok:?}");
    let mut fetched = Vec::new();
    while let Some(object) = patiently(reader.next_object(MAX_OBJECT)).await.unwrap() {
        assert_eq!(object.header.subgroup, Some(0));
        fetched.push((object.header.location, object.payload));
    }
    assert_eq!(fetched[..40], seen[..]);
    assert_eq!(fetched.last().unwrap().0, Location::new(ok.end.group, ok.end.object - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_and_all_its_tracks_are_found_by_prefix() {
    let origin = Running::start(settings(sample())).await;
    let viewer = origin.viewer().await;
    let prefix = Namespace::new(["live"]).unwrap();
    let mut names = patiently(viewer.session.subscribe_namespace(prefix.clone(), Parameters::default())).await.unwrap();
    assert_eq!(patiently(names.next()).await, Some(NamespaceEvent::Added(common::namespace())));
    let _tracks = patiently(viewer.session.subscribe_tracks(prefix, Parameters::default())).await.unwrap();
    let (mut offered, mut subscriptions) = (BTreeSet::new(), Vec::new());
    while offered.len() < 4 {
        match patiently(viewer.session.next_request()).await.expect("a PUBLISH for every track") {
            IncomingRequest::Publish(publish) => {
                assert_eq!(publish.track.namespace, common::namespace());
                offered.insert(String::from_utf8_lossy(publish.track.name.as_bytes()).into_owned());
                subscriptions.push(publish.accept(Parameters::default()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(offered, ["audio0", "catalog", "catalog.json", "video0"].map(str::to_owned).into());
    for mut subscription in subscriptions {
        match patiently(subscription.next()).await {
            TrackEvent::Subgroup(mut reader) => {
                let object = patiently(reader.next_object(MAX_OBJECT)).await.unwrap().unwrap();
                assert_eq!(object.header.object_id, 0, "the newest group from its first object");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p06_a_file_played_once_ends_with_the_end_of_its_tracks() {
    // A second and a half of the sample, and then the file is cut inside a frame: what came before is published.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.mp4");
    let whole = std::fs::read(sample_path()).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 5]).unwrap();
    let origin = Running::start(settings(SourceSettings::File { path: file, once: true })).await;
    let viewer = origin.viewer().await;
    let mut video = viewer.join("video0").await;
    let (mut frames, mut last) = (0, None);
    while let Some((location, _)) = video.next().await {
        (frames, last) = (frames + 1, Some(location));
    }
    assert!((30..60).contains(&frames), "{frames} frames");
    assert_eq!(video.done, Some(PublishDoneCode::TrackEnded));
    let last = last.unwrap();
    assert_eq!(video.end_of_track, Some(Location::new(last.group, last.object + 1)));

    // Who comes later gets what is kept and the same end.
    let mut late = viewer.join("video0").await;
    let mut kept = 0;
    while late.next().await.is_some() {
        kept += 1;
    }
    assert_eq!((kept, late.done), (last.object + 1, Some(PublishDoneCode::TrackEnded)));
    let mut catalog = viewer.join("catalog").await;
    assert!(catalog.next().await.is_some() && catalog.next().await.is_none());
    assert_eq!(catalog.done, Some(PublishDoneCode::TrackEnded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_tracks_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.mp4");
    std::fs::write(&file, "this is no video file, whatever its name says").unwrap();
    let origin = Running::start(settings(SourceSettings::File { path: file, once: false })).await;
    let viewer = origin.viewer().await;
    let start = std::time::Instant::now();
    let answer = patiently(viewer.session.subscribe(track("catalog"), Parameters::default())).await;
    assert_eq!(refusal(answer), RequestErrorCode::DoesNotExist);
    assert!(start.elapsed().as_secs() < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_are_asked_to_leave_and_left_at_the_deadline() {
    let mut origin = Running::start(settings(sample())).await;
    let viewer = origin.viewer().await;
    let mut video = viewer.join("video0").await;
    assert!(video.next().await.is_some());
    let start = std::time::Instant::now();
    origin.shutdown.begin();
    let notice = patiently(viewer.session.goaway_received()).await;
    assert_eq!(notice.uri, "");
    assert!(video.next().await.is_some(), "served to the last");
    patiently(viewer.session.closed()).await;
    patiently(&mut origin.task).await.unwrap();
    let elapsed = start.elapsed().as_secs_f64();
    assert!((0.9..3.0).contains(&elapsed), "{elapsed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_show_a_token_where_one_is_wanted() {
    let pair = KeyPair::generate(Algorithm::EdDsa, None).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pair.public_json().unwrap()).unwrap();
    let access = AccessSettings { keys: vec![file.path().to_owned()], ..AccessSettings::default() };
    let origin = Running::start(origin::Settings { access, ..settings(sample()) }).await;
    let query = |get: &str| {
        let claims = Claims { get: OneOrMany::One(get.to_owned()), ..Claims::default() };
        format!("/?token={}", sign(&claims, &pair).unwrap())
    };
    for (path, is_open) in [("/".to_owned(), false), (query("other"), false), (query("live"), true)] {
        let viewer = origin.viewer_at(&path).await;
        let expected = if is_open { None } else { Some(RequestErrorCode::Unauthorized) };
        let list = viewer.session.subscribe_namespace(Namespace::default(), Parameters::default());
        let mut list = patiently(list).await;
        if let Ok(list) = &mut list {
            let listed = tokio::time::timeout(std::time::Duration::from_millis(200), list.next()).await;
            assert_eq!(listed.is_ok(), is_open, "only what may be watched: {listed:?}");
        }
        for name in ["video0", "missing"] {
            let watched = patiently(viewer.session.subscribe(track(name), Parameters::default())).await;
            let code = watched.err().map(|error| refusal::<()>(Err(error)));
            let expected = expected.or_else(|| (name == "missing").then_some(RequestErrorCode::DoesNotExist));
            assert_eq!(code, expected, "{path} {name}");
        }
    }
}
