//! C.5: PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS.

use moqt::session::{CommandError, Event, PeerRequest, RequestKey};
use moqt::{
    FullTrackName, Message, Namespace, NamespaceAdded, NamespaceRemoved, Parameters, Properties, PublishBlocked,
    RequestErrorCode, RequestOk, StreamErrorCode, TrackName,
};

use crate::raw::{Raw, namespace, publish_namespace, subscribe_namespace, subscribe_tracks, update, violates};

fn accepted(raw: &mut Raw, message: &Message) -> RequestKey {
    let key = raw.open(message);
    raw.session.accept(key, Parameters::default(), Properties::default()).unwrap();
    raw.take_events();
    key
}

fn ok() -> Message {
    Message::RequestOk(RequestOk::default())
}

fn prefix(fields: &[&'static str]) -> Parameters {
    Parameters { namespace_prefix: Some(namespace(fields)), ..Parameters::default() }
}

fn added(suffix: &[&'static str]) -> Message {
    Message::Namespace(NamespaceAdded { suffix: namespace(suffix) })
}

fn removed(suffix: &[&'static str]) -> Message {
    Message::NamespaceDone(NamespaceRemoved { suffix: namespace(suffix) })
}

#[test]
fn c083_a_blocked_track_is_never_published() {
    let mut raw = Raw::server();
    let key = accepted(&mut raw, &subscribe_tracks(0, namespace(&["live"])));
    let name = TrackName::new("a").unwrap();
    raw.session.publish_blocked(key, namespace(&["one"]), name.clone()).unwrap();
    raw.session.publish_blocked(key, namespace(&["one"]), name.clone()).unwrap();
    let blocked = PublishBlocked { suffix: namespace(&["one"]), name };
    assert_eq!(raw.written(key).messages[1..], [Message::PublishBlocked(blocked)]);
    let publish = |raw: &mut Raw, name| {
        raw.session.publish(crate::raw::track(name), None, Parameters::default(), Properties::default())
    };
    assert_eq!(publish(&mut raw, "a").unwrap_err(), CommandError::Blocked);
    publish(&mut raw, "b").unwrap();
    raw.reset(key);
    publish(&mut raw, "a").unwrap();
}

#[test]
fn this_side_is_told_of_blocked_tracks() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe_tracks(namespace(&["live"]), Parameters::default()).unwrap();
    raw.send(key, &ok()).unwrap();
    raw.take_events();
    let (suffix, name) = (namespace(&["one"]), TrackName::new("a").unwrap());
    let blocked = Message::PublishBlocked(PublishBlocked { suffix: suffix.clone(), name: name.clone() });
    raw.send(key, &blocked).unwrap();
    assert_eq!(raw.event(), Event::TrackBlocked { key, suffix, name });
    let key = raw.session.subscribe_namespace(namespace(&["live"]), Parameters::default()).unwrap();
    raw.send(key, &ok()).unwrap();
    violates(raw.send(key, &blocked));
}

#[test]
fn c084_namespaces_follow_the_ok_as_suffixes() {
    let mut raw = Raw::server();
    let key = raw.open(&subscribe_namespace(0, namespace(&["a"])));
    let early = raw.session.namespace_added(key, Namespace::default());
    assert!(matches!(early, Err(CommandError::WrongState(_))), "REQUEST_OK comes first");
    raw.session.accept(key, Parameters::default(), Properties::default()).unwrap();
    raw.session.namespace_added(key, Namespace::default()).unwrap();
    raw.session.namespace_added(key, namespace(&["b"])).unwrap();
    raw.session.namespace_removed(key, namespace(&["b"])).unwrap();
    assert_eq!(raw.written(key).messages, [ok(), added(&[]), added(&["b"]), removed(&["b"])]);
}

#[test]
fn c085_overlapping_prefixes_are_refused_per_kind() {
    let mut raw = Raw::server();
    let first = accepted(&mut raw, &subscribe_namespace(0, namespace(&["a", "b"])));
    for (id, fields) in [(2, &["a"][..]), (4, &["a", "b"]), (6, &["a", "b", "c"]), (8, &[])] {
        let key = raw.open(&subscribe_namespace(id, namespace(fields)));
        raw.refused(key, RequestErrorCode::PrefixOverlap);
    }
    accepted(&mut raw, &subscribe_tracks(10, namespace(&["a"])));
    accepted(&mut raw, &subscribe_namespace(12, namespace(&["a", "bc"])));
    raw.fin(first).unwrap();
    raw.ended(first, None);
    assert!(raw.written(first).fin);
    accepted(&mut raw, &subscribe_namespace(14, namespace(&["a", "b"])));
}

#[test]
fn c086_later_suffixes_are_relative_to_the_new_prefix() {
    let mut raw = Raw::server();
    let key = accepted(&mut raw, &subscribe_namespace(0, namespace(&["a"])));
    raw.session.namespace_added(key, namespace(&["b", "c"])).unwrap();
    raw.send(key, &update(2, prefix(&["a", "b"]))).unwrap();
    assert!(matches!(raw.event(), Event::Update { .. }));
    raw.session.accept_update(key, Parameters::default()).unwrap();
    raw.session.namespace_removed(key, namespace(&["c"])).unwrap();
    assert_eq!(raw.written(key).messages, [ok(), added(&["b", "c"]), ok(), removed(&["c"])]);
    accepted(&mut raw, &subscribe_namespace(4, namespace(&["x"])));
    raw.send(key, &update(6, prefix(&["x", "y"]))).unwrap();
    let written = raw.written(key);
    let Some(Message::RequestError(error)) = written.messages.last() else { panic!("{written:?}") };
    assert_eq!(error.code, RequestErrorCode::PrefixOverlap);
    assert!(written.fin, "the stream closes");
    raw.ended(key, None);
}

#[test]
fn c086_a_prefix_about_to_be_taken_overlaps_too() {
    let mut raw = Raw::server();
    let key = accepted(&mut raw, &subscribe_namespace(0, namespace(&["a"])));
    raw.send(key, &update(2, prefix(&["b"]))).unwrap();
    raw.take_events();
    let other = raw.open(&subscribe_namespace(4, namespace(&["b", "c"])));
    raw.refused(other, RequestErrorCode::PrefixOverlap);
}

#[test]
fn this_side_follows_its_own_prefix_update() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    for message in [ok(), added(&["b", "c"]), added(&["d"])] {
        raw.send(key, &message).unwrap();
    }
    raw.session.update(key, prefix(&["a", "b"])).unwrap();
    raw.take_events();
    for message in [ok(), removed(&["c"])] {
        raw.send(key, &message).unwrap();
    }
    assert_eq!(raw.take_events()[1], Event::NamespaceRemoved { key, suffix: namespace(&["c"]) });
    violates(raw.send(key, &removed(&["d"])));
}

#[test]
fn c087_no_namespace_twice_and_none_removed_before() {
    let mut raw = Raw::server();
    let key = accepted(&mut raw, &subscribe_namespace(0, namespace(&["a"])));
    let suffix = namespace(&["b"]);
    assert!(matches!(raw.session.namespace_removed(key, suffix.clone()), Err(CommandError::WrongState(_))));
    raw.session.namespace_added(key, suffix.clone()).unwrap();
    raw.session.namespace_added(key, suffix.clone()).unwrap();
    raw.session.namespace_removed(key, suffix.clone()).unwrap();
    assert!(matches!(raw.session.namespace_removed(key, suffix), Err(CommandError::WrongState(_))));
    assert_eq!(raw.written(key).messages, [ok(), added(&["b"]), removed(&["b"])]);
}

#[test]
fn a_namespace_told_twice_is_one_event() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    raw.send(key, &ok()).unwrap();
    raw.take_events();
    raw.send(key, &added(&["b"])).unwrap();
    raw.send(key, &added(&["b"])).unwrap();
    assert_eq!(raw.event(), Event::NamespaceAdded { key, suffix: namespace(&["b"]) });
}

#[test]
fn c090_cancelling_a_publish_namespace_ends_it() {
    let mut raw = Raw::server();
    for (id, how) in [(0, 0), (2, 1), (4, 2)] {
        let key = accepted(&mut raw, &publish_namespace(id, namespace(&["a"])));
        match how {
            0 => raw.reset(key),
            1 => raw.stop(key),
            _ => raw.fin(key).unwrap(),
        }
        raw.ended(key, (how < 2).then_some(1));
    }
    assert_eq!(raw.session.live_requests(), 0);
}

#[test]
fn a_publish_namespace_is_withdrawn_or_revoked() {
    let mut raw = Raw::server();
    let own = raw.session.publish_namespace(namespace(&["a"]), Parameters::default()).unwrap();
    raw.send(own, &ok()).unwrap();
    raw.take_events();
    raw.stop(own);
    raw.ended(own, Some(1));
    let theirs = accepted(&mut raw, &publish_namespace(0, namespace(&["a"])));
    raw.session.cancel(theirs, StreamErrorCode::ExpiredAuthToken);
    assert_eq!(raw.written(theirs).reset, Some(7));
}

#[test]
fn c093_the_end_of_the_answer_is_the_end_of_every_namespace() {
    for by_reset in [false, true] {
        let mut raw = Raw::client();
        let key = raw.session.subscribe_namespace(namespace(&["a"]), Parameters::default()).unwrap();
        for message in [ok(), added(&["b"]), added(&["c"]), removed(&["b"]), added(&["d"])] {
            raw.send(key, &message).unwrap();
        }
        raw.take_events();
        if by_reset {
            raw.reset(key)
        } else {
            raw.fin(key).unwrap()
        }
        let gone = |field| Event::NamespaceRemoved { key, suffix: namespace(&[field]) };
        let code = by_reset.then_some(1);
        assert_eq!(raw.take_events(), vec![gone("c"), gone("d"), Event::Ended { key, code }]);
    }
}

#[test]
fn active_namespaces_are_bounded_in_bytes() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe_namespace(Namespace::default(), Parameters::default()).unwrap();
    raw.send(key, &ok()).unwrap();
    let mut count = 0u32;
    while raw.session.live_requests() == 1 {
        let field = [vec![0; 4000], count.to_be_bytes().to_vec()].concat();
        raw.send(key, &Message::Namespace(NamespaceAdded { suffix: Namespace::new([field]).unwrap() })).unwrap();
        count += 1;
    }
    assert!((900..1100).contains(&count), "{count} names of 4 kB fit 4 MiB");
    assert_eq!(raw.written(key).reset, Some(9));
    assert_eq!(raw.take_events().last(), Some(&Event::Ended { key, code: Some(9) }));
}

#[test]
fn suffixes_that_make_no_namespace_close() {
    let mut raw = Raw::client();
    let key = raw.session.subscribe_namespace(Namespace::new(["x"; 20]).unwrap(), Parameters::default()).unwrap();
    raw.send(key, &ok()).unwrap();
    violates(raw.send(key, &Message::Namespace(NamespaceAdded { suffix: Namespace::new(["y"; 20]).unwrap() })));
}

#[test]
fn c082_forward_of_subscribe_tracks_reaches_the_application() {
    let mut raw = Raw::server();
    let Message::SubscribeTracks(mut message) = subscribe_tracks(0, namespace(&["a"])) else { unreachable!() };
    message.parameters.forward = Some(false);
    raw.open(&Message::SubscribeTracks(message));
    assert!(
        matches!(raw.request(), PeerRequest::SubscribeTracks { parameters, .. } if parameters.forward == Some(false))
    );
    let name = FullTrackName::new(namespace(&["a"]), TrackName::new("t").unwrap()).unwrap();
    let parameters = crate::raw::forward(false);
    let key = raw.session.publish(name, None, parameters.clone(), Properties::default()).unwrap().0;
    let [Message::Publish(sent)] = &raw.written(key).messages[..] else { panic!("not sent") };
    assert_eq!(sent.parameters, parameters);
}
