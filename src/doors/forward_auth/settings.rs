//! The settings of the forward-auth door.

use crate::doors::forward_auth::forwarded::Believed;

/// Settings of the forward-auth door.
#[derive(Debug, Clone, Copy)]
pub struct ForwardAuthSettings {
    /// The families of headers that the server trusts.
    pub believed: Believed,
    /// Longest time for which a gateway may cache an answer, in seconds.
    pub cache_seconds_max: u32,
}
