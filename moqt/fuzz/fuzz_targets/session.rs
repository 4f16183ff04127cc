//! Any order of inputs and commands: a session never panics, keeps within its limits, and is silent once it failed.
#![no_main]

use std::time::Duration;

use bytes::{Buf, Bytes};
use libfuzzer_sys::fuzz_target;
use moqt::session::{Carrier, Event, FetchTarget, Output, RequestKey, Session, SessionSettings};
use moqt::{
    FullTrackName, Location, Namespace, Parameters, Properties, PublishDoneCode, RequestErrorCode, SetupOptions, Side,
    StreamErrorCode, TrackName, Version,
};

const REQUEST_LIMIT: usize = 16;

fn session(side: Side, version: Version) -> Option<Session> {
    let settings = SessionSettings {
        side,
        version,
        carrier: Carrier::Quic,
        setup: SetupOptions { max_auth_token_cache_size: Some(200), hops: true, ..SetupOptions::default() },
        setup_timeout: Duration::from_secs(10),
        request_limit: REQUEST_LIMIT,
    };
    Session::new(settings, Duration::ZERO).ok()
}

fn prefix(choice: u8) -> Namespace {
    Namespace::new([[choice % 4 + b'a']; 2].into_iter().take(usize::from(choice % 3)).map(|field| field.to_vec()))
        .unwrap_or_default()
}

fn track(choice: u8) -> FullTrackName {
    FullTrackName { namespace: prefix(choice), name: TrackName::default() }
}

fn command(session: &mut Session, key: Option<RequestKey>, action: u8, choice: u8) -> Option<RequestKey> {
    let none = Parameters::default;
    match action % 8 {
        0 => return session.subscribe(track(choice), none()).ok(),
        1 => return session.publish(track(choice), None, none(), Properties::default()).ok().map(|(key, _)| key),
        2 => return session.subscribe_namespace(prefix(choice), none()).ok(),
        3 => return session.subscribe_tracks(prefix(choice), none()).ok(),
        4 => return session.publish_namespace(prefix(choice), none()).ok(),
        5 => return session.track_status(track(choice), none()).ok(),
        6 => {
            let range =
                FetchTarget::Range { track: track(choice), start: Location::default(), end: Location::new(1, 0) };
            let target = key.map_or(range, |joining| FetchTarget::Relative { joining, groups: choice.into() });
            return session.fetch(target, none()).ok();
        }
        _ => {}
    }
    let key = key?;
    let largest = Parameters { largest_object: Some(Location::new(choice.into(), 1)), ..none() };
    match choice % 11 {
        0 => drop(session.accept_subscribe(key, None, largest, Properties::default())),
        1 => drop(session.accept_fetch(key, false, Location::new(u64::MAX, 0), none(), Properties::default())),
        2 => drop(session.accept(key, none(), Properties::default())),
        3 => drop(session.accept_update(key, largest)),
        4 => drop(session.reject(key, RequestErrorCode::Timeout, None, "", None)),
        5 => drop(session.publish_done(key, PublishDoneCode::TrackEnded, None, "")),
        6 => drop(session.namespace_added(key, prefix(action))),
        7 => drop(session.namespace_removed(key, prefix(action))),
        8 => drop(session.update(key, Parameters { forward: Some(action < 128), ..none() })),
        9 => session.cancel(key, StreamErrorCode::Cancelled),
        _ => session.finish(key),
    }
    None
}

fuzz_target!(|data: &[u8]| {
    let mut data = Bytes::copy_from_slice(data);
    let choice = data.try_get_u8().unwrap_or_default();
    let side = if choice % 2 == 0 { Side::Server } else { Side::Client };
    let version = if choice & 2 == 0 { Version::Draft18 } else { Version::Draft16 };
    let Some(mut session) = session(side, version) else { return };
    let (mut keys, mut local, mut failed) = (Vec::new(), 0, false);
    // A SETUP, so that nearly every input gets past it: with the private option, or with request ids.
    let _ = match (version, side) {
        (Version::Draft16, Side::Server) => session.handle_control([0x20, 0, 3, 1, 2, 0x20]),
        (Version::Draft16, Side::Client) => session.handle_control([0x21, 0, 3, 1, 2, 0x20]),
        _ => session.handle_control([0xAF, 0x00, 0, 4, 0xC0, 0xEF, 0x1D, 0]),
    };
    while data.len() >= 3 {
        let (action, choice, length) = (data.get_u8(), data.get_u8(), data.get_u8());
        let key = (!keys.is_empty()).then(|| keys[usize::from(choice) % keys.len()]);
        let bytes = data.split_to(usize::from(length).min(data.len()));
        let result = match (action % 8, key) {
            (0, _) => {
                keys.push(session.accept_request());
                session.handle_request(keys[keys.len() - 1], &bytes)
            }
            (1, _) => session.handle_control(&bytes),
            (2, Some(key)) => session.handle_request(key, &bytes),
            (3, Some(key)) => session.handle_request_fin(key),
            (4, Some(key)) => {
                session.handle_request_reset(key, length.into());
                Ok(())
            }
            (5, Some(key)) => {
                session.handle_request_stopped(key, length.into());
                Ok(())
            }
            (6, _) => session.handle_timeout(Duration::from_millis(length.into())),
            _ => {
                let opened = command(&mut session, key, action / 8, choice);
                local += opened.iter().count();
                keys.extend(opened);
                Ok(())
            }
        };
        failed |= result.is_err();
        while let Some(output) = session.poll_output() {
            if let Output::Event(Event::Request { key, .. }) = &output {
                match version {
                    _ if version.has_request_streams() => assert!(keys.contains(key), "only streams that were opened carry requests"),
                    // They come on the control stream, and the machine names them.
                    _ => keys.push(*key),
                }
            }
        }
        assert!(session.live_requests() <= REQUEST_LIMIT + 64 + local);
    }
    assert_eq!(
        failed,
        session.handle_timeout(Duration::ZERO).is_err(),
        "a failed session stays failed, another does not"
    );
});
