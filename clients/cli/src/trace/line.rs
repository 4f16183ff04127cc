//! An event as a line: time, connection, direction, what, stream, fields.

use serde_json::{Map, Value};

use super::record::Event;

/// Digits of a connection's name that are shown.
const NAME_DIGITS: usize = 8;

pub(super) fn line(event: &Event) -> String {
    let connection: String = event.connection.chars().take(NAME_DIGITS).collect();
    let stream = event.stream().map(|stream| format!("stream {stream}")).unwrap_or_default();
    let (what, fields) = match event.message() {
        Some(message) => (message.to_uppercase(), message_fields(event)),
        None => (short_name(&event.name), fields(event.data(), &["stream_id"])),
    };
    let line = format!(
        "{:>11.3}  {connection:<NAME_DIGITS$}  {}  {what:<24} {stream:<10} {fields}",
        event.time,
        arrow(&event.name)
    );
    line.trim_end().to_owned()
}

/// To the peer, from the peer, or neither.
fn arrow(name: &str) -> &'static str {
    if name.ends_with("_created") || name.ends_with("_sent") {
        "->"
    } else if name.ends_with("_parsed") || name.ends_with("_received") {
        "<-"
    } else {
        "--"
    }
}

/// Without the namespace of MOQT, and without the direction that the arrow tells.
fn short_name(name: &str) -> String {
    let name = name.strip_prefix("moqt:").unwrap_or(name);
    let name = name.strip_suffix("_created").or_else(|| name.strip_suffix("_parsed")).unwrap_or(name);
    name.replace('_', " ")
}

fn message_fields(event: &Event) -> String {
    let message = &event.data()["message"];
    if message.is_object() { fields(message, &["type"]) } else { fields(event.data(), &["stream_id", "message_type"]) }
}

/// Every field that says something, but for those left out.
fn fields(value: &Value, left_out: &[&str]) -> String {
    let Some(fields) = value.as_object() else { return String::new() };
    let said = fields.iter().filter(|(name, value)| {
        let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        !nothing && !left_out.contains(&name.as_str())
    });
    said.map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Array(items) => {
            let plain: Option<Vec<String>> = items.iter().map(byte_string).collect();
            match plain {
                Some(fields) => fields.join("/"),
                None => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
            }
        }
        Value::Object(object) => byte_string(value).unwrap_or_else(|| object_text(object, value)),
        other => other.to_string(),
    }
}

fn object_text(object: &Map<String, Value>, value: &Value) -> String {
    if let (2, Some(group), Some(item)) = (object.len(), object.get("group"), object.get("object")) {
        return format!("{group}/{item}");
    }
    match object.get("name").and_then(Value::as_str) {
        // A parameter.
        Some(name) => match (object.len(), object.get("value")) {
            (2, Some(value)) => format!("{name}={}", text(value)),
            _ => format!("{name}({})", fields(value, &["name"])),
        },
        None => format!("({})", fields(value, &[])),
    }
}

/// MOQTByteString: `{"value": text}` or `{"value_bytes": digits}`.
fn byte_string(value: &Value) -> Option<String> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    match (object.get("value"), object.get("value_bytes")) {
        (Some(Value::String(text)), _) => Some(printable(text)),
        (_, Some(Value::String(digits))) => Some(format!("0x{digits}")),
        _ => None,
    }
}

/// What would garble a terminal is escaped, and so is what would look like the next field.
fn printable(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|character| !character.is_control() && character != ' ');
    if plain { text.to_owned() } else { format!("{text:?}") }
}
