//! What an operator decides: defaults, settings file, environment, command line.

use std::{fmt::Display, net::SocketAddr, num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use access::{AccessSettings, Credential};
use certs::CertificateSettings;
use clap::{Parser, ValueHint};
use moqt::{Namespace, Version};
use process::{Contradiction, LogSettings, Secret, SettingsArguments};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use transport::{Address, QlogSettings};

use crate::package::Packaging;

const DEFAULT_NAMESPACE: &str = "live/demo";
const DEFAULT_PORT: u16 = 4444;
const DEFAULT_LINGER: u64 = 10;

/// All settings of an origin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// UDP addresses to serve on; port 0 takes a free one. Empty: only relays are dialled.
    pub listen: Vec<SocketAddr>,
    /// Drafts of MOQT spoken, most wanted first.
    pub drafts: Vec<u16>,
    /// Relays to publish to: `https://host:port/path` (WebTransport) or `moqt://host:port/path` (QUIC).
    #[serde(with = "texts")]
    pub publish: Vec<Address>,
    /// Token that those relays want to see before they take a publication.
    pub publish_token: Option<Secret>,
    /// File with that token, instead: when it holds another one, a new session shows it before the old one is left.
    pub publish_token_file: Option<PathBuf>,
    /// Who may watch here; nobody may publish here.
    pub access: AccessSettings,
    /// TCP address for /metrics, /healthz and /readyz; none by default.
    pub http: Option<SocketAddr>,
    /// What is published. Without any, the built-in clip.
    pub broadcasts: Vec<BroadcastSettings>,
    /// How much of every track is kept for late viewers and FETCH.
    pub retain: RetainSettings,
    /// Whether frames tell where their time goes.
    pub delay: DelaySettings,
    /// The server's certificate.
    pub certificate: CertificateSettings,
    /// Which certificates of relays are accepted.
    pub trust: RelayTrustSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Traces of connections.
    pub qlog: QlogSettings,
}

impl Settings {
    /// The drafts to speak, most wanted first.
    pub(crate) fn versions(&self) -> Vec<Version> {
        self.drafts.iter().filter_map(|draft| Version::from_draft(*draft)).collect()
    }

    /// What makes no sense together.
    ///
    /// # Errors
    ///
    /// The first contradiction.
    pub fn check(&self) -> Result<(), Contradiction> {
        if self.broadcasts.is_empty() {
            return Err(Contradiction::new("broadcasts", "names nothing to publish"));
        }
        if self.drafts.is_empty() || self.versions().len() != self.drafts.len() {
            return Err(Contradiction::new("drafts", "must name drafts of MOQT that are spoken here: 18, 16"));
        }
        let stdin = |broadcast: &BroadcastSettings| matches!(broadcast.source, SourceSettings::Stdin { .. });
        for (index, broadcast) in self.broadcasts.iter().enumerate() {
            let earlier = &self.broadcasts[..index];
            let blame = |key: &str, reason: &str| Err(Contradiction::new(format!("broadcasts.{index}.{key}"), reason));
            if stdin(broadcast) && earlier.iter().any(stdin) {
                return blame("source", "is standard input, which feeds another broadcast already");
            }
            if earlier.iter().any(|other| other.namespace == broadcast.namespace) {
                return blame("namespace", "is that of another broadcast");
            }
        }
        Credential::new(self.publish_token.clone(), self.publish_token_file.clone(), "publish_token_file")?;
        self.access.check()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], DEFAULT_PORT)),
            ],
            drafts: Version::ALL.map(Version::draft).to_vec(),
            publish: Vec::new(),
            publish_token: None,
            publish_token_file: None,
            access: AccessSettings::default(),
            http: None,
            broadcasts: vec![BroadcastSettings::default()],
            retain: RetainSettings::default(),
            delay: DelaySettings::default(),
            certificate: CertificateSettings::default(),
            trust: RelayTrustSettings::default(),
            log: LogSettings::default(),
            qlog: QlogSettings::default(),
        }
    }
}

/// How much of a track is kept as frames; while somebody wants it, about as much again as objects.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetainSettings {
    /// Newest groups kept, the unfinished one among them.
    pub groups: NonZeroUsize,
    /// Bytes kept; also the most one group may have.
    pub bytes: usize,
    /// Bytes the objects of all tracks may take together while they are wanted.
    pub total_bytes: u64,
}

impl Default for RetainSettings {
    /// A minute of one-second groups would be a long rewind; 8 groups hide any hiccup of a relay.
    fn default() -> Self {
        Self { groups: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN), bytes: 64 << 20, total_bytes: 1 << 30 }
    }
}

/// Delay stamps on objects.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DelaySettings {
    /// Stamp frames with when they were captured, or came here, and when they were published.
    pub stamp: bool,
}

impl Default for DelaySettings {
    fn default() -> Self {
        Self { stamp: true }
    }
}

/// Which certificates of dialled relays are accepted. By default: on this computer the development
/// certificate that the relay published, elsewhere those of the operating system's trust store.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayTrustSettings {
    /// PEM file with the authorities to accept instead.
    pub ca: Option<PathBuf>,
    /// SHA-256 hashes (hexadecimal) of the very certificates to accept instead.
    pub hashes: Vec<String>,
    /// Accept any certificate. For experiments: the relay may be anyone.
    pub insecure: bool,
}

/// One broadcast: a namespace and the source that fills it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "BroadcastTable", into = "BroadcastTable")]
pub struct BroadcastSettings {
    /// Where viewers find it.
    pub namespace: Namespace,
    /// Where its frames come from.
    pub source: SourceSettings,
    /// How frames become objects.
    pub packaging: Packaging,
}

impl Default for BroadcastSettings {
    fn default() -> Self {
        Self::try_from(BroadcastTable::default()).expect("the table's defaults name a namespace and no source")
    }
}

/// Where frames come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceSettings {
    /// The built-in clip.
    Sample {
        /// Play it once instead of for ever.
        once: bool,
    },
    /// An MP4 file, fragmented or not, at the speed of its timestamps.
    File {
        /// The file.
        path: PathBuf,
        /// Play it once instead of for ever.
        once: bool,
    },
    /// Fragmented MP4 on standard input.
    Stdin {
        /// Hold frames until their time, for a writer that is faster than real time.
        paced: bool,
    },
    /// A command that writes fragmented MP4 to its standard output; runs while somebody watches.
    Command {
        /// Given to `sh -c`.
        command: String,
        /// Hold frames until their time, for a command that is faster than real time.
        paced: bool,
        /// How long it goes on after the last viewer.
        linger: Duration,
    },
}

/// A broadcast as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct BroadcastTable {
    namespace: String,
    source: Option<String>,
    command: Option<String>,
    once: bool,
    paced: bool,
    linger_seconds: u64,
    packaging: Packaging,
}

impl Default for BroadcastTable {
    fn default() -> Self {
        Self {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            source: None,
            command: None,
            once: false,
            paced: false,
            linger_seconds: DEFAULT_LINGER,
            packaging: Packaging::default(),
        }
    }
}

const SAMPLE: &str = "sample";
const STDIN: &str = "-";

impl TryFrom<BroadcastTable> for BroadcastSettings {
    type Error = String;

    fn try_from(table: BroadcastTable) -> Result<Self, String> {
        let BroadcastTable { namespace, source, command, once, paced, linger_seconds, packaging } = table;
        let namespace = parse_namespace(&namespace)?;
        let source = match (source.as_deref(), command) {
            (Some(_), Some(_)) => return Err("`source` and `command` exclude each other".to_owned()),
            (None, Some(command)) => {
                SourceSettings::Command { command, paced, linger: Duration::from_secs(linger_seconds) }
            }
            (Some(STDIN), None) => SourceSettings::Stdin { paced },
            (None | Some(SAMPLE), None) => SourceSettings::Sample { once },
            (Some(""), None) => return Err("`source` is empty".to_owned()),
            (Some(path), None) => SourceSettings::File { path: path.into(), once },
        };
        let file = matches!(source, SourceSettings::File { .. } | SourceSettings::Sample { .. });
        if once && !file {
            return Err("`once` is for files: a pipe or command has one end anyway".to_owned());
        }
        if paced && file {
            return Err("`paced` is for pipes and commands: a file always is".to_owned());
        }
        Ok(Self { namespace, source, packaging })
    }
}

impl From<BroadcastSettings> for BroadcastTable {
    fn from(settings: BroadcastSettings) -> Self {
        let fields = settings.namespace.fields().iter().map(|field| String::from_utf8_lossy(field).into_owned());
        let table =
            Self { namespace: fields.collect::<Vec<_>>().join("/"), packaging: settings.packaging, ..Self::default() };
        match settings.source {
            SourceSettings::Sample { once } => Self { source: Some(SAMPLE.to_owned()), once, ..table },
            SourceSettings::File { path, once } => {
                Self { source: Some(path.to_string_lossy().into_owned()), once, ..table }
            }
            SourceSettings::Stdin { paced } => Self { source: Some(STDIN.to_owned()), paced, ..table },
            SourceSettings::Command { command, paced, linger } => {
                Self { command: Some(command), paced, linger_seconds: linger.as_secs(), ..table }
            }
        }
    }
}

/// `live/demo` is the namespace of the fields `live` and `demo`.
fn parse_namespace(text: &str) -> Result<Namespace, String> {
    let fields: Vec<String> = text.split('/').map(str::to_owned).collect();
    Namespace::new(fields).map_err(|error| format!("namespace {text:?}: {error}"))
}

/// Lists of values that are written as text.
mod texts {
    use super::*;

    pub(super) fn serialize<T: Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(T::to_string))
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

const EXAMPLES: &str = "\
Examples:
  efir-origin                                     the built-in clip on 127.0.0.1:4444 as live/demo
  efir-origin film.mp4 --namespace live/film      a file in a loop
  efir-origin --publish https://localhost:4443/   to a relay as well
  ffmpeg -re -i film.mkv -c copy -movflags frag_keyframe+empty_moov+default_base_moof -f mp4 - | efir-origin -
  efir-origin --on-demand 'ffmpeg -loglevel error -f v4l2 -i /dev/video0 -c:v libx264 -g 30 -tune zerolatency \\
      -movflags frag_keyframe+empty_moov+default_base_moof -f mp4 -'

Several broadcasts go into a settings file:
  [[broadcasts]]
  namespace = \"live/film\"
  source = \"film.mp4\"";

/// Turns video into frames and publishes them over MOQT.
#[derive(Clone, Debug, Parser)]
#[command(name = "efir-origin", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// MP4 file, `-` for fragmented MP4 on standard input, or `sample` for the built-in clip
    #[arg(value_hint = ValueHint::FilePath, conflicts_with = "on_demand")]
    source: Option<String>,
    /// Namespace of the broadcast, fields separated by `/` [default: live/demo]
    #[arg(long)]
    namespace: Option<String>,
    /// Command that writes fragmented MP4, run while somebody watches
    #[arg(long, value_name = "COMMAND")]
    on_demand: Option<String>,
    /// Seconds the command goes on after the last viewer [default: 10]
    #[arg(long, value_name = "SECONDS", requires = "on_demand")]
    linger: Option<u64>,
    /// Play the file once
    #[arg(long)]
    once: bool,
    /// Hold the frames of a pipe or command until their time
    #[arg(long)]
    paced: bool,
    /// How frames become objects [default: cmaf]
    #[arg(long, value_enum)]
    packaging: Option<Packaging>,
    /// UDP address to serve on; may be given several times [default: 127.0.0.1:4444 and [::1]:4444]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<SocketAddr>,
    /// Relay to publish to; may be given several times
    #[arg(long, value_name = "URL")]
    publish: Vec<String>,
    /// Token that the relay wants before it takes a publication; also EFIR_PUBLISH_TOKEN, which other users cannot see
    #[arg(long, value_name = "TOKEN", requires = "publish")]
    publish_token: Option<String>,
    /// Accept any certificate of a relay (experiments only)
    #[arg(long)]
    insecure: bool,
    /// Address for /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Settings file, check, print
    #[command(flatten)]
    pub settings: SettingsArguments,
}

/// The settings that flags set; what is `None` they leave alone.
#[derive(Debug, Serialize)]
struct Flags {
    listen: Option<Vec<SocketAddr>>,
    publish: Option<Vec<String>>,
    /// As text: a [`Secret`] would come out redacted.
    publish_token: Option<String>,
    http: Option<SocketAddr>,
    broadcasts: Option<[BroadcastFlags; 1]>,
    trust: Option<TrustFlags>,
}

#[derive(Debug, Serialize)]
struct BroadcastFlags {
    namespace: Option<String>,
    source: Option<String>,
    command: Option<String>,
    once: bool,
    paced: bool,
    linger_seconds: Option<u64>,
    packaging: Option<Packaging>,
}

#[derive(Debug, Serialize)]
struct TrustFlags {
    insecure: bool,
}

impl Arguments {
    /// The flags as a layer of settings. Any flag about a broadcast makes it the only one.
    pub fn flags(&self) -> impl Serialize + use<> {
        let Self { source, namespace, on_demand, linger, once, paced, packaging, .. } = self.clone();
        let broadcast =
            source.is_some() || namespace.is_some() || on_demand.is_some() || packaging.is_some() || once || paced;
        Flags {
            listen: Some(self.listen.clone()).filter(|listen| !listen.is_empty()),
            publish: Some(self.publish.clone()).filter(|publish| !publish.is_empty()),
            publish_token: self.publish_token.clone(),
            http: self.http,
            broadcasts: broadcast.then_some([BroadcastFlags {
                namespace,
                source,
                command: on_demand,
                once,
                paced,
                linger_seconds: linger,
                packaging,
            }]),
            trust: self.insecure.then_some(TrustFlags { insecure: true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use process::{SettingsError, SettingsLayers};

    fn from_flags(flags: &[&str]) -> Result<Settings, SettingsError> {
        let arguments = Arguments::try_parse_from(["efir-origin"].iter().chain(flags)).unwrap();
        let mut layers = SettingsLayers::new();
        layers.flags(&arguments.flags())?;
        layers.load()
    }

    #[test]
    fn the_default_is_the_clip_at_live_demo() {
        let settings = from_flags(&[]).unwrap();
        assert_eq!(settings, Settings::default());
        let [broadcast] = &settings.broadcasts[..] else { panic!("one broadcast") };
        assert_eq!(broadcast.namespace, Namespace::new(["live", "demo"]).unwrap());
        assert_eq!(broadcast.source, SourceSettings::Sample { once: false });
    }

    #[test]
    fn flags_describe_one_broadcast() {
        let settings = from_flags(&["film.mp4", "--namespace", "a/b/c", "--once", "--packaging", "loc"]).unwrap();
        let expected = BroadcastSettings {
            namespace: Namespace::new(["a", "b", "c"]).unwrap(),
            source: SourceSettings::File { path: "film.mp4".into(), once: true },
            packaging: Packaging::Loc,
        };
        assert_eq!(settings.broadcasts, [expected]);

        let settings = from_flags(&["--on-demand", "cat film.mp4", "--linger", "3", "--paced"]).unwrap();
        let linger = Duration::from_secs(3);
        let expected = SourceSettings::Command { command: "cat film.mp4".to_owned(), paced: true, linger };
        assert_eq!(settings.broadcasts[0].source, expected);
        let settings = from_flags(&["-"]).unwrap();
        assert_eq!(settings.broadcasts[0].source, SourceSettings::Stdin { paced: false });
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        for (flags, reason) in [
            (&["-", "--once"][..], "`once` is for files"),
            (&["film.mp4", "--paced"], "`paced` is for pipes"),
            (&["--namespace", "a//b"], "namespace \"a//b\""),
            (&["--publish", "http://relay/"], "must begin with https://"),
        ] {
            let error = from_flags(flags).unwrap_err().to_string();
            assert!(error.contains(reason), "{flags:?}: {error}");
        }
    }

    #[test]
    fn only_drafts_that_are_spoken_are_taken() {
        assert_eq!(Settings::default().versions(), Version::ALL);
        for drafts in [vec![], vec![18, 17]] {
            let problem = Settings { drafts, ..Settings::default() }.check().unwrap_err().to_string();
            assert!(problem.contains("drafts"), "{problem}");
        }
    }

    #[test]
    fn settings_survive_being_printed() {
        let flags = ["--on-demand", "x", "--publish", "https://relay.example:4443/live", "--http", "127.0.0.1:9000"];
        let settings = from_flags(&flags).unwrap();
        let printed = toml::to_string(&toml::Table::try_from(&settings).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origin.toml");
        std::fs::write(&file, printed).unwrap();
        let mut layers = SettingsLayers::new();
        layers.file(&file).unwrap();
        assert_eq!(layers.load::<Settings>().unwrap(), settings);
    }

    #[test]
    fn an_error_in_a_file_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origin.toml");
        let text = "listen = []\n[[broadcasts]]\nsource = \"a.mp4\"\ncommand = \"b\"\n";
        std::fs::write(&file, text).unwrap();
        let mut layers = SettingsLayers::new();
        layers.file(&file).unwrap();
        let error = layers.load::<Settings>().unwrap_err().to_string();
        assert!(error.contains("origin.toml:2") && error.contains("exclude each other"), "{error}");
    }
}
