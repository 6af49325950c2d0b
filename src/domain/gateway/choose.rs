//! Which rule is about a request: host, then path, then TLS server name, then what else has to hold.

use std::borrow::Cow;

use super::labelled::{ChoiceFault, Fault, Origin};
use super::place;
use super::seen::{Header, Seen};
use super::table::{
    Conditions, Gateway, HostPattern, OfHost, OfPath, PathPattern, Place, Rule, path_key, segments, server_key,
};
use crate::domain::vocabulary::Vocabulary;

/// Rules that a message names at most.
const NAMED_MAX: usize = 4;

/// The work of a choice. Does not depend on the number of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Look-ups in tables of hosts, paths and server names.
    pub look_ups: usize,
    /// Rules whose conditions were compared.
    pub compared: usize,
}

/// A rule, none that is about the request, or why it cannot be told, and what that concerns.
pub type Choice<'g> = Result<Option<&'g Rule>, (Origin, Fault)>;

impl Gateway {
    /// Returns the rule that is about a request, and what it cost to find it.
    ///
    /// # Errors
    /// What a rule goes by is missing or not comparable, or no rule of the place holds, or several do.
    pub fn choose<S: Seen + ?Sized>(&self, seen: &S) -> (Choice<'_>, Cost) {
        let mut search = Search { gateway: self, seen, cost: Cost::default(), key: String::new() };
        (search.rule(), search.cost)
    }
}

/// One search.
struct Search<'g, 's, S: ?Sized> {
    gateway: &'g Gateway,
    seen: &'s S,
    cost: Cost,
    /// Keys are put together here.
    key: String,
}

impl<'g, S: Seen + ?Sized> Search<'g, '_, S> {
    fn rule(&mut self) -> Choice<'g> {
        let (number, of_host) = self.of_host()?;
        let found = match self.of_path(number, of_host)? {
            Some(of_path) => match self.place(of_path)? {
                Some((place, whose)) => self.holding(place, whose)?,
                None => None,
            },
            None => None,
        };
        if found.is_none() && self.is_of_a_host_by_its_server_name()? {
            return Err((Origin::Sni, Fault::Choice(ChoiceFault::OnlyServerName)));
        }
        Ok(found)
    }

    /// Says whether rules are written for the host of a connection of which only the TLS server name is seen.
    fn is_of_a_host_by_its_server_name(&mut self) -> Result<bool, (Origin, Fault)> {
        let is_said = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        if self.gateway.hosts.is_empty() || is_said(self.seen.host()) || is_said(self.seen.method()) {
            return Ok(false);
        }
        let Some(name) = self.seen.sni().filter(|name| !name.is_empty()) else { return Ok(false) };
        let name = place::host(name).map_err(|fault| (Origin::Sni, Fault::Host(fault)))?;
        Ok(self.host_number(&name).is_some())
    }

    /// Returns the number of the most specific host that rules are written for.
    fn host_number(&mut self, host: &str) -> Option<u32> {
        let gateway = self.gateway;
        let exact = self.get(&gateway.hosts, host);
        exact.or_else(|| suffixes(host, gateway.suffix_parts_max).find_map(|suffix| self.get(&gateway.hosts, suffix)))
    }

    fn get(&mut self, vocabulary: &Vocabulary, key: &str) -> Option<u32> {
        self.cost.look_ups += 1;
        vocabulary.get(key)
    }

    fn of_host(&mut self) -> Result<(Option<u32>, &'g OfHost), (Origin, Fault)> {
        let gateway = self.gateway;
        let any = (None, &gateway.any_host);
        if gateway.hosts.is_empty() {
            return Ok(any);
        }
        let Some(host) = self.seen.host().filter(|host| !host.is_empty()) else {
            // A connection without HTTP has no host; a request that hides its own could be for any of them.
            let hides_it = self.seen.method().is_some_and(|method| !method.is_empty());
            let fault = Fault::Choice(ChoiceFault::HostNotSeen);
            return if hides_it { Err((Origin::Host, fault)) } else { Ok(any) };
        };
        let host = place::host(host).map_err(|fault| (Origin::Host, Fault::Host(fault)))?;
        let number = self
            .get(&gateway.hosts, &host)
            .or_else(|| suffixes(&host, gateway.suffix_parts_max).find_map(|suffix| self.get(&gateway.hosts, suffix)));
        let found = number.and_then(|number| gateway.of_host(number));
        Ok(found.map_or(any, |of_host| (number, of_host)))
    }

    /// Returns what is written for the path within a host; `None`: nothing.
    fn of_path(&mut self, host: Option<u32>, of_host: &'g OfHost) -> Result<Option<&'g OfPath>, (Origin, Fault)> {
        let without_path = of_host.without_path.as_ref();
        if !of_host.has_paths {
            return Ok(without_path);
        }
        let path = place::path(self.seen.path().unwrap_or_default());
        let Some(path) = path.map_err(|fault| (Origin::Path, Fault::Path(fault)))? else {
            // A connection without HTTP has no path; a request that hides its own could be for any of them.
            let hides_it = host.is_some() || self.seen.method().is_some_and(|method| !method.is_empty());
            let fault = Fault::Choice(ChoiceFault::PathNotSeen);
            return if without_path.is_none() && hides_it { Err((Origin::Path, fault)) } else { Ok(without_path) };
        };
        let found = match self.exact_path(host, &path)? {
            Some(number) => Some(number),
            None => self.prefix(host, &path),
        };
        Ok(found.and_then(|number| self.gateway.of_path(number)).or(without_path))
    }

    fn exact_path(&mut self, host: Option<u32>, path: &str) -> Result<Option<u32>, (Origin, Fault)> {
        let paths = &self.gateway.paths;
        let mut key = std::mem::take(&mut self.key);
        path_key(&mut key, host, '=', path);
        let mut found = Ok(self.get(paths, &key));
        if found == Ok(None) {
            // Many servers take the two for the same.
            let other = match path.strip_suffix('/') {
                Some(without) => Cow::Borrowed(without),
                None => Cow::Owned(format!("{path}/")),
            };
            path_key(&mut key, host, '=', &other);
            if self.get(paths, &key).is_some() {
                let written = super::value::shown(&other);
                found = Err((Origin::Path, Fault::Choice(ChoiceFault::SlashAtEnd { written })));
            }
        }
        self.key = key;
        found
    }

    /// Returns the longest prefix of a path.
    fn prefix(&mut self, host: Option<u32>, path: &str) -> Option<u32> {
        let gateway = self.gateway;
        let mut key = std::mem::take(&mut self.key);
        let path = path.strip_suffix('/').unwrap_or(path);
        path_key(&mut key, host, '^', path);
        let begin = key.len() - path.len();
        let mut left = segments(path);
        let mut found = None;
        let mut end = key.len();
        while found.is_none() && 0 < left {
            if left <= gateway.prefix_segments_max {
                found = key.get(..end).and_then(|key| self.get(&gateway.paths, key));
            }
            left -= 1;
            end = key.get(..end).and_then(|key| key.rfind('/')).unwrap_or(begin);
        }
        if found.is_none() {
            key.truncate(begin);
            key.push('/');
            found = self.get(&gateway.paths, &key);
        }
        self.key = key;
        found
    }

    /// Returns the rules for the server name within a host and path; `None`: there are none, and need not be.
    fn place(&mut self, of_path: &'g OfPath) -> Result<Option<(&'g Place, Whose)>, (Origin, Fault)> {
        let gateway = self.gateway;
        let sni = self.seen.sni().filter(|name| !name.is_empty() && of_path.has_servers);
        if let Some(name) = sni {
            let name = place::host(name).map_err(|fault| (Origin::Sni, Fault::Host(fault)))?;
            let mut key = std::mem::take(&mut self.key);
            let begin = server_key(&mut key, of_path);
            let names = std::iter::once(name.as_ref()).chain(suffixes(&name, gateway.suffix_parts_max));
            let mut found = None;
            for name in names {
                key.truncate(begin);
                key.push_str(name);
                found = self.get(&gateway.servers, &key);
                if found.is_some() {
                    break;
                }
            }
            self.key = key;
            if let Some(place) = found.and_then(|number| gateway.of_server(number)) {
                return Ok(Some((place, Whose::OfThePlace)));
            }
        }
        match (of_path.any_server.is_empty(), of_path.is_anywhere) {
            (false, false) => Ok(Some((&of_path.any_server, Whose::OfThePlace))),
            (false, true) => Ok(Some((&of_path.any_server, Whose::Anybodys))),
            (true, false) => Err((Origin::Sni, Fault::Choice(ChoiceFault::ServerNameNotMet))),
            (true, true) => Ok(None),
        }
    }

    /// Returns the rule of a place that holds; `None`: none, and none need be.
    fn holding(&mut self, place: &Place, whose: Whose) -> Choice<'g> {
        let gateway = self.gateway;
        let mut holding: Vec<&Rule> = Vec::new();
        let mut other_methods: Vec<&Rule> = Vec::new();
        for rule in place.iter().filter_map(|index| gateway.rule(*index)) {
            let goes_before = |first: &&Rule| rule.conditions.count() < first.conditions.count();
            if holding.first().is_some_and(goes_before) {
                break;
            }
            self.cost.compared += 1;
            match meets(&rule.conditions, self.seen)? {
                Meets::All => holding.push(rule),
                Meets::AllButTheMethod => other_methods.push(rule),
                Meets::Not => {}
            }
        }
        let fault = match (holding.as_slice(), whose) {
            ([rule], _) => return Ok(Some(rule)),
            ([], Whose::Anybodys) if other_methods.is_empty() => return Ok(None),
            ([], Whose::Anybodys) => ChoiceFault::ConditionsNotMet { rules: named(other_methods.into_iter()) },
            ([], Whose::OfThePlace) => {
                let rules = place.iter().filter_map(|index| gateway.rule(*index));
                ChoiceFault::ConditionsNotMet { rules: named(rules) }
            }
            (several, _) => ChoiceFault::Ambiguous { rules: named(several.iter().copied()) },
        };
        Err((Origin::Request, Fault::Choice(fault)))
    }
}

/// Whose requests the rules of a place are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those of a host, a path or a server name: each of these has to meet a rule.
    OfThePlace,
    /// Those that meet the conditions, wherever they go.
    Anybodys,
}

fn named<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<String> {
    rules.take(NAMED_MAX).map(|rule| rule.id.to_string()).collect()
}

/// Returns the ends of a host, each with the dot before it, the longest first, of so many parts at most.
fn suffixes(host: &str, parts_max: usize) -> impl Iterator<Item = &str> {
    let parts = host.split('.').count();
    let dots = host.char_indices().filter(|(_, character)| *character == '.');
    // Counted as rules count theirs: the part before the dot is there, and empty.
    let suffixes = (0..parts).rev().zip(dots).filter(move |(left, _)| *left < parts_max);
    suffixes.filter_map(move |(_, (dot, _))| host.get(dot..))
}

/// How far a request meets the conditions of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meets {
    /// All of them.
    All,
    /// It is what the rule is about, but for its method.
    AllButTheMethod,
    /// It is something else.
    Not,
}

fn meets<S: Seen + ?Sized>(conditions: &Conditions, seen: &S) -> Result<Meets, (Origin, Fault)> {
    let Conditions { methods, context, headers } = conditions;
    if !context.iter().all(|(key, value)| seen.context(key) == Some(value.as_ref())) {
        return Ok(Meets::Not);
    }
    let mut unclear = None;
    for (name, value) in headers {
        let fault = match seen.header(name) {
            Header::Text(text) if text == value.as_ref() => continue,
            Header::Text(_) | Header::Absent => return Ok(Meets::Not),
            Header::Repeated => Fault::Repeated,
            Header::NotText => Fault::NotText,
        };
        unclear.get_or_insert((Origin::Header(name.to_string()), fault));
    }
    if let Some(unclear) = unclear {
        return Err(unclear);
    }
    if methods.is_empty() {
        return Ok(Meets::All);
    }
    // What is no HTTP has no method.
    let Some(method) = seen.method().filter(|method| !method.is_empty()) else { return Ok(Meets::Not) };
    if method.bytes().any(|byte| !matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_')) {
        return Err((Origin::Method, Fault::Choice(ChoiceFault::MethodNotInCapitals)));
    }
    let is_one = methods.iter().any(|known| known.as_ref() == method);
    Ok(if is_one { Meets::All } else { Meets::AllButTheMethod })
}

/// Says whether a rule is about every request that no rule for a more specific place is about.
pub fn is_about_everything(rule: &Rule) -> bool {
    rule.host == HostPattern::Any
        && rule.path == PathPattern::Any
        && rule.sni == HostPattern::Any
        && rule.conditions.count() == 0
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
