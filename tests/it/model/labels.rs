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
    pub(crate) context: Vec<(String, String)>,
    /// Each header with its values.
    pub(crate) headers: Vec<(String, Vec<String>)>,
}

/// A host or a server name.
#[derive(Debug, Clone, Default)]
pub(crate) enum Name {
    #[default]
    Unseen,
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

/// Says what comes of a request.
pub(crate) fn verdict(rules: &[Rule], meant: &Meant) -> Verdict {
    let verdict = verdict_of_rules(rules, meant);
    // A connection of which only the server name is seen, to a host that rules are written for.
    let is_hidden = matches!(meant.host, Name::Unseen) && meant.method.is_none();
    if verdict == Verdict::Nothing && is_hidden && rules.iter().any(|rule| rule.host.is_some()) {
        let is_one =
            |name: &str| rules.iter().any(|rule| rule.host.is_some() && fits(rule.host.as_ref(), name).is_some());
        match &meant.sni {
            Name::Odd => return Verdict::Refused,
            Name::Is(name) if is_one(name) => return Verdict::Refused,
            Name::Is(_) | Name::Unseen => {}
        }
    }
    verdict
}

fn verdict_of_rules(rules: &[Rule], meant: &Meant) -> Verdict {
    let all: Vec<&Rule> = rules.iter().collect();
    let go_by_host = rules.iter().any(|rule| rule.host.is_some());
    let rules = match &meant.host {
        _ if !go_by_host => all,
        Name::Odd => return Verdict::Refused,
        Name::Unseen if meant.method.is_some() => return Verdict::Refused,
        Name::Unseen => best(all, |rule| rule.host.is_none().then_some(0)),
        Name::Is(host) => best(all, |rule| fits(rule.host.as_ref(), host)),
    };
    let of_host = rules.first().is_some_and(|rule| rule.host.is_some());
    let has_path = |rule: &Rule| rule.path.is_some() || rule.prefix.is_some();
    let go_by_path = rules.iter().any(|rule| has_path(rule));
    let rules = match &meant.path {
        _ if !go_by_path => rules,
        Path::Odd => return Verdict::Refused,
        Path::Unseen => {
            let without: Vec<&Rule> = rules.into_iter().filter(|rule| !has_path(rule)).collect();
            if without.is_empty() && (of_host || meant.method.is_some()) {
                return Verdict::Refused;
            }
            without
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
    let of_place = of_host || rules.first().is_some_and(|rule| has_path(rule));
    if rules.is_empty() {
        return Verdict::Nothing;
    }
    let go_by_name = rules.iter().any(|rule| rule.sni.is_some());
    let rules = match &meant.sni {
        Name::Odd if go_by_name => return Verdict::Refused,
        Name::Is(name) => best(rules, |rule| fits(rule.sni.as_ref(), name)),
        Name::Unseen | Name::Odd => rules.into_iter().filter(|rule| rule.sni.is_none()).collect(),
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
}

fn stands(rule: &Rule, meant: &Meant) -> Stands {
    if !rule.context.iter().all(|pair| meant.context.contains(pair)) {
        return Stands::IsAnother;
    }
    let values = |name: &str| {
        meant.headers.iter().filter(|(sent, _)| sent == name).flat_map(|(_, values)| values).collect::<Vec<_>>()
    };
    let differs = |(name, value): &(String, String)| values(name).len() < 2 && values(name) != [value];
    if rule.headers.iter().any(differs) {
        return Stands::IsAnother;
    }
    if rule.headers.iter().any(|(name, _)| 1 < values(name).len()) {
        return Stands::CannotBeTold;
    }
    match &meant.method {
        _ if rule.methods.is_empty() => Stands::Meets,
        None => Stands::IsAnother,
        Some(method) if method.chars().any(|letter| letter.is_ascii_lowercase()) => Stands::CannotBeTold,
        Some(method) if rule.methods.contains(method) => Stands::Meets,
        Some(_) => Stands::HasAnotherMethod,
    }
}

fn among(rules: &[&Rule], meant: &Meant) -> Verdict {
    let of = |wanted: Stands| rules.iter().filter(move |rule| stands(rule, meant) == wanted);
    let most = of(Stands::Meets).map(|rule| rule.count()).max();
    if of(Stands::CannotBeTold).any(|rule| most.is_none_or(|most| most <= rule.count())) {
        return Verdict::Refused;
    }
    let meeting: Vec<_> = of(Stands::Meets).filter(|rule| Some(rule.count()) == most).collect();
    match meeting.as_slice() {
        [rule] => Verdict::Rule(rule.id.clone()),
        [] if rules.iter().all(|rule| rule.is_anywhere()) && of(Stands::HasAnotherMethod).count() == 0 => {
            Verdict::Nothing
        }
        _ => Verdict::Refused,
    }
}
