//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use process::Secret;
use transport::{Address, TrustSettings};

use crate::plan::{Overrides, Span};

/// The standalone with its defaults.
const DEFAULT_URL: &str = "https://localhost:4443";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and every condition is met; also after Ctrl-C or SIGTERM
  1  failed: a report cannot be written, a thread or socket cannot be had
  2  the command line or the plan is wrong
  3  no publisher could be announced at the relay, or the shops cannot be loaded
  4  a condition is not met";

const EXAMPLES: &str = "\
Examples:
  efir-stress run steady                            the standalone on this machine, which `cargo run --release` starts
  efir-stress run plans/steady.toml moqt://localhost:4443 --viewers 400 --duration 60s
  efir-stress run flash_crowd --pid 4711 --html report.html --save report.json
  efir-stress run steady --require 'tune_in_p99<50ms' --require 'gaps=0'
  efir-stress run churn --json
  efir-stress run relay_tree https://localhost:4443 https://localhost:4453
  efir-stress capacity steady --max 2000 --html capacity.html
  efir-stress compare before.json after.json
  efir-stress run shops --html shops.html           its shops, and whether every promise to customers was kept
  efir-stress run promotion_peak --shops http://localhost:8090/api/v1 --arrivals 2
  efir-stress run everything                        video and shops at once
  efir-stress plans steady";

const RUN_HELP: &str = "\
Publishers and viewers are both in this process: latency is taken on one clock, and every frame carries its number, its time
and a checksum. With several URLs publishers go to the first one and viewers, in turn, to the others.

Customers of the shops come when the plan says, however slow the shops are, and each answer is timed from when its request was
due. After the load the tool waits for orders under way and asks the shops what became of all that they had promised.

These conditions hold in every run: corrupt=0, gaps=0, duplicates=0, disorder=0 with video; oversold=0, lost_orders=0,
repeats_wrong=0, money_wrong=0, unfinished=0, torn=0, unverified=0 with shops. Conditions name a measure, with its statistic if
it is a distribution of times, and perhaps a population or scenario before it:

  tune_in_p99<50ms    errors=0    watchers.stalls=0    relay_cpu_per_gb<10s    throughput>1Gbit/s    buyers.confirm_p99<200ms

docs/stress.md lists all measures with their meaning.";

/// Load any MOQT relay, check every frame, and tell what it costs.
#[derive(Debug, Parser)]
#[command(
    name = "efir-stress",
    version,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub(crate) struct Arguments {
    /// What is logged to standard error: error, warn, info, debug, trace, or per target
    #[arg(long, global = true, value_name = "LEVEL", default_value = "error")]
    pub(crate) log: String,
    /// The same as `compare A B`
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) compare: Option<Vec<PathBuf>>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a plan against a relay
    #[command(after_long_help = RUN_HELP)]
    Run(RunArguments),
    /// Find the most viewers of a plan that meet its conditions
    Capacity(CapacityArguments),
    /// Set two saved reports side by side
    Compare(CompareArguments),
    /// List the shipped plans, or print one
    Plans {
        /// The plan to print
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// Viewers in all, in the plan's proportions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) viewers: Option<u32>,
    /// JSON lines on standard output: one per interval, {"event":"interval",...}, then {"event":"report",...}
    #[arg(long)]
    pub(crate) json: bool,
    /// Lines instead of the dashboard on a terminal
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
    /// Only what went wrong
    #[arg(long, conflicts_with_all = ["json", "plain"])]
    pub(crate) quiet: bool,
}

/// What a run and a search for capacity have in common.
#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    /// A plan's file, or the name of a shipped one
    pub(crate) plan: String,
    /// Relays, for plans with video: https://host:port (WebTransport) or moqt://host:port (raw QUIC)
    #[arg(value_name = "URL", default_value = DEFAULT_URL)]
    pub(crate) urls: Vec<Address>,
    /// Where the shops' interface begins, for plans with shops; that of the plan unless given
    #[arg(long, value_name = "URL")]
    pub(crate) shops: Option<String>,
    /// So many times as many arrivals at the shops
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    arrivals: f64,
    /// Length of the load: 30s, 2m. Times at which viewers and customers come are stretched or shrunk with it
    #[arg(long, value_name = "D")]
    duration: Option<Span>,
    /// Decides every random choice
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A condition beside the plan's; may be repeated
    #[arg(long, value_name = "CONDITION")]
    pub(crate) require: Vec<String>,
    /// For slow machines: times in the plan's own conditions, and pauses that are stalls, may be so many times longer
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) slack: u32,
    /// Process of a relay on this machine, for its CPU, memory, context switches and UDP drops; may be repeated
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
    /// Threads for viewers; as many as there are cores unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Write a report to look at, in one file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write a report for programs and for `compare`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Offer this draft only: 18 or 16
    #[arg(long, value_name = "DRAFT", value_parser = parse_draft)]
    pub(crate) draft: Option<moqt::Version>,
    /// Load a relay that is not on this machine. Only one that is yours to load
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// More than 5000 viewers, or more than an hour
    #[arg(long)]
    allow_large: bool,
    #[command(flatten)]
    trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CapacityArguments {
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// Viewers to begin with
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min: u32,
    /// Most viewers to try
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max: u32,
    /// How near the answer must be, in percent
    #[arg(long, value_name = "P", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) within: u32,
    /// JSON lines on standard output: one per step
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Report of `--save`, or lines of `--json`
    pub(crate) before: PathBuf,
    /// Another one
    pub(crate) after: PathBuf,
}

/// Which server certificates are accepted, and what servers are shown.
#[derive(Debug, Args)]
struct TrustArguments {
    /// Accept the certificate with this SHA-256 hash, in hexadecimal digits; may be repeated
    #[arg(long, value_name = "HEX", value_parser = parse_hash, conflicts_with_all = ["ca", "insecure"])]
    certificate_hash: Vec<[u8; 32]>,
    /// Accept certificates signed by those in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Accept any certificate: the server may be anyone
    #[arg(long)]
    insecure: bool,
    /// Token that the relay wants to see; also EFIR_TOKEN, which other users of this machine cannot see
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

impl LoadArguments {
    /// Whether relays are named.
    pub(crate) fn names_relays(&self) -> bool {
        self.urls.iter().any(|url| DEFAULT_URL.parse() != Ok(url.clone()))
    }

    /// What the command line changes about the plan.
    pub(crate) fn overrides(&self, viewers: Option<u32>) -> Overrides {
        Overrides {
            duration: self.duration,
            viewers,
            seed: self.seed,
            shops: self.shops.clone(),
            arrivals: self.arrivals,
            slack: self.slack,
            allow_large: self.allow_large,
        }
    }

    /// Whom to trust.
    pub(crate) fn trust(&self) -> TrustSettings {
        let TrustArguments { certificate_hash, ca, insecure, token: _ } = &self.trust;
        match (insecure, ca, certificate_hash.as_slice()) {
            (true, _, _) => TrustSettings::Insecure,
            (_, Some(file), _) => TrustSettings::Ca(file.clone()),
            (_, _, [_, ..]) => TrustSettings::CertificateHashes(certificate_hash.clone()),
            _ => match process::state_directory() {
                Some(directory) => TrustSettings::Development { directory },
                None => TrustSettings::System,
            },
        }
    }

    /// What to show the relay.
    pub(crate) fn token(&self) -> Option<Secret> {
        self.trust.token.clone().map(Secret::from).or_else(process::token_from_environment)
    }
}

fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    certs::hash_from_hex(text).ok_or_else(|| "expected 64 hexadecimal digits, colons allowed".to_owned())
}

fn parse_draft(text: &str) -> Result<moqt::Version, String> {
    let alpn = format!("moqt-{text}");
    moqt::Version::from_alpn(alpn.as_bytes()).ok_or_else(|| "expected 18 or 16".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace().map(|word| word.trim_matches('\'')))
    }

    #[test]
    fn the_command_line_is_consistent_and_every_example_is_right() {
        Arguments::command().debug_assert();
        for line in EXAMPLES.lines().skip(1) {
            let words = line.trim().split("   ").next().unwrap();
            parse(words).unwrap_or_else(|error| panic!("{words}: {error}"));
        }
    }

    #[test]
    fn compare_has_two_spellings_and_the_standalone_is_the_default() {
        let files = parse("efir-stress --compare a.json b.json").unwrap().compare;
        assert_eq!(files, Some(vec!["a.json".into(), "b.json".into()]));
        let Some(Command::Run(run)) = parse("efir-stress run steady").unwrap().command else { panic!() };
        assert_eq!(run.load.urls, [DEFAULT_URL.parse().unwrap()]);
        for wrong in
            ["run", "run steady localhost", "run steady --viewers 0", "run steady --draft 14", "capacity x --within 0"]
        {
            assert!(parse(&format!("efir-stress {wrong}")).is_err(), "{wrong}");
        }
    }
}
