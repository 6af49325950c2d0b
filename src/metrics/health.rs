//! The one table of health: what a server in a certain condition says at each of its doors.
//!
//! `/readyz`, `grpc.health.v1.Health` on every listener, `neglist health` and the gauge `neglist_health` all take their
//! answer from [`health`], so that they cannot differ. `docs/reliability.md` shows the same table.
//!
//! A part is healthy where what it is there for can be had. `DecisionService` answers callers who state their totals
//! without a ledger too, so that a ledger which does not answer leaves it healthy; gateways may ask for what has to be
//! counted, and the server as a whole is what a load balancer sends everything to.

use super::standing::{Counting, Files, Serving, Standing};
use crate::domain::clock::Clocking;

/// What the answer at each door depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether the server takes new requests.
    pub serving: Serving,
    /// Whether the policy files on disk are in force.
    pub files: Files,
    /// Whether the clock can be relied on.
    pub clock: Clocking,
    /// Whether persons can be counted.
    pub counting: Counting,
}

impl Standing {
    /// Returns what health depends on.
    pub const fn condition(&self) -> Condition {
        Condition { serving: self.serving, files: self.policies.files, clock: self.clock, counting: self.counting }
    }
}

/// What health can be asked of.
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

    /// Returns the name by which health is asked of it; the whole server has the empty one.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Server => "",
            Part::Decisions => "neglist.v1.DecisionService",
            Part::Ledger => "neglist.v1.LedgerService",
            Part::Gateways => "envoy.service.auth.v3.Authorization",
            Part::Policies => "neglist.v1.PolicyService",
        }
    }

    /// Returns the part of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Returns the word for it in labels, where an empty name would be no label.
    pub const fn label(self) -> &'static str {
        match self {
            Part::Server => "server",
            Part::Decisions | Part::Ledger | Part::Gateways | Part::Policies => self.name(),
        }
    }
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// What it is there for can be had.
    Serving,
    /// It cannot.
    NotServing(Why),
}

/// Why it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The server is stopping.
    Stopping,
    /// The clock of the server tells no time that can be.
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

/// Returns how a part is in a condition. A server that is starting says nothing yet: it does not listen.
///
/// Policy files that were refused change nothing: the last good ones are in force, and what they decide is right. A clock
/// that was set leaves decisions that need neither a total nor the moment; one that is unusable leaves none to rely on.
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
        // Decisions with stated totals need no ledger, and whoever turns counting off has the totals stated.
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
