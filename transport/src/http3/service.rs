//! Plain HTTP/3 requests answered by a tower service, the body streamed as fast as the peer takes it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use tower::ServiceExt;

use super::error::{Http3Error, REQUEST_CANCELLED};
use super::field::headers_frame;
use super::frame::{DATA, Frame, FrameReader, frame_head};
use crate::connection::{SendStream, stopped, write_all_chunks};
use crate::quic::QuicSendStream;

/// Body of requests and responses.
pub type HttpBody = axum::body::Body;

/// What answers plain HTTP/3 requests; an axum `Router` becomes one by `BoxCloneSyncService::new(router)`.
pub type HttpService = tower::util::BoxCloneSyncService<Request<HttpBody>, Response<HttpBody>, Infallible>;

/// Answers one request. Ends early, dropping the service's future, when the peer cancels.
pub(crate) async fn serve(
    service: HttpService,
    head: Request<()>,
    mut send: QuicSendStream,
    reader: FrameReader,
) -> Result<(), Http3Error> {
    let without_body = head.method() == Method::HEAD;
    let request = head.map(|()| HttpBody::new(RequestBody { reader, ended: false }));
    let response = tokio::select! {
        biased;
        response = service.oneshot(request) => match response {
            Ok(response) => response,
            Err(never) => match never {},
        },
        _ = stopped(&mut send) => {
            send.reset(REQUEST_CANCELLED);
            return Ok(());
        }
    };
    let (parts, body) = response.into_parts();
    write_head(&mut send, parts.status, &parts.headers, body.size_hint().exact()).await?;
    if without_body {
        send.finish()?;
        return Ok(());
    }
    write_body(send, body).await
}

/// Answers with a status and nothing else.
pub(crate) async fn respond_empty(mut send: QuicSendStream, status: u16) -> Result<(), Http3Error> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    write_head(&mut send, status, &HeaderMap::new(), Some(0)).await?;
    send.finish()?;
    Ok(())
}

async fn write_head(
    send: &mut QuicSendStream,
    status: StatusCode,
    headers: &HeaderMap,
    length: Option<u64>,
) -> Result<(), Http3Error> {
    // Values that are not text cannot be encoded here; connection headers mean nothing in HTTP/3 (RFC 9114 section 4.2).
    let forbidden = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];
    let sent = headers
        .iter()
        .filter(|(name, _)| !forbidden.contains(name))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let length = length.filter(|_| !headers.contains_key(header::CONTENT_LENGTH)).map(|length| length.to_string());
    let fields = std::iter::once((":status", status.as_str()))
        .chain(sent)
        .chain(length.as_deref().map(|length| ("content-length", length)));
    let mut frame = headers_frame(fields);
    Ok(write_all_chunks(send, &mut frame).await?)
}

/// One DATA frame per body chunk; the next chunk is asked for when flow control has taken the last.
async fn write_body(mut send: QuicSendStream, mut body: HttpBody) -> Result<(), Http3Error> {
    loop {
        let frame = tokio::select! {
            biased;
            frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)) => frame,
            _ = stopped(&mut send) => {
                send.reset(REQUEST_CANCELLED);
                return Ok(());
            }
        };
        match frame {
            None => break,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    write_all_chunks(&mut send, &mut [frame_head(DATA, data.len()), data]).await?;
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "response body failed");
                send.reset(INTERNAL_ERROR);
                return Ok(());
            }
        }
    }
    send.finish()?;
    Ok(())
}

/// RFC 9114 section 8.1: our own failure.
const INTERNAL_ERROR: u64 = 0x102;

/// The request's body, read from the stream only when the service asks; dropped early it stops the peer.
#[derive(Debug)]
struct RequestBody {
    reader: FrameReader,
    ended: bool,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Http3Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Http3Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.reader.poll_next(cx));
        Poll::Ready(match frame {
            Ok(Some(Frame::Data(bytes))) => Some(Ok(http_body::Frame::data(bytes))),
            // Trailers end the body; nothing here reads them.
            Ok(None | Some(Frame::Headers(_))) => {
                self.ended = true;
                None
            }
            Ok(Some(_)) => self.fail(Http3Error::UnexpectedFrame("not allowed in a request")),
            Err(error) => self.fail(error),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl RequestBody {
    fn fail<T>(&mut self, error: Http3Error) -> Option<Result<T, Http3Error>> {
        self.ended = true;
        Some(Err(error))
    }
}
