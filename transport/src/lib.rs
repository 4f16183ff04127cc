//! QUIC, WebTransport and in-memory connections, HTTP/3 for a tower service, and the async MOQT session.
//!
//! | Module | What it holds |
//! |---|---|
//! | `connection` | the seam: traits of a connection and its streams, their errors and async helpers |
//! | `loopback` | an in-memory network with latency, loss and bandwidth |

mod connection;

pub use connection::{
    BidiStream, BoxFuture, CANCELLED, Connection, ConnectionError, ConnectionInfo, ConnectionStats, DatagramError, ReadError, RecvStream,
    SendStream, Side, TransportKind, WriteError, read_chunk, stopped, write_all, write_all_chunks,
};
