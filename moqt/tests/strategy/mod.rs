//! Arbitrary legal messages and objects of either version, shared by the property tests.

use std::time::Duration;

use bytes::Bytes;
use moqt::{
    Datagram, DatagramBody, Fetch, FetchCancel, FetchKind, FetchObjectHeader, FetchOk, Filter, FullTrackName, GoAway,
    GroupOrder, Location, MaxRequestId, Message, Namespace, NamespaceAdded, NamespaceRemoved, ObjectHeader,
    ObjectStatus, Pair, Parameters, Properties, Publish, PublishBlocked, PublishDone, PublishDoneCode,
    PublishNamespace, PublishNamespaceCancel, PublishNamespaceDone, PublishOk, ReasonPhrase, Redirect, RequestError,
    RequestErrorCode, RequestId, RequestOk, RequestUpdate, RequestsBlocked, Setup, SetupOptions, Side, SubgroupHeader,
    SubgroupId, Subscribe, SubscribeNamespace, SubscribeOk, SubscribeOptions, SubscribeTracks, Token, TrackAlias,
    TrackName, TrackStatus, Unsubscribe, Version, varint,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(Version::ALL.to_vec())
}

fn int(version: Version) -> BoxedStrategy<u64> {
    prop_oneof![0..200_u64, 0..1_u64 << 20, 0..=varint::max(version)].boxed()
}

fn small_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

pub(crate) fn namespace(min: usize) -> impl Strategy<Value = Namespace> {
    let fields = vec(vec(any::<u8>(), 1..12), min..6);
    fields.prop_map(|fields| Namespace::new(fields).unwrap())
}

pub(crate) fn track() -> impl Strategy<Value = FullTrackName> {
    let name = small_bytes().prop_map(|name| TrackName::new(name).unwrap());
    (namespace(1), name).prop_map(|(namespace, name)| FullTrackName::new(namespace, name).unwrap())
}

fn location(version: Version) -> impl Strategy<Value = Location> {
    (int(version), int(version)).prop_map(|(group, object)| Location::new(group, object))
}

fn id(version: Version) -> impl Strategy<Value = RequestId> {
    int(version).prop_map(RequestId)
}

/// The id of a reply: there exactly in draft-16.
fn reply_id(version: Version) -> BoxedStrategy<Option<RequestId>> {
    match version {
        Version::Draft16 => id(version).prop_map(Some).boxed(),
        _ => Just(None).boxed(),
    }
}

fn reason() -> impl Strategy<Value = ReasonPhrase> {
    "[ -~а-я]{0,30}".prop_map(ReasonPhrase::new)
}

/// Properties without those whose values are restricted.
pub(crate) fn properties() -> impl Strategy<Value = Properties> {
    let even = (0..50_u64, any::<u32>()).prop_map(|(id, value)| Pair::new(0x40 + 2 * id, u64::from(value)));
    let odd = (0..50_u64, small_bytes()).prop_map(|(id, value)| Pair::new(0x41 + 2 * id, value));
    let stamp = any::<u32>().prop_map(|time| Pair::new(moqt::property::TIMESTAMP, u64::from(time)));
    vec(prop_oneof![even, odd, stamp], 0..4).prop_map(|pairs| Properties::from_pairs(pairs).unwrap())
}

fn tokens(version: Version) -> impl Strategy<Value = Vec<Token>> {
    let integer = || int(version);
    let token = prop_oneof![
        integer().prop_map(|alias| Token::Delete { alias }),
        integer().prop_map(|alias| Token::UseAlias { alias }),
        (integer(), small_bytes()).prop_map(|(kind, value)| Token::UseValue { kind, value }),
        (integer(), integer(), small_bytes()).prop_map(|(alias, kind, value)| Token::Register { alias, kind, value }),
    ];
    vec(token, 0..3)
}

fn filter(version: Version) -> impl Strategy<Value = Filter> {
    prop_oneof![
        Just(Filter::NextGroup),
        Just(Filter::LargestObject),
        location(version).prop_map(Filter::AbsoluteStart),
        (location(version), 0..1000_u64).prop_map(move |(start, more)| {
            let end_group = start.group.saturating_add(more).min(varint::max(version));
            Filter::AbsoluteRange { start, end_group }
        }),
    ]
}

fn time(version: Version) -> impl Strategy<Value = Option<Duration>> {
    of(int(version).prop_map(|millis| Duration::from_millis(millis.max(1))))
}

fn order() -> impl Strategy<Value = GroupOrder> {
    select(vec![GroupOrder::Ascending, GroupOrder::Descending])
}

fn token_parameters(version: Version) -> impl Strategy<Value = Parameters> {
    tokens(version).prop_map(|authorization_tokens| Parameters { authorization_tokens, ..Parameters::default() })
}

fn largest_parameters(version: Version) -> impl Strategy<Value = Parameters> {
    (time(version), of(location(version))).prop_map(|(expires, largest_object)| Parameters {
        expires,
        largest_object,
        ..Parameters::default()
    })
}

/// What subscriptions, their updates and PUBLISH_OK have in common.
fn subscription_parameters(version: Version) -> impl Strategy<Value = Parameters> {
    let first = (time(version), time(version), of(any::<bool>()), of(any::<u8>()));
    let second = (of(filter(version)), of(int(version)));
    (first, second).prop_map(move |((object, subgroup, forward, priority), (filter, group))| Parameters {
        object_delivery_timeout: object,
        subgroup_delivery_timeout: subgroup.filter(|_| version == Version::Draft18),
        forward,
        subscriber_priority: priority,
        filter,
        new_group_request: group,
        ..Parameters::default()
    })
}

fn subscribe_parameters(version: Version) -> impl Strategy<Value = Parameters> {
    let own = (tokens(version), time(version), of(order()));
    (subscription_parameters(version), own).prop_map(move |(common, (tokens, rendezvous, order))| Parameters {
        authorization_tokens: tokens,
        rendezvous_timeout: rendezvous.filter(|_| version == Version::Draft18),
        group_order: order,
        ..common
    })
}

fn fetch_parameters(version: Version) -> impl Strategy<Value = Parameters> {
    let fields = (tokens(version), time(version), of(any::<u8>()), of(order()));
    fields.prop_map(move |(tokens, fill, subscriber_priority, group_order)| Parameters {
        authorization_tokens: tokens,
        fill_timeout: fill.filter(|_| version == Version::Draft18),
        subscriber_priority,
        group_order,
        ..Parameters::default()
    })
}

fn setup(version: Version) -> impl Strategy<Value = Message> {
    let path = of(small_bytes());
    let fields = (path, of(small_bytes()), tokens(version), of(int(version)), of(int(version)), of("[a-z/0-9.]{0,12}"));
    let sender = select(vec![Side::Client, Side::Server]);
    (fields, sender).prop_map(move |((path, authority, tokens, cache, max, implementation), sender)| {
        let draft16 = version == Version::Draft16;
        Message::Setup(Setup {
            sender: Some(sender).filter(|_| draft16),
            options: SetupOptions {
                path,
                authority,
                tokens,
                max_auth_token_cache_size: cache,
                max_request_id: max.filter(|_| draft16),
                implementation,
                hops: !draft16,
                unknown: vec![Pair::new(0x9D, Bytes::from_static(b"x"))],
            },
        })
    })
}

fn fetch(version: Version) -> impl Strategy<Value = Message> {
    let kind = prop_oneof![
        (track(), location(version), location(version)).prop_map(|(track, one, two)| FetchKind::Standalone {
            track,
            start: one.min(two),
            end: one.max(two),
        }),
        (id(version), int(version)).prop_map(|(joining, groups)| FetchKind::Relative { joining, groups }),
        (id(version), int(version)).prop_map(|(joining, group)| FetchKind::Absolute { joining, group }),
    ];
    (id(version), kind, fetch_parameters(version))
        .prop_map(|(request_id, kind, parameters)| Message::Fetch(Fetch { request_id, kind, parameters }))
}

fn request_error(version: Version) -> impl Strategy<Value = Message> {
    let defined = |code: &RequestErrorCode| RequestErrorCode::from_wire(code.to_wire(version), version) == *code;
    let codes = RequestErrorCode::ALL.iter().copied().filter(defined).collect::<Vec<_>>();
    let retry = of((0..1_u64 << 40).prop_map(Duration::from_millis));
    let redirect = ("[a-z:/]{0,20}", track()).prop_map(|(uri, track)| Redirect { uri, track });
    (reply_id(version), select(codes), retry, reason(), redirect).prop_map(
        |(request_id, code, retry, reason, redirect)| {
            let redirect = Some(redirect).filter(|_| code == RequestErrorCode::Redirect);
            Message::RequestError(RequestError { request_id, code, retry, reason, redirect })
        },
    )
}

fn publish_done(version: Version) -> impl Strategy<Value = Message> {
    let codes = [PublishDoneCode::TrackEnded, PublishDoneCode::Expired, PublishDoneCode::TooFarBehind];
    (reply_id(version), select(codes.to_vec()), of(0..1_u64 << 40), reason()).prop_map(
        |(request_id, status, stream_count, reason)| {
            Message::PublishDone(PublishDone { request_id, status, stream_count, reason })
        },
    )
}

fn request_update(version: Version) -> impl Strategy<Value = Message> {
    let prefix = of(namespace(0)).prop_map(move |prefix| prefix.filter(|_| version == Version::Draft18));
    let parameters = (subscription_parameters(version), tokens(version), prefix).prop_map(
        |(common, authorization_tokens, namespace_prefix)| Parameters {
            authorization_tokens,
            namespace_prefix,
            ..common
        },
    );
    (id(version), reply_id(version), parameters).prop_map(|(request_id, existing_request_id, parameters)| {
        Message::RequestUpdate(RequestUpdate { request_id, existing_request_id, parameters })
    })
}

fn answers(version: Version) -> BoxedStrategy<Message> {
    let subscribe_ok = (reply_id(version), int(version), largest_parameters(version), properties()).prop_map(
        |(request_id, alias, parameters, properties)| {
            let track_alias = TrackAlias(alias);
            Message::SubscribeOk(SubscribeOk { request_id, track_alias, parameters, properties })
        },
    );
    let request_ok = (reply_id(version), largest_parameters(version), properties()).prop_map(
        move |(request_id, parameters, properties)| {
            let properties = if version == Version::Draft18 { properties } else { Properties::EMPTY };
            Message::RequestOk(RequestOk { request_id, parameters, properties })
        },
    );
    let fetch_ok = (reply_id(version), any::<bool>(), location(version), properties()).prop_map(
        |(request_id, end_of_track, end, properties)| {
            let parameters = Parameters::default();
            Message::FetchOk(FetchOk { request_id, end_of_track, end, parameters, properties })
        },
    );
    let goaway = ("[a-z:/.]{0,30}", time(version), of(id(version))).prop_map(move |(uri, timeout, request_id)| {
        let draft18 = version == Version::Draft18;
        let timeout = timeout.filter(|_| draft18);
        Message::GoAway(GoAway { uri, timeout, request_id: request_id.filter(|_| draft18) })
    });
    prop_oneof![
        subscribe_ok,
        request_ok,
        fetch_ok,
        goaway,
        request_error(version),
        publish_done(version),
        namespace(0).prop_map(|suffix| Message::Namespace(NamespaceAdded { suffix })),
        namespace(0).prop_map(|suffix| Message::NamespaceDone(NamespaceRemoved { suffix })),
    ]
    .boxed()
}

fn requests(version: Version) -> BoxedStrategy<Message> {
    let subscribe = (id(version), track(), subscribe_parameters(version));
    let status = (id(version), track(), token_parameters(version));
    let publish = (id(version), track(), int(version), largest_parameters(version), properties());
    let announce = (id(version), namespace(1), token_parameters(version));
    let discover = (id(version), namespace(0), token_parameters(version));
    prop_oneof![
        setup(version),
        fetch(version),
        request_update(version),
        subscribe.prop_map(|(request_id, track, parameters)| {
            Message::Subscribe(Subscribe { request_id, track, parameters })
        }),
        status.prop_map(|(request_id, track, parameters)| {
            Message::TrackStatus(TrackStatus { request_id, track, parameters })
        }),
        publish.prop_map(|(request_id, track, alias, parameters, properties)| {
            let track_alias = TrackAlias(alias);
            Message::Publish(Publish { request_id, track, track_alias, parameters, properties })
        }),
        announce.prop_map(|(request_id, namespace, parameters)| {
            Message::PublishNamespace(PublishNamespace { request_id, namespace, parameters })
        }),
        discover.prop_map(|(request_id, prefix, parameters)| {
            let options = SubscribeOptions::Namespaces;
            Message::SubscribeNamespace(SubscribeNamespace { request_id, prefix, options, parameters })
        }),
    ]
    .boxed()
}

/// Messages that only one version has.
fn particular(version: Version) -> BoxedStrategy<Message> {
    if version == Version::Draft18 {
        let tracks = (id(version), namespace(0), token_parameters(version));
        return prop_oneof![
            tracks.prop_map(|(request_id, prefix, parameters)| {
                Message::SubscribeTracks(SubscribeTracks { request_id, prefix, parameters })
            }),
            track().prop_map(|FullTrackName { namespace, name }| {
                Message::PublishBlocked(PublishBlocked { suffix: namespace, name })
            }),
        ]
        .boxed();
    }
    let cancel = (id(version), reason());
    let publish_ok = (reply_id(version), subscription_parameters(version));
    prop_oneof![
        id(version).prop_map(|max_request_id| Message::MaxRequestId(MaxRequestId { max_request_id })),
        id(version).prop_map(|max_request_id| Message::RequestsBlocked(RequestsBlocked { max_request_id })),
        id(version).prop_map(|request_id| Message::Unsubscribe(Unsubscribe { request_id })),
        id(version).prop_map(|request_id| Message::FetchCancel(FetchCancel { request_id })),
        id(version).prop_map(|request_id| Message::PublishNamespaceDone(PublishNamespaceDone { request_id })),
        cancel.prop_map(|(request_id, reason)| {
            let code = RequestErrorCode::Uninterested;
            Message::PublishNamespaceCancel(PublishNamespaceCancel { request_id, code, reason })
        }),
        publish_ok.prop_map(|(request_id, parameters)| { Message::PublishOk16(PublishOk { request_id, parameters }) }),
    ]
    .boxed()
}

pub(crate) fn message(version: Version) -> BoxedStrategy<Message> {
    prop_oneof![3 => requests(version), 3 => answers(version), 1 => particular(version)].boxed()
}

pub(crate) fn subgroup_header(version: Version) -> impl Strategy<Value = SubgroupHeader> {
    let subgroup = prop_oneof![
        Just(SubgroupId::Zero),
        Just(SubgroupId::FirstObject),
        int(version).prop_map(SubgroupId::Explicit),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (int(version), int(version), subgroup, of(any::<u8>()), flags).prop_map(
        move |(alias, group, subgroup, priority, (has_properties, end_of_group, first))| SubgroupHeader {
            track_alias: TrackAlias(alias),
            group,
            subgroup,
            priority,
            has_properties,
            end_of_group,
            first_object: first && version == Version::Draft18,
        },
    )
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![small_bytes(), vec(any::<u8>(), 0..400).prop_map(Bytes::from)]
}

/// The objects of a subgroup stream, in order.
pub(crate) fn objects(has_properties: bool) -> impl Strategy<Value = Vec<(ObjectHeader, Bytes)>> {
    let status = select(vec![ObjectStatus::Normal, ObjectStatus::EndOfGroup, ObjectStatus::EndOfTrack]);
    vec((0..1000_u64, properties(), payload(), status), 0..8).prop_map(move |objects| {
        let mut next = 0;
        let build = |(gap, properties, payload, status): (u64, Properties, Bytes, ObjectStatus)| {
            let status = if payload.is_empty() { status } else { ObjectStatus::Normal };
            let bare = !has_properties || status != ObjectStatus::Normal;
            let properties = if bare { Properties::EMPTY } else { properties };
            let object_id = next + gap;
            next = object_id + 1;
            let payload_len = payload.len() as u64;
            (ObjectHeader { object_id, properties, payload_len, status }, payload)
        };
        objects.into_iter().map(build).collect()
    })
}

/// A record of a FETCH stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Object(FetchObjectHeader, Bytes),
    EndOfRange(Location, bool),
}

/// The records of a FETCH stream, groups in the order given.
pub(crate) fn fetch_records(order: GroupOrder) -> impl Strategy<Value = Vec<Record>> {
    let subgroup = prop_oneof![3 => (0..3_u64).prop_map(Some), 1 => Just(None)];
    let position = (0..3_u64, 0..3_u64, subgroup, 0..3_u8);
    vec((position, properties(), payload(), 0..8_u8), 0..10).prop_map(move |records| {
        let mut at = Location::new(1000, 0);
        let build = |(position, properties, payload, kind): (_, Properties, Bytes, u8)| {
            let (groups, objects, subgroup, priority): (u64, u64, Option<u64>, u8) = position;
            at = match (groups, order) {
                (0, _) => Location::new(at.group, at.object + objects + 1),
                (_, GroupOrder::Ascending) => Location::new(at.group + groups, objects),
                (_, GroupOrder::Descending) => Location::new(at.group - groups, objects),
            };
            if kind == 0 {
                return Record::EndOfRange(at, objects == 0);
            }
            let payload_len = payload.len() as u64;
            Record::Object(FetchObjectHeader { location: at, subgroup, priority, properties, payload_len }, payload)
        };
        records.into_iter().map(build).collect()
    })
}

pub(crate) fn datagram(version: Version) -> impl Strategy<Value = Datagram> {
    let status = select(vec![ObjectStatus::Normal, ObjectStatus::EndOfGroup, ObjectStatus::EndOfTrack]);
    let body = prop_oneof![payload().prop_map(DatagramBody::Payload), status.prop_map(DatagramBody::Status),];
    let object = prop_oneof![Just(0), int(version)];
    (int(version), int(version), object, of(any::<u8>()), properties(), any::<bool>(), body).prop_map(
        |(alias, group, object_id, priority, properties, end, body)| {
            let bare = matches!(&body, DatagramBody::Status(status) if *status != ObjectStatus::Normal);
            Datagram {
                track_alias: TrackAlias(alias),
                group,
                object_id,
                priority,
                properties: if bare { Properties::EMPTY } else { properties },
                end_of_group: end && matches!(body, DatagramBody::Payload(_)),
                body,
            }
        },
    )
}
