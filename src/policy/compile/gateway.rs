//! Compiles the gateway rules, which label requests.
//!
//! Every reference of a rule must exist. Two rules that match the same requests are an error, because every such
//! request would be refused.

use std::collections::HashMap;

use super::builder::Builder;
use super::reference::{country, follow};
use crate::domain::asked::ITEMS_MAX;
use crate::domain::gateway::{
    CONDITIONS_MAX, Conditions, Gateway, Given, GivenItem, Gives, HostPattern, LabelHeaders, PLACE_RULES_MAX,
    PathPattern, Record, Rule, Source, classes_without_place,
};
use crate::domain::snapshot::{Codes, Snapshot};
use crate::domain::units::{CountedClass, ExporterId, ZoneSet};
use crate::domain::vocabulary::Vocabulary;
use crate::policy::SourceFile;
use crate::policy::decode::Context;
use crate::policy::diagnostic::{Span, clip, duplicate};

use crate::policy::source::Document;
use crate::policy::source::gateway::{self as file, GatewayFile, ValueSource};
use crate::policy::source::header::{HEADER_NAME_HELP, is_header_name};
use crate::policy::source::scalar::{At, Class, Code, Modality, Name, PersonCount, Table, Words, YesNo};
use crate::policy::source::subjects::Subjects;

/// Two rules that match the same requests.
const SAME_REQUESTS: &str = "P033";
/// More rules in one place than may be compared.
const PLACE_FULL: &str = "P034";

/// Compiles the gateway files into the snapshot.
pub(super) fn compile(builder: &mut Builder<'_>, sources: &[SourceFile], snapshot: &mut Snapshot) {
    let files: Vec<(&str, &GatewayFile)> = sources
        .iter()
        .filter_map(|source| match &source.document {
            Document::Gateway(file) => Some((source.path.as_str(), file.as_ref())),
            Document::Catalogue(_)
            | Document::National(_)
            | Document::Zone(_)
            | Document::Registry(_)
            | Document::Test(_) => None,
        })
        .collect();
    let headers = headers(builder, &files);
    let mut ids: HashMap<&str, (&str, u32)> = HashMap::new();
    let mut rules = Vec::new();
    let mut places: HashMap<(HostPattern, PathPattern, HostPattern), Vec<Placed<'_>>> = HashMap::new();
    for (path, file) in &files {
        for source in &file.rules {
            let mut cx = builder.cx(path);
            let id = &*source.id.value.0;
            if let Some((first, line)) = ids.get(id) {
                let message = duplicate(format_args!("rule `{id}`"), format_args!("{first}:{line}"));
                let help = "each rule needs its own id: rename or remove one of the two".to_owned();
                cx.error("P010", source.id.span, message, help);
            } else {
                ids.insert(id, (path, source.id.span.line));
            }
            let Some(rule) = rule(&mut cx, snapshot, source) else { continue };
            let place = places.entry((rule.host.clone(), rule.path.clone(), rule.sni.clone())).or_default();
            check_place(&mut cx, place, &rule, source);
            place.push(Placed { path, source, conditions: rule.conditions.clone() });
            rules.push(rule);
        }
    }
    snapshot.gateway = Gateway::new(headers, rules);
}

/// A rule of a place.
struct Placed<'s> {
    path: &'s str,
    source: &'s file::GatewayRule,
    conditions: Conditions,
}

/// Compares a rule with the earlier rules of its place.
fn check_place(cx: &mut Context<'_>, place: &[Placed<'_>], rule: &Rule, source: &file::GatewayRule) {
    if place.len() == PLACE_RULES_MAX {
        let message = format!("more than {PLACE_RULES_MAX} rules for the same host, path and server name");
        let help = "take the flow from a header or the context, or distinguish the requests by path";
        cx.error(PLACE_FULL, source.id.span, message, help.to_owned());
    }
    let Conditions { methods, context, headers } = &rule.conditions;
    let same = place.iter().take(PLACE_RULES_MAX).find(|other| {
        let both_by_method = !methods.is_empty() && !other.conditions.methods.is_empty();
        let share_a_method = methods.iter().any(|method| other.conditions.methods.contains(method));
        let neither = methods.is_empty() && other.conditions.methods.is_empty();
        let same_methods = neither || both_by_method && share_a_method;
        same_methods && *context == other.conditions.context && *headers == other.conditions.headers
    });
    if let Some(other) = same {
        let message = format!("the rules `{}` and `{}` match the same requests", other.source.id.value.0, rule.id);
        let line = other.source.id.span.line;
        let help = format!(
            "every such request would be refused: add a condition to one of them, or remove it (the other is at {}:{line})",
            other.path
        );
        cx.error(SAME_REQUESTS, source.id.span, message, help);
    }
}

/// Returns the names of the label headers.
fn headers(builder: &mut Builder<'_>, files: &[(&str, &GatewayFile)]) -> LabelHeaders {
    let mut names = LabelHeaders::default();
    let mut stated: Option<(&str, Span)> = None;
    for (path, file) in files {
        let Some(source) = &file.headers else { continue };
        if let Some((first, span)) = stated {
            let message = duplicate("label headers", format_args!("{first}:{}", span.line));
            builder.cx(path).error("P032", source.span, message, "keep one of the two".to_owned());
            continue;
        }
        stated = Some((path, source.span));
        let of = [
            (&mut names.flow, &source.flow),
            (&mut names.persons, &source.persons),
            (&mut names.sensitive_persons, &source.sensitive_persons),
            (&mut names.transfer_id, &source.transfer_id),
        ];
        for (name, stated) in of {
            if let Some(stated) = stated {
                *name = stated.value.0.clone();
            }
        }
        let all = [&names.flow, &names.persons, &names.sensitive_persons, &names.transfer_id];
        for (index, name) in all.into_iter().enumerate() {
            if all.iter().take(index).any(|other| *other == name) {
                let help = "give each label a header of its own".to_owned();
                let message = format!("two labels have the header `{name}`");
                builder.cx(path).error("P017", source.span, message, help);
            }
        }
    }
    names
}

fn rule(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::GatewayRule) -> Option<Rule> {
    let matching = &source.matching;
    let host = matching.host.as_ref().map(|host| host.value.0.clone()).unwrap_or_default();
    let sni = matching.sni.as_ref().map(|name| name.value.0.clone()).unwrap_or_default();
    let path = match (&matching.path, &matching.path_prefix) {
        (None, None) => PathPattern::Any,
        (Some(path), None) => PathPattern::Exact(path.value.0.clone()),
        (None, Some(prefix)) => PathPattern::Prefix(prefix.value.0.clone()),
        (Some(_), Some(prefix)) => {
            let help = "keep one of the two".to_owned();
            cx.error("P017", prefix.span, "`path` and `path_prefix` in one rule".to_owned(), help);
            return None;
        }
    };
    let mut methods: Vec<Box<str>> = matching.methods.0.iter().map(|method| method.0.clone()).collect();
    methods.sort();
    methods.dedup();
    for name in matching.headers.0.iter().map(|(name, _)| name).filter(|name| !is_header_name(&name.value)) {
        let message = format!("`{}` is not the name of a header", clip(&name.value));
        cx.error("P006", name.span, message, HEADER_NAME_HELP.to_owned());
    }
    let counts = [methods.len(), matching.context.0.len(), matching.headers.0.len()];
    if let Some(count) = counts.into_iter().find(|count| CONDITIONS_MAX < *count) {
        let message = format!("{count} conditions of one kind; at most {CONDITIONS_MAX} are allowed");
        cx.error("P015", matching.span, message, "split the rule".to_owned());
    }
    let conditions = Conditions { methods, context: pairs(&matching.context), headers: pairs(&matching.headers) };
    let gives = gives(cx, snapshot, source);
    check_complete(cx, snapshot, source, &gives);
    let record = if source.record == YesNo::Yes { Record::Record } else { Record::AskOnly };
    Some(Rule { id: source.id.value.0.clone(), host, path, sni, conditions, gives, record })
}

fn pairs(table: &Table<Words>) -> Vec<(Box<str>, Box<str>)> {
    let mut pairs: Vec<_> = table.0.iter().map(|(key, value)| (key.value.clone(), value.0.clone())).collect();
    pairs.sort();
    pairs
}

fn gives(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::GatewayRule) -> Gives {
    let codes = &snapshot.codes;
    let exporter = given_name(cx, source.exporter.as_ref(), Some((&codes.exporters, "exporter")));
    if let Some(file::Given::Literal(code)) = &source.destination {
        country(cx, code);
    }
    let items = source.items.iter().map(|item| self::item(cx, codes, item)).collect();
    let persons = |given: &Option<file::Given<_>>| {
        given.as_ref().map(|given| match given {
            file::Given::Literal(PersonCount(count)) => Given::Literal(count.get()),
            file::Given::From(place) => Given::From(self::source(place)),
        })
    };
    Gives {
        flow: given_name(cx, source.flow.as_ref(), Some((&codes.flows, "flow"))),
        exporter,
        recipient: given_name(cx, source.recipient.as_ref(), None),
        destination: source.destination.as_ref().map(|given| match given {
            file::Given::Literal(code) => Given::Literal(code.value.0.clone()),
            file::Given::From(place) => Given::From(self::source(place)),
        }),
        sector: given_code(cx, source.sector.as_ref(), &codes.sectors, "sector"),
        scenario: given_code(cx, source.scenario.as_ref(), &codes.scenarios, "scenario"),
        export_zone: given_code(cx, source.export_zone.as_ref(), &codes.zones, "zone"),
        ground: source.ground.to_ground(),
        items,
        persons: persons(&source.persons),
        sensitive_persons: persons(&source.sensitive_persons),
        subjects: source.subjects.as_ref().map(|At { value: Subjects(given), .. }| given.clone()),
        sensitive_subjects: source.sensitive_subjects.as_ref().map(|At { value: Subjects(given), .. }| given.clone()),
        transfer_id: source.transfer_id.as_ref().map(self::source),
    }
}

fn source(place: &ValueSource) -> Source {
    match place {
        ValueSource::Header(name) => Source::Header(name.0.clone()),
        ValueSource::Body(pointer) => Source::Body(pointer.0.clone()),
        ValueSource::Context(key) => Source::Context(key.0.clone()),
    }
}

/// Returns a name. If it has a vocabulary, it must be in it.
fn given_name(
    cx: &mut Context<'_>,
    given: Option<&file::Given<At<Name>>>,
    known: Option<(&Vocabulary, &str)>,
) -> Option<Given<Box<str>>> {
    Some(match given? {
        file::Given::From(place) => Given::From(source(place)),
        file::Given::Literal(name) => {
            if let Some((vocabulary, noun)) = known {
                follow(cx, vocabulary, &name.value.0, name.span, noun);
            }
            Given::Literal(name.value.0.clone())
        }
    })
}

fn given_code(
    cx: &mut Context<'_>,
    given: Option<&file::Given<At<Code>>>,
    vocabulary: &Vocabulary,
    noun: &str,
) -> Option<Given<Box<str>>> {
    Some(match given? {
        file::Given::From(place) => Given::From(source(place)),
        file::Given::Literal(code) => {
            follow(cx, vocabulary, &code.value.0, code.span, noun);
            Given::Literal(code.value.0.clone())
        }
    })
}

fn item(cx: &mut Context<'_>, codes: &Codes, item: &file::GatewayItem) -> GivenItem {
    for attribute in &item.attributes {
        follow(cx, &codes.attributes, &attribute.value.0, attribute.span, "attribute");
    }
    let code = match &item.code {
        file::Given::From(place) => Given::From(source(place)),
        file::Given::Literal(code) => {
            follow(cx, &codes.items, &code.value.0, code.span, "data item");
            Given::Literal(code.value.0.clone())
        }
    };
    GivenItem {
        code,
        class: item.class.map(Class::to_class),
        modality: item.modality.map(Modality::to_modality),
        attributes: item.attributes.iter().map(|attribute| attribute.value.0.clone()).collect(),
    }
}

/// Checks that a rule counts persons by number or by name, in each class that its flow sends. A person counted by
/// number could be one of the named ones.
fn check_one_count(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::GatewayRule, gives: &Gives) {
    let Some(subjects) = source.subjects.as_ref().or(source.sensitive_subjects.as_ref()) else { return };
    if source.persons.is_some() || source.sensitive_persons.is_some() {
        let message = format!("the rule `{}` counts persons by number and by identifier", source.id.value.0);
        let help = "state `subjects` and `sensitive_subjects`, or `persons` and `sensitive_persons` / \
                    请用 `subjects` 与 `sensitive_subjects`，或用 `persons` 与 `sensitive_persons`";
        cx.error("P017", subjects.span, message, help.to_owned());
    }
    for class in classes_without_place(snapshot, gives) {
        let key = match class {
            CountedClass::General => "subjects",
            CountedClass::Sensitive => "sensitive_subjects",
        };
        let message = format!("the rule `{}` lacks `{key}`, and its flow sends such persons too", source.id.value.0);
        let help = format!("state where their identifiers are, with `{key}` / 请用 `{key}` 指明其标识所在位置");
        cx.error("P017", subjects.span, message, help);
    }
}

/// Checks that a rule is complete, so that a gap shows now and not when the first request is refused.
fn check_complete(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::GatewayRule, gives: &Gives) {
    let id = &source.id.value.0;
    if ITEMS_MAX < source.items.len() {
        let message = format!("the rule `{id}` has {} items", source.items.len());
        cx.error("P017", source.id.span, message, format!("a transfer has at most {ITEMS_MAX} items"));
    }
    check_one_count(cx, snapshot, source, gives);
    if gives.flow.is_some() || !gives.has_fields() {
        return;
    }
    let missing = [
        ("exporter", gives.exporter.is_none()),
        ("destination", gives.destination.is_none()),
        ("items", gives.items.is_empty()),
    ];
    let missing: Vec<&str> = missing.iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let message = format!("the rule `{id}` names no flow and lacks {}", missing.join(", "));
        let help =
            "name a registered flow, take it from a header (`flow: {header: …}`), or describe the transfer in full"
                .to_owned();
        cx.error("P017", source.id.span, message, help);
        return;
    }
    let Some(Given::Literal(exporter)) = &gives.exporter else { return };
    let exporter = snapshot.codes.exporters.get(exporter).and_then(|number| snapshot.exporter(ExporterId(number)));
    let Some(zones) = exporter.map(|exporter| exporter.facts.zones).filter(|zones| has_list(snapshot, *zones)) else {
        return;
    };
    debug_assert!(!zones.is_empty(), "a zone has the list");
    for (name, is_missing) in [("sector", gives.sector.is_none()), ("scenario", gives.scenario.is_none())] {
        if is_missing {
            let message = format!("the rule `{id}` lacks {name}");
            let help = "a list in force in the exporter's zone requires it".to_owned();
            cx.error("P017", source.id.span, message, help);
        }
    }
}

/// Says whether a list is ever in force in one of the zones.
fn has_list(snapshot: &Snapshot, zones: ZoneSet) -> bool {
    let in_force = |segment: &crate::domain::snapshot::Segment| {
        zones.iter().any(|zone| segment.editions.get(zone.index()).is_some_and(Option::is_some))
    };
    snapshot.lists.segments.iter().any(in_force)
}
