//! Media over QUIC Transport as pure rules: bytes in, bytes and events out.
//!
//! No IO, no clock, no tasks: time is an argument, and whoever owns the sockets drives this crate.
//! Drafts 18 and 16 are spoken; what drafts 20 and 22 write otherwise is known to the codec. Section numbers are draft-18's
//! unless a draft is named.
//!
//! | Section | Module |
//! |---|---|
//! | 1.4.1 integers | [`varint`] |
//! | 1.4.2 locations, 5.1.2 filters | [`location`], [`location_filter`] |
//! | 1.4.3 key-value pairs | [`key_value`] |
//! | 1.4.4 reason phrases | [`reason`] |
//! | 1.5, 2.4.1 names | [`name`] |
//! | 2.5, 12 properties | [`property`] |
//! | 3.1 versions | [`version`] |
//! | 10 control messages | [`control`] |
//! | 10.1 requests | [`request`] |
//! | 10.2 parameters | [`parameter`] |
//! | 10.2.2 tokens | [`token`] |
//! | 11 data streams and datagrams | [`data`] |
//! | 14 codes | [`error_code`] |
//! | private: where a frame's time goes | [`hop_delay`] |
//! | 3 to 9 what a session does with them | [`session`] |
//!
//! Everything decodes from [`bytes::Bytes`] without copying payloads, tells "more bytes are needed"
//! ([`DecodeError::Incomplete`]) from "never valid" ([`DecodeError::Invalid`]), and names the code the
//! session must be closed with.

pub mod codec;
pub mod control;
pub mod data;
pub mod error_code;
pub mod hop_delay;
pub mod key_value;
pub mod limit;
pub mod location;
pub mod location_filter;
pub mod name;
pub mod parameter;
pub mod property;
pub mod reason;
pub mod request;
pub mod session;
pub mod token;
pub mod varint;
pub mod version;

pub use codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError};
pub use control::Message;
pub use control::fetch::{Fetch, FetchKind};
pub use control::fetch_cancel::FetchCancel;
pub use control::fetch_ok::FetchOk;
pub use control::goaway::GoAway;
pub use control::max_request_id::MaxRequestId;
pub use control::namespace::NamespaceAdded;
pub use control::namespace_done::NamespaceRemoved;
pub use control::publish::Publish;
pub use control::publish_blocked::PublishBlocked;
pub use control::publish_done::PublishDone;
pub use control::publish_namespace::PublishNamespace;
pub use control::publish_namespace_cancel::PublishNamespaceCancel;
pub use control::publish_namespace_done::PublishNamespaceDone;
pub use control::publish_state_notify::PublishStateNotify;
pub use control::request_error::{Redirect, RequestError};
pub use control::request_ok::{Answered, PublishOk, RequestOk};
pub use control::request_update::RequestUpdate;
pub use control::requests_blocked::RequestsBlocked;
pub use control::setup::{Setup, SetupOptions};
pub use control::subscribe::Subscribe;
pub use control::subscribe_namespace::{SubscribeNamespace, SubscribeOptions};
pub use control::subscribe_ok::SubscribeOk;
pub use control::subscribe_tracks::SubscribeTracks;
pub use control::track_status::TrackStatus;
pub use control::unsubscribe::Unsubscribe;
pub use data::UniStreamHeader;
pub use data::datagram::{Datagram, DatagramBody};
pub use data::fetch::{FetchDecoder, FetchEncoder, FetchItem, FetchObjectHeader};
pub use data::object::{ObjectHeader, ObjectStatus, encode_object_header};
pub use data::subgroup::{SubgroupDecoder, SubgroupHeader, SubgroupId, SubgroupItem};
pub use error_code::{PublishDoneCode, RequestErrorCode, SessionErrorCode, StreamErrorCode};
pub use hop_delay::{ClockOffset, HopDelay, OffsetEstimate, RelayHop, TrackMark};
pub use key_value::{Pair, PairValue};
pub use location::{Filter, GroupOrder, Location};
pub use location_filter::LocationFilter;
pub use name::{FullTrackName, NameError, Namespace, TrackName};
pub use parameter::{LaterParameters, Parameters};
pub use property::{MalformedTrack, Properties};
pub use reason::ReasonPhrase;
pub use request::{RequestId, RequestKind, Side, TrackAlias};
pub use token::Token;
pub use version::Version;
