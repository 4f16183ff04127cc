//! The same over real QUIC and WebTransport: what the in-memory network leaves out.

use futures_util::future::join_all;
use moqt::{Parameters, Properties, PublishDoneCode, RequestErrorCode, SessionErrorCode};
use tokio::task::JoinSet;
use transport::{
    ConnectionSettings, EndpointSettings, IncomingRequest, RequestFailure, SessionError, SessionSettings,
    SubgroupFields, SubscriptionEvent, TrackEvent,
};

use super::common::{Pair, pair, within};
use super::pair::{read_ids, session, track, write_objects};

#[tokio::test]
async fn a_track_from_first_to_last_on_both_kinds() {
    for scheme in ["moqt", "https"] {
        let Pair { server: _server, client: _client, near, far } = pair(scheme, EndpointSettings::default()).await;
        let mut tasks = JoinSet::new();
        let client = session(&mut tasks, near, SessionSettings::default());
        let server = session(&mut tasks, far, SessionSettings::default());
        let publish = async {
            let Some(IncomingRequest::Subscribe(request)) = server.next_request().await else { panic!("no request") };
            let writer = request.accept(Parameters::default(), Properties::default()).unwrap();
            for group in 0..50 {
                let fields = SubgroupFields {
                    group,
                    subgroup: 0,
                    priority: None,
                    has_properties: false,
                    end_of_group: true,
                    first_object: true,
                };
                let mut stream = writer.open_subgroup(fields, 0).await.unwrap();
                write_objects(&mut stream, 0..20).await;
                stream.finish();
            }
            writer.done(PublishDoneCode::TrackEnded, "over");
        };
        let watch = async {
            let mut subscription = client.subscribe(track("video"), Parameters::default()).await.unwrap();
            let mut groups = 0;
            loop {
                match subscription.next().await {
                    TrackEvent::Subgroup(mut reader) => {
                        assert_eq!(read_ids(&mut reader).await.len(), 20);
                        groups += 1;
                    }
                    TrackEvent::Done { status, .. } => {
                        break assert_eq!((status, groups), (PublishDoneCode::TrackEnded, 50));
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        within(async { tokio::join!(publish, watch) }).await;
        client.close(SessionErrorCode::NoError, "seen");
        let told = within(server.closed()).await;
        assert_eq!(told, SessionError::ClosedByPeer { code: SessionErrorCode::NoError, reason: "seen".to_owned() });
    }
}

#[tokio::test]
async fn a_dropped_subscription_frees_the_publisher() {
    let Pair { server: _server, client: _client, near, far } = pair("moqt", EndpointSettings::default()).await;
    let mut tasks = JoinSet::new();
    let client = session(&mut tasks, near, SessionSettings::default());
    let server = session(&mut tasks, far, SessionSettings::default());
    let serve = async {
        for _ in 0..200 {
            let Some(IncomingRequest::Subscribe(request)) = server.next_request().await else { panic!("no request") };
            let mut writer = request.accept(Parameters::default(), Properties::default()).unwrap();
            assert_eq!(writer.next_event().await, SubscriptionEvent::Cancelled);
        }
    };
    let ask = async {
        for n in 0..200 {
            drop(client.subscribe(track(&format!("t{n}")), Parameters::default()).await.unwrap());
        }
    };
    within(async { tokio::join!(serve, ask) }).await;
    assert_eq!((client.live_requests(), server.live_requests()), (0, 0));
}

#[tokio::test]
async fn requests_nobody_takes_are_refused_beyond_the_queue() {
    let connection = ConnectionSettings { max_incoming_bidi: 1000, ..ConnectionSettings::default() };
    let settings = EndpointSettings { connection, ..EndpointSettings::default() };
    let Pair { server: _server, client: _client, near, far } = pair("moqt", settings).await;
    let mut tasks = JoinSet::new();
    let client = session(
        &mut tasks,
        near,
        SessionSettings { request_timeout: std::time::Duration::from_secs(4), ..SessionSettings::default() },
    );
    let server = session(&mut tasks, far, SessionSettings::default());
    let asked = (0..400).map(|n| client.subscribe(track(&format!("t{n}")), Parameters::default()));
    let answers = within(join_all(asked.map(|one| async { one.await.map(|_| ()) }))).await;
    let refused = answers.iter().filter(|answer| {
        matches!(answer, Err(RequestFailure::Refused(error)) if error.code == RequestErrorCode::ExcessiveLoad && error.retry.is_some())
    });
    let refused = refused.count();
    let late = answers.iter().filter(|answer| matches!(answer, Err(RequestFailure::Timeout))).count();
    assert_eq!((refused, late), (144, 256));
    for _ in 0..late {
        drop(within(server.next_request()).await.unwrap());
    }
    within(async {
        while server.live_requests() + client.live_requests() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}
