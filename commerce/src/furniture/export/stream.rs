//! Exports straight to a reader.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::read::Export;
use crate::furniture::limit::{CHUNKS_WAITING, STALL};

/// The bytes as a body. The rows are read beside the sending, a few chunks ahead at most; a reader that stalls is cut off, and
/// with it whoever waits for the connection and the `place` is freed. A body that ends early ends with an error, so that no
/// reader takes it for whole.
pub(in crate::furniture) fn body(export: Export, place: OwnedSemaphorePermit) -> Body {
    let (send, mut receive) = mpsc::channel::<Result<Bytes, io::Error>>(CHUNKS_WAITING);
    let mut reading = JoinSet::new();
    let mut chunks = export.chunks;
    reading.spawn(async move {
        let _place = place;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map(|chunk| chunk.bytes).map_err(io::Error::other);
            let over = chunk.is_err();
            match timeout(STALL, send.send(chunk)).await {
                Ok(Ok(())) if !over => {}
                Ok(_) => return,
                Err(_) => {
                    tracing::info!("an export's reader stalled and was cut off");
                    return;
                }
            }
        }
        // Tells a whole export from one that was cut off.
        let _ = timeout(STALL, send.send(Ok(Bytes::new()))).await;
    });
    Body::from_stream(async_stream::stream! {
        let _reading = reading;
        loop {
            match receive.recv().await {
                Some(Ok(bytes)) if bytes.is_empty() => break,
                Some(Ok(bytes)) => yield Ok(bytes),
                Some(Err(error)) => {
                    yield Err(error);
                    break;
                }
                None => {
                    yield Err(io::Error::other("the export was cut off"));
                    break;
                }
            }
        }
    })
}
