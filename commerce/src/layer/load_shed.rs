//! No more requests at a time than can be worked on: the rest hear 503 at once instead of waiting and failing later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Request;
use axum::response::Response;

use super::gate::Gate;
use super::limit::{COME_BACK, INSIDE_SHARE};
use crate::problem::Problem;

/// The mark of requests that one of our actors makes to another in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside;

/// Admits so many requests at a time. Clones share the places, so one bound holds for the process.
#[derive(Debug, Clone)]
pub(crate) struct LoadShedGate {
    under_way: Arc<AtomicUsize>,
    places: usize,
}

impl LoadShedGate {
    /// So many places.
    pub(crate) fn new(places: usize) -> Self {
        Self { under_way: Arc::default(), places }
    }
}

/// A place taken, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate for LoadShedGate {
    type Pass = Place;

    fn enter(&self, request: &mut Request) -> Result<Place, Problem> {
        let inside = request.extensions().get::<Inside>().is_some();
        let places = if inside { self.places.saturating_mul(INSIDE_SHARE) } else { self.places };
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.under_way));
        if before < places {
            return Ok(place);
        }
        Err(Problem::overloaded("more requests are under way than this server works on").retry_after(COME_BACK))
    }

    fn leave(place: Place, _: &mut Response) {
        drop(place);
    }
}
