//! The rule that matches a request, straight from `policies/README.md`: every rule is compared,
//! one step after the other. Knows what a request means, not how it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A rule, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rule {
    pub(crate) id: String,
    /// A host, or `*.` and a host.
    pub(crate) host: Option<String>,
    pub(crate) sni: Option<String>,
    /// Segments, and whether there is a slash at the end.
    pub(crate) path: Option<(Vec<String>, bool)>,
    pub(crate) prefix: Option<Vec<String>>,
    pub(crate) methods: Vec<String>,
    pub(crate) context: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
}

/// The meaning of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meant {
    pub(crate) host: Name,
    pub(crate) sni: Name,
    pub(crate) path: Path,
    pub(crate) method: Option<String>,
    /// `None`: the gateway can say none.
    pub(crate) context: Option<Vec<(String, String)>>,
    /// Each header with its values.
    pub(crate) headers: Vec<(String, Vec<String>)>,
    /// Headers that the gateway does not hand on.
    pub(crate) unseen_headers: Vec<String>,
    /// A header asks for another method.
    pub(crate) overrides_method: bool,
    /// A header asks for another path.
    pub(crate) overrides_path: bool,
}

/// A host or a server name.
#[derive(Debug, Clone, Default)]
pub(crate) enum Name {
    #[default]
    Unseen,
    /// Seen to be absent.
    IsNone,
    /// In a form that cannot be compared.
    Odd,
    Is(String),
}

/// A path.
#[derive(Debug, Clone, Default)]
pub(crate) enum Path {
    #[default]
    Unseen,
    /// In a form that cannot be compared.
    Odd,
    Is(Vec<String>, bool),
}

/// The result of the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Rule(String),
    Nothing,
    Refused,
}

impl Rule {
    /// Returns the lines of the rule in a policy file.
    pub(crate) fn yaml(&self) -> String {
        let mut parts = Vec::new();
        let mut text = |key: &str, value: &Option<String>| {
            parts.extend(value.iter().map(|value| format!("{key}: '{value}'")));
        };
        text("host", &self.host);
        text("sni", &self.sni);
        text("path", &self.path.as_ref().map(|(segments, slash)| written(segments, *slash)));
        text("path_prefix", &self.prefix.as_ref().map(|segments| written(segments, segments.is_empty())));
        if !self.methods.is_empty() {
            parts.push(format!("methods: [{}]", self.methods.join(", ")));
        }
        for (key, pairs) in [("context", &self.context), ("headers", &self.headers)] {
            if !pairs.is_empty() {
                let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                parts.push(format!("{key}: {{{}}}", pairs.join(", ")));
            }
        }
        let mut lines = String::new();
        let _ = writeln!(lines, "  - id: {}\n    match: {{{}}}\n    flow: trial", self.id, parts.join(", "));
        lines
    }

    fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.context.len() + self.headers.len()
    }

    fn is_anywhere(&self) -> bool {
        self.host.is_none() && self.sni.is_none() && self.path.is_none() && self.prefix.is_none()
    }
}

/// Returns a path of plain segments.
pub(crate) fn written(segments: &[String], slash: bool) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    if slash {
        path.push('/');
    }
    path
}

/// How well a pattern fits a name; `None`: not at all.
fn fits(pattern: Option<&String>, name: &str) -> Option<usize> {
    let Some(pattern) = pattern else { return Some(0) };
    match pattern.strip_prefix('*') {
        // `.example` fits `a.example`.
        Some(suffix) => (name.len() > suffix.len() && name.ends_with(suffix)).then_some(suffix.len()),
        None => (pattern == name).then_some(1_000),
    }
}

/// Keeps the rules that fit best.
fn best(rules: Vec<&Rule>, fit: impl Fn(&Rule) -> Option<usize>) -> Vec<&Rule> {
    let most = rules.iter().filter_map(|rule| fit(rule)).max();
    rules.into_iter().filter(|rule| fit(rule).is_some() && fit(rule) == most).collect()
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Tunnel,
    Connection,
    Question,
}

impl Meant {
    fn kind(&self) -> Kind {
        match (&self.method, &self.sni) {
            (Some(method), _) if method.to_uppercase() == "CONNECT" => Kind::Tunnel,
            (Some(_), _) => Kind::Request,
            (None, Name::Odd | Name::Is(_)) => Kind::Connection,
            (None, Name::Unseen | Name::IsNone) => Kind::Question,
        }
    }
}

/// Returns the result of a request.
pub(crate) fn verdict(rules: &[Rule], meant: &Meant) -> Verdict {
    let verdict = verdict_of_rules(rules, meant);
    let is_all_that_could_be_inside = match meant.kind() {
        Kind::Request | Kind::Question => true,
        Kind::Tunnel => is_answered_inside_a_tunnel(rules, meant, &verdict),
        Kind::Connection => is_answered_inside_a_connection(rules, meant, &verdict),
    };
    if is_all_that_could_be_inside { verdict } else { Verdict::Refused }
}

fn found<'r>(rules: &'r [Rule], verdict: &Verdict) -> Option<&'r Rule> {
    rules.iter().find(|rule| *verdict == Verdict::Rule(rule.id.clone()))
}

fn names_connect(rule: &Rule) -> bool {
    rule.methods.iter().any(|method| method == "CONNECT")
}

/// Says whether each request that could be inside a tunnel comes to the same as the tunnel, unless its rule is for tunnels.
fn is_answered_inside_a_tunnel(rules: &[Rule], meant: &Meant, verdict: &Verdict) -> bool {
    if *verdict == Verdict::Refused || found(rules, verdict).is_some_and(names_connect) {
        return true;
    }
    let methods: Vec<Option<String>> = mentioned(rules.iter().flat_map(|rule| &rule.methods), "PATCH");
    let methods = methods.into_iter().filter(|method| method.as_deref() != Some("CONNECT")).collect();
    // The context is that of the route, and a request inside could have come by another. Where no rule answers, rules for
    // whatever host bind the requests of their own routes only.
    let contexts = match (&meant.context, verdict) {
        (Some(_), Verdict::Rule(_)) => {
            pairs(rules.iter().flat_map(|rule| &rule.context)).into_iter().map(Some).collect()
        }
        (context, _) => vec![context.clone()],
    };
    let names: Vec<Name> = match verdict {
        Verdict::Rule(_) => {
            let of_rules = rules.iter().filter_map(|rule| rule.sni.as_ref());
            let of_rules = of_rules.map(|name| Name::Is(name.replace('*', "z")));
            of_rules.chain([Name::IsNone, meant.host.clone()]).collect()
        }
        Verdict::Nothing | Verdict::Refused => vec![meant.sni.clone()],
    };
    let host = meant.host.clone();
    inside(rules, meant, (host, names, methods, contexts)).all(|inner| verdict_of_rules(rules, &inner) == *verdict)
}

/// Says whether each request that could be inside a connection has the same result as the connection, among rules that
/// match its server name as specifically.
fn is_answered_inside_a_connection(rules: &[Rule], meant: &Meant, verdict: &Verdict) -> bool {
    if *verdict == Verdict::Refused {
        return true;
    }
    let found = found(rules, verdict);
    let Name::Is(name) = &meant.sni else { return rules.iter().all(|rule| rule.host.is_none()) };
    let of_host = rules.iter().filter_map(|rule| rule.host.as_ref()).filter_map(|host| fits(Some(host), name)).max();
    let of_sni = found.filter(|rule| rule.sni.is_some()).and_then(|rule| fits(rule.sni.as_ref(), name));
    // Rules for a host of that name must not be missed.
    if of_host > of_sni {
        return false;
    }
    let as_much =
        |rule: &&Rule| rule.host.is_none() && of_sni <= fits(rule.sni.as_ref(), name).filter(|_| rule.sni.is_some());
    let rules: Vec<Rule> = rules.iter().filter(as_much).cloned().collect();
    let methods = mentioned(rules.iter().flat_map(|rule| &rule.methods), "PATCH");
    let parts = (Name::Is(name.clone()), vec![meant.sni.clone()], methods, vec![meant.context.clone()]);
    inside(&rules, meant, parts).all(|inner| verdict_of_rules(&rules, &inner) == *verdict)
}

/// The values that the rules mention, and one that no rule mentions.
fn mentioned<'r>(texts: impl Iterator<Item = &'r String>, other: &str) -> Vec<Option<String>> {
    let texts: BTreeSet<String> = texts.cloned().chain([other.to_owned()]).collect();
    texts.into_iter().map(Some).collect()
}

/// Every way to have each of these keys with one of its values, or not at all.
fn pairs<'r>(mentioned: impl Iterator<Item = &'r (String, String)>) -> Vec<Vec<(String, String)>> {
    let mut values: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for (key, value) in mentioned {
        values.entry(key).or_default().insert(value);
    }
    let mut ways = vec![Vec::new()];
    for (key, values) in values {
        let with =
            |way: &Vec<(String, String)>, value: &String| [way.clone(), vec![(key.clone(), value.clone())]].concat();
        let more: Vec<_> = ways.iter().flat_map(|way| values.iter().map(move |value| with(way, value))).collect();
        ways.extend(more);
    }
    ways
}

/// Host, server names, methods and contexts of the requests inside.
type Parts = (Name, Vec<Name>, Vec<Option<String>>, Vec<Option<Vec<(String, String)>>>);

/// Returns every request that could be inside, with the paths and headers that the rules mention and without.
fn inside<'r>(
    rules: &'r [Rule],
    meant: &'r Meant,
    (host, names, methods, contexts): Parts,
) -> impl Iterator<Item = Meant> + 'r {
    let mut paths: Vec<Path> = vec![Path::Is(vec!["other".to_owned()], false)];
    paths.extend(rules.iter().filter_map(|rule| rule.path.clone()).map(|(segments, slash)| Path::Is(segments, slash)));
    paths.extend(rules.iter().filter_map(|rule| rule.prefix.clone()).map(|segments| {
        let is_root = segments.is_empty();
        Path::Is(segments, is_root)
    }));
    let headers: Vec<Vec<(String, Vec<String>)>> = pairs(rules.iter().flat_map(|rule| &rule.headers))
        .into_iter()
        .map(|pairs| pairs.into_iter().map(|(name, value)| (name, vec![value])).collect())
        .collect();
    let mut all = Vec::new();
    for (method, path) in methods.iter().flat_map(|method| paths.iter().map(move |path| (method, path))) {
        for (context, sni) in contexts.iter().flat_map(|context| names.iter().map(move |sni| (context, sni))) {
            all.push((method.clone(), path.clone(), context.clone(), sni.clone()));
        }
    }
    all.into_iter().flat_map(move |(method, path, context, sni)| {
        let host = host.clone();
        headers.clone().into_iter().map(move |headers| Meant {
            host: host.clone(),
            sni: sni.clone(),
            path: path.clone(),
            method: method.clone(),
            context: context.clone(),
            headers,
            unseen_headers: meant.unseen_headers.clone(),
            overrides_method: false,
            overrides_path: false,
        })
    })
}

fn verdict_of_rules(rules: &[Rule], meant: &Meant) -> Verdict {
    let (all, kind): (Vec<&Rule>, Kind) = (rules.iter().collect(), meant.kind());
    let go_by_host = rules.iter().any(|rule| rule.host.is_some());
    let rules = match &meant.host {
        _ if !go_by_host => all,
        Name::Odd => return Verdict::Refused,
        Name::Unseen | Name::IsNone if meant.method.is_some() => return Verdict::Refused,
        Name::Unseen | Name::IsNone => best(all, |rule| rule.host.is_none().then_some(0)),
        Name::Is(host) => best(all, |rule| fits(rule.host.as_ref(), host)),
    };
    let of_host = rules.first().is_some_and(|rule| rule.host.is_some());
    let has_path = |rule: &Rule| rule.path.is_some() || rule.prefix.is_some();
    let go_by_path = rules.iter().any(|rule| has_path(rule));
    let rules = match &meant.path {
        _ if !go_by_path => rules,
        Path::Odd => return Verdict::Refused,
        Path::Unseen => {
            let without = rules.iter().copied().filter(|rule| !has_path(rule)).collect();
            let verdict = of_place(without, of_host, meant);
            let is_for_it = |rule: &&Rule| match kind {
                Kind::Request => false,
                Kind::Tunnel => names_connect(rule),
                Kind::Connection => rule.sni.is_some(),
                Kind::Question => true,
            };
            let is_meant = match &verdict {
                Verdict::Rule(id) => rules.iter().any(|rule| rule.id == *id && is_for_it(rule)),
                Verdict::Nothing | Verdict::Refused => kind == Kind::Question,
            };
            return if is_meant { verdict } else { Verdict::Refused };
        }
        Path::Is(..) if meant.overrides_path => return Verdict::Refused,
        Path::Is(segments, slash) => {
            let is = |rule: &&Rule, slash: bool| rule.path.as_ref() == Some(&(segments.clone(), slash));
            if !rules.iter().any(|rule| is(rule, *slash)) && rules.iter().any(|rule| is(rule, !slash)) {
                return Verdict::Refused;
            }
            let is_written = rules.iter().any(|rule| is(rule, *slash) || rule.prefix.as_ref() == Some(segments));
            if !is_written && rules.iter().any(|rule| differs_by_a_suffix(rule, segments)) {
                return Verdict::Refused;
            }
            best(rules, |rule| match (&rule.path, &rule.prefix) {
                (Some(_), _) => is(&rule, *slash).then_some(1_000),
                (None, Some(prefix)) => segments.starts_with(prefix).then_some(1 + prefix.len()),
                (None, None) => Some(0),
            })
        }
    };
    of_place(rules, of_host, meant)
}

/// Says whether the path of a rule is the same except for suffixes of its last segment.
fn differs_by_a_suffix(rule: &Rule, segments: &[String]) -> bool {
    let written = rule.path.as_ref().map(|(written, _)| written).or(rule.prefix.as_ref());
    let Some(written) = written.filter(|written| *written != segments) else { return false };
    // A path below a prefix belongs to the prefix, even if its last segment is only a suffix.
    let is_below = |whole: &[String]| rule.prefix.as_ref().is_some_and(|prefix| whole.len() == prefix.len() + 1);
    let meet =
        |first: Vec<String>| without_suffixes(written).contains(&first) && !(is_below(segments) && first == *written);
    without_suffixes(segments).into_iter().any(meet)
}

/// Returns a path with and without suffixes of its last segment. A suffix alone is one of the path above it.
fn without_suffixes(segments: &[String]) -> Vec<Vec<String>> {
    let Some((last, before)) = segments.split_last() else { return vec![Vec::new()] };
    let is_number = |end: &str| end.chars().all(|letter| letter == '.' || letter.is_ascii_digit());
    let ends = last.match_indices('.').map(|(dot, _)| last.split_at(dot)).filter(|(_, end)| !is_number(end));
    let mut all = vec![segments.to_vec()];
    for (name, end) in ends {
        let has_a_name = !name.is_empty();
        if has_a_name || end.chars().all(|letter| letter == '.' || letter.is_ascii_alphanumeric()) {
            all.push(before.iter().cloned().chain(has_a_name.then(|| name.to_owned())).collect());
        }
    }
    all
}

/// Says which of the rules for a host and path holds.
fn of_place(rules: Vec<&Rule>, of_host: bool, meant: &Meant) -> Verdict {
    let of_place = of_host || rules.first().is_some_and(|rule| rule.path.is_some() || rule.prefix.is_some());
    if rules.is_empty() {
        return Verdict::Nothing;
    }
    let go_by_name = rules.iter().any(|rule| rule.sni.is_some());
    let is_one = |name: &String| rules.iter().any(|rule| rule.sni.is_some() && fits(rule.sni.as_ref(), name).is_some());
    let is_one_by_sni = matches!(&meant.sni, Name::Is(name) if is_one(name));
    if go_by_name && !is_one_by_sni {
        match (&meant.sni, &meant.host) {
            (Name::Odd, _) => return Verdict::Refused,
            (Name::Unseen, _) if of_host => return Verdict::Refused,
            (_, Name::Is(host)) if !of_host && is_one(host) => return Verdict::Refused,
            (_, Name::Odd) if !of_host => return Verdict::Refused,
            (_, Name::Unseen) if meant.method.is_some() => return Verdict::Refused,
            _ => {}
        }
    }
    let rules = match &meant.sni {
        Name::Is(name) => best(rules, |rule| fits(rule.sni.as_ref(), name)),
        Name::Unseen | Name::IsNone | Name::Odd => rules.into_iter().filter(|rule| rule.sni.is_none()).collect(),
    };
    if rules.is_empty() {
        return if of_place { Verdict::Refused } else { Verdict::Nothing };
    }
    match (among(&rules, meant), &meant.sni) {
        // A rule by a server name could hold in its place.
        (Verdict::Rule(_), Name::Unseen) if go_by_name && meant.kind() != Kind::Question => Verdict::Refused,
        (verdict, _) => verdict,
    }
}

/// How a request stands to the conditions of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Meets,
    HasAnotherMethod,
    IsAnother,
    CannotBeTold,
    /// The gateway does not see what would tell.
    IsNotSeen,
}

fn stands(rule: &Rule, meant: &Meant) -> Stands {
    let has = |pair| meant.context.as_ref().is_none_or(|context| context.contains(pair));
    if !rule.context.iter().all(has) {
        return Stands::IsAnother;
    }
    let values = |name: &str| {
        meant.headers.iter().filter(|(sent, _)| sent == name).flat_map(|(_, values)| values).collect::<Vec<_>>()
    };
    let seen = || rule.headers.iter().filter(|(name, _)| !meant.unseen_headers.contains(name));
    if seen().any(|(name, value)| values(name).len() < 2 && values(name) != [value]) {
        return Stands::IsAnother;
    }
    if seen().any(|(name, _)| 1 < values(name).len()) {
        return Stands::CannotBeTold;
    }
    let is_seen = (meant.context.is_some() || rule.context.is_empty()) && seen().count() == rule.headers.len();
    let met = if is_seen { Stands::Meets } else { Stands::IsNotSeen };
    match &meant.method {
        _ if rule.methods.is_empty() => met,
        Some(method) if method.chars().any(|letter| letter.is_ascii_lowercase()) => Stands::CannotBeTold,
        Some(_) if meant.overrides_method => Stands::CannotBeTold,
        Some(method) if rule.methods.contains(method) => met,
        Some(_) if is_seen => Stands::HasAnotherMethod,
        None | Some(_) => Stands::IsAnother,
    }
}

fn among(rules: &[&Rule], meant: &Meant) -> Verdict {
    let of = |wanted: Stands| rules.iter().filter(move |rule| stands(rule, meant) == wanted);
    let most = of(Stands::Meets).map(|rule| rule.count()).max();
    let is_before = |wanted: Stands| of(wanted).any(|rule| most.is_none_or(|most| most <= rule.count()));
    if is_before(Stands::CannotBeTold) {
        return Verdict::Refused;
    }
    let meeting: Vec<_> = of(Stands::Meets).filter(|rule| Some(rule.count()) == most).collect();
    match meeting.as_slice() {
        [_] if is_before(Stands::IsNotSeen) => Verdict::Refused,
        [rule] => Verdict::Rule(rule.id.clone()),
        [] if rules.iter().all(|rule| rule.is_anywhere()) && of(Stands::HasAnotherMethod).count() == 0 => {
            Verdict::Nothing
        }
        _ => Verdict::Refused,
    }
}
