//! Every night somebody goes through the books.

use std::time::Duration;

use super::{Rules, Shop};
use crate::job::{JobError, JobKind, Jobs};

/// After midnight UTC: a quiet hour in Finland.
const AT: Duration = Duration::from_secs(2 * 3600);
/// How long it may take: all orders of years are compared.
const LONGEST: Duration = Duration::from_secs(30 * 60);

impl<R: Rules> Shop<R> {
    /// Has the books compared every night; what differs is logged as an error. `kind` is a name of the shop's own.
    pub(crate) fn audit_nightly(&self, jobs: &Jobs, kind: JobKind) {
        let shop = self.clone();
        jobs.daily(kind.at_once(1).timeout(LONGEST), AT, move || {
            let shop = shop.clone();
            async move {
                let audit = shop.audit().await?;
                if audit.whole {
                    tracing::info!(shop = shop.profile().actor.as_str(), orders = audit.orders, "the books agree");
                    return Ok(());
                }
                let differing = audit.differing.join(", ");
                tracing::error!(shop = shop.profile().actor.as_str(), differing, "the books do not agree");
                Err(JobError::Never("the books do not agree".to_owned()))
            }
        });
    }
}
