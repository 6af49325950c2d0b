//! `envoy.service.auth.v3`: what an Envoy says of a request, and what it is answered.

pub mod answer;
pub mod check;
mod service;

pub use self::service::EnvoyApi;
