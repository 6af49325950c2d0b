//! The table of health: the health of each part of a server in a given condition.
//!
//! `/readyz`, `grpc.health.v1.Health` on every listener, `neglist health` and the gauge `neglist_health` all use [`health`],
//! so they cannot differ. `docs/reliability.md` shows the same table.
//!
//! A part is healthy if it can do its work. `DecisionService` answers callers that state their totals without a ledger, so it
//! stays healthy if the ledger does not answer. Gateways may send requests that have to be counted, and a load balancer sends
//! everything to the server as a whole, so both need the ledger.

use super::standing::{Counting, Files, Serving, Standing};
use crate::domain::clock::Clocking;

/// The condition of a server, on which health depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether the server takes new requests.
    pub serving: Serving,
    /// Whether the policy files on disk are in force.
    pub files: Files,
    /// Whether the clock is reliable.
    pub clock: Clocking,
    /// Whether persons can be counted.
    pub counting: Counting,
}

impl Standing {
    /// Returns the condition, on which health depends.
    pub const fn condition(&self) -> Condition {
        Condition { serving: self.serving, files: self.policies.files, clock: self.clock, counting: self.counting }
    }
}

/// A part of the server with its own health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The whole server.
    Server,
    /// `neglist.v1.DecisionService`.
    Decisions,
    /// `neglist.v1.LedgerService`.
    Ledger,
    /// `envoy.service.auth.v3.Authorization`.
    Gateways,
    /// `neglist.v1.PolicyService`.
    Policies,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 5] = [Part::Server, Part::Decisions, Part::Ledger, Part::Gateways, Part::Policies];

    /// Returns the name in health checks; empty for the whole server.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Server => "",
            Part::Decisions => "neglist.v1.DecisionService",
            Part::Ledger => "neglist.v1.LedgerService",
            Part::Gateways => "envoy.service.auth.v3.Authorization",
            Part::Policies => "neglist.v1.PolicyService",
        }
    }

    /// Returns the part with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Returns the word for it in labels, which may not be empty.
    pub const fn label(self) -> &'static str {
        match self {
            Part::Server => "server",
            Part::Decisions | Part::Ledger | Part::Gateways | Part::Policies => self.name(),
        }
    }
}

/// The health of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The part can do its work.
    Serving,
    /// It cannot do its work, for this reason.
    NotServing(Why),
}

/// The reason why a part is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The server is stopping.
    Stopping,
    /// The clock of the server shows an impossible time.
    ClockUnusable,
    /// The clock of the server was set while it ran.
    ClockJumped,
    /// The server was started without a ledger.
    NoLedger,
    /// The disk of the ledger is nearly full: nothing more is reserved.
    LedgerFull,
    /// The ledger is closed, or does not answer.
    LedgerClosed,
    /// A call has waited too long for the ledger.
    LedgerStalled,
}

/// Returns the health of a part in a condition. A server that is starting does not listen yet, so it has no health.
///
/// Refused policy files do not change health: the last good policies are in force, and their decisions are right. A clock
/// that was set still permits decisions that need neither a total nor the present moment; an unusable clock permits none.
pub const fn health(part: Part, condition: Condition) -> Health {
    let Condition { serving, files: Files::Current | Files::Stale, clock, counting } = condition;
    let without = match (serving, clock, counting) {
        (Serving::Draining, _, _) => return Health::NotServing(Why::Stopping),
        (Serving::Ready, Clocking::Unusable, _) => Why::ClockUnusable,
        (Serving::Ready, Clocking::Jumped, _) => Why::ClockJumped,
        (Serving::Ready, Clocking::Sound, Counting::Open) => return Health::Serving,
        (Serving::Ready, Clocking::Sound, Counting::None) => Why::NoLedger,
        (Serving::Ready, Clocking::Sound, Counting::Full) => Why::LedgerFull,
        (Serving::Ready, Clocking::Sound, Counting::Closed) => Why::LedgerClosed,
        (Serving::Ready, Clocking::Sound, Counting::Stalled) => Why::LedgerStalled,
    };
    match (part, without) {
        (Part::Decisions, Why::ClockUnusable) => Health::NotServing(without),
        // Decisions with stated totals need no ledger. An operator who turns counting off has callers state their totals.
        (Part::Policies | Part::Decisions, _) | (Part::Server | Part::Gateways, Why::NoLedger) => Health::Serving,
        (Part::Server | Part::Gateways | Part::Ledger, why) => Health::NotServing(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_the_table_of_health() {
        use Health::{NotServing, Serving as Up};
        let down = NotServing;
        let sound = Clocking::Sound;
        let table = [
            (Serving::Ready, sound, Counting::Open, [Up, Up, Up, Up, Up]),
            (Serving::Ready, sound, Counting::None, [Up, Up, down(Why::NoLedger), Up, Up]),
            (Serving::Ready, sound, Counting::Full, {
                [down(Why::LedgerFull), Up, down(Why::LedgerFull), down(Why::LedgerFull), Up]
            }),
            (Serving::Ready, sound, Counting::Closed, {
                [down(Why::LedgerClosed), Up, down(Why::LedgerClosed), down(Why::LedgerClosed), Up]
            }),
            (Serving::Ready, sound, Counting::Stalled, {
                [down(Why::LedgerStalled), Up, down(Why::LedgerStalled), down(Why::LedgerStalled), Up]
            }),
            (Serving::Draining, sound, Counting::Open, [down(Why::Stopping); 5]),
            (Serving::Draining, sound, Counting::Closed, [down(Why::Stopping); 5]),
            (Serving::Ready, Clocking::Unusable, Counting::Open, {
                let why = down(Why::ClockUnusable);
                [why, why, why, why, Up]
            }),
            (Serving::Ready, Clocking::Jumped, Counting::Closed, {
                let why = down(Why::ClockJumped);
                [why, Up, why, why, Up]
            }),
            (Serving::Draining, Clocking::Jumped, Counting::Open, [down(Why::Stopping); 5]),
        ];
        for (serving, clock, counting, expected) in table {
            for files in Files::ALL {
                let found = Part::ALL.map(|part| health(part, Condition { serving, files, clock, counting }));
                assert_eq!(found, expected, "{serving:?} {clock:?} {counting:?} {files:?}");
            }
        }
    }

    #[test]
    fn b6_each_part_is_found_by_its_name() {
        for part in Part::ALL {
            assert_eq!(Part::named(part.name()), Some(part));
            assert!(!part.label().is_empty());
        }
        assert_eq!(Part::named("neglist.v1.Nothing"), None);
    }
}
