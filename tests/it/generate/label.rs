//! Random gateway rules, and requests that nearly match them, written as gateways write them.

use neglist::domain::gateway::{Body, Context, Header, Seen};

use super::dice::Dice;
use crate::model::labels::{Meant, Name, Path, Rule, written};

const HOSTS: [&str; 5] = ["a.example", "b.example", "x.b.example", "y.x.b.example", "192.0.2.7"];
const PATTERNS: [&str; 6] = ["a.example", "x.b.example", "192.0.2.7", "*.example", "*.b.example", "*.x.b.example"];
const SEGMENTS: [&str; 8] = ["p", "p", "q", "q", "r-1", "q.x", ".x", "q.1"];
const METHODS: [&str; 3] = ["GET", "POST", "CONNECT"];
const VALUES: [&str; 2] = ["one", "two"];
const KEYS: [&str; 2] = ["k", "m"];
const NAMES: [&str; 2] = ["x-k", "x-m"];

/// Returns rules of which no two are always met together.
pub(crate) fn rules(dice: &mut Dice<'_>) -> Vec<Rule> {
    let count = 1 + dice.below(12);
    let mut rules: Vec<Rule> = Vec::new();
    for index in 0..count {
        let rule = rule(dice, index);
        let same = |other: &Rule| {
            let place = (&other.host, &other.sni, &other.path, &other.prefix);
            let share = other.methods.iter().any(|method| rule.methods.contains(method));
            place == (&rule.host, &rule.sni, &rule.path, &rule.prefix)
                && (other.context == rule.context && other.headers == rule.headers)
                && (share || other.methods.is_empty() && rule.methods.is_empty())
        };
        if !rules.iter().any(same) {
            rules.push(rule);
        }
    }
    rules
}

fn rule(dice: &mut Dice<'_>, index: usize) -> Rule {
    let name = |dice: &mut Dice<'_>, percent| dice.percent(percent).then(|| (*dice.pick(&PATTERNS)).to_owned());
    let mut rule = Rule { id: format!("r{index}"), host: name(dice, 60), ..Rule::default() };
    rule.sni = name(dice, 25);
    match dice.below(3) {
        0 => {}
        1 => {
            let segments = segments(dice);
            let slash = segments.is_empty() || dice.percent(20);
            rule.path = Some((segments, slash));
        }
        _ => rule.prefix = Some(segments(dice)),
    }
    rule.methods = dice.some_of(&METHODS, 20).into_iter().map(str::to_owned).collect();
    rule.context = pairs(dice, &KEYS);
    rule.headers = pairs(dice, &NAMES);
    rule
}

fn segments(dice: &mut Dice<'_>) -> Vec<String> {
    let count = dice.below(4);
    (0..count).map(|_| (*dice.pick(&SEGMENTS)).to_owned()).collect()
}

fn pairs(dice: &mut Dice<'_>, names: &[&str]) -> Vec<(String, String)> {
    let names = dice.some_of(names, 25);
    names.into_iter().map(|name| (name.to_owned(), (*dice.pick(&VALUES)).to_owned())).collect()
}

/// A request as it is sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    host: Option<String>,
    sni: Option<String>,
    path: Option<String>,
    method: Option<String>,
    /// `None`: the gateway can say none.
    context: Option<Vec<(String, String)>>,
    headers: Vec<(String, Vec<String>)>,
    unseen_headers: Vec<String>,
}

impl Sent {
    /// Returns a request for a path, and nothing else.
    pub(crate) fn to(path: &str) -> Self {
        Self {
            host: Some("a.example".to_owned()),
            method: Some("GET".to_owned()),
            path: Some(path.to_owned()),
            ..Self::default()
        }
    }
}

/// Returns a request, and its meaning. Most are near one of the rules.
pub(crate) fn request(dice: &mut Dice<'_>, rules: &[Rule]) -> (Sent, Meant) {
    let near = rules.get(dice.below(rules.len().max(1) + 1)).cloned().unwrap_or_default();
    let of_pattern = |pattern: &String| pattern.replace('*', "z");
    let (mut sent, mut meant) = (Sent::default(), Meant::default());
    let http = dice.percent(85);
    if http && dice.percent(95) {
        let host =
            near.host.as_ref().filter(|_| dice.percent(70)).map_or_else(|| (*dice.pick(&HOSTS)).to_owned(), of_pattern);
        (sent.host, meant.host) = name(dice, host);
    }
    if !http || dice.percent(40) {
        let host =
            near.sni.as_ref().filter(|_| dice.percent(70)).map_or_else(|| (*dice.pick(&HOSTS)).to_owned(), of_pattern);
        (sent.sni, meant.sni) = name(dice, host);
    } else if dice.percent(50) {
        (sent.sni, meant.sni) = (Some(String::new()), Name::IsNone);
    }
    if http {
        let method = near.methods.first().filter(|_| dice.percent(60)).cloned();
        let method = method.unwrap_or_else(|| (*dice.pick(&METHODS)).to_owned());
        let method = if dice.percent(3) { method.to_lowercase() } else { method };
        (sent.method, meant.method) = (Some(method.clone()), Some(method.clone()));
        let (sent_path, meant_path) = path(dice, &near);
        if !method.eq_ignore_ascii_case("CONNECT") {
            (sent.path, meant.path) = (sent_path, meant_path);
        } else if dice.percent(20) {
            // The path of a tunnel has no meaning.
            sent.path = sent_path;
        }
    }
    let context = if dice.percent(70) { near.context } else { pairs(dice, &KEYS) };
    let context = dice.percent(85).then_some(context);
    (sent.context, meant.context) = (context.clone(), context);
    let headers = if dice.percent(70) { near.headers } else { pairs(dice, &NAMES) };
    let mut headers: Vec<(String, Vec<String>)> =
        headers.into_iter().map(|(name, value)| (name, vec![value])).collect();
    for (_, values) in &mut headers {
        if dice.percent(8) {
            values.push((*dice.pick(&VALUES)).to_owned());
        }
    }
    (sent.headers, meant.headers) = (headers.clone(), headers);
    overrides(dice, &mut sent, &mut meant);
    let unseen: Vec<String> = dice.some_of(&NAMES, 5).into_iter().map(str::to_owned).collect();
    (sent.unseen_headers, meant.unseen_headers) = (unseen.clone(), unseen);
    (sent, meant)
}

/// Adds headers that ask for a method or a path, now and then another one.
fn overrides(dice: &mut Dice<'_>, sent: &mut Sent, meant: &mut Meant) {
    if let Some(method) = sent.method.as_ref().filter(|_| dice.percent(6)) {
        let name = *dice.pick(&["x-http-method-override", "x-http-method", "x-method-override"]);
        let says = (*dice.pick(&["GET", "post", "CONNECT", ""])).to_owned();
        meant.overrides_method = !says.is_empty() && !says.eq_ignore_ascii_case(method);
        sent.headers.push((name.to_owned(), vec![says]));
    }
    if let (Path::Is(segments, slash), true) = (&meant.path, dice.percent(6)) {
        let name = *dice.pick(&["x-original-url", "x-rewrite-url"]);
        meant.overrides_path = dice.percent(70);
        let path = if meant.overrides_path { "/elsewhere".to_owned() } else { written(segments, *slash) };
        let mut says = format!("{}{path}?x=/../", *dice.pick(&["", "https://a.example:8443", "HTTP://h"]));
        if dice.percent(30) {
            // Parts that no single form of a path or URL has, with the path of the request behind them.
            let before = ["export?x=http://h", "export#://h", "export%2F?://x", "evil://h", "://h", "http://h?"];
            let more = ["http://h#", "http://h\\@x", "https://u@h", "//h", "http:/h", "export"];
            let before = *dice.pick(&[before, more].concat());
            (says, meant.overrides_path) = (format!("{before}{}", written(segments, *slash)), true);
        }
        sent.headers.push((name.to_owned(), vec![says]));
    }
}

fn name(dice: &mut Dice<'_>, host: String) -> (Option<String>, Name) {
    if dice.percent(4) {
        let odd =
            ["u@a.example", "a..example", "a.example:", "127.1", "a example", "中.example", "a.example,b.example"];
        return (Some((*dice.pick(&odd)).to_owned()), Name::Odd);
    }
    let mut sent = if dice.percent(20) { host.to_uppercase() } else { host.clone() };
    if dice.percent(15) && !host.starts_with(|first: char| first.is_ascii_digit()) {
        sent.push('.');
    }
    if dice.percent(20) {
        sent.push_str(":8443");
    }
    (Some(sent), Name::Is(host))
}

fn path(dice: &mut Dice<'_>, near: &Rule) -> (Option<String>, Path) {
    if dice.percent(6) {
        let odd = [
            "/p.",
            "/p%20",
            "/%20p",
            "/q./p",
            "/p/q%c2%a0",
            "/p%e3%80%80",
            "/p/../q",
            "/p/%2e",
            "//p",
            "/p//q",
            "/p%2fq",
            "/p;v",
            "p",
            "*",
            "/p%5cq",
            "/p%",
            "/p%00",
            "/%2570",
            "/病",
        ];
        return (Some((*dice.pick(&odd)).to_owned()), Path::Odd);
    }
    let written_there = near.path.as_ref().map(|(segments, _)| segments).or(near.prefix.as_ref());
    let mut meant = written_there.filter(|_| dice.percent(75)).cloned().unwrap_or_else(|| segments(dice));
    if dice.percent(30) {
        meant.extend(segments(dice));
    }
    if let Some(last) = meant.last_mut().filter(|_| dice.percent(8)) {
        let suffix = *dice.pick(&[".json", ".x", ".tar.gz", ".2", ".2.x", "/.json", "/.w-k"]);
        match suffix.strip_prefix('/') {
            None => last.push_str(suffix),
            Some(segment) => meant.push(segment.to_owned()),
        }
    }
    let slash = meant.is_empty() || dice.percent(20);
    let mut sent = written(&meant, slash);
    if dice.percent(20) {
        sent = sent.replacen('p', "%70", 1).replacen("r-1", "%72%2D1", 1);
    }
    if dice.percent(30) {
        sent.push_str("?next=/../%2f;//");
    }
    (Some(sent), Path::Is(meant, slash))
}

impl Seen for Sent {
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    fn sni(&self) -> Option<&str> {
        self.sni.as_deref()
    }

    fn context(&self, key: &str) -> Context<'_> {
        let Some(context) = &self.context else { return Context::NotSeen };
        let found = context.iter().find(|(name, _)| name == key);
        found.map_or(Context::Absent, |(_, value)| Context::Text(value))
    }

    fn header(&self, name: &str) -> Header<'_> {
        if self.unseen_headers.iter().any(|unseen| unseen == name) {
            return Header::NotSeen;
        }
        match self.headers.iter().find(|(sent, _)| sent == name).map(|(_, values)| values.as_slice()) {
            None | Some([]) => Header::Absent,
            Some([value]) => Header::Text(value),
            Some(_) => Header::Repeated,
        }
    }

    fn body(&self, _: &str) -> Body<'_> {
        Body::NotThere
    }
}
