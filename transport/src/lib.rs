//! QUIC, WebTransport and in-memory connections, HTTP/3 for a tower service, and the async MOQT session.
//!
//! | Module | What it holds |
//! |---|---|
//! | `connection` | the seam: traits of a connection and its streams, their errors and async helpers |
//! | `quic` | MOQT straight on QUIC |
//! | `webtransport` | MOQT in a WebTransport session on HTTP/3 |
//! | `loopback` | an in-memory network with latency, loss and bandwidth, for tests |
//! | `http3` | plain HTTP/3 requests answered by a tower service, beside WebTransport |
//! | `endpoint` | the UDP endpoints that serve and dial all of these |
//! | `tls` | certificates, trust and QUIC transport parameters |
//! | `priority` | MOQT priorities as stream priorities |
//! | `address` | `https://` and `moqt://` addresses |
//! | `qlog` | traces of connections as files |
//! | `wire` | what passes over a connection, for those who want to see it |
//! | `session` | the async MOQT session that applications hold |
//! | `limit` | every bound, with its unit and reason |

mod address;
mod connection;
mod endpoint;
mod http3;
mod https;
pub mod limit;
pub mod loopback;
mod priority;
mod qlog;
mod quic;
mod session;
mod tls;
mod turn;
mod webtransport;
mod wire;

pub use address::{Address, AddressError, Scheme};
pub use connection::{
    BidiStream, BoxFuture, CANCELLED, Connection, ConnectionError, ConnectionInfo, ConnectionStats, DatagramError,
    ReadError, RecvStream, SendStream, Side, TransportKind, WriteError, read_chunk, stopped, write_all,
    write_all_chunks,
};
pub use endpoint::{
    AcceptError, Accepted, BindError, ClientEndpoint, ClientSettings, DialError, EndpointSettings, Incoming,
    ResetSecret, ServerEndpoint,
};
#[cfg(feature = "http-client")]
pub use http3::HttpResponse;
pub use http3::{HttpBody, HttpService};
pub use https::{HttpsAcceptor, HttpsStream, bind_https};
pub use priority::{CONTROL_PRIORITY, MAX_GROUP_RANK, REQUEST_PRIORITY, stream_priority};
pub use qlog::{Qlog, QlogSettings, Share};
pub use session::{
    Driver, FetchReader, FetchWriter, FetchedObject, GoAwayNotice, IncomingFetch, IncomingNamespace, IncomingPrefix,
    IncomingPublish, IncomingRequest, IncomingSubscribe, IncomingTrackStatus, Joined, Lease, LeaseRefusal,
    NamespaceEvent, NamespaceHold, NamespacePublication, NamespaceReader, NamespaceWriter, Object, PrefixEvent,
    RequestFailure, Session, SessionError, SessionSettings, StartError, StreamFailure, SubgroupFields, SubgroupReader,
    SubgroupWriter, Subscription, SubscriptionEvent, SubscriptionWriter, TrackEvent, TracksReader, start,
};
pub use tls::{ConnectionSettings, TlsError, TrustSettings};
pub use wire::{Direction, StreamType, WireEvent, WireItem, WireObserver, observe};
