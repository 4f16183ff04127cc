//! Does what is due for orders: claims them, does their actions, writes down what came of it, until only news or time can
//! move them on.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::task::JoinSet;

use super::Reseller;
use super::book::{claim, keep_claims, load, next_due, record, rest, yield_claim};
use super::limit::{IDLE, MAX_DRIVEN, MAX_ROUNDS};
use super::saga::{Action, Fact};
use crate::limit::DUTY;
use crate::store::StoreError;

/// Drives orders until it is dropped. Dropped in the middle of an action, it leaves an order that another driver takes up
/// where this one stopped.
pub(crate) async fn drive(reseller: Reseller) {
    let mut news = reseller.db().committed();
    let mut driven = JoinSet::new();
    let mut kept = Instant::now();
    loop {
        // A service may be slow to answer; a process that shares the database must not be taken for dead.
        if !driven.is_empty() && kept.elapsed() > DUTY / 3 {
            kept = Instant::now();
            if let Err(error) = keep_claims(reseller.db(), reseller.process()).await {
                tracing::warn!(%error, "claims on orders were not prolonged");
            }
        }
        let free = MAX_DRIVEN.saturating_sub(driven.len());
        let claimed = match claim(reseller.db(), reseller.process(), i64::try_from(free).unwrap_or(0)).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "orders cannot be claimed");
                Vec::new()
            }
        };
        let none = claimed.is_empty();
        for id in claimed {
            let reseller = reseller.clone();
            driven.spawn(async move {
                if let Err(error) = drive_one(&reseller, &id).await {
                    tracing::warn!(%error, order = id, "an order cannot be driven now");
                }
            });
        }
        if none || driven.len() >= MAX_DRIVEN {
            let wait = pause(&reseller).await;
            tokio::select! {
                _ = driven.join_next(), if !driven.is_empty() => {}
                _ = news.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        while driven.try_join_next().is_some() {}
    }
}

/// How long nothing is due, at most [`IDLE`]: other processes' orders and clocks are not heard of.
async fn pause(reseller: &Reseller) -> Duration {
    match next_due(reseller.db()).await {
        Ok(Some(due)) => reseller.now().until(due).clamp(Duration::from_millis(1), IDLE),
        Ok(None) | Err(_) => IDLE,
    }
}

/// Drives one claimed order as far as it goes.
///
/// # Errors
/// Storage failed; the claim runs out by itself.
pub(super) async fn drive_one(reseller: &Reseller, id: &str) -> Result<(), StoreError> {
    let (db, process) = (reseller.db(), reseller.process());
    for _ in 0..MAX_ROUNDS {
        let Some(order) = load(db, id).await? else { return Ok(()) };
        let next = order.saga.next(reseller.now(), reseller.policy());
        if next.actions.is_empty() {
            if rest(db, process, id, order.version, next.wake).await? {
                return Ok(());
            }
            // Something happened meanwhile, or the claim is lost.
            if !record(db, process, id, Vec::new(), *reseller.policy()).await? {
                return Ok(());
            }
            continue;
        }
        let uncertain = |action: &&Action| matches!(action, Action::Hold(_) | Action::Charge);
        let started: Vec<Action> = next.actions.iter().filter(uncertain).cloned().collect();
        if !started.is_empty() && !record(db, process, id, vec![Fact::Started(started)], *reseller.policy()).await? {
            return Ok(());
        }
        let actions = next.actions.iter().map(|action| act(reseller, &order, action));
        // Each answer is written down as it comes, so that news about what it brought find the order.
        if !try_join_all(actions).await?.into_iter().all(|held| held) {
            return Ok(());
        }
    }
    yield_claim(db, process, id).await
}

/// Does an action and writes down what came of it. False if the claim is lost.
async fn act(reseller: &Reseller, order: &super::book::Stored, action: &Action) -> Result<bool, StoreError> {
    let facts = perform(reseller, order, action).await;
    let held = record(reseller.db(), reseller.process(), &order.id, facts, *reseller.policy()).await?;
    reseller.faults().step(&format!("reseller.recorded_{}", action.word()));
    Ok(held)
}

async fn perform(reseller: &Reseller, order: &super::book::Stored, action: &Action) -> Vec<Fact> {
    let word = action.word();
    reseller.faults().step(&format!("reseller.before_{word}"));
    let facts = reseller.perform(&order.id, &order.saga, action).await;
    reseller.faults().step(&format!("reseller.after_{word}"));
    let outcome = match facts.first() {
        Some(Fact::Unanswered(_)) => "unanswered",
        Some(Fact::Refused(..)) => "refused",
        _ => "done",
    };
    metrics::counter!("efir_commerce_reseller_actions_total", "action" => word, "outcome" => outcome).increment(1);
    facts
}
