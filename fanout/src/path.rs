//! Path statistics: a track that every server has for each session, about that session's own connection.
//!
//! Namespace `.efir`/`session`, track `path`: one group a second with one object, a JSON object of what the sender knows about
//! the way to the subscriber. It is born here and ends here: it is neither announced nor asked for upstream, and nothing else
//! under `.efir` exists.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use moqt::{FullTrackName, Namespace, ObjectHeader, Pair, Parameters, Properties, RequestErrorCode, Version, property};
use tokio::time::{MissedTickBehavior, interval};
use transport::{Connection, ConnectionStats, IncomingSubscribe};

use crate::budget::MemoryBudget;
use crate::limit::{PATH_INTERVAL, PATH_LOG_BYTES, PATH_LOG_GROUPS};
use crate::log::{AppendError, LogSettings, SubgroupMeta, TrackLog, group_start};
use crate::observer::NoObserver;
use crate::serve::{DeliveryTimeouts, ServeSettings, SlowViewerPolicy, serve_subscription};
use crate::session::SubscriptionSink;

const RESERVED: &[u8] = b".efir";
const SESSION: &[u8] = b"session";
const PATH: &[u8] = b"path";
/// Of a subscriber that names none (draft-18 section 10.2.7).
const DEFAULT_PRIORITY: u8 = 128;

/// Whether a namespace is the server's own: never announced, forwarded or taken from a publisher.
#[must_use]
pub fn is_reserved(namespace: &Namespace) -> bool {
    namespace.fields().first().is_some_and(|field| field[..] == *RESERVED)
}

/// Answers a SUBSCRIBE for a reserved name: the session's path statistics until the subscriber leaves, or DOES_NOT_EXIST.
pub async fn serve_reserved(connection: &dyn Connection, request: IncomingSubscribe) {
    if !is_path(&request.track) {
        return request.reject(RequestErrorCode::DoesNotExist, None, "no such track of this session");
    }
    let settings = serve_settings(&request.parameters);
    let content_type = Pair::new(property::CONTENT_TYPE, Bytes::from_static(b"application/json"));
    let Ok(properties) = Properties::from_pairs([content_type]) else { return };
    // A subscriber that is gone needs no answer.
    let Ok(writer) = request.accept(Parameters::default(), properties) else { return };
    let bounds = LogSettings { max_groups: PATH_LOG_GROUPS, min_age: Duration::ZERO, max_bytes: PATH_LOG_BYTES };
    let log = TrackLog::new(bounds, MemoryBudget::new(PATH_LOG_BYTES));
    let sink = SubscriptionSink::new(writer, connection.info().version);
    tokio::select! {
        _ = serve_subscription(&log, sink, settings, &NoObserver) => {}
        Err(_) = write(&log, connection) => {}
    }
}

fn is_path(track: &FullTrackName) -> bool {
    let fields = track.namespace.fields();
    is_reserved(&track.namespace)
        && fields.len() == 2
        && fields[1][..] == *SESSION
        && track.name.as_bytes()[..] == *PATH
}

fn serve_settings(wanted: &Parameters) -> ServeSettings {
    ServeSettings {
        start: group_start(0),
        end_group: None,
        forward: wanted.forward.unwrap_or(true),
        subscriber_priority: wanted.subscriber_priority.unwrap_or(DEFAULT_PRIORITY),
        publisher_priority: DEFAULT_PRIORITY,
        order: wanted.group_order.unwrap_or_default(),
        timeouts: DeliveryTimeouts::new(wanted, &Properties::default()),
        slow: SlowViewerPolicy {
            max_lag_groups: 1,
            min_lag: Duration::ZERO,
            max_lag: PATH_INTERVAL,
            max_lag_bytes: PATH_LOG_BYTES,
        },
    }
}

/// Looks at the connection again and again; ends only if the log does not take it.
async fn write(log: &TrackLog, connection: &dyn Connection) -> Result<Infallible, AppendError> {
    let meta = SubgroupMeta {
        version: Version::Draft18,
        priority: None,
        has_properties: false,
        first_object: true,
        end_of_group: true,
    };
    let mut looks = interval(PATH_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut group = 0;
    loop {
        looks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Numbers by the clock: a later subscription of the session does not use one again.
        group = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(group + 1);
        let payload = Bytes::from(document(now.as_micros(), connection.stats()));
        let header = ObjectHeader { payload_len: payload.len() as u64, ..ObjectHeader::default() };
        let mut appender = log.subgroup(group, 0, meta)?;
        appender.object(&header, payload)?;
        appender.finish(true)?;
        drop(log.take_completed());
    }
}

fn document(time_us: u128, stats: ConnectionStats) -> String {
    let ConnectionStats { rtt, lost_packets, sent_packets, sent_bytes, received_bytes: _, congestion_window } = stats;
    let rtt_us = rtt.as_micros();
    format!(
        "{{\"time_us\":{time_us},\"rtt_us\":{rtt_us},\"lost_packets\":{lost_packets},\"sent_packets\":{sent_packets},\
         \"sent_bytes\":{sent_bytes},\"congestion_window\":{congestion_window}}}"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_track_exists_under_the_reserved_name() {
        let namespace = |fields: &[&'static str]| Namespace::new(fields.iter().copied()).unwrap();
        let name = |fields: &[&'static str], track: &'static str| {
            FullTrackName::new(namespace(fields), moqt::TrackName::new(track).unwrap()).unwrap()
        };
        assert!(is_path(&name(&[".efir", "session"], "path")));
        for other in [name(&[".efir", "session"], "paths"), name(&[".efir"], "path"), name(&[".efir", "other"], "path")]
        {
            assert!(!is_path(&other) && is_reserved(&other.namespace), "{other}");
        }
        assert!(!is_path(&name(&[".efir", "session", "more"], "path")));
        assert!(!is_reserved(&namespace(&["live", ".efir"])) && !is_reserved(&Namespace::default()));
    }

    #[test]
    fn the_document_names_every_number() {
        let stats = ConnectionStats {
            rtt: Duration::from_micros(1500),
            lost_packets: 2,
            sent_packets: 30,
            sent_bytes: 4000,
            received_bytes: 7,
            congestion_window: 50_000,
        };
        let expected = "{\"time_us\":9,\"rtt_us\":1500,\"lost_packets\":2,\"sent_packets\":30,\"sent_bytes\":4000,\
                        \"congestion_window\":50000}";
        assert_eq!(document(9, stats), expected);
    }
}
