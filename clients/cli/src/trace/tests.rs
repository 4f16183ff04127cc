//! Files of ours and of others.

use clap::Parser;

use super::*;
use crate::args::{Arguments, Command};

fn shown(input: &str, flags: &str) -> (Vec<String>, String) {
    let words = ["efir", "trace", "-"].into_iter().chain(flags.split_whitespace());
    let Command::Trace(arguments) = Arguments::try_parse_from(words).unwrap().command else { panic!("not trace") };
    let mut output = Vec::new();
    let Ok(summary) = show(input.as_bytes(), &arguments, &mut output) else { panic!("cannot be read") };
    let lines = String::from_utf8(output).unwrap().lines().map(str::to_owned).collect();
    (lines, summary.text())
}

const OURS: &str = concat!(
    "\x1e{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON-SEQ\",\"title\":\"efir server\",\"trace\":{}}\n",
    "\x1e{\"time\":0.5,\"name\":\"transport:packet_sent\",\"data\":{\"header\":{}},\"group_id\":\"0123456789ab\"}\n",
    "\x1e{\"time\":1.25,\"name\":\"moqt:control_message_parsed\",\"group_id\":\"0123456789ab\",\"data\":{\"stream_id\":4,",
    "\"length\":9,\"message\":{\"type\":\"subscribe\",\"request_id\":2,\"track_namespace\":[{\"value\":\"live\"},",
    "{\"value\":\"my demo\"}],\"track_name\":{\"value_bytes\":\"ff\"},\"parameters\":[{\"name\":\"forward\",\"value\":1},",
    "{\"name\":\"largest_object\",\"value\":{\"group\":7,\"object\":1}}]}}}\n",
    "\x1e{\"time\":2,\"name\":\"moqt:subgroup_object_created\",\"group_id\":\"0123456789ab\",\"data\":{\"stream_id\":3,",
    "\"group_id\":7,\"object_id\":0,\"object_payload_length\":1500,\"subgroup_id\":null}}\n",
    "\x1e{\"time\":3,\"name\":\"moqt:subgr"
);

#[test]
fn our_files_are_shown_with_a_summary() {
    let (lines, summary) = shown(OURS, "");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("      1.250  01234567  <-  SUBSCRIBE "), "{}", lines[0]);
    assert!(lines[0].contains(" stream 4 "), "{}", lines[0]);
    let parameters = "parameters=[forward=1, largest_object=7/1]";
    for field in [parameters, "request_id=2", "track_name=0xff", "track_namespace=live/\"my demo\""] {
        assert!(lines[0].contains(field), "{}", lines[0]);
    }
    assert!(lines[1].contains("->  subgroup object"), "{}", lines[1]);
    assert!(lines[1].ends_with("group_id=7 object_id=0 object_payload_length=1500"), "{}", lines[1]);
    assert!(summary.starts_with("3 events of 1 connections in 0.002 s, 2 shown\nmessages: SUBSCRIBE 1\n"), "{summary}");
    assert!(summary.contains("objects sent: 1, 1.5 kB\npackets: 1 sent, 0 received, 0 lost"), "{summary}");
    assert!(summary.ends_with("records that could not be read: 1\n"), "{summary}");
}

#[test]
fn filters_choose_and_json_passes_records_on() {
    assert_eq!(shown(OURS, "--quic").0.len(), 3);
    assert_eq!(shown(OURS, "--stream 3").0.len(), 1);
    assert_eq!(shown(OURS, "--connection 99").0.len(), 0);
    assert!(shown(OURS, "--only packet").0[0].contains("transport:packet sent"), "named events are shown");
    let (lines, _) = shown(OURS, "--only SUBSCRIBE --json");
    let [only] = lines.as_slice() else { panic!("{lines:?}") };
    let value: serde_json::Value = serde_json::from_str(only).unwrap();
    assert_eq!(value["data"]["message"]["request_id"], 2);
}

#[test]
fn files_of_others_are_read() {
    // JSON lines, times as text, another place for the message's type, a connection named in the header.
    let lines = concat!(
        "{\"qlog_version\":\"0.3\",\"trace\":{\"common_fields\":{\"ODCID\":\"feed\"}}}\n",
        "{\"time\":\"12.5\",\"name\":\"moqt:control_message_created\",\"data\":{\"stream_id\":\"0\",",
        "\"message_type\":\"client_setup\",\"number_of_parameters\":1}}\n",
        "not json\n",
        "{\"time\":13,\"category\":\"moqt\",\"event\":\"stream_type_set\",\"data\":{\"stream_id\":2,\"stream_type\":\"control\"}}\n",
    );
    let (lines, summary) = shown(lines, "");
    assert!(lines[0].contains("12.500  feed      ->  CLIENT_SETUP") && lines[0].contains("stream 0"), "{}", lines[0]);
    assert!(lines[1].ends_with("stream type set          stream 2   stream_type=control"), "{}", lines[1]);
    assert!(summary.ends_with("could not be read: 1\n"), "{summary}");
    // One document over several lines.
    let document = "{\n \"qlog_version\": \"0.3\",\n \"traces\": [{\"common_fields\": {\"group_id\": \"beef\"},\n \"events\": [\n\
        {\"time\": 1, \"name\": \"moqt:fetch_header_parsed\", \"data\": {\"stream_id\": 3, \"request_id\": 4}}]}]}\n";
    let (lines, _) = shown(document, "");
    assert!(lines[0].contains("beef      <-  fetch header") && lines[0].ends_with("request_id=4"), "{}", lines[0]);
    assert!(shown("\x1e\n\n", "").1.starts_with("0 events"));
}
