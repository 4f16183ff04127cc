//! Message Parameters (10.2): one typed struct for every message, one table of which message takes what.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, put_prefixed, take_prefixed, take_u8};
use crate::key_value::{Pair, PairValue, decode_id, encode_id};
use crate::limit::MESSAGE_BYTES;
use crate::location::{Filter, GroupOrder, Location};
use crate::location_filter::LocationFilter;
use crate::name::Namespace;
use crate::request::RequestKind;
use crate::token::Token;
use crate::varint;
use crate::version::Version;

/// OBJECT_DELIVERY_TIMEOUT, DELIVERY_TIMEOUT in draft-16.
pub const OBJECT_DELIVERY_TIMEOUT: u64 = 0x02;
/// AUTHORIZATION_TOKEN, the only parameter that may repeat.
pub const AUTHORIZATION_TOKEN: u64 = 0x03;
/// RENDEZVOUS_TIMEOUT.
pub const RENDEZVOUS_TIMEOUT: u64 = 0x04;
/// SUBGROUP_DELIVERY_TIMEOUT.
pub const SUBGROUP_DELIVERY_TIMEOUT: u64 = 0x06;
/// EXPIRES.
pub const EXPIRES: u64 = 0x08;
/// LARGEST_OBJECT.
pub const LARGEST_OBJECT: u64 = 0x09;
/// FILL_TIMEOUT.
pub const FILL_TIMEOUT: u64 = 0x0A;
/// FORWARD.
pub const FORWARD: u64 = 0x10;
/// SUBSCRIBER_PRIORITY.
pub const SUBSCRIBER_PRIORITY: u64 = 0x20;
/// SUBSCRIPTION_FILTER; LOCATION_FILTER in drafts 20 and 22.
pub const SUBSCRIPTION_FILTER: u64 = 0x21;
/// GROUP_ORDER.
pub const GROUP_ORDER: u64 = 0x22;
/// FILL_PARAMETERS of drafts 20 and 22.
pub const FILL_PARAMETERS: u64 = 0x23;
/// NEW_GROUP_REQUEST.
pub const NEW_GROUP_REQUEST: u64 = 0x32;
/// TRACK_NAMESPACE_PREFIX.
pub const TRACK_NAMESPACE_PREFIX: u64 = 0x34;
/// INCLUDE_PROPERTIES of drafts 20 and 22.
pub const INCLUDE_PROPERTIES: u64 = 0x35;
/// HOPS, a private extension that both sides declare in SETUP: the relays a request has passed, 8 bytes each. Odd, and far from
/// the ids of the draft and its grease.
pub const HOPS: u64 = 0xEF1D;

/// The parameters of any message; a field that is `None` is not on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Objects older than this are not sent; zero means none and is refused in draft-16.
    pub object_delivery_timeout: Option<Duration>,
    /// Subgroups that are not delivered this long after their end are reset; zero means none.
    pub subgroup_delivery_timeout: Option<Duration>,
    /// Tokens, in the order they were written.
    pub authorization_tokens: Vec<Token>,
    /// How long a relay may wait for a publisher; zero means answer now.
    pub rendezvous_timeout: Option<Duration>,
    /// When the sender will end the subscription; zero means not known.
    pub expires: Option<Duration>,
    /// The largest location published; absent means nothing was.
    pub largest_object: Option<Location>,
    /// What a FETCH may spend waiting for upstream; zero means cache only.
    pub fill_timeout: Option<Duration>,
    /// Whether objects are to be sent.
    pub forward: Option<bool>,
    /// The subscriber's priority, 0 most urgent.
    pub subscriber_priority: Option<u8>,
    /// Which objects pass.
    pub filter: Option<Filter>,
    /// The order of groups.
    pub group_order: Option<GroupOrder>,
    /// Asks for a new group: the largest group known plus one, 0 for none.
    pub new_group_request: Option<u64>,
    /// The new prefix of a namespace subscription.
    pub namespace_prefix: Option<Namespace>,
    /// Private extension: ids of the relays the request has passed, nearest last; not on the wire when
    /// empty. Whether it was negotiated is the session's to know.
    pub hops: Vec<u64>,
    /// Known parameters that the message does not define: draft-16 ignores them, so must everybody who
    /// reads this. Kept so that a log can name them.
    pub ignored: Vec<Pair>,
    /// What only drafts 20 and 22 have.
    pub later: Option<Box<LaterParameters>>,
}

/// The parameters of drafts 20 and 22 that the drafts before lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaterParameters {
    /// Which objects pass, also of a FETCH.
    pub location_filter: Option<LocationFilter>,
    /// Asks for a stream of past objects beside a subscription, with parameters of its own.
    pub fill: Option<Parameters>,
    /// Whether track properties are wanted.
    pub include_properties: Option<bool>,
}

/// The messages that have parameters, as rows of the table of legal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Request(RequestKind),
    SubscribeOk,
    FetchOk,
    PublishOk,
    /// REQUEST_OK before it is known which request it answers.
    AnyOk,
    /// REQUEST_OK that answers this request.
    Ok(RequestKind),
    /// REQUEST_OK that answers a REQUEST_UPDATE.
    UpdateOk,
    /// PUBLISH_STATE_NOTIFY.
    StateNotify,
    /// The parameters inside of FILL_PARAMETERS.
    Fill,
    /// REQUEST_UPDATE before it is known which request it updates.
    AnyUpdate,
    /// REQUEST_UPDATE of this request.
    Update(RequestKind),
}

const SUBSCRIPTION: &[u64] = &[
    OBJECT_DELIVERY_TIMEOUT,
    SUBGROUP_DELIVERY_TIMEOUT,
    FORWARD,
    SUBSCRIBER_PRIORITY,
    SUBSCRIPTION_FILTER,
    NEW_GROUP_REQUEST,
];

impl Scope {
    /// The table of 10.2: is the parameter `id` defined for this message?
    pub(crate) fn allows(self, id: u64, version: Version) -> bool {
        if id == HOPS {
            return self.allows_hops();
        }
        use RequestKind::{
            Fetch, Publish, PublishNamespace, Subscribe, SubscribeNamespace, SubscribeTracks, TrackStatus,
        };
        if version.has_location_filter()
            && let Some(allowed) = self.allows_later(id)
        {
            return allowed;
        }
        let subscription = SUBSCRIPTION.contains(&id);
        let largest = matches!(id, EXPIRES | LARGEST_OBJECT);
        match self {
            Self::Request(Subscribe) => {
                let own = matches!(id, AUTHORIZATION_TOKEN | RENDEZVOUS_TIMEOUT | GROUP_ORDER);
                subscription || own
            }
            Self::Request(Publish) => largest || matches!(id, AUTHORIZATION_TOKEN | FORWARD),
            Self::Request(Fetch) => {
                matches!(id, AUTHORIZATION_TOKEN | FILL_TIMEOUT | SUBSCRIBER_PRIORITY | GROUP_ORDER)
            }
            Self::Request(SubscribeTracks) => matches!(id, AUTHORIZATION_TOKEN | FORWARD),
            Self::Request(SubscribeNamespace) => {
                let forward = id == FORWARD && !version.has_request_streams();
                forward || id == AUTHORIZATION_TOKEN
            }
            Self::Request(TrackStatus | PublishNamespace) => id == AUTHORIZATION_TOKEN,
            Self::SubscribeOk | Self::UpdateOk | Self::Ok(TrackStatus) | Self::StateNotify => largest,
            Self::PublishOk | Self::Ok(Publish) => subscription || matches!(id, GROUP_ORDER | EXPIRES),
            Self::Fill => matches!(id, FILL_TIMEOUT | SUBSCRIBER_PRIORITY | SUBSCRIPTION_FILTER | GROUP_ORDER),
            Self::FetchOk | Self::Ok(_) => false,
            // Draft-16 has PUBLISH_OK as a message of its own.
            Self::AnyOk if version.has_request_streams() => Self::PublishOk.allows(id, version) || largest,
            Self::AnyOk => largest,
            Self::AnyUpdate => subscription || matches!(id, AUTHORIZATION_TOKEN | TRACK_NAMESPACE_PREFIX),
            Self::Update(Subscribe | Publish) => subscription || id == AUTHORIZATION_TOKEN,
            Self::Update(Fetch) => matches!(id, AUTHORIZATION_TOKEN | SUBSCRIBER_PRIORITY),
            Self::Update(SubscribeNamespace | SubscribeTracks) => {
                matches!(id, AUTHORIZATION_TOKEN | TRACK_NAMESPACE_PREFIX)
            }
            Self::Update(PublishNamespace) => id == AUTHORIZATION_TOKEN,
            Self::Update(TrackStatus) => false,
        }
    }
}

impl Scope {
    /// Where drafts 20 and 22 differ from the table.
    fn allows_later(self, id: u64) -> Option<bool> {
        use RequestKind::{Fetch, Publish, Subscribe};
        Some(match (self, id) {
            (Self::Request(Subscribe) | Self::AnyUpdate | Self::Update(Subscribe | Publish), FILL_PARAMETERS)
            | (Self::Request(Subscribe | Fetch), INCLUDE_PROPERTIES)
            | (Self::Request(Fetch), SUBSCRIPTION_FILTER) => true,
            (Self::PublishOk | Self::Ok(Publish), id) => id == EXPIRES,
            (Self::Request(Publish), id) if SUBSCRIPTION.contains(&id) => true,
            _ => return None,
        })
    }

    fn allows_hops(self) -> bool {
        use RequestKind::{Fetch, Subscribe, SubscribeNamespace, TrackStatus};
        matches!(self, Self::Request(Subscribe | Fetch | TrackStatus | SubscribeNamespace))
    }
}

/// How TRACK_NAMESPACE_PREFIX is written: the draft's form, or with a length as some peers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrefixForm {
    Bare,
    LengthPrefixed,
}

/// A parameter's value before its meaning is checked.
enum Raw {
    Int(u64),
    Content(Bytes),
    Location(Location),
    Filter(LocationFilter),
    Prefix(Namespace),
}

fn is_known(id: u64, version: Version) -> bool {
    match id {
        OBJECT_DELIVERY_TIMEOUT
        | AUTHORIZATION_TOKEN
        | EXPIRES
        | LARGEST_OBJECT
        | FORWARD
        | SUBSCRIBER_PRIORITY
        | SUBSCRIPTION_FILTER
        | GROUP_ORDER
        | NEW_GROUP_REQUEST => true,
        RENDEZVOUS_TIMEOUT | SUBGROUP_DELIVERY_TIMEOUT | FILL_TIMEOUT | TRACK_NAMESPACE_PREFIX | HOPS => {
            !version.has_key_value_parameters()
        }
        FILL_PARAMETERS | INCLUDE_PROPERTIES => version.has_location_filter(),
        _ => false,
    }
}

fn decode_typed(id: u64, buf: &mut Bytes, version: Version, form: PrefixForm) -> Result<Raw, DecodeError> {
    Ok(match id {
        FORWARD | SUBSCRIBER_PRIORITY | GROUP_ORDER | INCLUDE_PROPERTIES => Raw::Int(take_u8(buf)?.into()),
        SUBSCRIPTION_FILTER if version.has_location_filter() => Raw::Filter(LocationFilter::decode(buf, version)?),
        AUTHORIZATION_TOKEN | SUBSCRIPTION_FILTER | FILL_PARAMETERS | HOPS => {
            let too_long = "a parameter longer than any message";
            Raw::Content(take_prefixed(buf, version, MESSAGE_BYTES, too_long)?)
        }
        LARGEST_OBJECT => Raw::Location(Location::decode(buf, version)?),
        TRACK_NAMESPACE_PREFIX if form == PrefixForm::Bare => Raw::Prefix(Namespace::decode_part(buf, version)?),
        TRACK_NAMESPACE_PREFIX => {
            let mut content = take_prefixed(buf, version, MESSAGE_BYTES, "a prefix longer than any message")?;
            let prefix = Namespace::decode_part(&mut content, version)?;
            if !content.is_empty() {
                return Err(DecodeError::violation("bytes after a namespace prefix"));
            }
            Raw::Prefix(prefix)
        }
        _ => Raw::Int(varint::decode(buf, version)?),
    })
}

fn whole<T: Decode>(mut content: Bytes, version: Version, error: ProtocolError) -> Result<T, DecodeError> {
    match T::decode(&mut content, version) {
        Ok(value) if content.is_empty() => Ok(value),
        Ok(_) | Err(DecodeError::Incomplete) => Err(error.into()),
        Err(invalid) => Err(invalid),
    }
}

impl Parameters {
    /// Reads a counted block.
    pub(crate) fn decode(
        buf: &mut Bytes,
        version: Version,
        scope: Scope,
        form: PrefixForm,
    ) -> Result<Self, DecodeError> {
        let count = varint::decode(buf, version)?;
        let mut parameters = Self::default();
        let mut previous = 0;
        for index in 0..count {
            let id = decode_id(previous, buf, version)?;
            if !is_known(id, version) {
                let reason = format!("unknown message parameter {id:#x}");
                return Err(DecodeError::violation(reason));
            }
            if index > 0 && id == previous && id != AUTHORIZATION_TOKEN {
                return Err(DecodeError::violation(format!("parameter {id:#x} is repeated")));
            }
            previous = id;
            let raw = if version.has_key_value_parameters() {
                decode_key_value(id, buf, version)?
            } else {
                decode_typed(id, buf, version, form)?
            };
            if scope.allows(id, version) {
                parameters.accept(id, raw, version)?;
            } else if version.ignores_misplaced_parameters() {
                parameters.ignored.extend(raw.into_pair(id));
            } else {
                let reason = format!("parameter {id:#x} does not belong to this message");
                return Err(DecodeError::violation(reason));
            }
        }
        Ok(parameters)
    }

    fn accept(&mut self, id: u64, raw: Raw, version: Version) -> Result<(), DecodeError> {
        match (id, raw) {
            (OBJECT_DELIVERY_TIMEOUT, Raw::Int(0)) if version.refuses_zero_delivery_timeout() => {
                return Err(DecodeError::violation("a delivery timeout of 0"));
            }
            (OBJECT_DELIVERY_TIMEOUT, Raw::Int(value)) => {
                self.object_delivery_timeout = Some(Duration::from_millis(value));
            }
            (SUBGROUP_DELIVERY_TIMEOUT, Raw::Int(value)) => {
                self.subgroup_delivery_timeout = Some(Duration::from_millis(value));
            }
            (RENDEZVOUS_TIMEOUT, Raw::Int(value)) => {
                self.rendezvous_timeout = Some(Duration::from_millis(value));
            }
            (EXPIRES, Raw::Int(value)) => self.expires = Some(Duration::from_millis(value)),
            (FILL_TIMEOUT, Raw::Int(value)) => {
                self.fill_timeout = Some(Duration::from_millis(value));
            }
            (FORWARD, Raw::Int(value @ 0..=1)) => self.forward = Some(value == 1),
            (SUBSCRIBER_PRIORITY, Raw::Int(value @ 0..=255)) => {
                self.subscriber_priority = Some(value as u8);
            }
            (GROUP_ORDER, Raw::Int(value @ 1..=2)) => {
                self.group_order = GroupOrder::from_wire(value);
            }
            (NEW_GROUP_REQUEST, Raw::Int(value)) => self.new_group_request = Some(value),
            (LARGEST_OBJECT, Raw::Location(location)) => self.largest_object = Some(location),
            (LARGEST_OBJECT, Raw::Content(content)) => {
                let error = ProtocolError::formatting("LARGEST_OBJECT is not a location");
                self.largest_object = Some(whole(content, version, error)?);
            }
            (SUBSCRIPTION_FILTER, Raw::Content(content)) => {
                let error = ProtocolError::violation("a filter that does not fill its length");
                self.filter = Some(whole(content, version, error)?);
            }
            (SUBSCRIPTION_FILTER, Raw::Filter(filter)) => {
                self.later.get_or_insert_default().location_filter = Some(filter);
            }
            (FILL_PARAMETERS, Raw::Content(mut content)) => {
                let fill = Self::decode(&mut content, version, Scope::Fill, PrefixForm::Bare);
                let fill = fill.map_err(|error| error.at_end("FILL_PARAMETERS that do not fill their length"))?;
                if !content.is_empty() {
                    return Err(DecodeError::violation("bytes after FILL_PARAMETERS"));
                }
                self.later.get_or_insert_default().fill = Some(fill);
            }
            (INCLUDE_PROPERTIES, Raw::Int(value @ 0..=1)) => {
                self.later.get_or_insert_default().include_properties = Some(value == 1);
            }
            (AUTHORIZATION_TOKEN, Raw::Content(content)) => {
                self.authorization_tokens.push(Token::from_content(content, version)?);
            }
            (HOPS, Raw::Content(content)) if !content.is_empty() && content.len() % 8 == 0 => {
                let ids = content.chunks_exact(8).map(|mut id: &[u8]| id.get_u64());
                self.hops = ids.collect();
            }
            (TRACK_NAMESPACE_PREFIX, Raw::Prefix(prefix)) => self.namespace_prefix = Some(prefix),
            (id, _) => {
                let reason = format!("parameter {id:#x} has a value outside its range");
                return Err(DecodeError::violation(reason));
            }
        }
        Ok(())
    }

    /// Checks that every parameter present belongs to the message; draft-16 never minds.
    pub(crate) fn check(&self, scope: Scope, version: Version) -> Result<(), ProtocolError> {
        let misplaced = self.entries().find(|(id, _)| !scope.allows(*id, version));
        match misplaced {
            Some((id, _)) if !version.ignores_misplaced_parameters() => {
                let reason = format!("parameter {id:#x} does not belong to this message");
                Err(ProtocolError::violation(reason))
            }
            _ => Ok(()),
        }
    }

    /// Appends a counted block in ascending order.
    pub(crate) fn encode(&self, out: &mut BytesMut, version: Version, scope: Scope) -> Result<(), EncodeError> {
        let mut entries: Vec<_> = self.entries().collect();
        if entries.iter().any(|(id, _)| !is_known(*id, version) || !scope.allows(*id, version)) {
            return Err(EncodeError::Unrepresentable("a parameter the message does not define"));
        }
        if version.ignores_misplaced_parameters() {
            entries.extend(self.ignored.iter().map(|pair| (pair.id, Value::Pair(pair))));
        }
        entries.sort_by_key(|(id, _)| *id);
        varint::encode(entries.len() as u64, out, version)?;
        let mut previous = 0;
        for (id, value) in entries {
            encode_id(id, previous, out, version)?;
            value.encode(out, version)?;
            previous = id;
        }
        Ok(())
    }

    /// What is present, with its id; not sorted.
    fn entries(&self) -> impl Iterator<Item = (u64, Value<'_>)> {
        let int = |id, value: Option<u64>| value.map(|value| (id, Value::Int(value)));
        let time = move |id, value: Option<Duration>| int(id, value.map(millis));
        let byte = |id, value: Option<u8>| value.map(|value| (id, Value::Byte(value)));
        let order = self.group_order.map(|order| order.to_wire() as u8);
        let filter = self.filter.as_ref().map(Value::Filter);
        let later = self.later.as_deref();
        let location_filter = later.and_then(|later| later.location_filter.as_ref()).map(Value::LocationFilter);
        let fill = later.and_then(|later| later.fill.as_ref()).map(Value::Fill);
        let wanted = later.and_then(|later| later.include_properties);
        let largest = self.largest_object.as_ref().map(Value::Location);
        let prefix = self.namespace_prefix.as_ref().map(Value::Prefix);
        let hops = (!self.hops.is_empty()).then_some(Value::Hops(&self.hops));
        let tokens = self.authorization_tokens.iter();
        let single = [
            time(OBJECT_DELIVERY_TIMEOUT, self.object_delivery_timeout),
            time(RENDEZVOUS_TIMEOUT, self.rendezvous_timeout),
            time(SUBGROUP_DELIVERY_TIMEOUT, self.subgroup_delivery_timeout),
            time(EXPIRES, self.expires),
            largest.map(|value| (LARGEST_OBJECT, value)),
            time(FILL_TIMEOUT, self.fill_timeout),
            byte(FORWARD, self.forward.map(u8::from)),
            byte(SUBSCRIBER_PRIORITY, self.subscriber_priority),
            filter.map(|value| (SUBSCRIPTION_FILTER, value)),
            location_filter.map(|value| (SUBSCRIPTION_FILTER, value)),
            fill.map(|value| (FILL_PARAMETERS, value)),
            byte(INCLUDE_PROPERTIES, wanted.map(u8::from)),
            byte(GROUP_ORDER, order),
            int(NEW_GROUP_REQUEST, self.new_group_request),
            prefix.map(|value| (TRACK_NAMESPACE_PREFIX, value)),
            hops.map(|value| (HOPS, value)),
        ];
        let tokens = tokens.map(|token| (AUTHORIZATION_TOKEN, Value::Token(token)));
        single.into_iter().flatten().chain(tokens)
    }
}

/// A parameter's value on its way out.
enum Value<'a> {
    Int(u64),
    /// One byte in the typed table, an integer as a Key-Value-Pair.
    Byte(u8),
    Location(&'a Location),
    Filter(&'a Filter),
    LocationFilter(&'a LocationFilter),
    Fill(&'a Parameters),
    Token(&'a Token),
    Prefix(&'a Namespace),
    Hops(&'a [u64]),
    Pair(&'a Pair),
}

impl Value<'_> {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        let mut content = BytesMut::new();
        match self {
            Self::Int(value) => return varint::encode(*value, out, version),
            Self::Byte(value) if version.has_key_value_parameters() => {
                return varint::encode((*value).into(), out, version);
            }
            Self::Byte(value) => {
                out.put_u8(*value);
                return Ok(());
            }
            Self::Prefix(prefix) => return prefix.encode_part(out, version),
            Self::Pair(Pair { value: PairValue::Int(value), .. }) => {
                return varint::encode(*value, out, version);
            }
            Self::Location(location) if !version.has_key_value_parameters() => {
                return location.encode(out, version);
            }
            Self::Filter(_) | Self::LocationFilter(_)
                if version.has_location_filter() != matches!(self, Self::LocationFilter(_)) =>
            {
                return Err(EncodeError::Unrepresentable("a filter of another draft"));
            }
            Self::LocationFilter(filter) => return filter.encode(out, version),
            Self::Location(location) => location.encode(&mut content, version)?,
            Self::Fill(parameters) => parameters.encode(&mut content, version, Scope::Fill)?,
            Self::Filter(filter) => filter.encode(&mut content, version)?,
            Self::Token(token) => token.encode(&mut content, version)?,
            Self::Hops(ids) => ids.iter().for_each(|id| content.put_u64(*id)),
            Self::Pair(Pair { value: PairValue::Bytes(value), .. }) => {
                content.extend_from_slice(value);
            }
        }
        put_prefixed(&content, out, version)
    }
}

/// Milliseconds on the wire; what does not fit is as good as for ever.
pub(crate) fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

impl Raw {
    fn into_pair(self, id: u64) -> Option<Pair> {
        match self {
            Self::Int(value) => Some(Pair::new(id, value)),
            Self::Content(value) => Some(Pair::new(id, value)),
            Self::Location(_) | Self::Filter(_) | Self::Prefix(_) => None,
        }
    }
}

/// Draft-16: the even/odd rule, without looking at what the id means.
fn decode_key_value(id: u64, buf: &mut Bytes, version: Version) -> Result<Raw, DecodeError> {
    Ok(match PairValue::decode(id, buf, version)? {
        PairValue::Int(value) => Raw::Int(value),
        PairValue::Bytes(content) => Raw::Content(content),
    })
}
