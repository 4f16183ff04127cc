//! A peer that has shown tokens, and its requests that were admitted.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use moqt::Namespace;
use moqt::session::ResolvedToken;
use tokio::time::{Instant, sleep_until};
use transport::{Lease, LeaseRefusal};

use crate::access::Access;
use crate::grant::{Denial, Permit, Shown, TokenFault, decide};
use crate::metric;
use crate::want::Want;

/// A session or a GET: what it showed when it began counts for all of its requests.
pub struct Visitor {
    access: Arc<Access>,
    tokens: Vec<ResolvedToken>,
}

/// An admitted request. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Standing {
    visitor: Arc<Visitor>,
    held: Arc<Mutex<Held>>,
}

/// What a visitor may have at one moment.
#[derive(Debug)]
pub struct View {
    access: Arc<Access>,
    shown: Vec<Shown>,
}

/// What a request is admitted to, and by what.
struct Held {
    want: Want,
    /// Shown with the request, or with its last update.
    tokens: Vec<ResolvedToken>,
    permit: Permit,
}

impl fmt::Debug for Visitor {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Held {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("want", &self.want).field("permit", &self.permit).finish_non_exhaustive()
    }
}

impl Visitor {
    pub(crate) fn new(access: Arc<Access>, tokens: Vec<ResolvedToken>) -> Self {
        Self { access, tokens }
    }

    /// Admits a request, by what was shown with it or before. A token whose key is not known yet waits until keys were read.
    /// Nothing here depends on what exists.
    ///
    /// # Errors
    /// Why not; counted.
    pub async fn admit(self: &Arc<Self>, want: Want, tokens: &[ResolvedToken]) -> Result<Standing, Denial> {
        let judge = || self.access.decide(self.tokens.iter().chain(tokens), &want);
        let mut decision = judge();
        if decision == Err(Denial::Token(TokenFault::Key)) {
            self.access.keyring().reread().await;
            decision = judge();
        }
        let permit = decision.inspect_err(|denial| metric::refused(*denial))?;
        Ok(self.standing(want, tokens.to_vec(), permit))
    }

    /// Whether any of what was shown is believed: then asking for another token does not help.
    pub fn is_known(&self) -> bool {
        self.tokens.iter().any(|token| self.access.judge(token).is_ok())
    }

    fn standing(self: &Arc<Self>, want: Want, tokens: Vec<ResolvedToken>, permit: Permit) -> Standing {
        Standing { visitor: self.clone(), held: Arc::new(Mutex::new(Held { want, tokens, permit })) }
    }
}

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever made the request may also have this: for lists, which show nothing else.
    pub fn allows(&self, want: &Want) -> bool {
        self.view().allows(want)
    }

    /// What may be had at this moment: for long lists, which look at the tokens once.
    #[must_use]
    pub fn view(&self) -> View {
        let access = self.visitor.access.clone();
        let held = self.lock();
        let shown = self.visitor.tokens.iter().chain(&held.tokens).map(|token| access.judge(token)).collect();
        View { access, shown }
    }

    /// The same visitor's standing for something that follows from the request; `None` = it has none.
    #[must_use]
    pub fn toward(&self, want: Want) -> Option<Self> {
        let tokens = self.lock().tokens.clone();
        let permit = self.visitor.access.decide(self.visitor.tokens.iter().chain(&tokens), &want).ok()?;
        Some(self.visitor.standing(want, tokens, permit))
    }

    /// Lets a request go on as long as it stands.
    #[must_use]
    pub fn lease(&self) -> Box<dyn Lease> {
        Box::new(self.clone())
    }

    /// Whether it ends by itself.
    pub fn ends(&self) -> bool {
        self.until().is_some()
    }

    /// Waits until it has ended. Cancel safe.
    pub async fn ended(&mut self) {
        while let Some(until) = Lease::until(self) {
            sleep_until(until).await;
            self.recheck();
            if Lease::until(self).is_some_and(|until| until <= Instant::now()) {
                return;
            }
        }
        std::future::pending().await
    }
}

impl View {
    /// Whether this may be had.
    pub fn allows(&self, want: &Want) -> bool {
        self.access.is_for_everybody(want) || decide(&self.shown, want, SystemTime::now()).is_ok()
    }
}

impl Lease for Standing {
    /// New tokens must be enough by themselves: they take the place of those shown with the request. What they allow prolongs
    /// it, and never shortens it.
    fn renew(&mut self, prefix: Option<&Namespace>, tokens: &[ResolvedToken]) -> Result<(), LeaseRefusal> {
        if tokens.is_empty() && prefix.is_none() {
            return Ok(());
        }
        let visitor = self.visitor.clone();
        let mut held = self.lock();
        let want = held.want.moved(prefix);
        let decision = if tokens.is_empty() {
            visitor.access.decide(visitor.tokens.iter().chain(&held.tokens), &want)
        } else {
            visitor.access.decide(tokens, &want)
        };
        match decision {
            Ok(permit) => {
                held.permit = if tokens.is_empty() { permit } else { permit.max(held.permit) };
                held.want = want;
                if !tokens.is_empty() {
                    held.tokens = tokens.to_vec();
                }
                Ok(())
            }
            Err(denial) => {
                if denial == Denial::Token(TokenFault::Key) {
                    visitor.access.keyring().ask();
                }
                metric::refused(denial);
                Err(LeaseRefusal { code: denial.code(), reason: denial.reason(&want) })
            }
        }
    }

    fn recheck(&mut self) {
        let visitor = self.visitor.clone();
        let mut held = self.lock();
        let Held { want, tokens, permit } = &mut *held;
        match visitor.access.decide(visitor.tokens.iter().chain(&*tokens), want) {
            Ok(again) => *permit = again,
            Err(_) => metric::ended(),
        }
    }

    fn until(&self) -> Option<Instant> {
        let until = self.lock().permit.until?;
        let left = until.duration_since(SystemTime::now()).unwrap_or_default();
        // Further away than any clock counts is no end.
        Instant::now().checked_add(left)
    }
}
