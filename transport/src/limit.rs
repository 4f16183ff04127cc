//! Every bound of this crate, with its unit and its reason. Settings start from these.

use std::time::Duration;

/// Peers' sending streams open at once before they prove to be publishers: a viewer needs one control stream, HTTP/3 three more.
/// Slots are kept by the QUIC stack for the life of a connection, so this decides the memory of an idle viewer.
pub const MAX_INCOMING_UNI: u32 = 16;

/// Requests (bidirectional streams) a peer may hold open at once.
pub const MAX_INCOMING_BIDI: u32 = 64;

/// Streams HTTP/3 itself opens in each direction: control, QPACK encoder, QPACK decoder.
pub const HTTP3_UNI_STREAMS: u32 = 3;

/// Unacknowledged bytes kept per connection: one second of an 8 Mbit/s rendition, so a slow viewer pins no more than that.
pub const SEND_WINDOW: u64 = 1_000_000;

/// Bytes a peer may send on one stream ahead of our reading: a large key frame, or 40 ms at 200 Mbit/s.
pub const STREAM_RECEIVE_WINDOW: u32 = 1_048_576;

/// Bytes a peer may send on all streams of a connection ahead of our reading: several publishers' tracks at once.
pub const RECEIVE_WINDOW: u32 = 8_388_608;

/// Bytes of datagrams waiting to be read; older ones are dropped.
pub const DATAGRAM_RECEIVE_BUFFER: usize = 262_144;

/// Bytes of datagrams waiting to be sent; older ones are dropped.
pub const DATAGRAM_SEND_BUFFER: usize = 262_144;

/// Silence after which a connection is given up: long enough for a phone changing networks.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// As [`IDLE_TIMEOUT`], for connections this side dials: whoever watches wants to know soon that its server died.
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest pause between a client's pings, and at least three per idle timeout. Servers send none: each ping costs a flush per viewer.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(6);

/// Ack-eliciting packets per acknowledgement asked of the peer: measured 7 to 27 % less serving CPU than one per two packets.
pub const ACK_THRESHOLD: u32 = 10;

/// Bytes in flight before the path is known: three times [`ACK_THRESHOLD`] full packets, so that the first window of a keyframe is
/// acknowledged while it is sent. RFC 9002, 7.2 recommends ten packets, which leaves a receiver one short of the threshold: it waits
/// for [`MAX_ACK_DELAY`] in each of the first round trips, which one viewer in ten met when tuning in (27 ms, now under 2).
pub const INITIAL_WINDOW: u64 = 32 * 1200;

/// Longest wait for those packets: below the interval of one video frame, so loss is still seen within a frame.
pub const MAX_ACK_DELAY: Duration = Duration::from_millis(25);

/// UDP payload bytes every path is assumed to carry at first; discovery raises it.
pub const INITIAL_MTU: u16 = 1200;

/// Bytes asked for a UDP socket's send and receive buffer: a burst of one key frame to a thousand viewers.
pub const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Time from a client's first packet to a usable connection, HTTP/3 included.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Handshakes in progress at once; each costs a signature and about 50 KB.
pub const MAX_PENDING_HANDSHAKES: usize = 1024;

/// Clients whose first packets wait for admission; more are dropped unanswered and will ask again.
pub const MAX_UNDECIDED_CLIENTS: usize = 4096;

/// Bytes kept of one client that waits for admission: a few full packets of its handshake.
pub const UNDECIDED_CLIENT_BUFFER: u64 = 16 * 1024;

/// Bytes kept of all clients that wait for admission.
pub const UNDECIDED_CLIENTS_BUFFER: u64 = 16 * 1024 * 1024;

/// Connections at once per server endpoint.
pub const MAX_CONNECTIONS: usize = 10_000;

/// Share of [`MAX_PENDING_HANDSHAKES`] (as a divisor) from which clients must prove their address by a retry first.
pub const RETRY_DIVISOR: usize = 2;

/// Addresses one server endpoint listens on.
pub const MAX_LISTEN_ADDRESSES: usize = 16;

/// Times a free port is looked for that every listen address can use.
pub const BIND_ATTEMPTS: usize = 16;

/// Addresses a name may resolve to that are tried.
pub const MAX_DIAL_ADDRESSES: usize = 8;

/// Head start of each address over the next one when a name has several (RFC 8305 section 5).
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);

/// Time for one whole dial: resolving, handshake, HTTP/3 and WebTransport.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of one encoded HTTP/3 field section (request or response headers); also told to the peer.
pub const MAX_FIELD_SECTION: usize = 16 * 1024;

/// Bytes of a peer's SETTINGS frame: some forty settings and grease.
pub const MAX_SETTINGS_FRAME: usize = 1024;

/// Bytes of one capsule we read: the close code and its longest reason (1024); longer ones are skipped unread.
pub const MAX_CAPSULE: usize = 4 + 1024;

/// Bytes of a close reason, as WebTransport limits it.
pub const MAX_CLOSE_REASON: usize = 1024;

/// Bytes asked from a stream at a time while reading HTTP/3 frames.
pub const HTTP3_READ_CHUNK: usize = 16 * 1024;

/// HTTP/3 requests served at once on one connection.
pub const MAX_HTTP3_REQUESTS: usize = 64;

/// Incoming streams of one connection whose kind is still unknown or that wait for the session to take them, per direction.
pub const MAX_STREAM_INTAKES: usize = 64;

/// Incoming WebTransport streams ready for the session to accept, per direction; more wait as intakes.
pub const MAX_ACCEPT_QUEUE: usize = 16;

/// Time for a stream's first bytes (its kind, or request headers) and for its WebTransport session to exist.
pub const STREAM_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time a closing WebTransport session waits for the peer to have read the close capsule.
pub const CLOSE_LINGER: Duration = Duration::from_secs(1);

/// Protocols a client may offer in `wt-available-protocols`; later ones are ignored.
pub const MAX_OFFERED_PROTOCOLS: usize = 32;

/// HTTPS clients that wait in the operating system's queue.
pub const TCP_BACKLOG: i32 = 1024;

/// FETCHes in descending order whose streams an observer can read; of further ones it sees wrong numbers. Far more than one session
/// has at a time.
pub(crate) const OBSERVED_FETCHES: usize = 4096;

/// Records that wait for the qlog writer, about half a second of a busy connection; beyond that they are dropped and counted.
pub(crate) const QLOG_QUEUE: usize = 8192;

/// Longest wait for the qlog writer at the end of a process.
pub(crate) const QLOG_FLUSH: Duration = Duration::from_secs(1);

/// Bytes that most qlog records have room in.
pub(crate) const QLOG_RECORD_BYTES: usize = 512;

/// Bytes of what could not be read that a qlog record shows: type and length, but no token.
pub(crate) const QLOG_RAW_BYTES: usize = 8;

/// Files kept in a qlog directory unless the operator says otherwise.
pub(crate) const QLOG_FILES: usize = 200;

/// Bytes of one qlog file unless the operator says otherwise: some minutes of video with every packet.
pub(crate) const QLOG_FILE_BYTES: u64 = 64 << 20;

/// Bytes of the connection id that a client's first packet makes up: the most there are, as quinn does.
pub(crate) const INITIAL_ID_BYTES: usize = 20;

/// Bytes a loopback stream holds unread before its writer waits.
pub const LOOPBACK_STREAM_WINDOW: usize = 256 * 1024;

/// Datagram bytes a loopback connection carries at most per datagram: a usual path's.
pub const LOOPBACK_MAX_DATAGRAM: usize = 1200;

/// Datagrams a loopback connection holds unread; older ones are dropped.
pub const LOOPBACK_DATAGRAM_QUEUE: usize = 256;

/// Bytes of a response that the plain HTTP/3 client takes: one group of video.
#[cfg(feature = "http-client")]
pub(crate) const FETCHED_BODY_BYTES: usize = 64 * 1024 * 1024;
