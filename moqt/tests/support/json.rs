//! Decoded messages as the JSON values of the vectors, and the comparison of the two.

use bytes::Bytes;
use moqt::{
    Decode, Encode, FetchKind, FullTrackName, Location, LocationFilter, Message, Namespace, Pair, PairValue,
    Parameters, Properties, RequestId, Side, Token, Version, parameter,
};
use serde_json::{Map, Value, json};

/// Values that follow from others, or from their absence, so that a vector may leave them out.
const DERIVED: [&str; 7] = ["code_name", "status_name", "minimal", "cache_cost", "name", "timeout", "request_id"];

pub(crate) fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().map(|digit| char::from(digit).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An integer, written as a string where a JSON number would lose digits.
pub(crate) fn int(value: u64) -> Value {
    if value < 1 << 53 { json!(value) } else { json!(value.to_string()) }
}

pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.get(name)
}

pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// Text where the bytes are UTF-8, else their digits.
pub(crate) fn bytes_value(bytes: &[u8]) -> Value {
    str::from_utf8(bytes).map_or_else(|_| json!({"hex": hex(bytes)}), |text| json!(text))
}

pub(crate) fn fields(namespace: &Namespace) -> Value {
    namespace.fields().iter().map(|field| bytes_value(field)).collect()
}

fn pair_value(value: &PairValue) -> Value {
    match value {
        PairValue::Int(value) => int(*value),
        PairValue::Bytes(value) => json!({"hex": hex(value)}),
    }
}

pub(crate) fn pairs_value(pairs: impl IntoIterator<Item = Pair>) -> Value {
    let pair = |pair: Pair| json!({"type": int(pair.id), "value": pair_value(&pair.value)});
    pairs.into_iter().map(pair).collect()
}

/// Every value the vector gives must be there, and nothing else but what follows from it.
pub(crate) fn compare(expected: &Value, actual: &Value) -> Result<(), String> {
    match (expected, actual) {
        // Draft-16 has locations inside byte strings: a vector may show either.
        (Value::Object(wanted), Value::Object(got)) if wanted.contains_key("group") && got.contains_key("hex") => {
            let inside = Location::decode(&mut unhex(text(&got["hex"])), Version::Draft16);
            compare(expected, &location(&inside.map_err(|error| error.to_string())?))
        }
        (Value::Object(wanted), Value::Object(got)) => {
            for (name, value) in wanted {
                let there = got.get(name).unwrap_or(&Value::Null);
                compare(value, there).map_err(|wrong| format!("{name}: {wrong}"))?;
            }
            let extra = got.iter().find(|(name, value)| {
                let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
                !wanted.contains_key(*name) && !nothing && !DERIVED.contains(&name.as_str())
            });
            extra.map_or(Ok(()), |(name, value)| Err(format!("{name} is {value}, not in the vector")))
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            wanted.iter().zip(got).try_for_each(|(wanted, got)| compare(wanted, got))
        }
        (Value::Object(_), Value::String(got)) if *expected == json!({"hex": hex(got.as_bytes())}) => Ok(()),
        (Value::Object(wanted), Value::Array(_)) if wanted.contains_key("fields") => compare(&wanted["fields"], actual),
        (Value::Array(wanted), Value::Null) if wanted.is_empty() => Ok(()),
        (Value::String(wanted), Value::String(got)) if letters(wanted) == letters(got) => Ok(()),
        _ if expected == actual => Ok(()),
        _ => Err(format!("expected {expected}, got {actual}")),
    }
}

/// Spellings of the same enumeration value differ in hyphens only; other text must be the same.
fn letters(text: &str) -> String {
    if text.to_lowercase().starts_with("non") {
        text.to_lowercase().replace(['-', '_', ' '], "")
    } else {
        text.to_owned()
    }
}

fn encoded(value: &impl Encode, version: Version) -> Value {
    let mut out = bytes::BytesMut::new();
    value.encode(&mut out, version).unwrap();
    json!({"hex": hex(&out)})
}

fn location(location: &Location) -> Value {
    json!({"group": int(location.group), "object": int(location.object)})
}

fn tokens(id: u64, tokens: &[Token], version: Version) -> impl Iterator<Item = (u64, Value)> {
    tokens.iter().map(move |token| (id, encoded(token, version)))
}

fn parameters(parameters: &Parameters, version: Version) -> Value {
    let mut found: Vec<(u64, Value)> = Vec::new();
    let times = [
        (parameter::OBJECT_DELIVERY_TIMEOUT, parameters.object_delivery_timeout),
        (parameter::RENDEZVOUS_TIMEOUT, parameters.rendezvous_timeout),
        (parameter::SUBGROUP_DELIVERY_TIMEOUT, parameters.subgroup_delivery_timeout),
        (parameter::EXPIRES, parameters.expires),
        (parameter::FILL_TIMEOUT, parameters.fill_timeout),
    ];
    let millis = |time: std::time::Duration| int(time.as_millis() as u64);
    found.extend(times.into_iter().filter_map(|(id, time)| Some((id, millis(time?)))));
    let integers = [
        (parameter::FORWARD, parameters.forward.map(u64::from)),
        (parameter::SUBSCRIBER_PRIORITY, parameters.subscriber_priority.map(u64::from)),
        (parameter::GROUP_ORDER, parameters.group_order.map(|order| order.to_wire())),
        (parameter::NEW_GROUP_REQUEST, parameters.new_group_request),
    ];
    found.extend(integers.into_iter().filter_map(|(id, value)| Some((id, int(value?)))));
    found.extend(tokens(parameter::AUTHORIZATION_TOKEN, &parameters.authorization_tokens, version));
    if let Some(largest) = &parameters.largest_object {
        let value = match version {
            Version::Draft16 => encoded(largest, version),
            _ => location(largest),
        };
        found.push((parameter::LARGEST_OBJECT, value));
    }
    if let Some(filter) = &parameters.filter {
        found.push((parameter::SUBSCRIPTION_FILTER, encoded(filter, version)));
    }
    let later = parameters.later.clone().unwrap_or_default();
    if let Some(filter) = later.location_filter {
        found.push((parameter::SUBSCRIPTION_FILTER, location_filter(filter, version)));
    }
    if let Some(fill) = &later.fill {
        found.push((parameter::FILL_PARAMETERS, self::parameters(fill, version)));
    }
    if let Some(wanted) = later.include_properties {
        found.push((parameter::INCLUDE_PROPERTIES, int(wanted.into())));
    }
    if let Some(prefix) = &parameters.namespace_prefix {
        found.push((parameter::TRACK_NAMESPACE_PREFIX, fields(prefix)));
    }
    found.extend(parameters.ignored.iter().map(|pair| (pair.id, pair_value(&pair.value))));
    found.sort_by_key(|(id, _)| *id);
    let value = |(id, value): (u64, Value)| json!({"id": id, "name": parameter_name(id, version), "value": value});
    found.into_iter().map(value).collect()
}

/// Draft-20 shows the fields, draft-22 the type as well.
fn location_filter(filter: LocationFilter, version: Version) -> Value {
    let (kind, mut value) = match filter {
        LocationFilter::All => (0, json!({"fields": []})),
        LocationFilter::Groups(groups) => (1, json!({"relative_groups": int(groups)})),
        LocationFilter::From(start) => (2, json!({"start": location(&start)})),
        LocationFilter::ToGroup { start, end_group } => {
            (3, json!({"start": location(&start), "end_group": int(end_group)}))
        }
        LocationFilter::To { start, end } => (4, json!({"start": location(&start), "end": location(&end)})),
        LocationFilter::NextObject => (5, json!({"next_object": true})),
    };
    if version == Version::Draft22 {
        value["filter_type"] = json!(kind);
    }
    value
}

fn parameter_name(id: u64, version: Version) -> &'static str {
    match id {
        parameter::FILL_PARAMETERS => "FILL_PARAMETERS",
        parameter::INCLUDE_PROPERTIES => "INCLUDE_PROPERTIES",
        parameter::SUBSCRIPTION_FILTER if version > Version::Draft18 => "LOCATION_FILTER",
        parameter::OBJECT_DELIVERY_TIMEOUT => "OBJECT_DELIVERY_TIMEOUT",
        parameter::AUTHORIZATION_TOKEN => "AUTHORIZATION_TOKEN",
        parameter::RENDEZVOUS_TIMEOUT => "RENDEZVOUS_TIMEOUT",
        parameter::SUBGROUP_DELIVERY_TIMEOUT => "SUBGROUP_DELIVERY_TIMEOUT",
        parameter::EXPIRES => "EXPIRES",
        parameter::LARGEST_OBJECT => "LARGEST_OBJECT",
        parameter::FILL_TIMEOUT => "FILL_TIMEOUT",
        parameter::FORWARD => "FORWARD",
        parameter::SUBSCRIBER_PRIORITY => "SUBSCRIBER_PRIORITY",
        parameter::SUBSCRIPTION_FILTER => "SUBSCRIPTION_FILTER",
        parameter::GROUP_ORDER => "GROUP_ORDER",
        parameter::NEW_GROUP_REQUEST => "NEW_GROUP_REQUEST",
        parameter::TRACK_NAMESPACE_PREFIX => "TRACK_NAMESPACE_PREFIX",
        _ => "UNKNOWN",
    }
}

/// A message's value under construction.
struct Builder(Map<String, Value>, Version);

impl Builder {
    fn put(&mut self, name: &str, value: Value) -> &mut Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    fn id(&mut self, id: RequestId) -> &mut Self {
        self.put("request_id", int(id.0))
    }

    fn reply_to(&mut self, id: Option<RequestId>) -> &mut Self {
        if let Some(id) = id { self.id(id) } else { self }
    }

    fn track(&mut self, track: &FullTrackName) -> &mut Self {
        self.put("namespace", fields(&track.namespace));
        self.put("track", bytes_value(track.name.as_bytes()))
    }

    fn parameters(&mut self, found: &Parameters) -> &mut Self {
        let ignored = found.ignored.iter().map(|pair| int(pair.id)).collect();
        self.put("ignored", ignored);
        let version = self.1;
        self.put("params", parameters(found, version))
    }

    fn properties(&mut self, properties: &Properties) -> &mut Self {
        self.put("properties", pairs_value(properties.iter()))
    }
}

pub(crate) fn message_value(message: &Message, version: Version, expected: &Value) -> Value {
    let mut value = Builder(Map::new(), version);
    value.put("type", json!(message.name()));
    match message {
        Message::Setup(setup) => setup_value(setup, &mut value),
        Message::Subscribe(m) => value.id(m.request_id).track(&m.track).parameters(&m.parameters),
        Message::TrackStatus(m) => value.id(m.request_id).track(&m.track).parameters(&m.parameters),
        Message::SubscribeOk(m) => {
            value.put("track_alias", int(m.track_alias.0));
            value.reply_to(m.request_id).parameters(&m.parameters).properties(&m.properties)
        }
        Message::RequestOk(m) => {
            value.put("as", expected["as"].clone());
            value.reply_to(m.request_id).parameters(&m.parameters).properties(&m.properties)
        }
        Message::PublishStateNotify(m) => value.parameters(&m.parameters),
        Message::PublishOk16(m) => value.reply_to(m.request_id).parameters(&m.parameters),
        Message::RequestUpdate(m) => {
            value.put("existing_request_id", m.existing_request_id.map_or(Value::Null, |id| int(id.0)));
            value.id(m.request_id).parameters(&m.parameters)
        }
        Message::Publish(m) => {
            value.put("track_alias", int(m.track_alias.0)).id(m.request_id).track(&m.track);
            value.parameters(&m.parameters).properties(&m.properties)
        }
        Message::Fetch(m) => {
            fetch_value(&m.kind, &mut value);
            value.id(m.request_id).parameters(&m.parameters)
        }
        Message::FetchOk(m) => {
            value.put("end_of_track", json!(u8::from(m.end_of_track))).put("end", location(&m.end));
            value.reply_to(m.request_id).parameters(&m.parameters).properties(&m.properties)
        }
        Message::PublishNamespace(m) => {
            value.put("namespace", fields(&m.namespace)).id(m.request_id).parameters(&m.parameters)
        }
        Message::SubscribeTracks(m) => {
            value.put("prefix", fields(&m.prefix)).id(m.request_id).parameters(&m.parameters)
        }
        Message::SubscribeNamespace(m) => {
            if version == Version::Draft16 {
                value.put("options", json!(m.options.to_wire()));
            }
            value.put("prefix", fields(&m.prefix)).id(m.request_id).parameters(&m.parameters)
        }
        other => bare_message_value(other, version, expected, &mut value),
    };
    value.0.into()
}

fn setup_value<'a>(setup: &moqt::Setup, value: &'a mut Builder) -> &'a mut Builder {
    if let Some(sender) = setup.sender {
        let name = if sender == Side::Client { "CLIENT_SETUP" } else { "SERVER_SETUP" };
        value.put("type", json!(name));
    }
    let options = &setup.options;
    let bytes = |id, bytes: Option<&[u8]>| Some((id, json!({"hex": hex(bytes?)})));
    let implementation = options.implementation.as_ref().map(|name| name.as_bytes());
    let mut found: Vec<(u64, Value)> = [
        bytes(1, options.path.as_deref()),
        options.max_request_id.map(|max| (2, int(max))),
        options.max_auth_token_cache_size.map(|max| (4, int(max))),
        bytes(5, options.authority.as_deref()),
        bytes(7, implementation),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.extend(tokens(3, &options.tokens, value.1));
    found.extend(options.unknown.iter().map(|pair| (pair.id, pair_value(&pair.value))));
    found.sort_by_key(|(id, _)| *id);
    let option = |(id, value): (u64, Value)| json!({"type": int(id), "value": value});
    value.put("options", found.into_iter().map(option).collect())
}

fn fetch_value(kind: &FetchKind, value: &mut Builder) {
    let (number, joining, start) = match kind {
        FetchKind::Standalone { track, start, end } => {
            value.put("fetch_type", json!(1)).track(track);
            value.put("start", location(start)).put("end", location(end));
            return;
        }
        FetchKind::Filtered { track } => {
            value.track(track);
            return;
        }
        FetchKind::Relative { joining, groups } => (2, joining, groups),
        FetchKind::Absolute { joining, group } => (3, joining, group),
    };
    value.put("fetch_type", json!(number)).put("joining_request_id", int(joining.0));
    value.put("joining_start", int(*start));
}

/// Messages without parameters.
fn bare_message_value<'a>(
    message: &Message,
    version: Version,
    expected: &Value,
    value: &'a mut Builder,
) -> &'a mut Builder {
    let millis = |time: std::time::Duration| time.as_millis() as u64;
    match message {
        Message::RequestError(m) => {
            let retry = m.retry.map_or(0, |retry| millis(retry) + 1);
            let code = m.code.to_wire(version);
            value.put("code", int(code)).put("code_name", json!(m.code.name()));
            value.put("retry_interval", int(retry)).put("reason", bytes_value(m.reason.as_bytes()));
            if let Some(redirect) = &m.redirect {
                let mut inner = Builder(Map::new(), version);
                inner.put("uri", json!(redirect.uri)).track(&redirect.track);
                value.put("redirect", inner.0.into());
            }
            value.reply_to(m.request_id)
        }
        Message::PublishDone(m) => {
            let status = m.status.to_wire(version);
            value.put("status", int(status)).put("status_name", json!(m.status.name()));
            value.put("stream_count", int(m.stream_count.unwrap_or((1 << 62) - 1)));
            value.put("reason", bytes_value(m.reason.as_bytes())).reply_to(m.request_id)
        }
        Message::PublishNamespaceCancel(m) => {
            value.put("code", int(m.code.to_wire(version))).put("code_name", json!(m.code.name()));
            value.put("reason", bytes_value(m.reason.as_bytes())).id(m.request_id)
        }
        Message::GoAway(m) => {
            // The vectors may or may not put the unit in the name.
            let unit = expected.get("timeout_ms").is_some();
            let name = if unit { "timeout_ms" } else { "timeout" };
            if version == Version::Draft18 {
                value.put(name, int(m.timeout.map_or(0, millis)));
            }
            value.put("uri", json!(m.uri)).reply_to(m.request_id)
        }
        Message::Namespace(m) => value.put("suffix", fields(&m.suffix)),
        Message::NamespaceDone(m) => value.put("suffix", fields(&m.suffix)),
        Message::PublishBlocked(m) => {
            let track = bytes_value(m.name.as_bytes());
            value.put("suffix", fields(&m.suffix)).put("track", track)
        }
        Message::MaxRequestId(m) => value.put("max_request_id", int(m.max_request_id.0)),
        Message::RequestsBlocked(m) => value.put("max_request_id", int(m.max_request_id.0)),
        Message::Unsubscribe(m) => value.id(m.request_id),
        Message::FetchCancel(m) => value.id(m.request_id),
        Message::PublishNamespaceDone(m) => value.id(m.request_id),
        Message::BareCancel => value,
        other => panic!("no value for {other:?}"),
    }
}
