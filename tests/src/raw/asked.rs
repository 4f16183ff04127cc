//! What a relay asks of a publisher when a track is wanted, answered by hand.

use bytes::Bytes;
use moqt::{
    FetchOk, Location, Message, Parameters, Properties, PublishDone, PublishDoneCode, RequestId, Subscribe,
    SubscribeOk, TrackAlias, UniStreamHeader,
};

use super::{Raw, RawRequest, data_header, encode};

/// SUBSCRIBE and the joining FETCH that comes with it.
#[derive(Debug)]
pub struct Asked {
    /// The SUBSCRIBE's stream.
    pub subscribe: RawRequest,
    /// What it says.
    pub message: Subscribe,
    /// The FETCH's stream.
    pub fetch: RawRequest,
    /// Its id.
    pub fetch_id: RequestId,
}

impl Raw {
    /// Waits until the relay wants a track.
    ///
    /// # Panics
    /// It asks for something else.
    pub async fn asked(&self) -> Asked {
        let (mut subscribe, mut fetch) = (None, None);
        while subscribe.is_none() || fetch.is_none() {
            match self.accept().await {
                (request, Message::Subscribe(message)) => subscribe = Some((request, message)),
                (request, Message::Fetch(message)) => fetch = Some((request, message.request_id)),
                (_, other) => panic!("{other:?}"),
            }
        }
        let ((subscribe, message), (fetch, fetch_id)) = (subscribe.unwrap(), fetch.unwrap());
        Asked { subscribe, message, fetch, fetch_id }
    }
}

impl Asked {
    /// SUBSCRIBE_OK.
    pub async fn accept(&mut self, alias: u64, largest: Option<Location>, properties: Properties) {
        let parameters = Parameters { largest_object: largest, ..Parameters::default() };
        let (request_id, track_alias) = (None, TrackAlias(alias));
        self.subscribe
            .say(&Message::SubscribeOk(SubscribeOk { request_id, track_alias, parameters, properties }))
            .await;
    }

    /// FETCH_OK, and these records on its data stream.
    pub async fn fill(&mut self, raw: &Raw, end: Location, records: Bytes) {
        let (parameters, properties) = (Parameters::default(), Properties::default());
        let ok = FetchOk { request_id: None, end_of_track: false, end, parameters, properties };
        self.fetch.write(encode(&Message::FetchOk(ok))).await;
        let header = data_header(&UniStreamHeader::Fetch { request_id: self.fetch_id });
        let mut stream = raw.uni([header, records].concat().into()).await;
        // A relay that closed meanwhile is what some tests wait for.
        let _ = stream.finish();
    }

    /// PUBLISH_DONE and FIN.
    ///
    /// # Panics
    /// The stream broke.
    pub async fn done(&mut self, status: PublishDoneCode, streams: u64) {
        let done = PublishDone { request_id: None, status, stream_count: Some(streams), reason: "".into() };
        self.subscribe.say(&Message::PublishDone(done)).await;
        self.subscribe.send.finish().unwrap();
    }
}
