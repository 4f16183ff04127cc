//! Plain GETs, for tests of what a server answers over HTTP/3: browsers bring their own client.

use bytes::{Bytes, BytesMut};

use super::error::Http3Error;
use super::field::{Fields, headers_frame};
use super::frame::{Frame, FrameReader, SETTINGS, varints};
use crate::connection::{SendStream, write_all, write_all_chunks};
use crate::limit;
use crate::quic::{QuicRecvStream, QuicSendStream, connection_error};

/// Type of the control stream (RFC 9114 section 6.2.1).
const CONTROL_STREAM: u64 = 0;

/// A response over HTTP/3, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Header fields by lower-case name; of a repeated one the last.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl HttpResponse {
    /// A header field, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// One GET on a connection of its own.
pub(crate) async fn get(
    connection: &quinn::Connection,
    authority: &str,
    path: &str,
) -> Result<HttpResponse, Http3Error> {
    let lost = |error| Http3Error::Connection(connection_error(error));
    let mut control = QuicSendStream::new(connection.open_uni().await.map_err(lost)?);
    write_all(&mut control, varints(&[CONTROL_STREAM, SETTINGS, 0])).await?;
    let (send, recv) = connection.open_bi().await.map_err(lost)?;
    let (mut send, mut frames) = (QuicSendStream::new(send), FrameReader::new(QuicRecvStream::new(recv)));
    let head = [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", path)];
    write_all_chunks(&mut send, &mut headers_frame(head)).await?;
    send.finish()?;
    let mut response: Option<HttpResponse> = None;
    let mut body = BytesMut::new();
    while let Some(frame) = frames.next().await? {
        match (frame, &mut response) {
            (Frame::Headers(section), None) => {
                let fields = Fields::decode(&section)?;
                let status = fields.status().ok_or(Http3Error::Frame("a response without a status"))?;
                let headers = fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                response = Some(HttpResponse { status, headers, body: Bytes::new() });
            }
            (Frame::Data(bytes), Some(_)) if body.len() + bytes.len() > limit::FETCHED_BODY_BYTES => {
                return Err(Http3Error::FrameTooLarge { limit: limit::FETCHED_BODY_BYTES });
            }
            (Frame::Data(bytes), Some(_)) => body.extend_from_slice(&bytes),
            // Trailers say nothing about what came.
            (Frame::Headers(_), Some(_)) => {}
            _ => return Err(Http3Error::UnexpectedFrame("a frame that no response has here")),
        }
    }
    let response = response.ok_or(Http3Error::Frame("a stream without a response"))?;
    Ok(HttpResponse { body: body.freeze(), ..response })
}
