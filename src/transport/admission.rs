//! A limit on the requests that are in flight on all connections together.
//!
//! A request beyond the limit is refused at once: a caller that must not let data pass without an answer is better served by
//! a quick refusal than by a queue. A call over gRPC is in flight once its message is whole, and until its answer is there:
//! what has not come yet and what has not been taken yet are bytes, and [`crate::transport::budget`] bounds those.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::doors::http::Overload;
use crate::metrics::{Limit, Metrics};
use crate::transport::body_guard::Held;
use crate::transport::budget::{Pool, Share};
use crate::wire::refusal::{Exhausted, Refusal};

/// The requests that may be in flight; clones share one limit.
#[derive(Debug, Clone)]
pub struct InFlightLimit {
    pool: Arc<Pool>,
    retry_after_ms: u32,
    metrics: Arc<Metrics>,
}

/// The place of a request that is in flight; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    pool: Arc<Pool>,
    /// The connection that holds it; `None` for one that asks one question after the other.
    share: Option<Arc<Share>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        match &self.share {
            Some(share) => self.pool.give_back(share.requests(), 1),
            None => self.pool.free(1),
        }
    }
}

impl InFlightLimit {
    /// Returns a limit. `share_percent`: what one connection may take of it when it is alone; `retry_after_ms`: when a
    /// request that was refused may be tried again.
    pub fn new(requests_max: usize, share_percent: u32, retry_after_ms: u32, metrics: Arc<Metrics>) -> Self {
        Self { pool: Arc::new(Pool::new(requests_max, share_percent, 0)), retry_after_ms, metrics }
    }

    /// Returns how many requests are in flight.
    pub fn taken(&self) -> usize {
        self.pool.taken()
    }

    /// Returns what the connections share.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns a place on a connection that has one request at a time.
    pub fn place(&self) -> Option<Place> {
        self.pool.reserve(0, 1).then(|| Place { pool: Arc::clone(&self.pool), share: None })
    }

    /// Returns a place on a connection that has many.
    pub(super) fn place_of(&self, share: &Arc<Share>) -> Option<Place> {
        let taken = self.pool.take(share.requests(), 1);
        taken.then(|| Place { pool: Arc::clone(&self.pool), share: Some(Arc::clone(share)) })
    }
}

/// Puts the HTTP requests of one door under the limit.
pub(super) async fn admit(
    State((limit, overload)): State<(InFlightLimit, Overload)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(place) = limit.place() else {
        limit.metrics.limited(Limit::RequestsInFlight);
        return overload.refuse(&Refusal::Exhausted(Exhausted::RequestsInFlight, limit.retry_after_ms));
    };
    next.run(request).await.map(|body| axum::body::Body::new(Held { body, _held: place }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_many_as_the_limit_however_many_ask() {
        let limit = InFlightLimit::new(3, 90, 1_000, Arc::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let place = limit.place();
                        assert!(limit.taken() <= 3);
                        drop(place);
                    }
                });
            }
        });
        let held: Vec<_> = (0..5).map(|_| limit.place()).collect();
        assert_eq!(held.iter().flatten().count(), 3);
        drop(held);
        assert_eq!(limit.taken(), 0);
    }
}
