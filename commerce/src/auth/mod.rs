//! Who asks, and what for: JSON Web Tokens signed with Ed25519, whose audience are actors and whose scopes are named here.
//!
//! One process makes its key at first start; several share the file, or trust each other's public keys through a JWKS file.
//! A token is verified once and remembered until it expires, because a signature takes longer to check than a cached product
//! to serve.

mod authority;
mod caller;
mod claims;
mod key;
mod limit;
mod provider;
mod routes;
mod scope;
mod settings;

pub(crate) use authority::{Authority, Grant};
pub(crate) use caller::{Caller, MaybeCaller};
#[cfg(test)]
pub(crate) use claims::TokenError;
pub use key::KeyError;
pub(crate) use routes::routes;
pub(crate) use scope::{Role, Scope, Scopes};
pub use settings::AuthSettings;
