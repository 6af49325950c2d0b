//! Which rule is about a request, straight from what `policies/README.md` says: every rule is looked at,
//! one step after the other. Knows what a request means, not how it is written.

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

/// A request, as it is meant.
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
}

/// A host or a server name.
#[derive(Debug, Clone, Default)]
pub(crate) enum Name {
    #[default]
    Unseen,
    /// Seen not to be there.
    IsNone,
    /// In a form that nobody can compare.
    Odd,
    Is(String),
}

/// A path.
#[derive(Debug, Clone, Default)]
pub(crate) enum Path {
    #[default]
    Unseen,
    /// In a form that nobody can compare.
    Odd,
    Is(Vec<String>, bool),
}

/// What comes of it.
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

/// What a request is.
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

/// Says what comes of a request.
pub(crate) fn verdict(rules: &[Rule], meant: &Meant) -> Verdict {
    let verdict = verdict_of_rules(rules, meant);
    let mut by_host = rules.iter().filter_map(|rule| rule.host.as_ref()).peekable();
    // Of a connection only the server name is seen: rules for a host of that name must not be missed.
    if meant.kind() != Kind::Connection || by_host.peek().is_none() || verdict == Verdict::Refused {
        return verdict;
    }
    let Name::Is(name) = &meant.sni else { return Verdict::Refused };
    let of_host = by_host.filter_map(|host| fits(Some(host), name)).max();
    let found = rules.iter().find(|rule| verdict == Verdict::Rule(rule.id.clone()));
    let of_sni = found.filter(|rule| rule.sni.is_some()).and_then(|rule| fits(rule.sni.as_ref(), name));
    if of_host <= of_sni { verdict } else { Verdict::Refused }
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
                Kind::Tunnel => rule.methods.iter().any(|method| method == "CONNECT"),
                Kind::Connection => rule.sni.is_some(),
                Kind::Question => true,
            };
            let is_meant = match &verdict {
                Verdict::Rule(id) => rules.iter().any(|rule| rule.id == *id && is_for_it(rule)),
                Verdict::Nothing | Verdict::Refused => kind == Kind::Question,
            };
            return if is_meant { verdict } else { Verdict::Refused };
        }
        Path::Is(segments, slash) => {
            let is = |rule: &&Rule, slash: bool| rule.path.as_ref() == Some(&(segments.clone(), slash));
            if !rules.iter().any(|rule| is(rule, *slash)) && rules.iter().any(|rule| is(rule, !slash)) {
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
    among(&rules, meant)
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
    /// What goes through the tunnel may meet it.
    PerhapsInside,
}

fn stands(rule: &Rule, meant: &Meant) -> Stands {
    let has = |pair| meant.context.as_ref().is_none_or(|context| context.contains(pair));
    if !rule.context.iter().all(has) {
        return Stands::IsAnother;
    }
    let names_connect = rule.methods.iter().any(|method| method == "CONNECT");
    let otherwise = match meant.kind() {
        Kind::Tunnel if !names_connect => Stands::PerhapsInside,
        Kind::Connection => Stands::PerhapsInside,
        Kind::Tunnel | Kind::Request | Kind::Question => Stands::IsAnother,
    };
    let values = |name: &str| {
        meant.headers.iter().filter(|(sent, _)| sent == name).flat_map(|(_, values)| values).collect::<Vec<_>>()
    };
    let seen = || rule.headers.iter().filter(|(name, _)| !meant.unseen_headers.contains(name));
    if seen().any(|(name, value)| values(name).len() < 2 && values(name) != [value]) {
        return otherwise;
    }
    if seen().any(|(name, _)| 1 < values(name).len()) {
        return Stands::CannotBeTold;
    }
    let is_seen = (meant.context.is_some() || rule.context.is_empty()) && seen().count() == rule.headers.len();
    let met = if is_seen { Stands::Meets } else { Stands::IsNotSeen };
    match &meant.method {
        _ if rule.methods.is_empty() => met,
        Some(method) if method.chars().any(|letter| letter.is_ascii_lowercase()) => Stands::CannotBeTold,
        Some(method) if rule.methods.contains(method) => met,
        Some(_) if is_seen => Stands::HasAnotherMethod,
        None | Some(_) => otherwise,
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
    let is_tunnel = meant.kind() == Kind::Tunnel;
    match meeting.as_slice() {
        [_] if is_before(Stands::IsNotSeen) => Verdict::Refused,
        [rule] => {
            let hides =
                is_tunnel && !rule.methods.iter().any(|method| method == "CONNECT") || meant.kind() == Kind::Connection;
            let is_inside = is_before(Stands::PerhapsInside) || is_tunnel && is_before(Stands::HasAnotherMethod);
            if hides && is_inside { Verdict::Refused } else { Verdict::Rule(rule.id.clone()) }
        }
        [] if rules.iter().all(|rule| rule.is_anywhere()) && of(Stands::HasAnotherMethod).count() == 0 => {
            Verdict::Nothing
        }
        _ => Verdict::Refused,
    }
}
