//! What the writer works on: pieces of work of any kind, and items that are worked on set by set.

use std::any::{Any, TypeId};
use std::future::Future;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{StoreError, Tx};

/// A request that may come again: who sent it, the key it carries and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Once {
    /// Keys of different owners do not meet.
    pub(crate) owner: String,
    /// The caller's key.
    pub(crate) key: String,
    /// Digest of the request: the same key with another digest is refused.
    pub(crate) hash: String,
}

impl Once {
    /// A key of an owner for a request of this digest.
    pub(crate) fn new(owner: impl Into<String>, key: impl Into<String>, hash: impl Into<String>) -> Self {
        Self { owner: owner.into(), key: key.into(), hash: hash.into() }
    }
}

/// Work that is done for many callers at once, with a number of statements that does not grow with theirs.
pub(crate) trait Batch: Send + 'static {
    /// What one caller asks.
    type Item: Send + 'static;
    /// What one caller gets.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
    /// Why one caller does not get it; the others are not touched by it.
    type Rejection: From<StoreError> + Send + 'static;

    /// Works on all items in their order. As many outcomes as items, in the same order; an error undoes and fails all of them.
    fn apply(tx: &mut Tx, items: Vec<Self::Item>) -> impl Future<Output = Result<Outcomes<Self>, StoreError>> + Send;
}

/// What a [`Batch`] answers to each of its items.
pub(crate) type Outcomes<B> = Vec<Result<<B as Batch>::Answer, <B as Batch>::Rejection>>;

/// One message to the writer.
pub(super) trait Job: Send {
    fn once(&self) -> Option<&Once>;
    /// Answers with what the same request got before.
    fn replay(self: Box<Self>, body: &str);
    /// Answers with an error; nothing was done.
    fn fail(self: Box<Self>, error: StoreError);
    /// Jobs of the same kind are worked on together; `None` stands alone.
    fn kind(&self) -> Option<TypeId>;
    /// Makes one unit of itself and others of its kind.
    fn unit(self: Box<Self>, others: Vec<Box<dyn Job>>) -> Box<dyn Unit>;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Jobs that are worked on together, in a savepoint of their own.
pub(super) trait Unit: Send {
    /// Does the work and keeps the outcomes. `false`: to be undone.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<bool, StoreError>>;
    /// The answers to keep for repeats of the same request.
    fn answers(&self) -> Result<Vec<(Once, String)>, StoreError>;
    /// Tells the callers, once the commit is durable or has failed.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The answer to one caller, who may have gone.
type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// A piece of work of any kind.
pub(super) type Work<T, E> = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send>;

pub(super) struct Piece<T, E> {
    pub(super) once: Option<Once>,
    pub(super) work: Option<Work<T, E>>,
    pub(super) outcome: Option<Result<T, E>>,
    pub(super) reply: Reply<T, E>,
}

impl<T, E> Job for Piece<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    fn once(&self) -> Option<&Once> {
        self.once.as_ref()
    }

    fn replay(self: Box<Self>, body: &str) {
        let answer = serde_json::from_str(body).map_err(|error| E::from(error.into()));
        drop(self.reply.send(answer));
    }

    fn fail(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error.into())));
    }

    fn kind(&self) -> Option<TypeId> {
        None
    }

    fn unit(self: Box<Self>, _: Vec<Box<dyn Job>>) -> Box<dyn Unit> {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl<T, E> Unit for Piece<T, E>
where
    T: Serialize + Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<bool, StoreError>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Ok(false) };
            let outcome = work(tx).await;
            let kept = outcome.is_ok();
            self.outcome = Some(outcome);
            Ok(kept)
        })
    }

    fn answers(&self) -> Result<Vec<(Once, String)>, StoreError> {
        match (&self.once, &self.outcome) {
            (Some(once), Some(Ok(answer))) => Ok(vec![(once.clone(), serde_json::to_string(answer)?)]),
            _ => Ok(Vec::new()),
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            // A refusal changed nothing, so it holds whatever became of the commit.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        drop(self.reply.send(outcome));
    }
}

/// One item of a batch.
pub(super) struct Item<B: Batch> {
    pub(super) once: Option<Once>,
    pub(super) item: B::Item,
    pub(super) reply: Reply<B::Answer, B::Rejection>,
}

impl<B: Batch> Job for Item<B> {
    fn once(&self) -> Option<&Once> {
        self.once.as_ref()
    }

    fn replay(self: Box<Self>, body: &str) {
        let answer = serde_json::from_str(body).map_err(|error| B::Rejection::from(error.into()));
        drop(self.reply.send(answer));
    }

    fn fail(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error.into())));
    }

    fn kind(&self) -> Option<TypeId> {
        Some(TypeId::of::<B>())
    }

    fn unit(self: Box<Self>, others: Vec<Box<dyn Job>>) -> Box<dyn Unit> {
        let mut callers = Vec::with_capacity(others.len() + 1);
        let mut items = Vec::with_capacity(others.len() + 1);
        let others = others.into_iter().filter_map(|job| job.into_any().downcast::<Self>().ok());
        for job in std::iter::once(self).chain(others) {
            callers.push((job.once, job.reply));
            items.push(job.item);
        }
        Box::new(Set::<B> { callers, items, outcomes: Vec::new() })
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Who asked for an item of a batch: the key of the request, and where the answer goes.
type Asker<B> = (Option<Once>, Reply<<B as Batch>::Answer, <B as Batch>::Rejection>);

/// All items of one batch.
struct Set<B: Batch> {
    callers: Vec<Asker<B>>,
    items: Vec<B::Item>,
    outcomes: Outcomes<B>,
}

impl<B: Batch> Unit for Set<B> {
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<bool, StoreError>> {
        Box::pin(async move {
            let outcomes = B::apply(tx, std::mem::take(&mut self.items)).await?;
            if outcomes.len() != self.callers.len() {
                let (given, asked) = (outcomes.len(), self.callers.len());
                return Err(StoreError::Value(format!("{given} outcomes for {asked} items")));
            }
            self.outcomes = outcomes;
            Ok(true)
        })
    }

    fn answers(&self) -> Result<Vec<(Once, String)>, StoreError> {
        let mut answers = Vec::new();
        for ((once, _), outcome) in self.callers.iter().zip(&self.outcomes) {
            if let (Some(once), Ok(answer)) = (once, outcome) {
                answers.push((once.clone(), serde_json::to_string(answer)?));
            }
        }
        Ok(answers)
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let mut outcomes = self.outcomes.into_iter();
        for (_, reply) in self.callers {
            let outcome = match (outcomes.next(), &committed) {
                (Some(Err(rejection)), _) => Err(rejection),
                (_, Err(error)) => Err(error.clone().into()),
                (Some(Ok(answer)), Ok(())) => Ok(answer),
                (None, Ok(())) => Err(StoreError::Closed.into()),
            };
            drop(reply.send(outcome));
        }
    }
}
