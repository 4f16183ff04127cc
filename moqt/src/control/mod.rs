//! Control and request messages (10): one table of ids, one file per message.
//!
//! A message is `type, u16 length, body`, and the body must fill the length exactly.

pub mod fetch;
pub mod fetch_cancel;
pub mod fetch_ok;
pub mod goaway;
pub mod max_request_id;
pub mod namespace;
pub mod namespace_done;
pub mod publish;
pub mod publish_blocked;
pub mod publish_done;
pub mod publish_namespace;
pub mod publish_namespace_cancel;
pub mod publish_namespace_done;
pub mod publish_state_notify;
pub mod request_error;
pub mod request_ok;
pub mod request_update;
pub mod requests_blocked;
pub mod setup;
pub mod subscribe;
pub mod subscribe_namespace;
pub mod subscribe_ok;
pub mod subscribe_tracks;
pub mod track_status;
pub mod unsubscribe;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, take_prefixed};
use crate::limit::URI_BYTES;
use crate::request::{RequestId, RequestKind, Side};
use crate::varint;
use crate::version::Version;
use fetch::Fetch;
use fetch_cancel::FetchCancel;
use fetch_ok::FetchOk;
use goaway::GoAway;
use max_request_id::MaxRequestId;
use namespace::NamespaceAdded;
use namespace_done::NamespaceRemoved;
use publish::Publish;
use publish_blocked::PublishBlocked;
use publish_done::PublishDone;
use publish_namespace::PublishNamespace;
use publish_namespace_cancel::PublishNamespaceCancel;
use publish_namespace_done::PublishNamespaceDone;
use publish_state_notify::PublishStateNotify;
use request_error::RequestError;
use request_ok::{PublishOk, RequestOk};
use request_update::RequestUpdate;
use requests_blocked::RequestsBlocked;
use setup::{Setup, SetupOptions};
use subscribe::Subscribe;
use subscribe_namespace::SubscribeNamespace;
use subscribe_ok::SubscribeOk;
use subscribe_tracks::SubscribeTracks;
use track_status::TrackStatus;
use unsubscribe::Unsubscribe;

/// SETUP of draft-18, which is also the type of its stream.
pub(crate) const SETUP: u64 = 0x2F00;
const CLIENT_SETUP: u64 = 0x20;
const SERVER_SETUP: u64 = 0x21;

macro_rules! messages {
    (@later $draft18:expr) => { $draft18 };
    (@later $draft18:expr, $draft20:expr) => { $draft20 };
    ($( $(#[$doc:meta])* $variant:ident($body:ident) $name:literal $draft16:expr, $draft18:expr $(, $draft20:expr)?; )*) => {
        /// A message of any version.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            /// SETUP, CLIENT_SETUP or SERVER_SETUP.
            Setup(Setup),
            $( $(#[$doc])* $variant($body), )*
            /// A cancel without a body, which some draft-18 peers write on a request stream where the
            /// draft has them reset it: end that request. Never sent.
            BareCancel,
        }

        impl Message {
            /// The draft's name for it.
            pub const fn name(&self) -> &'static str {
                match self {
                    Self::Setup(_) => "SETUP",
                    $( Self::$variant(_) => $name, )*
                    Self::BareCancel => "UNSUBSCRIBE",
                }
            }

            fn id_in_table(&self, version: Version) -> Option<u64> {
                match self {
                    $( Self::$variant(_) => column(
                        version, $draft16, $draft18, messages!(@later $draft18 $(, $draft20)?)
                    ), )*
                    Self::Setup(_) | Self::BareCancel => None,
                }
            }

            fn is_in_table(id: u64, version: Version) -> bool {
                [$( column(version, $draft16, $draft18, messages!(@later $draft18 $(, $draft20)?)) ),*]
                    .contains(&Some(id))
            }

            fn decode_from_table(id: u64, body: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
                $(
                    if column(version, $draft16, $draft18, messages!(@later $draft18 $(, $draft20)?)) == Some(id) {
                        return $body::decode(body, version).map(Self::$variant);
                    }
                )*
                Err(unknown(id))
            }

            fn encode_body(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
                match self {
                    Self::Setup(setup) => setup.options.encode(out, version),
                    $( Self::$variant(body) => body.encode(out, version), )*
                    Self::BareCancel => Ok(()),
                }
            }
        }
    };
}

/// A message's id in one version.
const fn column(version: Version, draft16: Option<u64>, draft18: Option<u64>, later: Option<u64>) -> Option<u64> {
    match version {
        Version::Draft16 => draft16,
        Version::Draft18 => draft18,
        Version::Draft20 | Version::Draft22 => later,
    }
}

// The ids of drafts 16 and 18, and of 20 and 22 where those differ from 18.
messages! {
    /// REQUEST_UPDATE.
    RequestUpdate(RequestUpdate) "REQUEST_UPDATE" Some(0x2), Some(0x2);
    /// SUBSCRIBE.
    Subscribe(Subscribe) "SUBSCRIBE" Some(0x3), Some(0x3);
    /// SUBSCRIBE_OK.
    SubscribeOk(SubscribeOk) "SUBSCRIBE_OK" Some(0x4), Some(0x4);
    /// REQUEST_ERROR.
    RequestError(RequestError) "REQUEST_ERROR" Some(0x5), Some(0x5);
    /// PUBLISH_NAMESPACE.
    PublishNamespace(PublishNamespace) "PUBLISH_NAMESPACE" Some(0x6), Some(0x6);
    /// REQUEST_OK.
    RequestOk(RequestOk) "REQUEST_OK" Some(0x7), Some(0x7);
    /// NAMESPACE.
    Namespace(NamespaceAdded) "NAMESPACE" Some(0x8), Some(0x8);
    /// PUBLISH_NAMESPACE_DONE.
    PublishNamespaceDone(PublishNamespaceDone) "PUBLISH_NAMESPACE_DONE" Some(0x9), None;
    /// UNSUBSCRIBE.
    Unsubscribe(Unsubscribe) "UNSUBSCRIBE" Some(0xA), None;
    /// PUBLISH_DONE.
    PublishDone(PublishDone) "PUBLISH_DONE" Some(0xB), Some(0xB);
    /// PUBLISH_NAMESPACE_CANCEL.
    PublishNamespaceCancel(PublishNamespaceCancel) "PUBLISH_NAMESPACE_CANCEL" Some(0xC), None;
    /// TRACK_STATUS.
    TrackStatus(TrackStatus) "TRACK_STATUS" Some(0xD), Some(0xD);
    /// NAMESPACE_DONE.
    NamespaceDone(NamespaceRemoved) "NAMESPACE_DONE" Some(0xE), Some(0xE);
    /// PUBLISH_BLOCKED.
    PublishBlocked(PublishBlocked) "PUBLISH_BLOCKED" None, Some(0xF);
    /// GOAWAY.
    GoAway(GoAway) "GOAWAY" Some(0x10), Some(0x10);
    /// MAX_REQUEST_ID.
    MaxRequestId(MaxRequestId) "MAX_REQUEST_ID" Some(0x15), None;
    /// FETCH.
    Fetch(Fetch) "FETCH" Some(0x16), Some(0x16);
    /// FETCH_CANCEL.
    FetchCancel(FetchCancel) "FETCH_CANCEL" Some(0x17), None;
    /// FETCH_OK.
    FetchOk(FetchOk) "FETCH_OK" Some(0x18), Some(0x18);
    /// REQUESTS_BLOCKED.
    RequestsBlocked(RequestsBlocked) "REQUESTS_BLOCKED" Some(0x1A), None;
    /// PUBLISH.
    Publish(Publish) "PUBLISH" Some(0x1D), Some(0x1D);
    /// PUBLISH_OK; draft-18 still lists its id but has it send REQUEST_OK.
    PublishOk16(PublishOk) "PUBLISH_OK" Some(0x1E), Some(0x1E), None;
    /// PUBLISH_STATE_NOTIFY.
    PublishStateNotify(PublishStateNotify) "PUBLISH_STATE_NOTIFY" None, None, Some(0x22);
    /// SUBSCRIBE_NAMESPACE.
    SubscribeNamespace(SubscribeNamespace) "SUBSCRIBE_NAMESPACE" Some(0x11), Some(0x50);
    /// SUBSCRIBE_TRACKS.
    SubscribeTracks(SubscribeTracks) "SUBSCRIBE_TRACKS" None, Some(0x51);
}

impl Message {
    /// Takes one message off `buf`, or nothing (`None`) while it is incomplete.
    ///
    /// Never waits for more than the 16-bit length announces, and not even for that once the type is
    /// known to be wrong.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer must be disconnected; `buf` is then of no more use.
    pub fn decode(buf: &mut BytesMut, version: Version) -> Result<Option<Self>, ProtocolError> {
        let Some((id, id_length)) = varint::peek(buf, version) else {
            return Ok(None);
        };
        check_id(id, version)?;
        let Some(mut length) = buf.get(id_length..id_length + 2) else {
            return Ok(None);
        };
        let length = usize::from(length.get_u16());
        if is_bare_cancel(id, version) && length > 0 {
            return Err(ProtocolError::violation("a message of another draft"));
        }
        let start = id_length + 2;
        if buf.len() < start + length {
            return Ok(None);
        }
        buf.advance(start);
        let body = buf.split_to(length).freeze();
        Self::decode_body(id, body, version).map(Some)
    }

    /// Reads the body of a message of type `id`.
    ///
    /// # Errors
    /// [`ProtocolError`] when the body is not one, or does not end where the message does.
    pub fn decode_body(id: u64, mut body: Bytes, version: Version) -> Result<Self, ProtocolError> {
        check_id(id, version)?;
        let end = "the message ends inside a field";
        let message = match (version, id) {
            (Version::Draft16, CLIENT_SETUP) => Self::setup(Some(Side::Client), &mut body, version),
            (Version::Draft16, SERVER_SETUP) => Self::setup(Some(Side::Server), &mut body, version),
            (_, SETUP) if version.has_request_streams() => Self::setup(None, &mut body, version),
            _ if is_bare_cancel(id, version) => Ok(Self::BareCancel),
            _ => Self::decode_from_table(id, &mut body, version),
        };
        let message = message.map_err(|error| error.at_end(end))?;
        if !body.is_empty() {
            return Err(ProtocolError::violation("the message is longer than its fields"));
        }
        Ok(message)
    }

    fn setup(sender: Option<Side>, body: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self::Setup(Setup { sender, options: SetupOptions::decode(body, version)? }))
    }

    /// Appends the message: type, length and body.
    ///
    /// # Errors
    /// [`EncodeError`] when the version has no such message or field, or it is too long; `out` is then
    /// as it was.
    pub fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        let id = self.id(version)?;
        let start = out.len();
        let written = self.encode_at(id, out, version);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn encode_at(&self, id: u64, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(id, out, version)?;
        let length_at = out.len();
        out.put_u16(0);
        self.encode_body(out, version)?;
        let length = out.len() - length_at - 2;
        let length = u16::try_from(length).map_err(|_| EncodeError::MessageTooLong(length))?.to_be_bytes();
        out[length_at..length_at + 2].copy_from_slice(&length);
        Ok(())
    }

    fn id(&self, version: Version) -> Result<u64, EncodeError> {
        let id = match (self, version) {
            (Self::Setup(setup), Version::Draft16) => match setup.sender {
                Some(Side::Client) => Some(CLIENT_SETUP),
                Some(Side::Server) => Some(SERVER_SETUP),
                None => None,
            },
            (Self::Setup(_), _) => Some(SETUP),
            _ => self.id_in_table(version),
        };
        id.ok_or(EncodeError::Unrepresentable("a message of another draft"))
    }

    /// The kind of request this message makes, if it makes one.
    pub const fn request_kind(&self) -> Option<RequestKind> {
        match self {
            Self::Subscribe(_) => Some(RequestKind::Subscribe),
            Self::Publish(_) => Some(RequestKind::Publish),
            Self::Fetch(_) => Some(RequestKind::Fetch),
            Self::TrackStatus(_) => Some(RequestKind::TrackStatus),
            Self::PublishNamespace(_) => Some(RequestKind::PublishNamespace),
            Self::SubscribeNamespace(_) => Some(RequestKind::SubscribeNamespace),
            Self::SubscribeTracks(_) => Some(RequestKind::SubscribeTracks),
            _ => None,
        }
    }

    /// The id this message takes from its sender's Request IDs, if it takes one.
    pub const fn new_request_id(&self) -> Option<RequestId> {
        match self {
            Self::Subscribe(Subscribe { request_id, .. })
            | Self::Publish(Publish { request_id, .. })
            | Self::Fetch(Fetch { request_id, .. })
            | Self::TrackStatus(TrackStatus { request_id, .. })
            | Self::PublishNamespace(PublishNamespace { request_id, .. })
            | Self::SubscribeNamespace(SubscribeNamespace { request_id, .. })
            | Self::SubscribeTracks(SubscribeTracks { request_id, .. })
            | Self::RequestUpdate(RequestUpdate { request_id, .. }) => Some(*request_id),
            _ => None,
        }
    }

    /// The request or update it answers or ends, in draft-16.
    pub(crate) const fn reply_id(&self) -> Option<RequestId> {
        match self {
            Self::SubscribeOk(SubscribeOk { request_id, .. })
            | Self::RequestError(RequestError { request_id, .. })
            | Self::RequestOk(RequestOk { request_id, .. })
            | Self::PublishDone(PublishDone { request_id, .. })
            | Self::FetchOk(FetchOk { request_id, .. })
            | Self::PublishOk16(PublishOk { request_id, .. }) => *request_id,
            _ => None,
        }
    }

    /// Checks that the message may open a request stream (3.3.2).
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION when it is no request; in draft-16, when it is not SUBSCRIBE_NAMESPACE.
    pub fn check_opens_stream(&self, version: Version) -> Result<RequestKind, ProtocolError> {
        let may_open = |kind: &RequestKind| version.has_request_streams() || *kind == RequestKind::SubscribeNamespace;
        self.request_kind()
            .filter(may_open)
            .ok_or_else(|| ProtocolError::violation(format!("{} may not open a stream", self.name())))
    }

    /// Checks all that follows from who sent the message, apart from SETUP's transport.
    ///
    /// # Errors
    /// INVALID_REQUEST_ID for an id of the wrong parity; what [`GoAway::validate`] says.
    pub fn validate_sender(&self, from: Side) -> Result<(), ProtocolError> {
        if let Self::GoAway(goaway) = self {
            return goaway.validate(from);
        }
        self.new_request_id().map_or(Ok(()), |id| id.check_owner(from))
    }
}

/// Draft-16's UNSUBSCRIBE, PUBLISH_NAMESPACE_DONE and FETCH_CANCEL, where they no longer exist.
fn is_bare_cancel(id: u64, version: Version) -> bool {
    version.has_request_streams() && matches!(id, 0x9 | 0xA | 0x17)
}

fn check_id(id: u64, version: Version) -> Result<(), ProtocolError> {
    let setup = match version {
        Version::Draft16 => matches!(id, CLIENT_SETUP | SERVER_SETUP),
        _ => id == SETUP,
    };
    if setup || is_bare_cancel(id, version) || Message::is_in_table(id, version) {
        return Ok(());
    }
    Err(ProtocolError::violation(format!("unknown message type {id:#x}")))
}

fn unknown(id: u64) -> DecodeError {
    DecodeError::violation(format!("unknown message type {id:#x}"))
}

/// The Request ID that replies begin with where one stream carries them all.
fn decode_reply_id(buf: &mut Bytes, version: Version) -> Result<Option<RequestId>, DecodeError> {
    if version.has_request_streams() {
        return Ok(None);
    }
    RequestId::decode(buf, version).map(Some)
}

fn encode_reply_id(id: Option<RequestId>, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
    match (version.has_request_streams(), id) {
        (true, _) => Ok(()),
        (false, Some(id)) => id.encode(out, version),
        (false, None) => Err(EncodeError::Unrepresentable("a reply to no request")),
    }
}

fn take_uri(buf: &mut Bytes, version: Version) -> Result<String, DecodeError> {
    let uri = take_prefixed(buf, version, URI_BYTES, "a URI above 8192 bytes")?;
    String::from_utf8(uri.into()).map_err(|_| DecodeError::violation("a URI that is not text"))
}
