//! File descriptors: as many as the connections that may be open need.
//!
//! A server that runs out of them accepts nothing more, probes included, until a client leaves. So it asks for them when it
//! starts, and says what is missing.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::transport::connections::CLOSING_MAX;

/// Descriptors besides those of connections: listeners, the runtimes of threads, the ledger and its connections, the files of
/// a reload and their watches. Some 100 at most, doubled.
const BESIDES: u64 = 208;
/// Connections that close while others have their places already, on all listeners.
const CLOSING: u64 = 2 * CLOSING_MAX as u64;

/// What has to be done about descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There are enough.
    Met,
    /// The limit can be raised to this, which is enough.
    Raise(u64),
    /// It can be raised to this, which is too little.
    Short(u64),
}

/// Raises the limit of open files where that is needed and allowed, and logs where it stays too low.
pub(crate) fn provide(connections_max: usize, admin_connections_max: usize) {
    let needed = needed(connections_max, admin_connections_max);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let available = match need(needed, current, maximum) {
        Need::Met => return,
        Need::Raise(limit) | Need::Short(limit) => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum });
            if raised.is_ok() { limit } else { current.unwrap_or(limit) }
        }
    };
    if available < needed {
        tracing::warn!(
            available,
            needed,
            connections_max,
            "too few file descriptors for `connections_max`: connections beyond them wait, probes too; raise the limit (`ulimit -n`, `LimitNOFILE`) or lower `connections_max`"
        );
    }
}

fn needed(connections_max: usize, admin_connections_max: usize) -> u64 {
    let count = |connections| u64::try_from(connections).unwrap_or(u64::MAX);
    count(connections_max).saturating_add(count(admin_connections_max)).saturating_add(CLOSING + BESIDES)
}

/// `None` is no limit.
fn need(needed: u64, current: Option<u64>, maximum: Option<u64>) -> Need {
    match (current, maximum) {
        (None, _) => Need::Met,
        (Some(current), _) if needed <= current => Need::Met,
        (Some(_), Some(maximum)) if maximum < needed => Need::Short(maximum),
        (Some(_), _) => Need::Raise(needed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_is_needed_and_allowed() {
        for (current, maximum, expected) in [
            (None, None, Need::Met),
            (Some(1_400), Some(1_400), Need::Met),
            (Some(1_399), Some(1_400), Need::Raise(1_400)),
            (Some(48), None, Need::Raise(1_400)),
            (Some(48), Some(1_399), Need::Short(1_399)),
            (Some(48), Some(48), Need::Short(48)),
        ] {
            assert_eq!(need(needed(1_000, 64), current, maximum), expected, "{current:?} {maximum:?}");
        }
        assert_eq!(needed(usize::MAX, 64), u64::MAX);
    }
}
