//! Chooses the rule that matches a request: by host, then path, then TLS server name, then the other conditions.

use std::borrow::Cow;

use super::disguise::{check_method, check_path, is_above, stems};
use super::inside::{Kind, is_of_a_question, said};
use super::labelled::{ChoiceFault, Fault, Origin, shown};
use super::place;
use super::seen::{Context, Header, Seen};
use super::table::{
    Candidates, Conditions, Gateway, HostPattern, OfHost, OfPath, PathPattern, Rule, path_key, segments, server_key,
};
use crate::domain::vocabulary::Vocabulary;

/// Most rules that a message names.
const NAMED_MAX: usize = 4;

/// Cost of a choice. Does not depend on the number of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Look-ups in tables of hosts, paths and server names.
    pub look_ups: usize,
    /// Rules whose conditions were compared.
    pub compared: usize,
}

/// The matching rule, `None` if no rule matches, or why the choice is undecidable and which part of the request is
/// concerned.
pub type Choice<'g> = Result<Option<&'g Rule>, (Origin, Fault)>;

impl Gateway {
    /// Returns the rule that matches a request, and the cost of finding it.
    ///
    /// # Errors
    /// Something that rules depend on is missing or not comparable, or the place does not decide: none of its rules
    /// matches, or several do.
    pub fn choose<S: Seen + ?Sized>(&self, seen: &S) -> (Choice<'_>, Cost) {
        let kind = Kind::of(seen);
        let mut search = Search { gateway: self, seen, kind, cost: Cost::default(), key: String::new() };
        (search.rule(), search.cost)
    }
}

/// One search.
struct Search<'g, 's, S: ?Sized> {
    gateway: &'g Gateway,
    seen: &'s S,
    kind: Kind,
    cost: Cost,
    /// Buffer in which keys are built.
    key: String,
}

/// Result of the look-up of a path.
struct Paths<'g> {
    /// The entry found.
    of_path: Option<&'g OfPath>,
    /// Whether rules of the host depend on the path, and the path is not visible.
    is_hidden: bool,
}

impl<'g, 's, S: Seen + ?Sized> Search<'g, 's, S> {
    fn rule(&mut self) -> Choice<'g> {
        let (number, of_host) = self.of_host()?;
        let Paths { of_path, is_hidden } = self.of_path(number, of_host)?;
        let place = match of_path {
            Some(of_path) => self.place(of_path, number)?,
            None => None,
        };
        let found = match place {
            Some((place, whose)) => self.holding(place, whose)?,
            None => None,
        };
        // Any host only: for a host with rules of its own, `place` has refused an unseen server name already.
        let goes_by_server_name = number.is_none() && of_path.is_some_and(|of_path| of_path.has_servers);
        if found.is_some() && goes_by_server_name && self.kind != Kind::Question && self.seen.sni().is_none() {
            return Err((Origin::Sni, Fault::Choice(ChoiceFault::ServerNameNotSeen)));
        }
        if is_hidden && !self.kind.is_meant_by(found) {
            return Err((Origin::Path, Fault::Choice(ChoiceFault::PathNotSeen)));
        }
        if self.is_of_a_host_by_its_server_name(found)? {
            return Err((Origin::Sni, Fault::Choice(ChoiceFault::OnlyServerName)));
        }
        if self.has_a_path_by_its_server_name(found)? {
            return Err((Origin::Path, Fault::Choice(ChoiceFault::PathNotSeen)));
        }
        if let (Some(of_path), Some((place, _))) = (of_path, place) {
            let mut beside = place.iter().filter_map(|index| self.gateway.rule(*index));
            let is_answered = match found {
                Some(rule) => self.kind.is_answered(rule, of_path, beside),
                None => !beside.any(|rule| self.kind.may_meet(&rule.conditions, self.seen)),
            };
            if !is_answered {
                return Err((Origin::Request, Fault::Choice(ChoiceFault::InsideTunnel)));
            }
        }
        Ok(found)
    }

    /// Says whether a connection that shows only its TLS server name leads to a host with rules of its own, while the
    /// rule found is less specific about the server name than those rules are about the host.
    fn is_of_a_host_by_its_server_name(&mut self, found: Option<&Rule>) -> Result<bool, (Origin, Fault)> {
        if self.kind != Kind::Connection || self.gateway.hosts.is_empty() || said(self.seen.host()).is_some() {
            return Ok(false);
        }
        let Some(name) = said(self.seen.sni()) else { return Ok(false) };
        let name = place::host(name).map_err(|fault| (Origin::Sni, Fault::Host(fault)))?;
        let by_name = key_length(found);
        Ok(self.of_name(&name).is_some_and(|(_, key)| by_name < key.len()))
    }

    /// Says whether any-host rules with a path match the server name of a connection at least as specifically as the
    /// rule found does.
    fn has_a_path_by_its_server_name(&mut self, found: Option<&Rule>) -> Result<bool, (Origin, Fault)> {
        let gateway = self.gateway;
        if self.kind != Kind::Connection || gateway.servers_with_paths.is_empty() {
            return Ok(false);
        }
        // A rule for a host is checked against the paths of that host, in `of_path`.
        let found = found.filter(|rule| rule.host == HostPattern::Any);
        let (Some(found), Some(name)) = (found, said(self.seen.sni())) else { return Ok(false) };
        let name = place::host(name).map_err(|fault| (Origin::Sni, Fault::Host(fault)))?;
        let mut keys = std::iter::once(name.as_ref()).chain(suffixes(&name, gateway.suffix_parts_max));
        let by_name = key_length(Some(found));
        Ok(keys.any(|key| by_name <= key.len() && self.get(&gateway.servers_with_paths, key).is_some()))
    }

    /// Returns the number of the most specific host with rules that covers this one, and its key. A longer key is more
    /// specific.
    fn of_name<'n>(&mut self, host: &'n str) -> Option<(u32, &'n str)> {
        let gateway = self.gateway;
        let mut keys = std::iter::once(host).chain(suffixes(host, gateway.suffix_parts_max));
        keys.find_map(|key| self.get(&gateway.hosts, key).map(|number| (number, key)))
    }

    fn get(&mut self, vocabulary: &Vocabulary, key: &str) -> Option<u32> {
        self.cost.look_ups += 1;
        vocabulary.get(key)
    }

    /// Returns the host in normal form; `None` if the connection or the `AuthZEN` evaluation has no host.
    fn host(&self) -> Result<Option<Cow<'s, str>>, (Origin, Fault)> {
        match (said(self.seen.host()), self.kind) {
            (Some(host), _) => place::host(host).map(Some).map_err(|fault| (Origin::Host, Fault::Host(fault))),
            (None, Kind::Connection | Kind::Question) => Ok(None),
            // A request that hides its host could be for any host.
            (None, Kind::Request | Kind::Tunnel) => Err((Origin::Host, Fault::Choice(ChoiceFault::HostNotSeen))),
        }
    }

    fn of_host(&mut self) -> Result<(Option<u32>, &'g OfHost), (Origin, Fault)> {
        let gateway = self.gateway;
        let any = (None, &gateway.any_host);
        if gateway.hosts.is_empty() {
            return Ok(any);
        }
        let Some(host) = self.host()? else { return Ok(any) };
        let number = self.of_name(&host).map(|(number, _)| number);
        let found = number.and_then(|number| gateway.of_host(number));
        Ok(found.map_or(any, |of_host| (number, of_host)))
    }

    /// Returns the entry for the path within a host.
    fn of_path(&mut self, host: Option<u32>, of_host: &'g OfHost) -> Result<Paths<'g>, (Origin, Fault)> {
        let without_path = of_host.without_path.as_ref();
        if !of_host.has_paths {
            return Ok(Paths { of_path: without_path, is_hidden: false });
        }
        // The path of a CONNECT says nothing about the requests inside the tunnel.
        let seen = self.seen.path().filter(|_| self.kind != Kind::Tunnel);
        let path = place::path(seen.unwrap_or_default());
        let Some(path) = path.map_err(|fault| (Origin::Path, Fault::Path(fault)))? else {
            return Ok(Paths { of_path: without_path, is_hidden: true });
        };
        check_path(self.seen, &path)?;
        let mut found = self.exact_path(host, &path)?;
        if found.is_none() {
            self.check_suffix(host, &path)?;
            found = self.prefix(host, &path);
        }
        let found = found.and_then(|number| self.gateway.of_path(number));
        Ok(Paths { of_path: found.or(without_path), is_hidden: false })
    }

    fn exact_path(&mut self, host: Option<u32>, path: &str) -> Result<Option<u32>, (Origin, Fault)> {
        let paths = &self.gateway.paths;
        let mut key = std::mem::take(&mut self.key);
        path_key(&mut key, host, '=', path);
        let mut found = Ok(self.get(paths, &key));
        if found == Ok(None) {
            // Many servers treat the two as the same path.
            let other = match path.strip_suffix('/') {
                Some(without) => Cow::Borrowed(without),
                None => Cow::Owned(format!("{path}/")),
            };
            path_key(&mut key, host, '=', &other);
            if self.get(paths, &key).is_some() {
                let written = shown(&other);
                found = Err((Origin::Path, Fault::Choice(ChoiceFault::SlashAtEnd { written })));
            }
        }
        self.key = key;
        found
    }

    /// Checks that no rule has a path that differs only by a suffix of its last segment, such as `.json`. Many
    /// frameworks treat the two as the same path.
    fn check_suffix(&mut self, host: Option<u32>, path: &str) -> Result<(), (Origin, Fault)> {
        let gateway = self.gateway;
        let mut key = std::mem::take(&mut self.key);
        let whole = path.strip_suffix('/').unwrap_or(path);
        path_key(&mut key, host, '^', whole);
        if whole.is_empty() {
            key.push('/');
        }
        let is_written = self.get(&gateway.paths, &key).is_some();
        let mut written = None;
        for stem in stems(path, gateway.path_bytes_max).filter(|_| !is_written) {
            // Paths below a prefix belong to the prefix.
            let ends = [('=', ""), ('=', "/"), ('^', "")].into_iter().take(if is_above(stem, path) { 2 } else { 3 });
            for (kind, end) in ends {
                path_key(&mut key, host, kind, stem);
                key.push_str(end);
                if written.is_none() && self.get(&gateway.paths, &key).is_some() {
                    written = Some(format!("{stem}{end}"));
                }
            }
        }
        if !is_written && written.is_none() && !gateway.stems.is_empty() {
            for stem in std::iter::once(whole).chain(stems(path, gateway.path_bytes_max)) {
                path_key(&mut key, host, '.', stem);
                let number = self.get(&gateway.stems, &key);
                written = written.or(number.and_then(|number| gateway.written_with_suffix(number)).map(str::to_owned));
            }
        }
        self.key = key;
        let Some(written) = written else { return Ok(()) };
        let written = shown(&written);
        Err((Origin::Path, Fault::Choice(ChoiceFault::SuffixAtEnd { written })))
    }

    /// Returns the longest prefix that covers a path.
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

    /// Returns the rules for the server name within a host and path; `None` if there are none and the request may stay
    /// unmatched.
    fn place(
        &mut self,
        of_path: &'g OfPath,
        host: Option<u32>,
    ) -> Result<Option<(&'g Candidates, Whose)>, (Origin, Fault)> {
        if of_path.has_servers {
            let not_seen = Err((Origin::Sni, Fault::Choice(ChoiceFault::ServerNameNotSeen)));
            match self.seen.sni() {
                None if host.is_some() => return not_seen,
                None | Some("") => {}
                Some(name) => {
                    let name = place::host(name).map_err(|fault| (Origin::Sni, Fault::Host(fault)))?;
                    if let Some(place) = self.of_server(of_path, &name) {
                        return Ok(Some((place, Whose::OfThePlace)));
                    }
                }
            }
            // An any-host rule for a server name also concerns requests to the host of that name.
            if host.is_none()
                && let Some(host) = self.host()?
                && self.of_server(of_path, &host).is_some()
            {
                return not_seen;
            }
        }
        match (of_path.any_server.is_empty(), of_path.is_anywhere) {
            (false, false) => Ok(Some((&of_path.any_server, Whose::OfThePlace))),
            (false, true) => Ok(Some((&of_path.any_server, Whose::Anybodys))),
            (true, false) => Err((Origin::Sni, Fault::Choice(ChoiceFault::ServerNameNotMet))),
            (true, true) => Ok(None),
        }
    }

    /// Returns the rules for the most specific server name that matches.
    fn of_server(&mut self, of_path: &OfPath, name: &str) -> Option<&'g Candidates> {
        let gateway = self.gateway;
        let mut key = std::mem::take(&mut self.key);
        let begin = server_key(&mut key, of_path);
        let mut names = std::iter::once(name).chain(suffixes(name, gateway.suffix_parts_max));
        let found = names.find_map(|name| {
            key.truncate(begin);
            key.push_str(name);
            self.get(&gateway.servers, &key)
        });
        self.key = key;
        found.and_then(|number| gateway.of_server(number))
    }

    /// Returns the rule of a place that matches; `None` if none matches and none has to.
    ///
    /// A rule that might match, because a condition cannot be checked, blocks every rule of equal or lower precedence.
    fn holding(&mut self, place: &Candidates, whose: Whose) -> Choice<'g> {
        let gateway = self.gateway;
        let mut holding: Vec<&Rule> = Vec::new();
        let mut other_methods: Vec<&Rule> = Vec::new();
        let (mut unseen, mut is_met_inside) = (None, false);
        for rule in place.iter().filter_map(|index| gateway.rule(*index)) {
            let goes_before = |first: &&Rule| rule.conditions.count() < first.conditions.count();
            if holding.first().is_some_and(goes_before) {
                break;
            }
            self.cost.compared += 1;
            match meets(&rule.conditions, self.seen, self.kind)? {
                Meets::All => holding.push(rule),
                Meets::AllButTheMethod => other_methods.push(rule),
                Meets::PerhapsInside => is_met_inside = true,
                Meets::NotSeen(what) => unseen = unseen.or(Some(what)),
                Meets::Not => {}
            }
        }
        // Rules that bind no particular place are ignored while they cannot be checked, unless another rule would match
        // in their stead.
        if let Some(unseen) = unseen
            && (holding.len() == 1 || whose == Whose::OfThePlace)
        {
            return Err(unseen);
        }
        let fault = match (holding.as_slice(), whose) {
            ([_], _) if is_met_inside => ChoiceFault::InsideTunnel,
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

/// Which requests the rules of a place bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// All requests to a host, a path or a server name: each of them must match a rule.
    OfThePlace,
    /// Only requests that meet the conditions, wherever they go.
    Anybodys,
}

/// Returns the key length of a rule's server name. A longer key is more specific.
fn key_length(found: Option<&Rule>) -> usize {
    match found.map(|rule| &rule.sni) {
        None | Some(HostPattern::Any) => 0,
        Some(HostPattern::Exact(name)) => name.len(),
        // Includes the leading dot.
        Some(HostPattern::Below(suffix)) => 1 + suffix.len(),
    }
}

fn named<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<String> {
    rules.take(NAMED_MAX).map(|rule| rule.id.to_string()).collect()
}

/// Returns the suffixes of a host that have at most `parts_max` parts, each with its leading dot, the longest first.
fn suffixes(host: &str, parts_max: usize) -> impl Iterator<Item = &str> {
    let parts = host.split('.').count();
    let dots = host.char_indices().filter(|(_, character)| *character == '.');
    // Rules count their parts the same way: the empty part before the leading dot counts.
    let suffixes = (0..parts).rev().zip(dots).filter(move |(left, _)| *left < parts_max);
    suffixes.filter_map(move |(_, (dot, _))| host.get(dot..))
}

/// How far a request meets the conditions of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meets {
    /// All of them.
    All,
    /// All but the method.
    AllButTheMethod,
    /// The request itself does not, but a request hidden in the connection might.
    PerhapsInside,
    /// All conditions that can be checked; this one cannot be.
    NotSeen((Origin, Fault)),
    /// The request does not match.
    Not,
}

fn meets<S: Seen + ?Sized>(conditions: &Conditions, seen: &S, kind: Kind) -> Result<Meets, (Origin, Fault)> {
    let Conditions { methods, context, headers } = conditions;
    let mut unseen = None;
    for (key, value) in context {
        match seen.context(key) {
            Context::Text(text) if text == value.as_ref() => {}
            Context::NotSeen if !is_of_a_question(key) => {
                unseen.get_or_insert((Origin::Context(key.to_string()), Fault::NotSeen));
            }
            Context::Text(_) | Context::Absent | Context::NotSeen => return Ok(Meets::Not),
        }
    }
    let otherwise = if kind == Kind::Connection { Meets::PerhapsInside } else { Meets::Not };
    let mut unclear = None;
    for (name, value) in headers {
        let origin = || Origin::Header(name.to_string());
        match seen.header(name) {
            Header::Text(text) if text == value.as_ref() => {}
            Header::Text(_) | Header::Absent => return Ok(otherwise),
            Header::NotSeen => {
                unseen.get_or_insert((origin(), Fault::NotSeen));
            }
            Header::Repeated => {
                unclear.get_or_insert((origin(), Fault::Repeated));
            }
            Header::NotText => {
                unclear.get_or_insert((origin(), Fault::NotText));
            }
        }
    }
    if let Some(unclear) = unclear {
        return Err(unclear);
    }
    let met = unseen.map_or(Meets::All, Meets::NotSeen);
    if methods.is_empty() {
        return Ok(met);
    }
    // Without HTTP there is no method.
    let Some(method) = said(seen.method()) else { return Ok(otherwise) };
    if method.bytes().any(|byte| !matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_')) {
        return Err((Origin::Method, Fault::Choice(ChoiceFault::MethodNotInCapitals)));
    }
    check_method(seen, method)?;
    Ok(match (methods.iter().any(|known| known.as_ref() == method), met) {
        (true, met) => met,
        (false, Meets::All) => Meets::AllButTheMethod,
        (false, _) => otherwise,
    })
}

/// Says whether a rule is a catch-all: it matches every request that no rule for a more specific place matches.
pub fn is_about_everything(rule: &Rule) -> bool {
    rule.host == HostPattern::Any
        && rule.path == PathPattern::Any
        && rule.sni == HostPattern::Any
        && rule.conditions.count() == 0
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
