//! The label rules of one snapshot, indexed so that a few look-ups find the matching rule, however many rules there
//! are.
//!
//! ```text
//! host (exact, longest suffix, any) ─► path (exact, longest prefix, none) ─► TLS server name ─► rules of one place
//! ```
//!
//! Each step takes the most specific key that has rules, and never goes back. If a place has rules and none of them
//! matches, no less specific rule is tried, no label header helps, and the request is refused. Otherwise a lenient
//! rule, or no rule, would catch the requests that the conditions of a strict rule leave out.

use std::fmt::Write as _;

use super::disguise::stems;
use super::labelled::Record;
use super::subjects::{GivenSubjects, SubjectSource};
use crate::domain::units::{Class, Ground, Modality};
use crate::domain::vocabulary::Vocabulary;

/// Most rules of one place, that is, with the same host, path and TLS server name. Each of them may be compared.
pub const PLACE_RULES_MAX: usize = 64;
/// Most segments of a path in a rule. A request costs as many look-ups as the longest prefix has segments.
pub const PATH_SEGMENTS_MAX: usize = 32;
/// Most parts of a host in a rule.
pub const HOST_PARTS_MAX: usize = 32;
/// Most methods, context keys and headers of one rule, each.
pub const CONDITIONS_MAX: usize = 16;

/// The rules that label requests.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// Names of the label headers.
    pub headers: LabelHeaders,
    /// Whether a rule finds persons in the path. Then no message repeats a path: it may be that of such a rule at another
    /// host or by another method.
    pub(super) has_persons_in_paths: bool,
    /// Rules, in the order of the files.
    rules: Vec<Rule>,
    /// Hosts with rules of their own. Any-host rules have no key here.
    ///
    /// INVARIANT (keys): a host is in normal form, a suffix has a leading dot. The same holds in `servers`.
    /// [`path_key`] and [`server_key`] build the keys of `paths` and `servers`.
    pub(super) hosts: Vocabulary,
    /// Entry of each host, by its number.
    of_host: Vec<OfHost>,
    /// Entry for any host.
    pub(super) any_host: OfHost,
    /// Paths, each within its host: a number of `of_path`.
    pub(super) paths: Vocabulary,
    /// Entry of each path, by its number.
    of_path: Vec<OfPath>,
    /// TLS server names, each within its host and path: a number of `of_server`.
    pub(super) servers: Vocabulary,
    /// Rules of each server name, by its number.
    of_server: Vec<Candidates>,
    /// Server names of any-host rules that state a path too.
    pub(super) servers_with_paths: Vocabulary,
    /// Paths of rules without their suffix, each within its host: a number of `written_with_suffix`.
    pub(super) stems: Vocabulary,
    /// The path in the rule, with its suffix, by its number.
    written_with_suffix: Vec<Box<str>>,
    /// Longest path in a rule, in bytes.
    pub(super) path_bytes_max: usize,
    /// Most parts of a host suffix in a rule.
    pub(super) suffix_parts_max: usize,
    /// Most segments of a prefix.
    pub(super) prefix_segments_max: usize,
}

/// Names of the label headers, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelHeaders {
    /// Names the flow.
    pub flow: Box<str>,
    /// Says how many persons' general information is sent.
    pub persons: Box<str>,
    /// Says how many persons' sensitive information is sent.
    pub sensitive_persons: Box<str>,
    /// Is the gateway's id of the transfer.
    pub transfer_id: Box<str>,
}

impl Default for LabelHeaders {
    fn default() -> Self {
        Self {
            flow: "x-neglist-flow".into(),
            persons: "x-neglist-persons".into(),
            sensitive_persons: "x-neglist-sensitive-persons".into(),
            transfer_id: "x-neglist-transfer-id".into(),
        }
    }
}

/// A rule: the requests that it matches, and the transfer that it describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: Box<str>,
    /// Host of the request.
    pub host: HostPattern,
    /// Its path.
    pub path: PathPattern,
    /// The TLS server name that its client asked for.
    pub sni: HostPattern,
    /// All other conditions.
    pub conditions: Conditions,
    /// The transfer.
    pub gives: Gives,
    /// Whether the transfer is counted too.
    pub record: Record,
}

/// The hosts that a rule matches, in the normal form of [`super::host`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum HostPattern {
    /// Every host, and requests whose host is not known.
    #[default]
    Any,
    /// This host.
    Exact(Box<str>),
    /// Every host below this one, with at least one part more.
    Below(Box<str>),
}

/// The paths that a rule matches, in the normal form of [`super::path`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum PathPattern {
    /// Every path, and requests without a path.
    #[default]
    Any,
    /// This path.
    Exact(Box<str>),
    /// This path and every path below it. Without a final slash, except for `/`: every path.
    Prefix(Box<str>),
}

/// Conditions besides host, path and server name. All of them must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// One of these methods, in capitals; empty: any method. Ascending.
    pub methods: Vec<Box<str>>,
    /// Context keys, each with its value. Ascending.
    pub context: Vec<(Box<str>, Box<str>)>,
    /// Headers in lower case, each with its value. Ascending.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

impl Conditions {
    /// Returns the number of conditions. A rule with more conditions has precedence.
    pub fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.context.len() + self.headers.len()
    }
}

/// The transfer that a rule describes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gives {
    /// Registered flow.
    pub flow: Option<Given<Box<str>>>,
    /// Exporter.
    pub exporter: Option<Given<Box<str>>>,
    /// Recipient.
    pub recipient: Option<Given<Box<str>>>,
    /// Destination.
    pub destination: Option<Given<Box<str>>>,
    /// Sector.
    pub sector: Option<Given<Box<str>>>,
    /// Scenario.
    pub scenario: Option<Given<Box<str>>>,
    /// Zone that the data leaves from.
    pub export_zone: Option<Given<Box<str>>>,
    /// Ground.
    pub ground: Option<Ground>,
    /// Data that is sent.
    pub items: Vec<GivenItem>,
    /// Persons whose general information is sent.
    pub persons: Option<Given<u64>>,
    /// Persons whose sensitive information is sent.
    pub sensitive_persons: Option<Given<u64>>,
    /// Who the persons are whose general information is sent.
    pub subjects: Option<GivenSubjects>,
    /// Who the persons are whose sensitive information is sent.
    pub sensitive_subjects: Option<GivenSubjects>,
    /// The gateway's id of the transfer.
    pub transfer_id: Option<Source>,
}

impl Gives {
    /// Says whether the rule itself describes a transfer, with or without a flow.
    pub const fn has_fields(&self) -> bool {
        self.exporter.is_some()
            || self.recipient.is_some()
            || self.destination.is_some()
            || self.sector.is_some()
            || self.scenario.is_some()
            || self.export_zone.is_some()
            || self.ground.is_some()
            || !self.items.is_empty()
    }

    /// Says whether the path has an identifier of a person.
    fn finds_persons_in_path(&self) -> bool {
        let places = [&self.subjects, &self.sensitive_subjects];
        places.into_iter().flatten().any(|given| matches!(given.source, SubjectSource::Path(_)))
    }
}

/// A kind of data that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenItem {
    /// Its code.
    pub code: Given<Box<str>>,
    /// A class stricter than the catalogue's.
    pub class: Option<Class>,
    /// Modality.
    pub modality: Option<Modality>,
    /// Attributes.
    pub attributes: Vec<Box<str>>,
}

/// A value in a rule, or the place in the request to read it from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given<T> {
    /// The value, written in the rule.
    Literal(T),
    /// The place in the request.
    From(Source),
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A header, by its name in lower case.
    Header(Box<str>),
    /// A member of the JSON body, by its pointer.
    Body(Box<str>),
    /// A key of the context.
    Context(Box<str>),
}

/// The rules for one host.
#[derive(Debug, Clone, Default)]
pub(super) struct OfHost {
    /// The rules without a path.
    pub(super) without_path: Option<OfPath>,
    /// Whether there are rules with a path.
    pub(super) has_paths: bool,
}

/// The rules for one host and path.
#[derive(Debug, Clone, Default)]
pub(super) struct OfPath {
    /// Distinguishes its server names from those of other entries.
    pub(super) number: u32,
    /// Rules without a server name.
    pub(super) any_server: Candidates,
    /// Whether there are rules with a server name.
    pub(super) has_servers: bool,
    /// Whether this is the entry for any host and no path: no request has to match one of its rules.
    pub(super) is_anywhere: bool,
}

/// The rules of one place, those with the most conditions first.
pub(super) type Candidates = Vec<u32>;

/// Returns how many segments a path has. `/` has none, and a slash at the end adds none.
pub fn segments(path: &str) -> usize {
    path.split('/').filter(|segment| !segment.is_empty()).count()
}

/// Writes the key of a path within a host. Kinds: `=` for the path itself, `^` for the path as a prefix, `.` for the
/// path without a suffix.
pub(super) fn path_key(key: &mut String, host: Option<u32>, kind: char, path: &str) {
    key.clear();
    number(key, host);
    key.push(kind);
    key.push_str(path);
}

/// Writes the prefix of a server-name key, which encodes host and path, and returns its length. The name follows it.
pub(super) fn server_key(key: &mut String, of_path: &OfPath) -> usize {
    key.clear();
    number(key, Some(of_path.number));
    key.push(':');
    key.len()
}

fn number(key: &mut String, number: Option<u32>) {
    if let Some(number) = number {
        let written = write!(key, "{number:x}");
        debug_assert!(written.is_ok(), "a text takes whatever is written to it");
    }
}

impl Gateway {
    /// Indexes rules. The compiler ensures that no place has more than [`PLACE_RULES_MAX`].
    pub fn new(headers: LabelHeaders, rules: Vec<Rule>) -> Self {
        let mut gateway = Self { headers, ..Self::default() };
        let mut of_paths = 0;
        for (index, rule) in (0..).zip(&rules) {
            gateway.place(rule, &mut of_paths).push(index);
        }
        let mut sort = |place: &mut Candidates| {
            let rule = |index: &u32| rules.get(*index as usize);
            place.sort_by_key(|index| rule(index).map(|rule| (usize::MAX - rule.conditions.count(), &rule.id)));
        };
        let of_hosts = gateway.of_host.iter_mut().chain([&mut gateway.any_host]);
        let without_path = of_hosts.filter_map(|of_host| of_host.without_path.as_mut());
        without_path.chain(&mut gateway.of_path).for_each(|of_path| sort(&mut of_path.any_server));
        gateway.of_server.iter_mut().for_each(&mut sort);
        gateway.has_persons_in_paths = rules.iter().any(|rule| rule.gives.finds_persons_in_path());
        gateway.rules = rules;
        gateway
    }

    /// Returns the place of a rule, and creates it for the first rule there.
    fn place(&mut self, rule: &Rule, of_paths: &mut u32) -> &mut Candidates {
        let host = self.host_number(&rule.host);
        let of_host = match host {
            Some(number) => entry(&mut self.of_host, number),
            None => &mut self.any_host,
        };
        let mut key = String::new();
        let of_path = match &rule.path {
            PathPattern::Any => {
                of_host.without_path.get_or_insert_with(|| OfPath { is_anywhere: host.is_none(), ..next(of_paths) })
            }
            PathPattern::Exact(path) | PathPattern::Prefix(path) => {
                of_host.has_paths = true;
                let kind = if matches!(rule.path, PathPattern::Exact(_)) { '=' } else { '^' };
                if kind == '^' {
                    self.prefix_segments_max = self.prefix_segments_max.max(segments(path));
                }
                self.path_bytes_max = self.path_bytes_max.max(path.len());
                for stem in stems(path, path.len()) {
                    path_key(&mut key, host, '.', stem);
                    if self.stems.insert(&key).is_ok() {
                        self.written_with_suffix.push(path.clone());
                    }
                }
                path_key(&mut key, host, kind, path);
                match self.paths.insert(&key) {
                    Ok(number) => {
                        let of_path = entry(&mut self.of_path, number);
                        *of_path = next(of_paths);
                        of_path
                    }
                    Err(number) => entry(&mut self.of_path, number),
                }
            }
        };
        if rule.sni == HostPattern::Any {
            return &mut of_path.any_server;
        }
        of_path.has_servers = true;
        let begin = server_key(&mut key, of_path);
        match &rule.sni {
            HostPattern::Any => {}
            HostPattern::Exact(name) => key.push_str(name),
            HostPattern::Below(suffix) => {
                self.suffix_parts_max = self.suffix_parts_max.max(1 + suffix.split('.').count());
                key.extend([".", suffix]);
            }
        }
        if let Some(name) = key.get(begin..).filter(|_| host.is_none() && rule.path != PathPattern::Any) {
            // Present already, or inserted now.
            let (Ok(_) | Err(_)) = self.servers_with_paths.insert(name);
        }
        let (Ok(number) | Err(number)) = self.servers.insert(&key);
        entry(&mut self.of_server, number)
    }

    fn host_number(&mut self, pattern: &HostPattern) -> Option<u32> {
        let (Ok(number) | Err(number)) = match pattern {
            HostPattern::Any => return None,
            HostPattern::Exact(host) => self.hosts.insert(host),
            HostPattern::Below(suffix) => {
                self.suffix_parts_max = self.suffix_parts_max.max(1 + suffix.split('.').count());
                self.hosts.insert(&format!(".{suffix}"))
            }
        };
        Some(number)
    }

    /// Returns the rules, in the order of the files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn rule(&self, index: u32) -> Option<&Rule> {
        self.rules.get(index as usize)
    }

    pub(super) fn of_host(&self, number: u32) -> Option<&OfHost> {
        self.of_host.get(number as usize)
    }

    /// Returns the path of a rule with its suffix, by the number of the path without it.
    pub(super) fn written_with_suffix(&self, number: u32) -> Option<&str> {
        self.written_with_suffix.get(number as usize).map(AsRef::as_ref)
    }

    pub(super) fn of_path(&self, number: u32) -> Option<&OfPath> {
        self.of_path.get(number as usize)
    }

    pub(super) fn of_server(&self, number: u32) -> Option<&Candidates> {
        self.of_server.get(number as usize)
    }
}

fn next(of_paths: &mut u32) -> OfPath {
    *of_paths += 1;
    OfPath { number: *of_paths, ..OfPath::default() }
}

/// Returns the entry with a number, and creates it if it does not exist yet.
fn entry<T: Default>(entries: &mut Vec<T>, number: u32) -> &mut T {
    let index = number as usize;
    if entries.len() <= index {
        entries.resize_with(index + 1, T::default);
    }
    #[expect(clippy::indexing_slicing, reason = "the line above makes it")]
    &mut entries[index]
}
