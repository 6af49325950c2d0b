//! Gateway rules that no request can match, that every request matches, or that count under an id that a client may
//! choose.

use std::collections::HashMap;

use super::linter::Linter;
use crate::domain::gateway::{Gateway, HostPattern, PathPattern, Record, Rule, Source, is_about_everything};
use crate::domain::persons::Normalise;
use crate::policy::SourceFile;
use crate::policy::diagnostic::{Severity, clip};

use crate::policy::source::Document;

/// A rule that no request can match.
const NEVER: &str = "P035";
/// A rule that every request matches.
const EVERYTHING: &str = "P036";
/// A rule that counts under an id that a client may choose.
const CLIENTS_ID: &str = "P037";
/// A rule with a value that is written as a pattern.
const PATTERN: &str = "P038";

/// Rules that normalise identifiers of one kind in different ways.
const NORMALISED_APART: &str = "P044";

/// The only method without a path.
const CONNECT: &str = "CONNECT";
/// Types of resources that the AuthZEN door maps without any rule.
const MAPPED_BY_THE_DOOR: [&str; 2] = ["flow", "transfer"];

pub(super) fn find(linter: &mut Linter<'_>, sources: &[SourceFile], gateway: &Gateway) {
    // The snapshot keeps the order of the files.
    let mut rules = gateway.rules().iter();
    let every_path = every_path(gateway);
    let mut kinds: HashMap<&str, (&Rule, Normalise)> = HashMap::new();
    for SourceFile { path, document, .. } in sources {
        let Document::Gateway(file) = document else { continue };
        for source in &file.rules {
            let Some(rule) = rules.next().filter(|rule| rule.id == source.id.value.0) else { return };
            let place = (path.as_str(), source.id.span);
            if let Some(why) = why_never(&every_path, rule) {
                let message = format!("no request can match the rule `{}`: {why}", rule.id);
                let help = "correct its conditions, or remove it".to_owned();
                linter.add((NEVER, Severity::Warning), place, (message, help));
            }
            if let Some(header) = clients_id(gateway, rule) {
                let label = &gateway.headers.transfer_id;
                let message = format!(
                    "the rule `{}` counts under the id in the header `{header}`: a client that can set this header can pass off two transfers as one",
                    rule.id
                );
                let help = format!(
                    "omit `transfer_id` and let the gateway set the label header `{label}`; or make sure that every gateway sets `{header}` itself"
                );
                linter.add((CLIENTS_ID, Severity::Warning), place, (message, help));
            }
            if let Some((key, value)) = pattern(rule) {
                let (key, value) = (clip(key), clip(value));
                let message =
                    format!("the rule `{}` requires `{key}` to be exactly `{value}`, including the `*`", rule.id);
                let help = "patterns are not supported: write complete values, one rule for each / \
                            不支持通配模式：请写出完整的值，每个值一条规则";
                linter.add((PATTERN, Severity::Warning), place, (message, help.to_owned()));
            }
            for given in [&rule.gives.subjects, &rule.gives.sensitive_subjects].into_iter().flatten() {
                let (first, normalise) = *kinds.entry(given.kind.name()).or_insert((rule, given.normalise));
                if normalise != given.normalise {
                    let kind = clip(given.kind.name());
                    let message = format!(
                        "the rules `{}` and `{}` normalise identifiers of the kind `{kind}` in different ways: one person may count as two",
                        first.id, rule.id
                    );
                    let help = "give both the same `normalise`, or each a kind of its own";
                    linter.add((NORMALISED_APART, Severity::Warning), place, (message, help.to_owned()));
                }
            }
            if is_about_everything(rule) {
                let message = format!(
                    "the rule `{}` is a catch-all: it matches every request that no other rule matches",
                    rule.id
                );
                let help = "state a host or a path, if that is not intended: unforeseen requests are then refused";
                linter.add((EVERYTHING, Severity::Warning), place, (message, help.to_owned()));
            }
        }
    }
}

/// Returns the header from which a rule that counts takes its id. `None` for the label header, which gateways strip
/// from client requests.
fn clients_id<'r>(gateway: &Gateway, rule: &'r Rule) -> Option<&'r str> {
    match (&rule.gives.transfer_id, rule.record) {
        (Some(Source::Header(name)), Record::Record) if *name != gateway.headers.transfer_id => Some(name),
        _ => None,
    }
}

/// Returns a header or context key whose value begins or ends with `*`.
fn pattern(rule: &Rule) -> Option<(&str, &str)> {
    let pairs = rule.conditions.headers.iter().chain(&rule.conditions.context);
    let mut pairs = pairs.map(|(key, value)| (key.as_ref(), value.as_ref()));
    pairs.find(|(_, value): &(&str, &str)| value.starts_with('*') || value.ends_with('*'))
}

/// Returns the rules that match every path of their host.
fn every_path(gateway: &Gateway) -> HashMap<&HostPattern, &str> {
    let root = PathPattern::Prefix("/".into());
    let of_root = gateway.rules().iter().filter(|rule| rule.path == root);
    of_root.map(|rule| (&rule.host, rule.id.as_ref())).collect()
}

/// Returns the reason why no request can match a rule.
fn why_never(every_path: &HashMap<&HostPattern, &str>, rule: &Rule) -> Option<String> {
    let methods = &rule.conditions.methods;
    let only_connect = !methods.is_empty() && methods.iter().all(|method| method.as_ref() == CONNECT);
    if only_connect && rule.path != PathPattern::Any {
        return Some(format!("a {CONNECT} request has no path"));
    }
    let mapped = rule
        .conditions
        .context
        .iter()
        .find(|(key, value)| key.as_ref() == "resource.type" && MAPPED_BY_THE_DOOR.contains(&value.as_ref()));
    if let Some((key, value)) = mapped {
        return Some(format!("the door itself maps an AuthZEN evaluation with `{key}` `{value}` to a transfer"));
    }
    // If another rule matches every path of the host, only requests without a path are left for this one.
    let needs_path = !methods.is_empty() && !methods.iter().any(|method| method.as_ref() == CONNECT);
    let shadow = every_path.get(&rule.host).filter(|_| needs_path && rule.path == PathPattern::Any);
    shadow.map(|shadow| format!("`{shadow}` with `path_prefix: /` matches every path of that host, and has precedence"))
}
