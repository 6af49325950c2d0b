//! What a tunnel or a connection hides, and whether a rule may answer for all of it.
//!
//! Of a tunnel its host is known to hold for what is inside, and nothing else: the method, the path, the headers, the
//! context and the TLS server name of a CONNECT are those of the CONNECT alone. Of a connection of which only the TLS server
//! name is seen, the name and the gateway's context hold for everything inside.
//!
//! INVARIANT (inside): a rule holds for a tunnel where it names CONNECT, or where each request that could be inside would
//! come to that rule as well. A rule holds for a connection where no rule that is as much about its server name could be
//! met inside.

use super::seen::{Context, Header, Seen};
use super::table::{Conditions, HostPattern, OfPath, Rule};

/// The method that opens a tunnel.
const CONNECT: &str = "CONNECT";

/// What a door is asked about, by what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request.
    Request,
    /// `CONNECT`: what goes through the tunnel is not seen.
    Tunnel,
    /// A connection: what goes through it is not seen.
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

    /// Says whether a rule is written for what has no path, though other rules of the host go by the path.
    pub(super) fn is_meant_by(self, found: Option<&Rule>) -> bool {
        match (self, found) {
            (Self::Question, _) => true,
            (Self::Request, _) | (Self::Tunnel | Self::Connection, None) => false,
            (Self::Tunnel, Some(rule)) => names_connect(&rule.conditions),
            (Self::Connection, Some(rule)) => rule.sni != HostPattern::Any,
        }
    }

    /// Says whether a rule that a CONNECT or a connection meets holds for all that it may hide. `place`: the rules beside it,
    /// and itself. Those beside it that a connection hides are looked at where its rules are compared.
    pub(super) fn is_answered<'r>(
        self,
        rule: &Rule,
        of_path: &OfPath,
        mut place: impl Iterator<Item = &'r Rule>,
    ) -> bool {
        match self {
            Self::Request | Self::Question => return true,
            // Headers that a door gives a connection are not those of what is inside.
            Self::Connection => return rule.conditions.headers.is_empty(),
            Self::Tunnel if names_connect(&rule.conditions) => return true,
            Self::Tunnel => {}
        }
        let may_have_another_server_name = rule.sni != HostPattern::Any || of_path.has_servers;
        let is_met_by_all = rule.conditions.count() == 0 && !may_have_another_server_name;
        is_met_by_all && place.all(|other| other.id == rule.id || !self.may_contain(&other.conditions))
    }

    /// Says whether one of the rules that no request is bound to meet could be met by what is hidden, so that nothing else
    /// may answer for it. The context has to be met already, and a door that never sees the header does not see it outside a
    /// tunnel either.
    pub(super) fn may_meet<S: Seen + ?Sized>(self, conditions: &Conditions, seen: &S) -> bool {
        let is_met = |(key, value): &(Box<str>, Box<str>)| seen.context(key) == Context::Text(value);
        let is_unseen = |(name, _): &(Box<str>, Box<str>)| seen.header(name) == Header::NotSeen;
        let Conditions { methods: _, context, headers } = conditions;
        self.may_contain(conditions) && context.iter().all(is_met) && !headers.iter().any(is_unseen)
    }

    /// Says whether some request that meets these conditions could be inside.
    fn may_contain(self, Conditions { methods, context, headers: _ }: &Conditions) -> bool {
        match self {
            Self::Request | Self::Question => false,
            // A CONNECT inside is for a host of its own.
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

/// Absent and empty are the same.
pub(super) fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Says whether a key is one that the evaluations of `AuthZEN` have, and no request at another door.
pub(super) fn is_of_a_question(key: &str) -> bool {
    ["subject.", "action.", "resource."].iter().any(|entity| key.starts_with(entity))
}
