//! Beginning, or beginning again, to receive a track on a session.

use moqt::{Filter, FullTrackName, GroupOrder, Location, Parameters};
use transport::{FetchReader, RequestFailure, Session, Subscription};

use crate::limit;

/// Where a track is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The current group, from its first object.
    Live,
    /// The next group.
    Next,
    /// This group, however far back or ahead.
    Group(u64),
    /// This group after a break, unless too much was missed.
    Resume(u64),
}

/// A track that has begun.
#[derive(Debug)]
pub(crate) struct Attached {
    /// `None` while the past is caught up with.
    pub(crate) subscription: Option<Subscription>,
    /// The past.
    pub(crate) head: Option<Head>,
    /// The group to begin with; `None`: whichever comes first.
    pub(crate) group: Option<u64>,
}

/// A FETCH of groups `from..=until`.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) reader: FetchReader,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// Asks for the track: SUBSCRIBE, and FETCH for what is past.
pub(crate) async fn attach(
    session: Session,
    name: FullTrackName,
    start: Start,
    priority: u8,
) -> Result<Attached, RequestFailure> {
    let parameters = || Parameters {
        subscriber_priority: Some(priority),
        group_order: Some(GroupOrder::Ascending),
        ..Parameters::default()
    };
    match start {
        Start::Live => join_live(&session, name, parameters()).await,
        Start::Next => {
            let parameters = Parameters { filter: Some(Filter::NextGroup), forward: Some(true), ..parameters() };
            let subscription = session.subscribe(name, parameters).await?;
            Ok(Attached { subscription: Some(subscription), head: None, group: None })
        }
        Start::Group(group) | Start::Resume(group) => {
            let largest = live_edge(&session, &name).await?;
            let behind = largest.map_or(0, |largest| largest.group.saturating_sub(group));
            if matches!(start, Start::Resume(_)) && behind > limit::RESUME_GROUPS {
                return join_live(&session, name, parameters()).await;
            }
            if let Some(largest) = largest.filter(|_| behind > limit::JOIN_GROUPS) {
                // Live streams would only pile up beside a long FETCH: first the past, then the rest.
                let until = largest.group.saturating_sub(1);
                let parameters = Parameters { filter: None, ..parameters() };
                let reader = session.fetch(name, Location::new(group, 0), Location::new(until, 0), parameters)?;
                return Ok(Attached {
                    subscription: None,
                    head: Some(Head { reader, from: group, until }),
                    group: Some(group),
                });
            }
            join_from(&session, name, start, group, parameters()).await
        }
    }
}

/// SUBSCRIBE and, in the same flight, the current group by FETCH.
async fn join_live(session: &Session, name: FullTrackName, parameters: Parameters) -> Result<Attached, RequestFailure> {
    let joined = session.join(name, parameters, 0).await?;
    let group = joined.subscription.parameters().largest_object.map(|largest| largest.group);
    let head = joined.head.zip(group).map(|(reader, group)| Head { reader, from: group, until: group });
    Ok(Attached { subscription: Some(joined.subscription), head, group })
}

/// SUBSCRIBE, then FETCH from `group` up to where the subscription begins.
async fn join_from(
    session: &Session,
    name: FullTrackName,
    start: Start,
    group: u64,
    parameters: Parameters,
) -> Result<Attached, RequestFailure> {
    let past = Parameters { subscriber_priority: parameters.subscriber_priority, ..Parameters::default() };
    let parameters = Parameters { filter: Some(Filter::LargestObject), forward: Some(true), ..parameters };
    let subscription = session.subscribe(name, parameters).await?;
    let largest = subscription.parameters().largest_object;
    let (from, groups) = match largest {
        Some(largest) if largest.group >= group => (group, largest.group - group),
        // After a break smaller numbers mean a publisher that counts anew; before, a group still to come.
        Some(largest) if matches!(start, Start::Resume(_)) => (largest.group, 0),
        _ => return Ok(Attached { subscription: Some(subscription), head: None, group: Some(group) }),
    };
    let reader = session.fetch_joining(&subscription, groups, past)?;
    let head = Head { reader, from, until: from + groups };
    Ok(Attached { subscription: Some(subscription), head: Some(head), group: Some(from) })
}

/// The newest location, if the server tells.
async fn live_edge(session: &Session, name: &FullTrackName) -> Result<Option<Location>, RequestFailure> {
    match session.track_status(name.clone(), Parameters::default()).await {
        Ok(ok) => Ok(ok.parameters.largest_object),
        // Not every server answers TRACK_STATUS; SUBSCRIBE_OK tells too.
        Err(RequestFailure::Refused(_) | RequestFailure::Timeout) => Ok(None),
        Err(failure) => Err(failure),
    }
}
