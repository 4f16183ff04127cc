//! A request of this side on its way: cancelled when its future or handle is dropped.

use std::sync::Arc;
use std::time::Duration;

use moqt::session::{CommandError, RequestKey, Response, Session as Machine};
use moqt::{Parameters, ReasonPhrase, RequestError, StreamErrorCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::error::RequestFailure;
use super::lease::{Course, LeaseRefusal, Turn};
use super::limit;
use super::shared::{Channels, DataEvent, PendingUpdate, RequestEvent, Shared};

/// One live request; dropping it cancels the request on the wire, unless it has ended.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: RequestKey,
    owned: bool,
}

impl RequestGuard {
    pub(crate) fn new(shared: Arc<Shared>, key: RequestKey) -> Self {
        Self { shared, key, owned: true }
    }

    /// Another handle takes the live request over.
    pub(crate) fn hand_over(mut self) {
        self.owned = false;
    }

    /// Gives the request up now. Nothing is sent when it has ended.
    pub(crate) fn cancel(&self) {
        self.shared.cancel(self.key, StreamErrorCode::Cancelled);
    }

    /// A FETCH is over: finishes this side's half of its stream.
    pub(crate) fn finish(&self) {
        self.shared.conclude(self.key, |machine| {
            machine.finish(self.key);
            Ok(())
        });
    }

    /// The next update of a request of the peer that only its lease has a say in, accepted; `None` when the request is over.
    /// Cancel safe.
    pub(crate) async fn turn(&self, course: &mut Course) -> Option<Parameters> {
        loop {
            match course.next().await {
                Turn::Update(parameters) => {
                    let expires = course.left();
                    let answer = Parameters { expires, ..Parameters::default() };
                    self.shared.tell(|machine| machine.accept_update(self.key, answer));
                    return Some(parameters);
                }
                Turn::Refused(refusal) => {
                    self.reject_update(refusal);
                    self.shared.cancel(self.key, StreamErrorCode::Cancelled);
                    return None;
                }
                Turn::Expired => {
                    self.shared.cancel(self.key, StreamErrorCode::ExpiredAuthToken);
                    return None;
                }
                Turn::Ended => return None,
                Turn::Other(_) => {}
            }
        }
    }

    /// Refuses the oldest unanswered update.
    pub(crate) fn reject_update(&self, refusal: LeaseRefusal) {
        let LeaseRefusal { code, reason } = refusal;
        let reason = ReasonPhrase::from(reason);
        let error = RequestError { request_id: None, code, retry: None, reason, redirect: None };
        self.shared.tell(|machine| machine.reject_update(self.key, error));
    }

    /// Sends REQUEST_UPDATE and waits for its answer.
    pub(crate) async fn update(&self, parameters: Parameters) -> Result<Parameters, RequestFailure> {
        self.send_update(parameters)?.await
    }

    /// Sends REQUEST_UPDATE; the future is its answer.
    pub(crate) fn send_update(
        &self,
        parameters: Parameters,
    ) -> Result<impl Future<Output = Result<Parameters, RequestFailure>> + Send + use<>, RequestFailure> {
        let (answer, arrives) = oneshot::channel();
        let sent = self.shared.with(|state| {
            let prefix = parameters.namespace_prefix.clone();
            let sent = state.machine.update(self.key, parameters);
            if sent.is_ok()
                && let Some(slot) = state.slots.get_mut(&self.key)
            {
                slot.updates.push_back(PendingUpdate { answer, prefix });
            }
            Ok(sent)
        });
        check_sent(&self.shared, sent)?;
        let shared = self.shared.clone();
        Ok(async move { wait(&shared, shared.request_timeout, arrives).await })
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        if self.owned {
            self.cancel();
        }
    }
}

/// A request that was sent and whose answer is still to come.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    pub(crate) guard: RequestGuard,
    pub(crate) response: oneshot::Receiver<Result<Response, RequestFailure>>,
    pub(crate) events: mpsc::Receiver<RequestEvent>,
    pub(crate) data: mpsc::Receiver<DataEvent>,
}

impl PendingRequest {
    /// Sends one request.
    pub(crate) fn send(
        shared: &Arc<Shared>,
        command: impl FnOnce(&mut Machine) -> Result<RequestKey, CommandError>,
    ) -> Result<Self, RequestFailure> {
        let sent = shared.with(|state| {
            let sent = command(&mut state.machine);
            Ok(sent.map(|key| (key, Shared::register(state, key))))
        });
        let (key, Channels { response, events, data }) = check_sent(shared, sent)?;
        Ok(Self { guard: RequestGuard::new(shared.clone(), key), response, events, data })
    }

    /// Waits for the answer, within the session's request timeout.
    pub(crate) async fn answer(&mut self) -> Result<Response, RequestFailure> {
        self.answer_within(Duration::ZERO).await
    }

    /// As [`PendingRequest::answer`]; fails with [`RequestFailure::NoStream`] when the peer allows no stream within a while.
    pub(crate) async fn answer_unless_blocked(&mut self) -> Result<Response, RequestFailure> {
        let (shared, key) = (self.guard.shared.clone(), self.guard.key);
        let blocked = async {
            sleep(limit::PUBLISH_STREAM_WAIT).await;
            if !shared.lock().slots.get(&key).is_some_and(|slot| slot.unopened) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            answer = self.answer() => answer,
            () = blocked => Err(RequestFailure::NoStream),
        }
    }

    /// As [`PendingRequest::answer`], with the time that the peer was asked to hold the request on top.
    pub(crate) async fn answer_within(&mut self, held: Duration) -> Result<Response, RequestFailure> {
        let shared = &self.guard.shared;
        wait(shared, shared.request_timeout.saturating_add(held), &mut self.response).await
    }
}

fn check_sent<T>(shared: &Shared, sent: Option<Result<T, CommandError>>) -> Result<T, RequestFailure> {
    match sent {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(RequestFailure::NotSent(error.to_string())),
        None => Err(RequestFailure::Session(shared.reason())),
    }
}

async fn wait<T>(
    shared: &Shared,
    patience: Duration,
    answer: impl Future<Output = Result<Result<T, RequestFailure>, oneshot::error::RecvError>>,
) -> Result<T, RequestFailure> {
    match timeout(patience, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(shared.error().map_or(RequestFailure::Dropped, RequestFailure::Session)),
        Err(_) => Err(RequestFailure::Timeout),
    }
}
