//! Who asks.

use axum::extract::Request;
use axum::http::header;
use axum::response::Response;

use super::gate::Gate;
use crate::actor::Actor;
use crate::auth::Authority;
use crate::problem::Problem;

/// Verifies the token of a request, if there is one, and leaves the caller for extractors. A token that does not hold is
/// refused even where none is needed: its owner believes to be somebody.
#[derive(Debug, Clone)]
pub(crate) struct AuthGate {
    authority: Authority,
    audience: Option<Actor>,
}

impl AuthGate {
    /// For requests to this actor; `None` for routes of the process, which take the tokens of any.
    pub(crate) fn new(authority: Authority, audience: Option<Actor>) -> Self {
        Self { authority, audience }
    }
}

impl Gate for AuthGate {
    type Pass = ();

    fn enter(&self, request: &mut Request) -> Result<(), Problem> {
        let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(()) };
        let token = value.to_str().ok().and_then(bearer);
        let token = token.ok_or_else(|| Problem::unauthenticated("Authorization: Bearer and a token"))?;
        let caller = self.authority.verify(token, self.audience)?;
        request.extensions_mut().insert(caller);
        Ok(())
    }

    fn leave((): (), _: &mut Response) {}
}

/// The token behind the name of the scheme, which is written as one likes.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start()).filter(|token| !token.is_empty())
}
