//! UDP endpoints: one that serves every kind of connection on one port, one that dials.

mod client;
mod reset;
mod server;
mod socket;

pub use client::{ClientEndpoint, ClientSettings, DialError};
pub use reset::ResetSecret;
pub use server::{AcceptError, Accepted, BindError, EndpointSettings, Incoming, ServerEndpoint};

/// ALPN of HTTP/3, and so of WebTransport.
const ALPN_HTTP3: &[u8] = b"h3";

/// Protocol chosen in a finished handshake.
fn chosen_alpn(connection: &quinn::Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?.protocol
}
