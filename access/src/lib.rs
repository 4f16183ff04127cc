//! Tokens: who may publish and watch what, for how long, and the keys that prove it.
//!
//! ```text
//! Gate (of a session), Access::http (of a GET) ─▶ Visitor ─admit(Want, tokens of the request)─▶ Standing ─▶ lease on the request
//!                              │ token: JWT, CAT, shared secret ─▶ Grant (scopes, times)
//!                              │ key: files, JWKS URL ─▶ Keyring
//!                              └ grant::decide: pure
//! ```
//!
//! | Module | What it holds |
//! |---|---|
//! | `want`, `scope`, `grant` | pure: what requests want, what tokens open, and whether that is enough |
//! | `token` | how tokens look and what they say: JWTs with the claims of moq-dev, CBOR tokens for MOQT |
//! | `key` | keys in PEM and JSON, kept fresh; signatures |
//! | `access`, `gate`, `standing` | what the operator wants to see; a session's requests; who has shown what and what was admitted |
//! | `credential` | the other side: a token to show to another server |
//! | `settings`, `limit`, `metric` | what an operator decides, what nobody does, and what is counted |

mod access;
mod credential;
mod gate;
mod grant;
mod key;
mod limit;
mod metric;
mod scope;
mod settings;
mod standing;
mod token;
mod want;

pub use access::Access;
pub use credential::Credential;
pub use gate::{Gate, Refused};
pub use grant::{Denial, Grant, Permit, Shown, TokenFault, decide};
pub use key::{Algorithm, KeyError, KeyPair, KeyParseError, KeySet, Keyring, SignError, VerifyKey};
pub use limit::TOKEN_BYTES;
pub use scope::{Match, Scope};
pub use settings::AccessSettings;
pub use standing::{Standing, View, Visitor};
pub use token::{
    Claims, ClaimsError, MakeError, OneOrMany, Rules, namespace_of, sign, track_of, verify_cat, verify_text,
};
pub use want::{Action, Actions, Want};
