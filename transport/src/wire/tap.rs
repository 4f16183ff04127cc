//! Reads along on one direction of one stream. Pure: bytes in, events to the observer.

use bytes::{Bytes, BytesMut};
use moqt::{
    Decode, DecodeError, FetchDecoder, FetchItem, Message, ProtocolError, SubgroupDecoder, SubgroupHeader,
    SubgroupItem, UniStreamHeader, Version,
};

use super::{Direction, StreamType, Watch, WireItem};

#[derive(Debug)]
pub(super) struct Tap {
    watch: Watch,
    version: Version,
    direction: Direction,
    stream: u64,
    reading: Reading,
}

/// Where in a stream the tap is.
#[derive(Debug)]
enum Reading {
    /// A unidirectional stream whose header is not complete.
    Header(Bytes),
    /// Messages; `announce` until the stream's type, which its opener decides by the first one, was told.
    Messages { pending: BytesMut, announce: bool },
    /// After a subgroup stream's header.
    Subgroup { header: SubgroupHeader, decoder: SubgroupDecoder },
    /// After a FETCH stream's header.
    Fetch(FetchDecoder),
    /// Nothing more to be read.
    Nothing,
}

impl Tap {
    /// For a half of a bidirectional stream; `opener` when the half is its opener's.
    pub(super) fn messages(watch: Watch, version: Version, direction: Direction, stream: u64, opener: bool) -> Self {
        let reading = Reading::Messages { pending: BytesMut::new(), announce: opener };
        Self { watch, version, direction, stream, reading }
    }

    /// For a unidirectional stream.
    pub(super) fn unidirectional(watch: Watch, version: Version, direction: Direction, stream: u64) -> Self {
        Self { watch, version, direction, stream, reading: Reading::Header(Bytes::new()) }
    }

    /// The next bytes of the stream.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.reading = match std::mem::replace(&mut self.reading, Reading::Nothing) {
            Reading::Header(before) if before.is_empty() => self.header(bytes),
            Reading::Header(before) => self.header([before, bytes].concat().into()),
            Reading::Messages { mut pending, announce } => {
                pending.extend_from_slice(&bytes);
                self.read_messages(pending, announce)
            }
            Reading::Subgroup { header, mut decoder } => {
                decoder.push(bytes);
                self.subgroup(header, decoder)
            }
            Reading::Fetch(mut decoder) => {
                decoder.push(bytes);
                self.fetch(decoder)
            }
            Reading::Nothing => Reading::Nothing,
        };
    }

    fn show(&self, item: WireItem<'_>) {
        self.watch.show(self.direction, Some(self.stream), item);
    }

    fn unreadable(&self, error: &ProtocolError, bytes: &[u8]) -> Reading {
        self.show(WireItem::Unreadable { error, bytes });
        Reading::Nothing
    }

    fn header(&self, bytes: Bytes) -> Reading {
        let mut rest = bytes.clone();
        let header = match UniStreamHeader::decode(&mut rest, self.version) {
            Ok(header) => header,
            Err(DecodeError::Incomplete) => return Reading::Header(bytes),
            Err(DecodeError::Invalid(error)) => return self.unreadable(&error, &bytes),
        };
        match header {
            UniStreamHeader::Control => {
                self.show(WireItem::StreamType(StreamType::Control));
                self.read_messages(BytesMut::from(&rest[..]), false)
            }
            UniStreamHeader::Subgroup(header) => {
                self.show(WireItem::StreamType(StreamType::Subgroup));
                self.show(WireItem::Subgroup(&header));
                let mut decoder = SubgroupDecoder::new(self.version, header.has_properties);
                decoder.push(rest);
                self.subgroup(header, decoder)
            }
            UniStreamHeader::Fetch { request_id } => {
                self.show(WireItem::StreamType(StreamType::Fetch));
                self.show(WireItem::Fetch(request_id));
                let mut decoder = FetchDecoder::new(self.version, self.watch.order(request_id));
                decoder.push(rest);
                self.fetch(decoder)
            }
            UniStreamHeader::Padding => {
                self.show(WireItem::StreamType(StreamType::Padding));
                Reading::Nothing
            }
        }
    }

    fn read_messages(&self, mut pending: BytesMut, mut announce: bool) -> Reading {
        loop {
            let whole = pending.clone();
            match Message::decode(&mut pending, self.version) {
                Ok(Some(message)) => {
                    if std::mem::take(&mut announce) {
                        let control = matches!(message, Message::Setup(_));
                        let kind = if control { StreamType::Control } else { StreamType::Request };
                        self.show(WireItem::StreamType(kind));
                    }
                    self.watch.note(&message);
                    let bytes = &whole[..whole.len() - pending.len()];
                    self.show(WireItem::Message { message: &message, bytes });
                }
                Ok(None) => return Reading::Messages { pending, announce },
                Err(error) => return self.unreadable(&error, &whole),
            }
        }
    }

    fn subgroup(&self, header: SubgroupHeader, mut decoder: SubgroupDecoder) -> Reading {
        loop {
            match decoder.next() {
                Ok(Some(SubgroupItem::Header { header: object, .. })) => {
                    self.show(WireItem::SubgroupObject { subgroup: &header, object: &object });
                }
                Ok(Some(_)) => {}
                Ok(None) => return Reading::Subgroup { header, decoder },
                Err(error) => return self.unreadable(&error, &[]),
            }
        }
    }

    fn fetch(&self, mut decoder: FetchDecoder) -> Reading {
        loop {
            match decoder.next() {
                Ok(Some(FetchItem::Header { header, .. })) => self.show(WireItem::FetchObject(&header)),
                Ok(Some(FetchItem::EndOfRange { location, known })) => {
                    self.show(WireItem::FetchRange { location, known });
                }
                Ok(Some(_)) => {}
                Ok(None) => return Reading::Fetch(decoder),
                Err(error) => return self.unreadable(&error, &[]),
            }
        }
    }
}
