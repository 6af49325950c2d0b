//! File descriptors for as many connections as may be open.
//!
//! A server without free descriptors accepts no connection, not even that of a probe, until a client leaves. So the server
//! raises its limit when it starts, and logs a shortage.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::transport::connections::CLOSING_MAX;

/// Descriptors besides those of connections: listeners, the runtimes of threads, the ledger and its connections, the files of
/// a reload and their watches. That is some 100 at most; twice as many for a margin.
const BESIDES: u64 = 208;
/// Connections on all listeners that are closing while their permits are in use again.
const CLOSING: u64 = 2 * CLOSING_MAX as u64;

/// The action that the descriptors need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There are enough.
    Met,
    /// The limit can be raised to this number, which is enough.
    Raise(u64),
    /// The limit can be raised to this number, which is not enough.
    Short(u64),
}

/// Raises the limit of open files if that is needed and allowed. Logs a limit that stays too low.
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

/// `None`: no limit.
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
