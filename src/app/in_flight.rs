//! A limit on the requests that are in flight on all connections together.
//!
//! A request beyond the limit is refused at once: a caller that must not let data pass without
//! an answer is better served by a quick refusal than by a queue. Here also begins the time for
//! which a caller waits: its request has just come.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use super::held::Held;
use crate::http::Overload;
use crate::metrics::{Limit, Metrics};
use crate::wire::status::{self, Exhausted};

/// The requests that may be in flight; clones share one limit.
#[derive(Debug, Clone)]
pub struct InFlightLimit {
    taken: Arc<AtomicUsize>,
    max: usize,
    retry_after_ms: u32,
    metrics: Arc<Metrics>,
}

/// The place of a request that is in flight; given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InFlightLimit {
    /// Returns a limit; `retry_after_ms`: when a request that was refused may be tried again.
    pub fn new(requests_max: usize, retry_after_ms: u32, metrics: Arc<Metrics>) -> Self {
        Self { taken: Arc::default(), max: requests_max, retry_after_ms, metrics }
    }

    /// Returns how many requests are in flight.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns a place, or the refusal of a request for which there is none.
    fn admit(&self) -> Result<Place, tonic::Status> {
        self.place().ok_or_else(|| {
            self.metrics.limited(Limit::RequestsInFlight);
            status::exhausted(Exhausted::RequestsInFlight, self.retry_after_ms)
        })
    }

    /// Returns a place, if there is one.
    pub fn place(&self) -> Option<Place> {
        let one_more = |taken| (taken < self.max).then(|| taken + 1);
        // A number by itself: nothing else is read by what it says.
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place(Arc::clone(&self.taken)))
    }

    /// Puts a service under the limit.
    pub fn limit<S>(&self, service: S) -> InFlight<S> {
        InFlight { service, limit: self.clone() }
    }
}

/// A service under a limit.
#[derive(Debug, Clone)]
pub struct InFlight<S> {
    service: S,
    limit: InFlightLimit,
}

impl<S: NamedService> NamedService for InFlight<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for InFlight<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let place = match self.limit.admit() {
            Ok(place) => place,
            Err(refusal) => return Box::pin(std::future::ready(Ok(refusal.into_http()))),
        };
        let response = self.service.call(request);
        Box::pin(async move { Ok(response.await?.map(|body| Body::new(Held { body, _held: place }))) })
    }
}

/// Puts the HTTP requests of one door under the limit.
pub(super) async fn admit(
    State((limit, overload)): State<(InFlightLimit, Overload)>,
    request: Request,
    next: Next,
) -> Response {
    match limit.admit() {
        Ok(place) => next.run(request).await.map(|body| axum::body::Body::new(Held { body, _held: place })),
        Err(refusal) => overload.refuse(&status::to_rpc_status(&refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{accept, connection, connections, grpc, listen, short};

    #[derive(Clone)]
    struct Echo;

    impl Service<http::Request<Body>> for Echo {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<http::Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            std::future::ready(Ok(http::Response::new(request.into_body())))
        }
    }

    #[test]
    fn places_are_as_many_as_the_limit_however_many_ask() {
        let limit = InFlightLimit::new(3, 1_000, Arc::default());
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

    #[tokio::test]
    async fn a_request_is_in_flight_until_its_body_is_gone() {
        let mut service = InFlightLimit::new(1, 1_000, Arc::default()).limit(Echo);
        let status = |response: &http::Response<Body>| {
            response.headers().get("grpc-status").and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let first = service.call(http::Request::new(Body::new("answer".to_owned()))).await.unwrap();
        assert_eq!(status(&first), None);
        let second = service.clone().call(http::Request::new(Body::empty())).await.unwrap();
        assert_eq!(status(&second).as_deref(), Some("8"));
        drop(first);
        let third = service.call(http::Request::new(Body::empty())).await.unwrap();
        assert_eq!(status(&third), None);
    }

    #[tokio::test]
    async fn a_stream_counts_until_it_ends() {
        use tonic_health::pb::HealthCheckRequest;
        use tonic_health::pb::health_client::HealthClient;

        let health = crate::app::health::Health::serving(&[]).await;
        let mut routes = tonic::service::RoutesBuilder::default();
        routes.add_service(InFlightLimit::new(1, 1_000, Arc::default()).limit(health.service()));
        let address = crate::config::address::Address::parse("127.0.0.1:0").unwrap();
        let bound = listen::bind(&address, listen::Reach::Anyone, listen::Spread::Fewest, 0o660).await.unwrap();
        bound.listen().unwrap();
        let uri = format!("http://{}", bound.address);
        let (_draining, draining) = tokio::sync::watch::channel(false);
        let preface_max = std::time::Duration::from_hours(1);
        let (draining, strangers) = (draining.clone(), crate::app::strangers::Strangers::default());
        let patience = connection::Patience { preface_max, draining: draining.clone(), strangers };
        let opening = connection::Opening::Http2(patience);
        let runtimes = [tokio::runtime::Handle::current()];
        let rules = connections::ConnectionRules { connections_max: 8, reclaim_idle: preface_max, grpc_idle: None };
        let limit = accept::ConnectionLimit::new(rules, Arc::default());
        let mut incoming = accept::incoming(bound.sockets, &runtimes, &limit, &opening);
        let keepalive_timeout = std::time::Duration::from_hours(1);
        let http2 = grpc::Http2 { streams_max: 100, keepalive_interval: None, keepalive_timeout };
        let services = short::Services::new(None, routes.routes(), &[]);
        tokio::spawn(grpc::serve(incoming.remove(0), http2, services, draining));

        let channel = tonic::transport::Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        let stream = client.watch(HealthCheckRequest::default()).await.unwrap();
        let refused = client.check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        drop(stream);
        let answered = async { while client.check(HealthCheckRequest::default()).await.is_err() {} };
        tokio::time::timeout(std::time::Duration::from_secs(10), answered).await.unwrap();
    }
}
