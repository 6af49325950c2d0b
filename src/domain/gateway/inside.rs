//! The requests that a tunnel or a connection hides, and whether one rule may answer for all of them.
//!
//! Only the host of a tunnel holds for the requests inside. The method, path, headers, context and TLS server name of a
//! CONNECT are those of the CONNECT alone. If a connection shows only its TLS server name, the name and the gateway's
//! context hold for everything inside.
//!
//! INVARIANT (inside): a rule matches a tunnel only if it names CONNECT, or if every request that could be inside would
//! match that rule as well. A rule matches a connection only if no other rule that is at least as specific about its
//! server name could match a request inside.

use super::seen::{Context, Header, Seen};
use super::table::{Conditions, HostPattern, OfPath, Rule};

/// The method that opens a tunnel.
const CONNECT: &str = "CONNECT";

/// The subject of a door's question, classified by what the door sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request.
    Request,
    /// `CONNECT`: the requests inside the tunnel are not visible.
    Tunnel,
    /// A connection: the requests inside are not visible.
    Connection,
    /// An evaluation of `AuthZEN`, which has neither host, method, path, headers nor server name.
    Question,
}

impl Kind {
    pub(super) fn of<S: Seen + ?Sized>(seen: &S) -> Self {
        match said(seen.method()) {
            Some(method) if method.eq_ignore_ascii_case(CONNECT) => Self::Tunnel,
            Some(_) => Self::Request,
            None if said(seen.host()).or(said(seen.sni())).is_some() => Self::Connection,
            None => Self::Question,
        }
    }

    /// Says whether a rule is written for traffic without a visible path, although other rules of the host depend on
    /// the path.
    pub(super) fn is_meant_by(self, found: Option<&Rule>) -> bool {
        match (self, found) {
            (Self::Question, _) => true,
            (Self::Request, _) | (Self::Tunnel | Self::Connection, None) => false,
            (Self::Tunnel, Some(rule)) => names_connect(&rule.conditions),
            (Self::Connection, Some(rule)) => rule.sni != HostPattern::Any,
        }
    }

    /// Says whether a rule that a CONNECT or a connection matches holds for everything that it may hide. `place`: the
    /// rules of the same place, this one included. For a connection, the other rules of the place are checked where
    /// their conditions are compared.
    pub(super) fn is_answered<'r>(
        self,
        rule: &Rule,
        of_path: &OfPath,
        mut place: impl Iterator<Item = &'r Rule>,
    ) -> bool {
        match self {
            Self::Request | Self::Question => return true,
            // Headers that a door gives a connection are not headers of the requests inside.
            Self::Connection => return rule.conditions.headers.is_empty(),
            Self::Tunnel if names_connect(&rule.conditions) => return true,
            Self::Tunnel => {}
        }
        let may_have_another_server_name = rule.sni != HostPattern::Any || of_path.has_servers;
        let is_met_by_all = rule.conditions.count() == 0 && !may_have_another_server_name;
        is_met_by_all && place.all(|other| other.id == rule.id || !self.may_contain(&other.conditions))
    }

    /// Says whether a hidden request could match a rule that binds no particular place, in which case no other rule may
    /// answer for it. The context must be met already. A rule with a header that the door never sees does not count: the
    /// door does not see the header outside a tunnel either.
    pub(super) fn may_meet<S: Seen + ?Sized>(self, conditions: &Conditions, seen: &S) -> bool {
        let is_met = |(key, value): &(Box<str>, Box<str>)| seen.context(key) == Context::Text(value);
        let is_unseen = |(name, _): &(Box<str>, Box<str>)| seen.header(name) == Header::NotSeen;
        let Conditions { methods: _, context, headers } = conditions;
        self.may_contain(conditions) && context.iter().all(is_met) && !headers.iter().any(is_unseen)
    }

    /// Says whether a request that meets these conditions could be inside.
    fn may_contain(self, Conditions { methods, context, headers: _ }: &Conditions) -> bool {
        match self {
            Self::Request | Self::Question => false,
            // A CONNECT inside the tunnel has a host of its own.
            Self::Tunnel => {
                let is_request = methods.is_empty() || methods.iter().any(|method| method.as_ref() != CONNECT);
                is_request && !context.iter().any(|(key, _)| is_of_a_question(key))
            }
            Self::Connection => !context.iter().any(|(key, _)| is_of_a_question(key)),
        }
    }
}

fn names_connect(conditions: &Conditions) -> bool {
    conditions.methods.iter().any(|method| method.as_ref() == CONNECT)
}

/// Treats an empty text as absent.
pub(super) fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Says whether a context key belongs to evaluations of `AuthZEN`. Requests at other doors never have it.
pub(super) fn is_of_a_question(key: &str) -> bool {
    ["subject.", "action.", "resource."].iter().any(|entity| key.starts_with(entity))
}
