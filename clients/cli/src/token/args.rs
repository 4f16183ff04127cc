//! The command line of `efir token`.

use std::path::PathBuf;
use std::time::Duration;

use access::Algorithm;
use clap::{Args, Subcommand};

use crate::args::parse_duration;

pub(crate) const TOKEN_EXAMPLES: &str = "\
Examples:
  efir token key -o private.jwk                                  a key that signs: keep it
  efir token key --public private.jwk -o public.jwk              its half for the relay: [access] keys = [\"public.jwk\"]
  efir token sign --key private.jwk --subscribe live --expires 1h
  efir token sign --key private.jwk --publish live/demo --subscribe live --expires 8h
  efir token sign --key private.jwk --subscribe-track live/demo/video0
  efir token check --key public.jwk eyJhbGciOiJFZERTQSJ9.e30.c2ln
  efir pull https://localhost:4443/live/demo --token eyJhbGciOiJFZERTQSJ9.e30.c2ln

Exit codes: 0 done, and the token is valid; 1 the output cannot be written; 2 the command line or a key is wrong; 4 the token
is not valid.";

/// `efir token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    pub(super) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a key that signs tokens, as a JWK; or write the public half of one
    Key(KeyArguments),
    /// Make a token (JWT)
    Sign(SignArguments),
    /// Verify a token, JWT or CAT, and tell what it allows
    Check(CheckArguments),
}

#[derive(Debug, Args)]
pub(super) struct KeyArguments {
    /// EdDSA or ES256: relays need only the public half. HS256: a secret, which who checks tokens could also sign with
    #[arg(long, value_name = "NAME", default_value = "EdDSA", value_parser = parse_algorithm)]
    pub(super) algorithm: Algorithm,
    /// What tokens call the key (`kid`); without it, its thumbprint
    #[arg(long, value_name = "KID")]
    pub(super) name: Option<String>,
    /// Write the public half of this key, and make none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["algorithm", "name"])]
    pub(super) public: Option<PathBuf>,
    /// Write to this file, which must not exist yet, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SignArguments {
    /// The key: a JWK of `efir token key`, or PKCS #8 in PEM
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Namespace that the names below begin with
    #[arg(long, value_name = "A/B", default_value = "", hide_default_value = true)]
    pub(super) root: String,
    /// Namespace to publish in, with everything below, fields between slashes; may be repeated. `""` is all
    #[arg(long, value_name = "A/B")]
    pub(super) publish: Vec<String>,
    /// Namespace to list, watch and fetch, with everything below; may be repeated
    #[arg(long, value_name = "A/B")]
    pub(super) subscribe: Vec<String>,
    /// Single track to publish, its name after its namespace; may be repeated
    #[arg(long, value_name = "A/B/TRACK")]
    pub(super) publish_track: Vec<String>,
    /// Single track to watch and fetch; may be repeated
    #[arg(long, value_name = "A/B/TRACK")]
    pub(super) subscribe_track: Vec<String>,
    /// How long it holds: 90s, 30m, 8h; without it, for ever
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(super) expires: Option<Duration>,
    /// How long from now it begins to hold
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(super) begins: Option<Duration>,
    /// Who makes it (`iss`)
    #[arg(long, value_name = "NAME")]
    pub(super) issuer: Option<String>,
    /// Server that is to believe it (`aud`); may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) audience: Vec<String>,
    /// For whom it is (`sub`)
    #[arg(long, value_name = "NAME")]
    pub(super) subject: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The token; `-` reads it from standard input. Without it: EFIR_TOKEN
    pub(super) token: Option<String>,
    /// Key to check it with: a JWK, a JWKS or a public key in PEM; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) key: Vec<PathBuf>,
    /// Accepted issuer; may be repeated. Without it, any
    #[arg(long, value_name = "NAME")]
    pub(super) issuer: Vec<String>,
    /// Name of the server that checks; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) audience: Vec<String>,
    /// One JSON object: {"valid":...,"reason":...,"from":...,"until":...,"rights":[{"actions":[...],"names":...}]}
    #[arg(long)]
    pub(super) json: bool,
}

fn parse_algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(text).ok_or_else(|| "expected EdDSA, ES256 or HS256".to_owned())
}
