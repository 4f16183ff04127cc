//! The golden vectors: every one of a draft that the codec knows is decoded, compared field by field and written
//! again, or refused with its code. `MOQT_VECTORS` names another file of the same shape.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};
use moqt::{
    Datagram, DatagramBody, Decode, Encode, FetchDecoder, FetchEncoder, FetchItem, Filter, FullTrackName, GroupOrder,
    Location, Message, Namespace, ObjectStatus, Properties, ProtocolError, SubgroupDecoder, SubgroupHeader, SubgroupId,
    SubgroupItem, Token, UniStreamHeader, Version, encode_object_header, varint,
};
use serde_json::{Value, json};
use support::json::{self, compare, field, hex, int, message_value, number, object, pairs_value, text, unhex};
use support::situation::{Refusal, Vector};

/// Vectors of the default file whose bytes are legal but not the shortest.
const NOT_CANONICAL: [&str; 7] = [
    "message-type-nonminimal",
    "non-minimal-5-in-5B",
    "non-minimal-5-in-7B",
    "non-minimal-5-in-8B",
    "rfc9000-37-2B",
    "spec-example-37-2B",
    "subscribe-nonminimal-ints",
];

/// What a vector decoded to, and what that encodes to.
struct Outcome {
    value: Value,
    wire: Vec<u8>,
}

impl Vector<'_> {
    fn run(&self) -> Result<Outcome, Refusal> {
        match text(&self.all["kind"]) {
            "varint" => self.varint(),
            "location" => self.structure(
                |location: &Location, _| json!({"group": int(location.group), "object": int(location.object)}),
            ),
            "namespace" => self.structure(|namespace: &Namespace, _| json!({"fields": json::fields(namespace)})),
            "filter" => self.structure(filter_value),
            "kvp" => self.key_values(),
            "token" => self.token(),
            "setup" | "control" => self.message(),
            "subgroup_header" => self.subgroup_header(),
            "object" => self.subgroup_stream(),
            "datagram" => self.datagram(),
            "fetch" => self.fetch_stream(),
            "padding" => self.padding(),
            "name_text" => self.name_text(),
            "quirk" => self.quirk(),
            kind => panic!("a vector of unknown kind {kind}"),
        }
    }

    fn varint(&self) -> Result<Outcome, Refusal> {
        let mut rest = self.bytes.clone();
        let value = varint::decode(&mut rest, self.version)?;
        assert!(rest.is_empty(), "bytes after the integer");
        let mut wire = BytesMut::new();
        varint::encode(value, &mut wire, self.version).unwrap();
        let minimal = wire == self.bytes;
        let bytes = self.bytes.len();
        let value = json!({"value": int(value), "bytes": bytes, "minimal": minimal});
        Ok(Outcome { value, wire: wire.into() })
    }

    fn structure<T: Decode + Encode>(&self, value: impl Fn(&T, Version) -> Value) -> Result<Outcome, Refusal> {
        let mut rest = self.bytes.clone();
        let decoded = T::decode(&mut rest, self.version)?;
        if !rest.is_empty() {
            return Err(Refusal::Session(3));
        }
        Ok(Outcome { value: value(&decoded, self.version), wire: self.encode(&decoded) })
    }

    fn encode(&self, value: &impl Encode) -> Vec<u8> {
        let mut wire = BytesMut::new();
        value.encode(&mut wire, self.version).unwrap();
        wire.into()
    }

    fn key_values(&self) -> Result<Outcome, Refusal> {
        let properties = Properties::new(self.bytes.clone(), self.version)?;
        let again = Properties::from_pairs(properties.iter()).unwrap();
        let value = json!({"pairs": pairs_value(properties.iter())});
        Ok(Outcome { value, wire: again.to_version(self.version).unwrap().into() })
    }

    fn token(&self) -> Result<Outcome, Refusal> {
        let token = Token::from_content(self.bytes.clone(), self.version)?;
        let value = match &token {
            Token::Delete { alias } => json!({"alias_type": 0, "alias": int(*alias)}),
            Token::Register { alias, kind, value } => json!({
                "alias_type": 1, "alias": int(*alias), "token_type": int(*kind),
                "token_value": {"hex": hex(value)}, "cache_cost": token.cache_cost(),
            }),
            Token::UseAlias { alias } => json!({"alias_type": 2, "alias": int(*alias)}),
            Token::UseValue { kind, value } => json!({
                "alias_type": 3, "token_type": int(*kind), "token_value": {"hex": hex(value)},
            }),
        };
        Ok(Outcome { value, wire: self.encode(&token) })
    }

    fn message(&self) -> Result<Outcome, Refusal> {
        let mut buf = BytesMut::from(&self.bytes[..]);
        let message = Message::decode(&mut buf, self.version)?.ok_or(Refusal::Incomplete)?;
        if !buf.is_empty() {
            Message::decode(&mut buf, self.version)?.ok_or(Refusal::Incomplete)?;
            panic!("two messages in one vector");
        }
        self.check_situation(&message)?;
        let mut wire = BytesMut::new();
        message.encode(&mut wire, self.version).unwrap();
        let value = message_value(&message, self.version, self.expected());
        Ok(Outcome { value, wire: wire.into() })
    }

    fn subgroup_header(&self) -> Result<Outcome, Refusal> {
        let mut rest = self.bytes.clone();
        let UniStreamHeader::Subgroup(header) = UniStreamHeader::decode(&mut rest, self.version)? else {
            panic!("not a subgroup stream");
        };
        assert!(rest.is_empty(), "bytes after the header");
        let kind = header.wire_type(self.version);
        let mut value = json!({
            "stream_type": kind, "track_alias": int(header.track_alias.0), "group": int(header.group),
            "subgroup_mode": (kind & 6) >> 1, "properties": header.has_properties,
            "end_of_group": header.end_of_group, "default_priority": header.priority.is_none(),
            "subgroup": subgroup_value(&header, None), "priority": header.priority,
        });
        if self.version == Version::Draft18 {
            value["first_object"] = json!(header.first_object);
        }
        Ok(Outcome { value, wire: self.encode(&header) })
    }

    fn subgroup_stream(&self) -> Result<Outcome, Refusal> {
        let mut rest = self.bytes.clone();
        let UniStreamHeader::Subgroup(header) = UniStreamHeader::decode(&mut rest, self.version)? else {
            panic!("not a subgroup stream");
        };
        let objects = self.objects(&header, rest)?;
        let mut wire = BytesMut::new();
        header.encode(&mut wire, self.version).unwrap();
        let mut previous = None;
        let mut values = Vec::new();
        for (object, payload) in &objects {
            let location = Location::new(header.group, object.object_id);
            object.properties.check_object(location)?;
            let has_properties = header.has_properties;
            encode_object_header(previous, object, has_properties, &mut wire, self.version).unwrap();
            wire.extend_from_slice(payload);
            previous = Some(object.object_id);
            let mut value = json!({
                "object": int(object.object_id), "status": object.status.to_wire(),
                "payload": json::bytes_value(payload),
            });
            if has_properties {
                value["properties"] = pairs_value(object.properties.iter());
            }
            values.push(value);
        }
        let first = objects.first().map(|(object, _)| object.object_id);
        let head = json!({
            "stream_type": header.wire_type(self.version), "track_alias": int(header.track_alias.0),
            "group": int(header.group), "subgroup": subgroup_value(&header, first),
            "priority": header.priority,
        });
        Ok(Outcome { value: json!({"header": head, "objects": values}), wire: wire.into() })
    }

    /// Decodes in one piece and byte by byte; both must agree.
    fn objects(
        &self,
        header: &SubgroupHeader,
        body: Bytes,
    ) -> Result<Vec<(moqt::ObjectHeader, Vec<u8>)>, ProtocolError> {
        let read = |step: usize| {
            let mut decoder = SubgroupDecoder::new(self.version, header.has_properties);
            let mut objects: Vec<(moqt::ObjectHeader, Vec<u8>)> = Vec::new();
            for chunk in body.chunks(step) {
                decoder.push(body.slice_ref(chunk));
                while let Some(item) = decoder.next()? {
                    match item {
                        SubgroupItem::Header { header, .. } => objects.push((header, Vec::new())),
                        SubgroupItem::Payload(part) => {
                            objects.last_mut().unwrap().1.extend_from_slice(&part);
                        }
                        SubgroupItem::End => {}
                    }
                }
            }
            decoder.finish().map(|()| objects)
        };
        let whole = read(body.len().max(1));
        assert_eq!(whole, read(1), "byte by byte is different");
        whole
    }

    fn datagram(&self) -> Result<Outcome, Refusal> {
        let datagram = Datagram::decode(self.bytes.clone(), self.version)?.expect("not padding");
        datagram.properties.check_object(Location::new(datagram.group, datagram.object_id))?;
        let (kind, _) = varint::peek(&self.bytes, self.version).unwrap();
        let mut value = json!({
            "datagram_type": kind, "track_alias": int(datagram.track_alias.0),
            "group": int(datagram.group), "object": int(datagram.object_id),
            "end_of_group": datagram.end_of_group, "priority": datagram.priority,
            "status": ObjectStatus::Normal.to_wire(),
        });
        if !datagram.properties.is_empty() {
            value["properties"] = pairs_value(datagram.properties.iter());
        }
        match &datagram.body {
            DatagramBody::Payload(payload) => value["payload"] = json::bytes_value(payload),
            DatagramBody::Status(status) => value["status"] = json!(status.to_wire()),
        }
        let mut wire = BytesMut::new();
        datagram.encode_as(kind, &mut wire, self.version).unwrap();
        Ok(Outcome { value, wire: wire.into() })
    }

    fn fetch_stream(&self) -> Result<Outcome, Refusal> {
        let mut rest = self.bytes.clone();
        let header = UniStreamHeader::decode(&mut rest, self.version)?;
        let UniStreamHeader::Fetch { request_id } = header else {
            panic!("not a FETCH stream");
        };
        let named = [&self.all["order"], &self.expected()["order"]];
        let descending = named.iter().any(|order| **order == "descending");
        let order = if descending { GroupOrder::Descending } else { GroupOrder::Ascending };
        let mut wire = BytesMut::new();
        header.encode(&mut wire, self.version).unwrap();
        let mut encoder = FetchEncoder::new(self.version, order);
        let mut decoder = FetchDecoder::new(self.version, order);
        let mut objects = Vec::new();
        let mut payload = Vec::new();
        decoder.push(rest);
        while let Some(item) = decoder.next()? {
            match item {
                FetchItem::Header { header, wire: read } => {
                    let (flags, _) = varint::peek(&read, self.version).unwrap();
                    encoder.object_as(flags, &header, &mut wire).unwrap();
                    header.properties.check_object(header.location)?;
                    let mut value = json!({
                        "group": int(header.location.group), "object": int(header.location.object),
                        "subgroup": header.subgroup.map(int), "priority": header.priority,
                    });
                    if flags & 0x20 != 0 {
                        value["properties"] = pairs_value(header.properties.iter());
                    }
                    objects.push(value);
                }
                FetchItem::Payload(part) => payload.extend_from_slice(&part),
                FetchItem::End => {
                    wire.extend_from_slice(&payload);
                    objects.last_mut().unwrap()["payload"] = json::bytes_value(&std::mem::take(&mut payload));
                }
                FetchItem::EndOfRange { location, known } => {
                    encoder.end_of_range(location, known, &mut wire).unwrap();
                    objects.push(json!({
                        "end_of_range": if known { "non_existent" } else { "unknown" },
                        "group": int(location.group), "object": int(location.object),
                    }));
                }
            }
        }
        decoder.finish()?;
        let order = if descending { "descending" } else { "ascending" };
        let value = json!({"request_id": int(request_id.0), "order": order, "objects": objects});
        Ok(Outcome { value, wire: wire.into() })
    }

    /// Padding has no fields: its type and how much of it there is are all a value can say.
    fn padding(&self) -> Result<Outcome, Refusal> {
        let (kind, length) = varint::peek(&self.bytes, self.version).ok_or(Refusal::Incomplete)?;
        let mut rest = self.bytes.clone();
        let mut wire = BytesMut::new();
        match UniStreamHeader::decode(&mut rest, self.version) {
            Ok(header @ UniStreamHeader::Padding) => {
                header.encode(&mut wire, self.version).unwrap();
                wire.extend_from_slice(&rest);
            }
            _ => {
                assert_eq!(Datagram::decode(self.bytes.clone(), self.version)?, None);
                wire.extend_from_slice(&self.bytes);
            }
        }
        let counts = [kind, (self.bytes.len() - length) as u64, self.bytes.len() as u64];
        let mut value = self.expected().clone();
        for said in value.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
            if number(said).is_some_and(|said| !counts.contains(&said)) {
                *said = json!({"neither the type nor a length of": counts});
            }
        }
        Ok(Outcome { value, wire: wire.into() })
    }

    fn name_text(&self) -> Result<Outcome, Refusal> {
        let written = str::from_utf8(&self.bytes).map_err(|_| Refusal::Name)?;
        let name = FullTrackName::from_str(written).map_err(|_| Refusal::Name)?;
        let value = json!({
            "text": name.to_string(), "namespace": json::fields(&name.namespace),
            "name": json::bytes_value(name.name.as_bytes()),
        });
        Ok(Outcome { value, wire: name.to_string().into() })
    }

    /// Bytes outside the draft that some peers write: they must be taken as what they mean.
    fn quirk(&self) -> Result<Outcome, Refusal> {
        let expected = self.expected();
        if expected.get("type").is_none() {
            let outcome = self.fetch_stream()?;
            return Ok(Outcome { value: expected.clone(), wire: outcome.wire });
        }
        let mut buf = BytesMut::from(&self.bytes[..]);
        let message = Message::decode(&mut buf, self.version)?.ok_or(Refusal::Incomplete)?;
        assert!(buf.is_empty(), "bytes after the message");
        let mut value = message_value(&message, self.version, expected);
        if let Message::RequestUpdate(update) = &message {
            let prefix = update.parameters.namespace_prefix.clone().unwrap_or_default();
            value = object([
                ("type", json!("REQUEST_UPDATE")),
                ("request_id", int(update.request_id.0)),
                ("prefix", json::fields(&prefix)),
            ]);
        }
        for said in ["peer", "meaning", "note"] {
            if let Some(words) = field(expected, said) {
                value[said] = words.clone();
            }
        }
        Ok(Outcome { value, wire: Vec::new() })
    }

    /// Runs the vector and says what is wrong, or whether its bytes were not the shortest.
    fn check(&self) -> Result<bool, String> {
        let outcome = self.run();
        match (text(&self.all["expect"]), outcome) {
            ("error", Err(refusal)) if refusal.is(&self.expected()["error"]) => Ok(false),
            ("error", Err(refusal)) => Err(format!("refused as {refusal:?}")),
            ("error", Ok(outcome)) => Err(format!("accepted as {}", outcome.value)),
            (_, Err(refusal)) => Err(format!("refused as {refusal:?}")),
            ("tolerate", Ok(outcome)) => compare(self.expected(), &outcome.value).map(|()| false),
            ("ok", Ok(outcome)) => {
                compare(self.expected(), &outcome.value)?;
                self.check_wire(&outcome)
            }
            (expect, _) => Err(format!("unknown expectation {expect}")),
        }
    }

    fn check_wire(&self, outcome: &Outcome) -> Result<bool, String> {
        if outcome.wire == self.bytes {
            return Ok(false);
        }
        let again = Vector { bytes: outcome.wire.clone().into(), ..*self };
        let same = match again.run() {
            Ok(second) if text(&self.all["kind"]) == "varint" => second.value["value"] == outcome.value["value"],
            Ok(second) => second.value == outcome.value,
            Err(_) => false,
        };
        if same && outcome.wire.len() < self.bytes.len() {
            return Ok(true);
        }
        Err(format!("encodes to {}", hex(&outcome.wire)))
    }
}

fn filter_value(filter: &Filter, version: Version) -> Value {
    let mut value = json!({"type": filter.to_wire()});
    value["name"] = json!(match filter {
        Filter::NextGroup => "NextGroupStart",
        Filter::LargestObject => "LargestObject",
        Filter::AbsoluteStart(_) => "AbsoluteStart",
        Filter::AbsoluteRange { .. } => "AbsoluteRange",
    });
    if let Filter::AbsoluteStart(start) | Filter::AbsoluteRange { start, .. } = filter {
        value["start"] = json!({"group": int(start.group), "object": int(start.object)});
    }
    if let Filter::AbsoluteRange { start, end_group } = filter {
        value["end_group"] = int(*end_group);
        if version == Version::Draft18 {
            value["end_group_delta"] = int(end_group - start.group);
        }
    }
    value
}

fn subgroup_value(header: &SubgroupHeader, first: Option<u64>) -> Value {
    match header.subgroup {
        SubgroupId::Zero => json!(0),
        SubgroupId::FirstObject => first.map_or(Value::Null, int),
        SubgroupId::Explicit(subgroup) => int(subgroup),
    }
}

#[test]
fn every_vector_of_a_known_draft_holds() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/moqt.json");
    let named = std::env::var("MOQT_VECTORS").ok();
    let path = named.as_deref().unwrap_or(default);
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let vectors: Vec<Value> = serde_json::from_slice(&file).expect("an array of vectors");
    let mut counts = BTreeMap::new();
    let mut unknown = BTreeMap::new();
    let mut not_canonical = Vec::new();
    let mut failures = Vec::new();
    for all in &vectors {
        let draft = number(&all["draft"]);
        let Some(version) = Version::KNOWN.into_iter().find(|version| draft == Some(version.draft().into())) else {
            *unknown.entry(draft).or_insert(0) += 1;
            continue;
        };
        let name = text(&all["name"]);
        let vector = Vector { all, version, bytes: unhex(text(&all["hex"])) };
        match vector.check() {
            Ok(true) => not_canonical.push(name),
            Ok(false) => {}
            Err(wrong) => failures.push(format!("{version} {} {name}: {wrong}", all["kind"])),
        }
        *counts.entry((version, text(&all["kind"]))).or_insert(0) += 1;
    }
    println!("checked: {counts:?}");
    println!("of drafts not known: {unknown:?}");
    println!("accepted, but not in their shortest form: {not_canonical:?}");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    assert!(!counts.is_empty(), "no vectors in {path}");
    if named.is_none() {
        not_canonical.sort_unstable();
        assert_eq!(not_canonical, NOT_CANONICAL);
    }
}
