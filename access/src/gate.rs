//! The requests of one session, admitted one by one.

use std::sync::Arc;

use moqt::session::ResolvedToken;
use moqt::{FullTrackName, Namespace, RequestErrorCode};
use tokio::sync::OnceCell;
use transport::{IncomingRequest, Session, SessionError};

use crate::access::Access;
use crate::standing::{Standing, Visitor};
use crate::want::Want;

/// Looks at every request of a session before anything else does.
#[derive(Debug)]
pub struct Gate {
    access: Arc<Access>,
    session: Session,
    /// Namespaces about the session itself.
    is_own: fn(&Namespace) -> bool,
    visitor: OnceCell<Arc<Visitor>>,
}

/// The code that a request was refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub RequestErrorCode);

impl Gate {
    /// Of a session that was accepted.
    pub fn new(access: Arc<Access>, session: Session, is_own: fn(&Namespace) -> bool) -> Self {
        Self { access, session, is_own, visitor: OnceCell::new() }
    }

    /// Admits a request, which then ends with what it was admitted by; or refuses it.
    ///
    /// # Errors
    /// It was refused.
    pub async fn admit(&self, mut request: IncomingRequest) -> Result<(IncomingRequest, Standing), Refused> {
        let Ok(visitor) = self.visitor.get_or_try_init(|| self.meet()).await else {
            request.reject(RequestErrorCode::InternalError, None, "the session is over");
            return Err(Refused(RequestErrorCode::InternalError));
        };
        let (want, tokens) = wanted(&request, self.is_own);
        match visitor.admit(want.clone(), tokens).await {
            Ok(standing) => {
                request.hold(standing.lease());
                Ok((request, standing))
            }
            Err(denial) => {
                request.reject(denial.code(), None, denial.reason(&want));
                Err(Refused(denial.code()))
            }
        }
    }

    /// Requests come after SETUP, so this does not wait.
    async fn meet(&self) -> Result<Arc<Visitor>, SessionError> {
        let setup = self.session.established().await?;
        let info = self.session.connection().info();
        Ok(self.access.session(setup.path.as_deref().unwrap_or(&info.path), &setup.tokens))
    }
}

/// What a request wants, and the tokens it brought along.
fn wanted(request: &IncomingRequest, is_own: fn(&Namespace) -> bool) -> (Want, &[ResolvedToken]) {
    let watched = |track: &FullTrackName, want: fn(FullTrackName) -> Want| {
        if is_own(&track.namespace) { Want::Own } else { want(track.clone()) }
    };
    match request {
        IncomingRequest::Subscribe(request) => (watched(&request.track, Want::Subscribe), &request.tokens),
        IncomingRequest::Fetch(request) => (watched(&request.track, Want::Fetch), &request.tokens),
        IncomingRequest::TrackStatus(request) => (watched(&request.track, Want::TrackStatus), &request.tokens),
        IncomingRequest::SubscribeNamespace(request) | IncomingRequest::SubscribeTracks(request) => {
            (Want::List(request.prefix.clone()), &request.tokens)
        }
        IncomingRequest::Publish(request) => (Want::Publish(request.track.clone()), &request.tokens),
        IncomingRequest::PublishNamespace(request) => {
            (Want::PublishNamespace(request.namespace.clone()), &request.tokens)
        }
    }
}
