//! Towards the viewers: one task per session, and inside it one task per request.

mod fetch;
mod namespace;
mod publish;
mod session;
mod status;
mod subscribe;

pub(crate) use fetch::TrackGroups;
pub(crate) use session::serve;
