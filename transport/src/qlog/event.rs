//! What passed over a connection as qlog events, with the names of draft-pardue-moq-qlog-moq-events.

use moqt::{Datagram, DatagramBody, ObjectHeader, ObjectStatus, SubgroupHeader, SubgroupId};
use serde_json::{Value, json};

use super::message::{digits, location, message_value, property_values};
use crate::limit;
use crate::wire::{Direction, StreamType, WireEvent, WireItem};

/// Name and data of an event.
pub(super) fn event(event: &WireEvent<'_>) -> (&'static str, Value) {
    let sent = event.direction == Direction::Sent;
    let either = |created: &'static str, parsed: &'static str| if sent { created } else { parsed };
    let stream = event.stream;
    match event.item {
        WireItem::StreamType(kind) => {
            let owner = if sent { "local" } else { "remote" };
            ("moqt:stream_type_set", json!({"owner": owner, "stream_id": stream, "stream_type": stream_type(kind)}))
        }
        WireItem::Message { message, bytes } => (
            either("moqt:control_message_created", "moqt:control_message_parsed"),
            json!({"stream_id": stream, "length": bytes.len(), "message": message_value(message)}),
        ),
        WireItem::Subgroup(header) => {
            (either("moqt:subgroup_header_created", "moqt:subgroup_header_parsed"), subgroup(stream, header))
        }
        WireItem::SubgroupObject { subgroup, object } => (
            either("moqt:subgroup_object_created", "moqt:subgroup_object_parsed"),
            subgroup_object(stream, subgroup, object),
        ),
        WireItem::Fetch(request) => (
            either("moqt:fetch_header_created", "moqt:fetch_header_parsed"),
            json!({"stream_id": stream, "request_id": request.0}),
        ),
        WireItem::FetchObject(object) => {
            let properties = property_values(&object.properties);
            let mut data = json!({
                "stream_id": stream,
                "group_id": object.location.group,
                "subgroup_id": object.subgroup,
                "object_id": object.location.object,
                "publisher_priority": object.priority,
                "extension_headers_length": object.properties.as_bytes().len(),
                "object_payload_length": object.payload_len,
            });
            put_properties(&mut data, properties);
            (either("moqt:fetch_object_created", "moqt:fetch_object_parsed"), data)
        }
        // The draft has no event for it: an object that says where objects end.
        WireItem::FetchRange { location: end, known } => (
            either("moqt:fetch_range_created", "moqt:fetch_range_parsed"),
            json!({"stream_id": stream, "end_location": location(end), "exists": if known { "no" } else { "unknown" }}),
        ),
        WireItem::Datagram(object) => {
            (either("moqt:object_datagram_created", "moqt:object_datagram_parsed"), datagram(object))
        }
        WireItem::Unreadable { error, bytes } => {
            let head = &bytes[..bytes.len().min(limit::QLOG_RAW_BYTES)];
            let raw = json!({"length": bytes.len(), "data": digits(head)});
            ("moqt:unreadable", json!({"stream_id": stream, "error": error.to_string(), "raw": raw}))
        }
    }
}

fn stream_type(kind: StreamType) -> &'static str {
    match kind {
        StreamType::Control => "control",
        StreamType::Request => "request",
        StreamType::Subgroup => "subgroup_header",
        StreamType::Fetch => "fetch_header",
        StreamType::Padding => "padding",
    }
}

fn subgroup_id(header: &SubgroupHeader) -> Option<u64> {
    match header.subgroup {
        SubgroupId::Zero => Some(0),
        SubgroupId::Explicit(id) => Some(id),
        SubgroupId::FirstObject => None,
    }
}

fn subgroup(stream: Option<u64>, header: &SubgroupHeader) -> Value {
    json!({
        "stream_id": stream,
        "track_alias": header.track_alias.0,
        "group_id": header.group,
        "subgroup_id": subgroup_id(header),
        "publisher_priority": header.priority,
        "contains_end_of_group": header.end_of_group,
    })
}

fn subgroup_object(stream: Option<u64>, subgroup: &SubgroupHeader, object: &ObjectHeader) -> Value {
    let mut data = json!({
        "stream_id": stream,
        "group_id": subgroup.group,
        "subgroup_id": subgroup_id(subgroup),
        "object_id": object.object_id,
        "extension_headers_length": object.properties.as_bytes().len(),
        "object_payload_length": object.payload_len,
    });
    if object.status != ObjectStatus::Normal {
        data["object_status"] = json!(object.status.to_wire());
    }
    put_properties(&mut data, property_values(&object.properties));
    data
}

fn datagram(object: &Datagram) -> Value {
    let mut data = json!({
        "track_alias": object.track_alias.0,
        "group_id": object.group,
        "object_id": object.object_id,
        "publisher_priority": object.priority,
        "extension_headers_length": object.properties.as_bytes().len(),
        "end_of_group": object.end_of_group,
    });
    match &object.body {
        DatagramBody::Payload(payload) => data["object_payload"] = json!({"length": payload.len()}),
        DatagramBody::Status(status) => data["object_status"] = json!(status.to_wire()),
    }
    put_properties(&mut data, property_values(&object.properties));
    data
}

fn put_properties(data: &mut Value, properties: Vec<Value>) {
    if !properties.is_empty() {
        data["extension_headers"] = properties.into();
    }
}
