//! `envoy.service.auth.v3`: the questions of Envoy, and the answers.

pub mod answer;
pub mod check;
mod service;

pub use self::service::EnvoyApi;
