//! HTTP/3 on a QUIC connection: plain requests for a tower service and one WebTransport session, side by side.

#[cfg(feature = "http-client")]
mod client;
mod driver;
mod error;
mod field;
mod frame;
mod request;
mod service;
mod settings;

#[cfg(feature = "http-client")]
pub use client::HttpResponse;
#[cfg(feature = "http-client")]
pub(crate) use client::get;
pub(crate) use driver::{Driver, Role, SessionBidi, SessionUni};
pub(crate) use error::{Http3Error, NO_ERROR};
pub(crate) use field::{Fields, headers_frame};
pub(crate) use frame::{DATA, Frame, FrameReader, frame_head, varints};
pub(crate) use request::ConnectHead;
pub(crate) use service::respond_empty;
pub use service::{HttpBody, HttpService};
pub(crate) use settings::PeerSettings;
