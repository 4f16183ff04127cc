//! Whatever a token says, it opens what it says and nothing else.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use access::{Actions, Grant, Match, Scope, Want, decide, namespace_of, track_of};
use moqt::{FullTrackName, Namespace, TrackName};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A few short fields, so that names often share a beginning.
fn namespace() -> impl Strategy<Value = Namespace> {
    vec("[ab]{1,2}", 0..4).prop_map(|fields| Namespace::new(fields).unwrap())
}

fn track() -> impl Strategy<Value = FullTrackName> {
    (namespace(), "[xy]{0,2}")
        .prop_map(|(namespace, name)| FullTrackName::new(namespace, TrackName::new(name).unwrap()).unwrap())
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

proptest! {
    #[test]
    fn a_prefix_opens_exactly_what_begins_with_it(prefix in namespace(), track in track()) {
        let (put, get) = (Scope::under(Actions::PUBLISH, &prefix), Scope::under(Actions::SUBSCRIBE, &prefix));
        let inside = prefix.is_prefix_of(&track.namespace);
        let (published, watched) = (Want::Publish(track.clone()), Want::Subscribe(track.clone()));
        prop_assert_eq!((put.opens(&published), put.opens(&watched)), (inside, false));
        prop_assert_eq!((get.opens(&published), get.opens(&watched)), (false, inside));
        prop_assert_eq!(get.opens(&Want::Fetch(track.clone())), inside);
        prop_assert_eq!(put.opens(&Want::PublishNamespace(track.namespace.clone())), inside);
        prop_assert_eq!(get.opens(&Want::See(track.namespace.clone())), inside);
        prop_assert_eq!(get.opens(&Want::List(track.namespace.clone())), prefix.overlaps(&track.namespace));
    }

    #[test]
    fn a_right_to_a_track_is_none_to_its_namespace(right in track(), other in track()) {
        let scope = Scope::track(Actions::PUBLISH.and(Actions::SUBSCRIBE), &right);
        for want in [Want::Publish, Want::Subscribe, Want::Fetch, Want::TrackStatus] {
            prop_assert_eq!(scope.opens(&want(other.clone())), right == other);
        }
        for namespace in [right.namespace, other.namespace] {
            prop_assert!(!scope.opens(&Want::PublishNamespace(namespace.clone())));
            prop_assert!(!scope.opens(&Want::List(namespace.clone())) && !scope.opens(&Want::See(namespace)));
        }
    }

    #[test]
    fn what_is_seen_under_a_prefix_may_be_asked_for(right in namespace(), prefix in namespace(), seen in namespace()) {
        let scope = Scope::under(Actions::SUBSCRIBE, &right);
        if prefix.is_prefix_of(&seen) && scope.opens(&Want::See(seen)) {
            prop_assert!(scope.opens(&Want::List(prefix)), "a list is open where anything can be seen");
        }
    }

    #[test]
    fn the_longest_permit_counts_and_none_holds_outside_its_time(
        times in vec((0u64..20, proptest::option::of(0u64..20)), 0..5),
        now in 0u64..20,
    ) {
        let want = Want::Subscribe(track_of("a/x").unwrap());
        let scopes = vec![Scope::under(Actions::SUBSCRIBE, &Namespace::default())];
        let grant = |(from, until): &(u64, Option<u64>)| Grant {
            scopes: scopes.clone(),
            from: Some(at(*from)),
            until: until.map(at),
            revalidate: None,
        };
        let shown: Vec<_> = times.iter().map(|times| Ok(Arc::new(grant(times)))).collect();
        let holds = |(from, until): &&(u64, Option<u64>)| *from <= now && until.is_none_or(|until| until > now);
        let holding: Vec<_> = times.iter().filter(holds).collect();
        let decided = decide(&shown, &want, at(now)).ok().map(|permit| permit.until);
        let endless = holding.iter().any(|(_, until)| until.is_none());
        let expected = match holding.iter().filter_map(|(_, until)| *until).max() {
            _ if endless => Some(None),
            Some(last) => Some(Some(at(last))),
            None => None,
        };
        prop_assert_eq!(decided, expected);
    }

    #[test]
    fn paths_are_names_whatever_stands_in_them(fields in vec("[a-z/%.é -]{1,5}", 1..5)) {
        let escaped: Vec<String> =
            fields.iter().map(|field| field.bytes().map(|byte| format!("%{byte:02x}")).collect()).collect();
        let path = format!("/{}/", escaped.join("//"));
        prop_assert_eq!(namespace_of(&path).unwrap(), Namespace::new(fields.clone()).unwrap());
        let track = track_of(&path).unwrap();
        prop_assert_eq!(track.name.as_bytes().as_ref(), fields.last().unwrap().as_bytes());
        prop_assert_eq!(track.namespace.fields().len(), fields.len() - 1);
    }
}

#[test]
fn fields_are_never_parts_of_fields() {
    let scope = Scope::under(Actions::SUBSCRIBE, &namespace_of("live/demo").unwrap());
    for (name, open) in [("live/demo/x", true), ("live/demo/a/x", true), ("live/demos/x", false), ("live/x", false)] {
        assert_eq!(scope.opens(&Want::Subscribe(track_of(name).unwrap())), open, "{name}");
    }
    assert_eq!(scope.to_string(), "live/demo/**");
    assert_eq!(Match::Prefix("cam".into()).to_string(), "cam*");
}
