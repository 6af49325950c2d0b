//! What `grpc.health.v1.Health` says of one listener: of the whole and of each service.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthProtocol, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

/// The health of one listener.
#[derive(Debug)]
pub struct Health {
    reporter: HealthReporter,
    /// The empty name stands for the whole.
    services: Vec<&'static str>,
}

impl Health {
    /// Returns the health of a listener with these services: SERVING, because a server is built
    /// only around a valid snapshot, and keeps one from then on.
    pub async fn serving(services: &[&'static str]) -> Self {
        let health = Self { reporter: HealthReporter::new(), services: [&[""], services].concat() };
        health.set(ServingStatus::Serving).await;
        health
    }

    /// Returns the service that answers with it.
    pub fn service(&self) -> HealthServer<impl HealthProtocol> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Says `NOT_SERVING` from now on, also to those who watch.
    pub async fn stop_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch, which would keep the server from stopping.
    pub async fn end_streams(&mut self) {
        for service in &self.services {
            self.reporter.clear_service_status(service).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for service in &self.services {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
