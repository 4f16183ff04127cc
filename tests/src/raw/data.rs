//! The relay's data streams, as they come.

use bytes::{Bytes, BytesMut};
use moqt::{
    Decode, DecodeError, FetchDecoder, FetchItem, GroupOrder, Location, RequestId, SubgroupDecoder, SubgroupHeader,
    SubgroupItem, UniStreamHeader, Version,
};
use transport::{ReadError, RecvStream, read_chunk};

use crate::system::within;

/// A data stream behind its header.
#[derive(Debug)]
pub struct RawData {
    /// How it began.
    pub header: UniStreamHeader,
    /// For everything that has no helper here.
    pub recv: Box<dyn RecvStream>,
    first: Bytes,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// In good order.
    Fin,
    /// With this code.
    Reset(u64),
}

/// A record of a FETCH stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// An object and its payload's length.
    Object(Location, usize),
    /// Nothing up to here: does not exist, or nobody knows.
    Nothing(Location, bool),
}

impl RawData {
    /// Reads the header; gives a control stream back.
    pub(super) async fn of(mut recv: Box<dyn RecvStream>) -> Result<Self, Box<dyn RecvStream>> {
        let mut input = BytesMut::new();
        loop {
            let chunk = within(read_chunk(&mut *recv, 65_536)).await.unwrap().expect("a header");
            input.extend_from_slice(&chunk);
            let mut rest = input.clone().freeze();
            match UniStreamHeader::decode(&mut rest, Version::Draft18) {
                Ok(UniStreamHeader::Control) => return Err(recv),
                Ok(header) => return Ok(Self { header, recv, first: rest }),
                Err(DecodeError::Incomplete) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    /// The header of a subgroup.
    ///
    /// # Panics
    /// It is none.
    pub fn subgroup(&self) -> SubgroupHeader {
        match self.header {
            UniStreamHeader::Subgroup(header) => header,
            other => panic!("{other:?}"),
        }
    }

    /// The next bytes, or how the stream ended.
    ///
    /// # Panics
    /// The connection ended.
    pub async fn chunk(&mut self) -> Result<Bytes, Ended> {
        if !self.first.is_empty() {
            return Ok(std::mem::take(&mut self.first));
        }
        match within(read_chunk(&mut *self.recv, 65_536)).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Ended::Fin),
            Err(ReadError::Reset(code)) => Err(Ended::Reset(code)),
            Err(other) => panic!("{other}"),
        }
    }

    /// Waits for the end of the stream.
    pub async fn ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.chunk().await {
                return ended;
            }
        }
    }

    /// Object ids of a subgroup stream with the lengths of their payloads, and how it ended.
    ///
    /// # Panics
    /// The stream breaks a rule.
    pub async fn objects(&mut self) -> (Vec<(u64, usize)>, Ended) {
        let mut decoder = SubgroupDecoder::new(Version::Draft18, self.subgroup().has_properties);
        let mut objects: Vec<(u64, usize)> = Vec::new();
        loop {
            match self.chunk().await {
                Ok(bytes) => decoder.push(bytes),
                Err(ended) => return (objects, ended),
            }
            while let Some(item) = decoder.next().unwrap() {
                match item {
                    SubgroupItem::Header { header, .. } => objects.push((header.object_id, 0)),
                    SubgroupItem::Payload(part) => objects.last_mut().unwrap().1 += part.len(),
                    SubgroupItem::End => {}
                }
            }
        }
    }

    /// Records of the stream that answers this FETCH, and how it ended.
    ///
    /// # Panics
    /// It is another stream, or breaks a rule.
    pub async fn fetched(&mut self, request_id: RequestId, order: GroupOrder) -> (Vec<Fetched>, Ended) {
        assert_eq!(self.header, UniStreamHeader::Fetch { request_id });
        let mut decoder = FetchDecoder::new(Version::Draft18, order);
        let mut records = Vec::new();
        loop {
            match self.chunk().await {
                Ok(bytes) => decoder.push(bytes),
                Err(ended) => return (records, ended),
            }
            while let Some(item) = decoder.next().unwrap() {
                match item {
                    FetchItem::Header { header, .. } => records.push(Fetched::Object(header.location, 0)),
                    FetchItem::Payload(part) => {
                        let Some(Fetched::Object(_, length)) = records.last_mut() else { panic!("no object") };
                        *length += part.len();
                    }
                    FetchItem::End => {}
                    FetchItem::EndOfRange { location, known } => records.push(Fetched::Nothing(location, known)),
                }
            }
        }
    }
}
