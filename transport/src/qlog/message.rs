//! Control messages as JSON, with the names of draft-pardue-moq-qlog-moq-events. Token values are secrets: they are left out.

use std::time::Duration;

use bytes::Bytes;
use moqt::{
    Fetch, FetchKind, Filter, FullTrackName, Location, Message, Namespace, PairValue, Parameters, Properties,
    ReasonPhrase, RequestId, Setup, SetupOptions, Side, Token,
};
use serde_json::{Map, Value, json};

/// The message's `message` field.
pub(super) fn message_value(message: &Message) -> Value {
    let mut out = Object::default();
    out.put("type", type_name(message));
    match message {
        Message::Setup(setup) => setup_fields(setup, &mut out),
        Message::Subscribe(m) => out.id(m.request_id).track(&m.track).parameters(&m.parameters),
        Message::TrackStatus(m) => out.id(m.request_id).track(&m.track).parameters(&m.parameters),
        Message::Fetch(fetch) => fetch_fields(fetch, &mut out),
        Message::Publish(m) => {
            out.id(m.request_id).track(&m.track).put("track_alias", m.track_alias.0);
            out.parameters(&m.parameters).properties(&m.properties)
        }
        Message::PublishNamespace(m) => {
            out.id(m.request_id).namespace("track_namespace", &m.namespace).parameters(&m.parameters)
        }
        Message::SubscribeNamespace(m) => {
            out.id(m.request_id).namespace("track_namespace_prefix", &m.prefix).parameters(&m.parameters)
        }
        Message::SubscribeTracks(m) => {
            out.id(m.request_id).namespace("track_namespace_prefix", &m.prefix).parameters(&m.parameters)
        }
        Message::RequestUpdate(m) => {
            out.reply("existing_request_id", m.existing_request_id).id(m.request_id).parameters(&m.parameters)
        }
        other => answer_fields(other, &mut out),
    };
    out.0.into()
}

/// What answers or ends a request, or is about no request.
fn answer_fields<'a>(message: &Message, out: &'a mut Object) -> &'a mut Object {
    match message {
        Message::SubscribeOk(m) => {
            out.reply("request_id", m.request_id).put("track_alias", m.track_alias.0);
            out.parameters(&m.parameters).properties(&m.properties)
        }
        Message::FetchOk(m) => {
            out.reply("request_id", m.request_id).put("end_of_track", u8::from(m.end_of_track));
            out.put("end_location", location(m.end)).parameters(&m.parameters).properties(&m.properties)
        }
        Message::RequestOk(m) => {
            out.reply("request_id", m.request_id).parameters(&m.parameters).properties(&m.properties)
        }
        Message::PublishOk16(m) => out.reply("request_id", m.request_id).parameters(&m.parameters),
        Message::PublishStateNotify(m) => out.parameters(&m.parameters),
        Message::RequestError(m) => {
            out.reply("request_id", m.request_id).put("error_code", m.code.to_string()).reason(&m.reason);
            match m.retry {
                Some(retry) => out.put("retry_ms", millis(retry)),
                None => out,
            }
        }
        Message::PublishDone(m) => {
            out.reply("request_id", m.request_id).put("status_code", m.status.to_string());
            out.put("stream_count", m.stream_count).reason(&m.reason)
        }
        Message::PublishNamespaceCancel(m) => {
            out.id(m.request_id).put("error_code", m.code.to_string()).reason(&m.reason)
        }
        Message::GoAway(m) => {
            out.put("new_session_uri", &*m.uri).reply("request_id", m.request_id);
            out.put("timeout_ms", m.timeout.map(millis))
        }
        Message::Namespace(m) => out.namespace("track_namespace_suffix", &m.suffix),
        Message::NamespaceDone(m) => out.namespace("track_namespace_suffix", &m.suffix),
        Message::PublishBlocked(m) => {
            out.namespace("track_namespace_suffix", &m.suffix).put("track_name", bytes_value(m.name.as_bytes()))
        }
        Message::PublishNamespaceDone(m) => out.id(m.request_id),
        Message::Unsubscribe(m) => out.id(m.request_id),
        Message::FetchCancel(m) => out.id(m.request_id),
        Message::MaxRequestId(m) => out.id(m.max_request_id),
        Message::RequestsBlocked(m) => out.put("maximum_request_id", m.max_request_id.0),
        _ => out,
    }
}

/// The message's name in small letters; draft-16's two SETUPs by their sender.
fn type_name(message: &Message) -> String {
    match message {
        Message::Setup(Setup { sender: Some(Side::Client), .. }) => "client_setup".to_owned(),
        Message::Setup(Setup { sender: Some(Side::Server), .. }) => "server_setup".to_owned(),
        other => other.name().to_lowercase(),
    }
}

fn setup_fields<'a>(setup: &Setup, out: &'a mut Object) -> &'a mut Object {
    let SetupOptions { path, authority, tokens, max_auth_token_cache_size, max_request_id, .. } = &setup.options;
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let mut found = Vec::new();
    // A path's query may hold a token.
    let path = path.as_ref().map(|path| text(path).split('?').next().unwrap_or_default().to_owned());
    found.extend(path.map(|path| named("path", path)));
    found.extend(authority.as_ref().map(|authority| named("authority", text(authority))));
    found.extend(max_request_id.map(|max| named("max_request_id", max)));
    found.extend(max_auth_token_cache_size.map(|size| named("max_auth_token_cache_size", size)));
    found.extend(setup.options.implementation.as_ref().map(|name| named("implementation", name.as_str())));
    found.extend(tokens.iter().map(token));
    found.extend(setup.options.unknown.iter().map(|pair| unknown(pair.id, &pair.value)));
    out.put("setup_parameters", found)
}

fn fetch_fields<'a>(fetch: &Fetch, out: &'a mut Object) -> &'a mut Object {
    out.id(fetch.request_id);
    match &fetch.kind {
        FetchKind::Standalone { track, start, end } => {
            out.put("fetch_type", 1).track(track).put("start_location", location(*start));
            out.put("end_location", location(*end));
        }
        FetchKind::Relative { joining, groups } => {
            out.put("fetch_type", 2).put("joining_request_id", joining.0).put("preceding_group_offset", *groups);
        }
        FetchKind::Absolute { joining, group } => {
            out.put("fetch_type", 3).put("joining_request_id", joining.0).put("joining_start", *group);
        }
        FetchKind::Filtered { track } => {
            out.track(track);
        }
    }
    out.parameters(&fetch.parameters)
}

/// A JSON object under construction.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn id(&mut self, id: RequestId) -> &mut Self {
        self.put("request_id", id.0)
    }

    /// A Request ID that is there in some drafts only.
    fn reply(&mut self, name: &str, id: Option<RequestId>) -> &mut Self {
        match id {
            Some(id) => self.put(name, id.0),
            None => self,
        }
    }

    fn track(&mut self, track: &FullTrackName) -> &mut Self {
        self.namespace("track_namespace", &track.namespace).put("track_name", bytes_value(track.name.as_bytes()))
    }

    fn namespace(&mut self, name: &str, namespace: &Namespace) -> &mut Self {
        let fields: Vec<Value> = namespace.fields().iter().map(bytes_value).collect();
        self.put(name, fields)
    }

    fn reason(&mut self, reason: &ReasonPhrase) -> &mut Self {
        self.put("reason", reason.text().into_owned())
    }

    fn parameters(&mut self, parameters: &Parameters) -> &mut Self {
        let found = parameter_values(parameters);
        if found.is_empty() { self } else { self.put("parameters", found) }
    }

    fn properties(&mut self, properties: &Properties) -> &mut Self {
        let found = property_values(properties);
        if found.is_empty() { self } else { self.put("track_properties", found) }
    }
}

fn parameter_values(parameters: &Parameters) -> Vec<Value> {
    let times = [
        ("object_delivery_timeout", parameters.object_delivery_timeout),
        ("subgroup_delivery_timeout", parameters.subgroup_delivery_timeout),
        ("rendezvous_timeout", parameters.rendezvous_timeout),
        ("expires", parameters.expires),
        ("fill_timeout", parameters.fill_timeout),
    ];
    let mut found: Vec<Value> = times.into_iter().filter_map(|(name, time)| Some(named(name, millis(time?)))).collect();
    found.extend(parameters.forward.map(|forward| named("forward", u8::from(forward))));
    found.extend(parameters.subscriber_priority.map(|priority| named("subscriber_priority", priority)));
    found.extend(parameters.group_order.map(|order| named("group_order", order.to_wire())));
    found.extend(parameters.filter.map(|filter| named("subscription_filter", filter_value(filter))));
    found.extend(parameters.largest_object.map(|largest| named("largest_object", location(largest))));
    found.extend(parameters.new_group_request.map(|group| named("new_group_request", group)));
    found.extend(parameters.authorization_tokens.iter().map(token));
    found.extend(parameters.ignored.iter().map(|pair| unknown(pair.id, &pair.value)));
    found
}

fn filter_value(filter: Filter) -> Value {
    let kind = filter.to_wire();
    match filter {
        Filter::NextGroup | Filter::LargestObject => json!({"filter_type": kind}),
        Filter::AbsoluteStart(start) => json!({"filter_type": kind, "start_location": location(start)}),
        Filter::AbsoluteRange { start, end_group } => {
            json!({"filter_type": kind, "start_location": location(start), "end_group": end_group})
        }
    }
}

/// Property lists in the form of the draft's extension headers.
pub(super) fn property_values(properties: &Properties) -> Vec<Value> {
    let one = |pair: moqt::Pair| match pair.value {
        PairValue::Int(value) => json!({"header_type": pair.id, "header_value": value}),
        PairValue::Bytes(bytes) => json!({"header_type": pair.id, "header_length": bytes.len()}),
    };
    properties.iter().map(one).collect()
}

fn token(token: &Token) -> Value {
    match token {
        Token::Delete { alias } => {
            json!({"name": "authorization_token", "alias_type": "delete", "token_alias": alias})
        }
        Token::UseAlias { alias } => {
            json!({"name": "authorization_token", "alias_type": "use_alias", "token_alias": alias})
        }
        Token::Register { alias, kind, .. } => {
            json!({"name": "authorization_token", "alias_type": "register", "token_alias": alias, "token_type": kind})
        }
        Token::UseValue { kind, .. } => {
            json!({"name": "authorization_token", "alias_type": "use_value", "token_type": kind})
        }
    }
}

fn named(name: &str, value: impl Into<Value>) -> Value {
    json!({"name": name, "value": value.into()})
}

fn unknown(id: u64, value: &PairValue) -> Value {
    match value {
        PairValue::Int(value) => json!({"name": "unknown", "name_bytes": id, "value": value}),
        PairValue::Bytes(bytes) => json!({"name": "unknown", "name_bytes": id, "length": bytes.len()}),
    }
}

pub(super) fn location(location: Location) -> Value {
    json!({"group": location.group, "object": location.object})
}

/// MOQTByteString: text where it is, hexadecimal digits elsewhere.
fn bytes_value(bytes: &Bytes) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({"value": text}),
        Err(_) => json!({"value_bytes": digits(bytes)}),
    }
}

pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
