//! `efir token`: makes keys, makes tokens, and says what a token allows.

mod args;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{AccessSettings, Claims, Grant, KeyPair, KeySet, OneOrMany, TOKEN_BYTES, sign, verify_text};
use serde::Serialize;

use self::args::{CheckArguments, KeyArguments, SignArguments, TokenCommand};
use crate::error::Failure;
use crate::report;

pub(crate) use self::args::{TOKEN_EXAMPLES, TokenArguments};

/// Runs the subcommand.
pub(crate) fn run(arguments: &TokenArguments) -> Result<(), Failure> {
    match &arguments.command {
        TokenCommand::Key(arguments) => key(arguments),
        TokenCommand::Sign(arguments) => make(arguments),
        TokenCommand::Check(arguments) => check(arguments),
    }
}

fn key(arguments: &KeyArguments) -> Result<(), Failure> {
    let json = match &arguments.public {
        Some(path) => {
            let secret = || Failure::Usage(format!("{}: a secret has no public half", path.display()));
            read_pair(path)?.public_json().ok_or_else(secret)?
        }
        None => {
            let made = KeyPair::generate(arguments.algorithm, arguments.name.clone());
            made.map_err(|error| Failure::Content(error.to_string()))?.to_json()
        }
    };
    match &arguments.output {
        Some(path) => write_new(path, &json, arguments.public.is_none()),
        None => {
            print_line(&json);
            Ok(())
        }
    }
}

fn print_line(text: &str) {
    report::print(&format!("{text}\n"));
}

/// Writes a file that was not there; a private one can be read by its owner alone.
fn write_new(path: &Path, text: &str, private: bool) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    let written = options.open(path).and_then(|mut file| writeln!(file, "{text}"));
    written.map_err(|error| Failure::Output { target: path.display().to_string(), error })
}

fn make(arguments: &SignArguments) -> Result<(), Failure> {
    let pair = read_pair(&arguments.key)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = |later: Duration| now.saturating_add(later).as_secs().into();
    let SignArguments { root, publish, subscribe, publish_track, subscribe_track, issuer, audience, subject, .. } =
        arguments;
    let many = |texts: &[String]| OneOrMany::Many(texts.to_vec());
    let claims = Claims {
        root: root.clone(),
        put: many(publish),
        get: many(subscribe),
        put_track: many(publish_track),
        get_track: many(subscribe_track),
        iss: issuer.clone(),
        sub: subject.clone(),
        aud: many(audience),
        exp: arguments.expires.map(at),
        nbf: arguments.begins.map(at),
        iat: Some(at(Duration::ZERO)),
    };
    let scopes = claims.scopes().map_err(|error| Failure::Usage(error.to_string()))?;
    if scopes.is_empty() {
        let help = "the token would allow nothing: use --publish, --subscribe, --publish-track or --subscribe-track";
        return Err(Failure::Usage(help.to_owned()));
    }
    let token = sign(&claims, &pair).map_err(|error| Failure::Usage(error.to_string()))?;
    print_line(&token);
    Ok(())
}

/// What is told of a token.
#[derive(Debug, PartialEq, Serialize)]
struct Finding {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    rights: Vec<FoundRight>,
}

#[derive(Debug, PartialEq, Serialize)]
struct FoundRight {
    actions: Vec<&'static str>,
    names: String,
}

impl Finding {
    fn new(verified: Result<Grant, access::TokenFault>, now: SystemTime) -> Self {
        let grant = match verified {
            Ok(grant) => grant,
            Err(fault) => {
                return Self {
                    valid: false,
                    reason: Some(fault.to_string()),
                    from: None,
                    until: None,
                    rights: Vec::new(),
                };
            }
        };
        let reason = if grant.until.is_some_and(|until| until <= now) {
            Some("it has expired")
        } else if grant.from.is_some_and(|from| from > now) {
            Some("its time has not come")
        } else if grant.scopes.is_empty() {
            Some("it allows nothing")
        } else {
            None
        };
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let right =
            |scope: &access::Scope| FoundRight { actions: scope.actions().names().collect(), names: scope.to_string() };
        Self {
            valid: reason.is_none(),
            reason: reason.map(ToOwned::to_owned),
            from: grant.from.map(seconds),
            until: grant.until.map(seconds),
            rights: grant.scopes.iter().map(right).collect(),
        }
    }

    fn text(&self, now: u64) -> String {
        let mut lines = Vec::new();
        match (self.valid, self.until) {
            (true, Some(until)) => lines.push(format!("valid for {} s", until.saturating_sub(now))),
            (true, None) => lines.push("valid without end".to_owned()),
            (false, _) => lines.push(format!("not valid: {}", self.reason.as_deref().unwrap_or_default())),
        }
        for FoundRight { actions, names } in &self.rights {
            lines.push(format!("{names}: {}", actions.join(", ")));
        }
        lines.join("\n")
    }
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let token = given_token(arguments)?;
    let settings = AccessSettings {
        issuers: arguments.issuer.clone(),
        audiences: arguments.audience.clone(),
        leeway_s: 0,
        ..AccessSettings::default()
    };
    let mut keys = Vec::new();
    for path in &arguments.key {
        keys.extend_from_slice(read_keys(path)?.keys());
    }
    let (keys, now) = (keys.into_iter().collect::<KeySet>(), SystemTime::now());
    let finding = Finding::new(verify_text(token.trim().as_bytes(), &keys, &settings.rules()), now);
    if arguments.json {
        report::print_json(&finding);
    } else {
        print_line(&finding.text(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()));
    }
    match finding.reason {
        Some(reason) => Err(Failure::Refused(format!("the token is not valid: {reason}"))),
        None => Ok(()),
    }
}

fn given_token(arguments: &CheckArguments) -> Result<String, Failure> {
    match arguments.token.as_deref() {
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().take(2 * TOKEN_BYTES as u64).read_to_string(&mut text);
            read.map_err(|error| Failure::Usage(format!("cannot read the token: {error}")))?;
            Ok(text)
        }
        Some(token) => Ok(token.to_owned()),
        None => match process::token_from_environment() {
            Some(token) => Ok(token.expose().to_owned()),
            None => Err(Failure::Usage("give the token, `-` for standard input, or EFIR_TOKEN".to_owned())),
        },
    }
}

/// A file that may also be a private key: its public half is what is wanted of it.
fn read_keys(path: &Path) -> Result<KeySet, Failure> {
    let text = read(path)?;
    KeySet::from_file(&text).or_else(|error| {
        let pair = KeyPair::from_file(&text).ok().and_then(|pair| pair.verifying());
        let wrong = || Failure::Usage(format!("{}: {error}", path.display()));
        pair.map(|key| [key].into_iter().collect()).ok_or_else(wrong)
    })
}

fn read_pair(path: &Path) -> Result<KeyPair, Failure> {
    KeyPair::from_file(&read(path)?).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn token(line: &[&str]) -> Result<(), Failure> {
        let words = ["efir", "token"].iter().chain(line);
        let Command::Token(arguments) = Arguments::try_parse_from(words).unwrap().command else { panic!("{line:?}") };
        run(&arguments)
    }

    #[test]
    fn keys_are_made_once_and_have_a_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (algorithm, has_public) in [("EdDSA", true), ("ES256", true), ("HS256", false)] {
            let (private, public) = (path(algorithm), path(&format!("{algorithm}.public")));
            token(&["key", "--algorithm", algorithm, "-o", &private]).unwrap();
            assert_eq!(token(&["key", "-o", &private]).unwrap_err().exit_code(), 1, "never overwritten");
            let public_half = token(&["key", "--public", &private, "-o", &public]);
            assert_eq!(public_half.is_ok(), has_public, "{algorithm}");
            assert!(!fs::read_to_string(&public).unwrap_or_default().contains("\"d\""));
            assert_eq!(token(&["sign", "--key", &private]).unwrap_err().exit_code(), 2, "a token for nothing");
            token(&["sign", "--key", &private, "--subscribe", "live", "--expires", "1h"]).unwrap();
        }
    }

    #[test]
    fn a_check_tells_what_is_allowed_and_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key").display().to_string();
        token(&["key", "-o", &file]).unwrap();
        let pair = read_pair(Path::new(&file)).unwrap();
        let claims = |exp: u64| Claims {
            get: OneOrMany::One("live".to_owned()),
            put_track: OneOrMany::One("live/demo/video0".to_owned()),
            exp: Some(exp.into()),
            ..Claims::default()
        };
        let (good, old) = (sign(&claims(4_000_000_000), &pair).unwrap(), sign(&claims(1000), &pair).unwrap());
        token(&["check", "--key", &file, &good]).unwrap();
        assert_eq!(token(&["check", "--key", &file, "--json", &old]).unwrap_err().exit_code(), 4);
        assert_eq!(token(&["check", "--key", &file, "nonsense"]).unwrap_err().exit_code(), 4);
        assert_eq!(token(&["check", "--key", "no such file", &good]).unwrap_err().exit_code(), 2);

        let keys = read_keys(Path::new(&file)).unwrap();
        let rules = AccessSettings::default().rules();
        let now = UNIX_EPOCH + Duration::from_secs(2000);
        let finding = Finding::new(verify_text(good.as_bytes(), &keys, &rules), now);
        assert!(finding.valid && finding.rights.len() == 2, "{finding:?}");
        assert_eq!(finding.rights[0].names, "live/**");
        assert_eq!(
            (finding.rights[1].names.as_str(), &finding.rights[1].actions[..]),
            ("live/demo video0", &["PUBLISH"][..])
        );
        let finding = Finding::new(verify_text(old.as_bytes(), &keys, &rules), now);
        assert_eq!((finding.valid, finding.reason.as_deref()), (false, Some("it has expired")));
        assert!(finding.text(2000).starts_with("not valid: it has expired\nlive/**: "), "{}", finding.text(2000));
    }
}
