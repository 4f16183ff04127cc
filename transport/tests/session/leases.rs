//! Leases on requests of the peer: updates that are granted or not, and ends that come by themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use moqt::session::ResolvedToken;
use moqt::{Location, Namespace, Parameters, Properties, PublishDoneCode, RequestErrorCode, StreamErrorCode, Token};
use tokio::time::{Instant, sleep};
use transport::{
    IncomingRequest, Lease, LeaseRefusal, PrefixEvent, RequestFailure, StreamFailure, SubscriptionEvent, TrackEvent,
};

use super::pair::{MS, SECOND, idle, namespace, net, soon, track};

/// Ends ten seconds after it began or was renewed with `good`; any other token is refused.
#[derive(Debug, Clone)]
struct TenSeconds {
    until: Arc<Mutex<Instant>>,
    /// How often it prolongs itself.
    rechecks: u32,
}

const TEN: Duration = Duration::from_secs(10);

impl TenSeconds {
    fn new() -> Self {
        Self { until: Arc::new(Mutex::new(Instant::now() + TEN)), rechecks: 0 }
    }
}

impl Lease for TenSeconds {
    fn renew(&mut self, prefix: Option<&Namespace>, tokens: &[ResolvedToken]) -> Result<(), LeaseRefusal> {
        let refused = |reason| Err(LeaseRefusal { code: RequestErrorCode::Unauthorized, reason });
        if prefix.is_some_and(|prefix| *prefix == namespace(&["secret"])) {
            return refused("not there");
        }
        match tokens.first().map(|token| &token.value[..]) {
            None => Ok(()),
            Some(b"good") => {
                *self.until.lock().unwrap() = Instant::now() + TEN;
                Ok(())
            }
            Some(_) => refused("not with this token"),
        }
    }

    fn recheck(&mut self) {
        if let Some(left) = self.rechecks.checked_sub(1) {
            self.rechecks = left;
            *self.until.lock().unwrap() += TEN;
        }
    }

    fn until(&self) -> Option<Instant> {
        Some(*self.until.lock().unwrap())
    }
}

fn with(token: &'static str) -> Parameters {
    Parameters { authorization_tokens: vec![Token::agreed(token)], ..Parameters::default() }
}

fn refusal<T>(outcome: Result<T, RequestFailure>) -> Option<RequestErrorCode> {
    match outcome {
        Ok(_) => None,
        Err(RequestFailure::Refused(error)) => Some(error.code),
        Err(other) => panic!("{other}"),
    }
}

/// The server's next request, with a lease.
async fn held(server: &transport::Session, lease: TenSeconds) -> IncomingRequest {
    let mut request = soon(server.next_request()).await.unwrap();
    request.hold(Box::new(lease));
    request
}

async fn subscribed(net: &super::pair::Net) -> (transport::Subscription, transport::SubscriptionWriter) {
    let serve = async {
        let IncomingRequest::Subscribe(request) = held(&net.server, TenSeconds::new()).await else { panic!("kind") };
        request.accept(Parameters::default(), Properties::default()).unwrap()
    };
    let (subscription, writer) = tokio::join!(net.client.subscribe(track("video"), Parameters::default()), serve);
    (subscription.unwrap(), writer)
}

#[tokio::test(start_paused = true)]
async fn c070_a_subscription_is_prolonged_refused_or_over() {
    let net = net();
    let (subscription, mut writer) = subscribed(&net).await;
    assert_eq!(subscription.parameters().expires, Some(TEN), "SUBSCRIBE_OK tells");
    sleep(9 * SECOND).await;
    let update = async {
        let answered = subscription.update(with("good")).await.unwrap();
        assert_eq!(answered.expires, Some(TEN), "so does the answer to the update");
    };
    let serve = async {
        assert!(matches!(writer.next_event().await, SubscriptionEvent::Update(_)));
        writer.accept_update(Parameters::default());
    };
    soon(async { tokio::join!(update, serve) }).await;
    assert!(tokio::time::timeout(9 * SECOND, writer.next_event()).await.is_err(), "the old end has passed");
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Expired);
    writer.done(PublishDoneCode::Expired, "over");
    let mut subscription = subscription;
    let TrackEvent::Done { status, .. } = soon(subscription.next()).await else { panic!("not done") };
    assert_eq!(status, PublishDoneCode::Expired);

    let (mut subscription, mut writer) = subscribed(&net).await;
    let serve = async {
        let SubscriptionEvent::Refused(LeaseRefusal { code, reason }) = writer.next_event().await else {
            panic!("an update was granted")
        };
        writer.reject_update(code, reason);
    };
    let (updated, ()) = soon(async { tokio::join!(subscription.update(with("bad")), serve) }).await;
    assert_eq!(refusal(updated), Some(RequestErrorCode::Unauthorized));
    let TrackEvent::Done { status, .. } = soon(subscription.next()).await else { panic!("not done") };
    assert_eq!(status, PublishDoneCode::UpdateFailed);
}

#[tokio::test(start_paused = true)]
async fn a_lease_may_prolong_itself() {
    let net = net();
    let serve = async {
        let lease = TenSeconds { rechecks: 2, ..TenSeconds::new() };
        let IncomingRequest::PublishNamespace(request) = held(&net.server, lease).await else { panic!("kind") };
        request.accept()
    };
    let publish = net.client.publish_namespace(namespace(&["live"]), Parameters::default());
    let (publication, mut hold) = soon(async { tokio::join!(publish, serve) }).await;
    let began = Instant::now();
    soon(hold.ended()).await;
    assert!((29 * SECOND..31 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    soon(publication.unwrap().ended()).await;
    drop(hold);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn namespace_requests_end_by_themselves_and_move_where_they_may() {
    let net = net();
    let serve = async {
        let IncomingRequest::SubscribeNamespace(request) = held(&net.server, TenSeconds::new()).await else {
            panic!("kind")
        };
        request.accept()
    };
    let list = net.client.subscribe_namespace(namespace(&["a"]), Parameters::default());
    let (reader, mut writer) = soon(async { tokio::join!(list, serve) }).await;
    let mut reader = reader.unwrap();
    let (moved, event) = soon(async { tokio::join!(reader.move_to(namespace(&["b"])), writer.next()) }).await;
    moved.unwrap();
    assert_eq!(event, PrefixEvent::Moved(namespace(&["b"])));
    let (moved, event) = soon(async { tokio::join!(reader.move_to(namespace(&["secret"])), writer.next()) }).await;
    assert_eq!((refusal(moved), event), (Some(RequestErrorCode::Unauthorized), PrefixEvent::Ended));
    drop((reader, writer));
    idle(&[&net.client, &net.server]).await;

    let serve = async {
        let IncomingRequest::SubscribeTracks(request) = held(&net.server, TenSeconds::new()).await else {
            panic!("kind")
        };
        request.accept()
    };
    let tracks = net.client.subscribe_tracks(namespace(&["a"]), Parameters::default());
    let (tracks, mut writer) = soon(async { tokio::join!(tracks, serve) }).await;
    assert_eq!(soon(writer.next()).await, PrefixEvent::Ended);
    soon(tracks.unwrap().ended()).await;
    drop(writer);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn an_offered_track_ends_with_its_lease() {
    let net = net();
    let serve = async {
        let IncomingRequest::Publish(request) = held(&net.server, TenSeconds::new()).await else { panic!("kind") };
        request.accept(Parameters::default())
    };
    let publish = net.client.publish(track("video"), Parameters::default(), Properties::default());
    let (published, mut subscription) = soon(async { tokio::join!(publish, serve) }).await;
    let (mut writer, answer) = published.unwrap();
    assert_eq!(answer.expires, Some(TEN), "PUBLISH_OK tells");
    let began = Instant::now();
    assert!(matches!(soon(subscription.next()).await, TrackEvent::Lost(None)));
    assert!((9 * SECOND..11 * SECOND).contains(&began.elapsed()));
    assert_eq!(soon(writer.next_event()).await, SubscriptionEvent::Cancelled);
    drop((writer, subscription));
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_nobody_reads_ends_with_its_lease() {
    let net = net();
    let at = |group, object| Location { group, object };
    let mut reader = net.client.fetch(track("video"), at(0, 0), at(0, 0), Parameters::default()).unwrap();
    let IncomingRequest::Fetch(request) = held(&net.server, TenSeconds::new()).await else { panic!("kind") };
    let mut writer = soon(request.accept(false, at(0, 1), Properties::default(), 0)).await.unwrap();
    soon(writer.write(&mut [])).await.unwrap();
    let began = Instant::now();
    // Nothing has come of it yet but the stream itself.
    assert!(tokio::time::timeout(SECOND, reader.next()).await.is_err());
    soon(writer.cancelled()).await;
    assert!((9 * SECOND..11 * SECOND).contains(&began.elapsed()));
    // Whatever the server takes for the reason.
    writer.reset(StreamErrorCode::Cancelled);
    match soon(reader.next()).await {
        Err(StreamFailure::Reset(code)) => assert_eq!(code, StreamErrorCode::ExpiredAuthToken),
        other => panic!("{other:?}"),
    }
    drop(reader);
    idle(&[&net.client, &net.server]).await;
}

#[tokio::test(start_paused = true)]
async fn a_time_further_away_than_clocks_count_is_no_trouble() {
    let net = net();
    let lease = TenSeconds::new();
    *lease.until.lock().unwrap() = Instant::now() + Duration::from_secs(60 * 60 * 24 * 365 * 50);
    let serve = async {
        let IncomingRequest::PublishNamespace(request) = held(&net.server, lease).await else { panic!("kind") };
        request.accept()
    };
    let publish = net.client.publish_namespace(namespace(&["live"]), Parameters::default());
    let (publication, mut hold) = soon(async { tokio::join!(publish, serve) }).await;
    assert!(tokio::time::timeout(100 * MS, hold.ended()).await.is_err());
    drop(publication.unwrap());
    soon(hold.ended()).await;
}
