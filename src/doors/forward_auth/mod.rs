//! `/v1/forward-auth`: nginx `auth_request`, Traefik, Caddy, APISIX and HAProxy ask whether a request may pass.

pub mod forwarded;
pub(crate) mod handler;
mod settings;
pub mod wording;

pub use self::settings::ForwardAuthSettings;
