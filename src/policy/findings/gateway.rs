//! Gateway rules that no request can meet, and those that every request meets.

use std::collections::HashMap;

use super::Finder;
use crate::domain::gateway::{Gateway, HostPattern, PathPattern, Rule, is_about_everything};
use crate::policy::SourceFile;
use crate::policy::diagnostic::Severity;
use crate::policy::source::Document;

/// A rule that no request can meet.
const NEVER: &str = "P035";
/// A rule that every request meets.
const EVERYTHING: &str = "P036";

/// The method without a path.
const CONNECT: &str = "CONNECT";

pub(super) fn find(finder: &mut Finder<'_>, sources: &[SourceFile], gateway: &Gateway) {
    // Compiled in the order of the files.
    let mut rules = gateway.rules().iter();
    let every_path = every_path(gateway);
    for SourceFile { path, document, .. } in sources {
        let Document::Gateway(file) = document else { continue };
        for source in &file.rules {
            let Some(rule) = rules.next().filter(|rule| rule.id == source.id.value.0) else { return };
            let place = (path.as_str(), source.id.span);
            if let Some(why) = why_never(&every_path, rule) {
                let message = format!("no request can meet the rule `{}`: {why}", rule.id);
                let help = "correct what it goes by, or remove it".to_owned();
                finder.add((NEVER, Severity::Warning), place, (message, help));
            }
            if is_about_everything(rule) {
                let message = format!("the rule `{}` is about every request that no other rule is about", rule.id);
                let help = "state a host or a path, if that is not meant: what nobody thought of is then refused";
                finder.add((EVERYTHING, Severity::Warning), place, (message, help.to_owned()));
            }
        }
    }
}

/// Returns the rules that are about every path of their host.
fn every_path(gateway: &Gateway) -> HashMap<&HostPattern, &str> {
    let root = PathPattern::Prefix("/".into());
    let of_root = gateway.rules().iter().filter(|rule| rule.path == root);
    of_root.map(|rule| (&rule.host, rule.id.as_ref())).collect()
}

/// Returns why no request can meet a rule.
fn why_never(every_path: &HashMap<&HostPattern, &str>, rule: &Rule) -> Option<String> {
    let methods = &rule.conditions.methods;
    let only_connect = !methods.is_empty() && methods.iter().all(|method| method.as_ref() == CONNECT);
    if only_connect && rule.path != PathPattern::Any {
        return Some(format!("a {CONNECT} request has no path"));
    }
    // Where every path of the host is another rule's, this one is left with what has none.
    let needs_path = !methods.is_empty() && !methods.iter().any(|method| method.as_ref() == CONNECT);
    let shadow = every_path.get(&rule.host).filter(|_| needs_path && rule.path == PathPattern::Any);
    shadow
        .map(|shadow| format!("`{shadow}` with `path_prefix: /` is about every path of that host, and goes before it"))
}
