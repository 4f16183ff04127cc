//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use moqt::{Namespace, Version};
use process::Secret;
use transport::{Address, Qlog, QlogSettings, TrustSettings};

use crate::error::Failure;
use crate::target::{Target, parse_namespace};
use crate::token::{TOKEN_EXAMPLES, TokenArguments};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; also when stopped by Ctrl-C or SIGTERM
  1  failed: the output cannot be written, or what the publisher sent cannot be used
  2  the command line is wrong
  3  no connection, or it was lost for good
  4  not found, or refused by the server
  5  the stream ended before what was asked for";

const URLS: &str = "\
URLs:
  https://host:port/live/demo               WebTransport
  moqt://host:port/live/demo                raw QUIC
  moqt://host:port/#msf:live-demo--catalog  a catalog by its MSF name

The path is sent to the server as it stands, query included: as the WebTransport
request path, or as PATH of SETUP on raw QUIC. Its segments also name the
broadcast's namespace: /live/demo is the namespace of the two fields `live` and
`demo` (%2F for a slash inside of a field). Where the two differ, --namespace
says the namespace:

  efir pull https://relay.example/customer?id=7 --namespace live/demo

A server that wants a token gets it with --token or from EFIR_TOKEN; or, as it
stands, in the URL's query.

Servers on this machine that run with a development certificate are trusted
without a flag.";

const SEE_ALSO: &str = "`efir --help` explains URLs and lists the exit codes.";

/// List, pull, fetch and inspect live broadcasts over MOQT.
#[derive(Debug, Parser)]
#[command(name = "efir", version, after_help = EXIT_CODES, after_long_help = format!("{URLS}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    /// What is logged to standard error: error, warn, info, debug, trace, or per target
    #[arg(long, global = true, value_name = "LEVEL", default_value = "error")]
    pub(crate) log: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List broadcasts and their tracks
    #[command(after_long_help = format!("{LS_EXAMPLES}\n\n{SEE_ALSO}"))]
    Ls(LsArguments),
    /// Receive a broadcast live: to a file, to standard output, or only to measure
    #[command(after_long_help = format!("{PULL_EXAMPLES}\n\n{SEE_ALSO}"))]
    Pull(PullArguments),
    /// Fetch a range of past groups of one track
    #[command(after_long_help = format!("{FETCH_EXAMPLES}\n\n{SEE_ALSO}"))]
    Fetch(FetchArguments),
    /// Show the connection's facts and a broadcast's catalog
    #[command(after_long_help = format!("{INFO_EXAMPLES}\n\n{SEE_ALSO}"))]
    Info(InfoArguments),
    /// Test a relay: publish and subscribe through it, case by case, and say whose fault a failure is
    #[command(after_long_help = format!("{CONFORMANCE_EXAMPLES}\n\n{CONFORMANCE_NOTES}\n\n{SEE_ALSO}"))]
    Conformance(ConformanceArguments),
    /// Make and check tokens, and the keys that prove them
    #[command(after_long_help = TOKEN_EXAMPLES)]
    Token(TokenArguments),
    /// Show a qlog file: what went over a connection, message by message
    #[command(after_long_help = format!("{TRACE_EXAMPLES}\n\n{SEE_ALSO}"))]
    Trace(TraceArguments),
}

const LS_EXAMPLES: &str = "\
Examples:
  efir ls https://localhost:4443                 every broadcast
  efir ls https://localhost:4443 live            those under live/
  efir ls --json moqt://relay.example/live | jq  one JSON object per broadcast
  efir ls --watch https://localhost:4443         follow broadcasts as they come and go";

const PULL_EXAMPLES: &str = "\
Examples:
  efir pull https://localhost:4443/live/demo                     measure: tune-in time, rate, losses
  efir pull https://localhost:4443/live/demo -o - | ffplay -     watch
  efir pull https://localhost:4443/live/demo -o demo.mp4 --duration 10s
  efir pull moqt://localhost:4443/live/demo --track video0 --raw -o demo.h264
  efir pull https://localhost:4443/live/demo --frames 250 --json";

const FETCH_EXAMPLES: &str = "\
Examples:
  efir info https://localhost:4443/live/demo                     shows the newest groups
  efir fetch https://localhost:4443/live/demo --track video0 --groups 1718000000000..1718000000004 -o past.mp4
  efir fetch https://localhost:4443/live/demo --track catalog --groups 0 --raw -o -";

const INFO_EXAMPLES: &str = "\
Examples:
  efir info https://localhost:4443                connection only
  efir info https://localhost:4443/live/demo      and the broadcast's catalog
  efir info --json moqt://relay.example/live/demo";

const CONFORMANCE_EXAMPLES: &str = "\
Examples:
  efir conformance https://localhost:4443                  every case, over WebTransport
  efir conformance moqt://localhost:4443 --draft 16        over raw QUIC, draft-16 only
  efir conformance https://relay.example -t fetch -t joining-fetch --verbose
  efir conformance https://localhost:4443 --json | jq      one JSON object per case
  efir conformance --list                                  the cases' names";

const TRACE_EXAMPLES: &str = "\
Examples:
  efir pull https://localhost:4443/live/demo --duration 2s --qlog traces
  efir trace traces/83a1f0c2d4b5e697.sqlog                 messages, data streams, objects; a summary
  efir trace relay.sqlog --only subscribe --only publish   those messages only
  efir trace relay.sqlog --stream 4 --quic                 one stream, and what QUIC says
  efir trace - --json --only control_message | jq .data.message

Reads qlog as JSON text sequences, JSON lines or one document, also of other implementations.";

const CONFORMANCE_NOTES: &str = "\
The output is TAP version 14. `at_fault` of a failed case says who has to change something: relay, efir,
settings (address, trust or token), network, or unclear; `wire` shows the last messages with their bytes.

Flags, variables (RELAY_URL, TESTCASE, TLS_DISABLE_VERIFY, VERBOSE) and exit codes are those of the
moq-interop-runner: 0 all passed, 1 some failed, 127 no such case.";

/// Which server certificates are accepted.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrustArguments {
    /// Accept the certificate with this SHA-256 hash, in hexadecimal digits; may be repeated
    #[arg(long, value_name = "HEX", value_parser = parse_hash, conflicts_with_all = ["ca", "insecure"])]
    certificate_hash: Vec<[u8; 32]>,
    /// Accept certificates signed by those in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Accept any certificate: the server may be anyone
    #[arg(long)]
    insecure: bool,
}

impl TrustArguments {
    pub(crate) fn settings(&self) -> TrustSettings {
        if self.insecure {
            TrustSettings::Insecure
        } else if let Some(file) = &self.ca {
            TrustSettings::Ca(file.clone())
        } else if !self.certificate_hash.is_empty() {
            TrustSettings::CertificateHashes(self.certificate_hash.clone())
        } else {
            match process::state_directory() {
                Some(directory) => TrustSettings::Development { directory },
                None => TrustSettings::System,
            }
        }
    }
}

/// Who is accepted as the server, and what it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectArguments {
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Token that the server wants to see; also EFIR_TOKEN, which other users of this machine cannot see
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Write a trace of every connection to this directory: `efir trace` shows them
    #[arg(long, value_name = "DIR")]
    qlog: Option<PathBuf>,
    /// Offer only this draft of MOQT: 18 or 16; may be repeated, most wanted first
    #[arg(long, value_name = "NUMBER", value_parser = parse_draft)]
    draft: Vec<Version>,
}

impl ConnectArguments {
    /// Starts writing traces, if they are wanted.
    pub(crate) fn traces(&self) -> Result<Option<Arc<Qlog>>, Failure> {
        let settings = QlogSettings { dir: self.qlog.clone(), ..QlogSettings::default() };
        Qlog::start(&settings).map_err(|error| {
            let target = self.qlog.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
            Failure::Output { target, error }
        })
    }

    /// The drafts to offer, most wanted first.
    pub(crate) fn versions(&self) -> Vec<Version> {
        if self.draft.is_empty() { Version::ALL.to_vec() } else { self.draft.clone() }
    }

    pub(crate) fn token(&self) -> Option<Secret> {
        self.token.clone().map(Secret::from).or_else(process::token_from_environment)
    }
}

/// A broadcast on a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct BroadcastArguments {
    /// https://host:port/namespace (WebTransport) or moqt://host:port/namespace (raw QUIC)
    pub(crate) url: Target,
    /// The broadcast's namespace, fields between slashes, instead of the URL's path
    #[arg(long, value_name = "A/B", value_parser = parse_namespace)]
    namespace: Option<Namespace>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

impl BroadcastArguments {
    /// The namespace asked for; may be empty.
    pub(crate) fn namespace(&self) -> &Namespace {
        self.namespace.as_ref().unwrap_or(&self.url.namespace)
    }
}

#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// https://host:port (WebTransport) or moqt://host:port (raw QUIC); a path is the prefix unless PREFIX is given
    pub(crate) url: Target,
    /// Only broadcasts under this namespace, fields between slashes
    #[arg(value_parser = parse_namespace)]
    pub(crate) prefix: Option<Namespace>,
    /// Follow changes until stopped
    #[arg(long)]
    pub(crate) watch: bool,
    /// One JSON object per line: {"event":"broadcast"|"ended","namespace":...,"tracks":[...]}
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    #[command(flatten)]
    pub(crate) broadcast: BroadcastArguments,
    /// Take this track; may be repeated. Without it: the best video and the best audio rendition
    #[arg(long, value_name = "NAME")]
    pub(crate) track: Vec<String>,
    /// Write to this file, or to standard output for `-`. Without it frames are only counted
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Stop after this many frames of the first video track, and the audio up to the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) frames: Option<u64>,
    /// Stop after this much media time: 500ms, 10s, 2m, 1h
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Where to begin: `live` = the current group from its first frame, `now` = the next group, or a group's number
    #[arg(long, value_name = "WHERE", default_value = "live")]
    pub(crate) from: From,
    /// JSON lines, one per second and a summary, instead of text: on standard output, or on standard error with `-o -`
    ///
    /// `delay` in them tells where the time of the first track's frames went, for publishers that stamp them: `total`
    /// since the capture (or the ingest, where `capture_known` is false) and `stages` in order (`origin`, `link 1`,
    /// `relay 1`, `link 2`, ..., `receive`), each with p50, p99 and the half width of what clocks leave open, in ms.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the coded frames without a container (H.264 and H.265 with start codes), of one track only
    #[arg(long)]
    pub(crate) raw: bool,
    /// End when the connection is lost or the publisher goes away
    #[arg(long, conflicts_with = "reconnect_for")]
    pub(crate) no_reconnect: bool,
    /// Give up after trying to get the broadcast back for this long
    #[arg(long, value_name = "D", default_value = "30s", value_parser = parse_duration)]
    pub(crate) reconnect_for: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    #[command(flatten)]
    pub(crate) broadcast: BroadcastArguments,
    /// The track
    #[arg(long, value_name = "NAME")]
    pub(crate) track: String,
    /// Groups A to B, both included; or one group
    #[arg(long, value_name = "A..B")]
    pub(crate) groups: Groups,
    /// Write to this file, or to standard output for `-`. Without it frames are only counted
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Write the payloads without a container; also for tracks that no catalog lists
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    #[command(flatten)]
    pub(crate) broadcast: BroadcastArguments,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConformanceArguments {
    /// https://host:port (WebTransport) or moqt://host:port (raw QUIC); else RELAY_URL, else https://localhost:4443
    #[arg(conflicts_with = "relay")]
    pub(crate) url: Option<Address>,
    /// The same, as the interop runner's clients take it
    #[arg(short, long, value_name = "URL")]
    pub(crate) relay: Option<Address>,
    /// Run this case only; may be repeated; also TESTCASE
    #[arg(short, long, value_name = "NAME")]
    pub(crate) test: Vec<String>,
    /// List the cases' names
    #[arg(short, long)]
    pub(crate) list: bool,
    /// Show of passed cases, too, what passed over the wire; also VERBOSE=1
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The interop runner's name for --insecure; also TLS_DISABLE_VERIFY=1
    #[arg(long)]
    pub(crate) tls_disable_verify: bool,
    /// Where the test tracks are, instead of moq-test/interop: for relays that allow certain namespaces only
    #[arg(long, value_name = "A/B", value_parser = parse_namespace)]
    pub(crate) namespace: Option<Namespace>,
    /// Time for each case, instead of the interop runner's 2 to 5 seconds
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// One JSON object per case and a summary, instead of TAP
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Default, Args)]
pub(crate) struct TraceArguments {
    /// The file, or `-` for standard input
    pub(crate) file: PathBuf,
    /// Only events or messages whose name has this in it; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,
    /// Only events of this stream
    #[arg(long, value_name = "N")]
    pub(crate) stream: Option<u64>,
    /// Only events of connections whose name begins so
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
    /// Events of QUIC, too: packets, losses, congestion
    #[arg(long)]
    pub(crate) quic: bool,
    /// The records as they are, one per line; the summary goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a pull begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The current group from its start.
    Live,
    /// The next group.
    Now,
    /// This group.
    Group(u64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "live" => Ok(Self::Live),
            "now" => Ok(Self::Now),
            number => number.parse().map(Self::Group).map_err(|_| "expected live, now or a group's number".to_owned()),
        }
    }
}

/// A range of groups, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl FromStr for Groups {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str| text.parse::<u64>().map_err(|_| "expected A..B or one group's number".to_owned());
        let range = Self { first: number(first)?, last: number(last)? };
        if range.first > range.last { Err(format!("{first} is after {last}")) } else { Ok(range) }
    }
}

/// `500ms`, `10s`, `2m`, `1h`, or seconds without a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a number with ms, s, m or h".to_owned()),
    };
    let seconds = number.parse::<f64>().map_err(|_| "expected a number with ms, s, m or h".to_owned())? * scale;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn parse_draft(text: &str) -> Result<Version, String> {
    let spoken = || format!("expected one of {}", Version::ALL.map(|version| version.draft().to_string()).join(", "));
    text.parse().ok().and_then(Version::from_draft).ok_or_else(spoken)
}

fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "expected 64 hexadecimal digits, colons allowed".to_owned();
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() {
        return Err(wrong());
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.command)
    }

    #[test]
    fn the_command_line_is_consistent_and_every_subcommand_has_examples() {
        Arguments::command().debug_assert();
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_long_help().unwrap().to_string();
            for line in help.lines().filter(|line| line.trim_start().starts_with("efir ")) {
                let words = line.trim().split("  ").next().unwrap().split('|').next().unwrap().trim();
                parse(words).unwrap_or_else(|error| panic!("{words}: {error}"));
            }
        }
    }

    #[test]
    fn ranges_durations_starts_and_hashes() {
        assert_eq!("3..7".parse(), Ok(Groups { first: 3, last: 7 }));
        assert_eq!("9".parse(), Ok(Groups { first: 9, last: 9 }));
        assert!("7..3".parse::<Groups>().is_err() && "..".parse::<Groups>().is_err());
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("s").is_err() && parse_duration("5d").is_err() && parse_duration("-1").is_err());
        assert_eq!("now".parse(), Ok(From::Now));
        assert_eq!("17".parse(), Ok(From::Group(17)));
        assert_eq!(parse_hash(&"0A".repeat(32)), Ok([10; 32]));
        assert_eq!(parse_hash(&["ff"; 32].join(":")), Ok([255; 32]));
        assert!(parse_hash("0a").is_err() && parse_hash(&"zz".repeat(32)).is_err());
    }

    #[test]
    fn a_namespace_flag_beats_the_path() {
        let Ok(Command::Info(info)) = parse("efir info https://h/a/b --namespace c/d") else { panic!("parses") };
        assert_eq!(*info.broadcast.namespace(), Namespace::new(["c", "d"]).unwrap());
        let Ok(Command::Info(info)) = parse("efir info https://h/a/b") else { panic!("parses") };
        assert_eq!(*info.broadcast.namespace(), Namespace::new(["a", "b"]).unwrap());
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(parse("efir pull https://h/a --frames 0").is_err());
        assert!(parse("efir pull https://h/a --no-reconnect --reconnect-for 3s").is_err());
        assert!(parse("efir pull https://h/a --insecure --ca x.pem").is_err());
        assert!(parse("efir ls ftp://h").is_err());
        let Command::Ls(ls) = parse("efir ls moqt://h --draft 16").unwrap() else { panic!("not ls") };
        assert_eq!(ls.connect.versions(), [Version::Draft16]);
        assert!(parse("efir ls moqt://h --draft 17").unwrap_err().to_string().contains("18, 16"));
    }
}
