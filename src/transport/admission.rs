//! A limit on the requests that are in flight on all connections together.
//!
//! A request beyond the limit is refused at once. A caller that must not let data pass without an answer gains more from a
//! quick refusal than from a queue. A gRPC call is in flight from the end of its message until its answer is known. Before and
//! after, it holds bytes, and [`crate::transport::budget`] bounds those.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::doors::http::Overload;
use crate::metrics::{Limit, Metrics};
use crate::transport::body_guard::Held;
use crate::transport::pool::Pool;
use crate::wire::refusal::{Exhausted, Refusal};

/// The requests that may be in flight; clones share one limit.
#[derive(Debug, Clone)]
pub struct InFlightLimit {
    pool: Arc<Pool>,
    retry_after_ms: u32,
    metrics: Arc<Metrics>,
}

/// The permit of a request in flight on a connection with one request at a time; given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Pool>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.free(1);
    }
}

impl InFlightLimit {
    /// Returns a limit. `share_percent`: the part of it that one connection may take when it is alone; `retry_after_ms`: the
    /// delay after which a client may repeat a refused request.
    pub fn new(requests_max: usize, share_percent: u32, retry_after_ms: u32, metrics: Arc<Metrics>) -> Self {
        Self { pool: Arc::new(Pool::new(requests_max, share_percent, 0)), retry_after_ms, metrics }
    }

    /// Returns how many requests are in flight.
    pub fn taken(&self) -> usize {
        self.pool.taken()
    }

    /// Returns the pool that the connections share.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns a permit on a connection with one request at a time; `None` at the limit.
    pub fn permit(&self) -> Option<Permit> {
        self.pool.reserve(0, 1).then(|| Permit(Arc::clone(&self.pool)))
    }
}

/// Applies the limit to the HTTP requests of one door.
pub(super) async fn admit(
    State((limit, overload)): State<(InFlightLimit, Overload)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(permit) = limit.permit() else {
        limit.metrics.limited(Limit::RequestsInFlight);
        return overload.refuse(&Refusal::Exhausted(Exhausted::RequestsInFlight, limit.retry_after_ms));
    };
    next.run(request).await.map(|body| axum::body::Body::new(Held { body, _held: permit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_never_exceed_the_limit() {
        let limit = InFlightLimit::new(3, 90, 1_000, Arc::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let permit = limit.permit();
                        assert!(limit.taken() <= 3);
                        drop(permit);
                    }
                });
            }
        });
        let held: Vec<_> = (0..5).map(|_| limit.permit()).collect();
        assert_eq!(held.iter().flatten().count(), 3);
        drop(held);
        assert_eq!(limit.taken(), 0);
    }
}
