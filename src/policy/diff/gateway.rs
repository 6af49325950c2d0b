//! The gateway files as subjects: label headers and rules.

use super::change::Area;
use super::subject::Subject;
use crate::domain::persons::Step;
use crate::policy::source::gateway::{GatewayFile, GatewayItem, GatewayRule, Given, ValueSource};
use crate::policy::source::header::HeaderName;
use crate::policy::source::scalar::{At, Class, Code, Modality, Name, PersonCount, Words};
use crate::policy::source::subjects::Subjects;

pub(super) fn gateway(path: &str, file: &GatewayFile, subjects: &mut Vec<Subject>) {
    if let Some(headers) = &file.headers {
        let mut subject = Subject::new(Area::LabelHeaders, "headers", None, path, headers.span);
        let name = |name: &Option<At<HeaderName>>| name.as_ref().map(|name| name.value.0.to_string());
        subject.optional("flow", name(&headers.flow));
        subject.optional("persons", name(&headers.persons));
        subject.optional("sensitive_persons", name(&headers.sensitive_persons));
        subject.optional("transfer_id", name(&headers.transfer_id));
        subjects.push(subject);
    }
    subjects.extend(file.rules.iter().map(|rule| self::rule(path, rule)));
}

fn rule(path: &str, source: &GatewayRule) -> Subject {
    let mut subject = Subject::new(Area::GatewayRule, source.id.value.0.to_string(), None, path, source.id.span);
    let matching = &source.matching;
    subject.optional("match.host", matching.host.as_ref().map(|host| host.value.text()));
    subject.set("match.methods", matching.methods.0.iter().map(|method| method.0.as_ref()), None);
    subject.optional("match.path", matching.path.as_ref().map(|path| path.value.0.to_string()));
    subject.optional("match.path_prefix", matching.path_prefix.as_ref().map(|path| path.value.0.to_string()));
    subject.optional("match.sni", matching.sni.as_ref().map(|name| name.value.text()));
    for (field, table) in [("match.context", &matching.context), ("match.headers", &matching.headers)] {
        for (key, value) in &table.0 {
            subject.word(format!("{field}.{}", key.value), value.0.to_string());
        }
    }
    subject.optional("flow", name(source.flow.as_ref()));
    subject.optional("exporter", name(source.exporter.as_ref()));
    subject.optional("recipient", name(source.recipient.as_ref()));
    subject
        .optional("destination", shown(source.destination.as_ref(), |At { value: Words(text), .. }| text.to_string()));
    subject.optional("sector", code(source.sector.as_ref()));
    subject.optional("scenario", code(source.scenario.as_ref()));
    subject.optional("export_zone", code(source.export_zone.as_ref()));
    subject.word("ground", source.ground.word());
    let items: Vec<String> = source.items.iter().map(item).collect();
    subject.set("items", items.iter().map(String::as_str), None);
    let count = |PersonCount(count): &PersonCount| count.to_string();
    subject.optional("persons", shown(source.persons.as_ref(), count));
    subject.optional("sensitive_persons", shown(source.sensitive_persons.as_ref(), count));
    subject.optional("subjects", source.subjects.as_ref().map(subjects_of));
    subject.optional("sensitive_subjects", source.sensitive_subjects.as_ref().map(subjects_of));
    subject.optional("transfer_id", source.transfer_id.as_ref().map(place));
    subject.word("record", source.record.word());
    subject
}

fn item(item: &GatewayItem) -> String {
    let code = code(Some(&item.code)).unwrap_or_default();
    let mut facts: Vec<&str> = item.attributes.iter().map(|attribute| attribute.value.0.as_ref()).collect();
    facts.extend(item.class.map(Class::word));
    facts.extend(item.modality.map(Modality::word));
    if facts.is_empty() { code } else { format!("{code} ({})", facts.join(", ")) }
}

fn name(given: Option<&Given<At<Name>>>) -> Option<String> {
    shown(given, |name| name.value.0.to_string())
}

fn code(given: Option<&Given<At<Code>>>) -> Option<String> {
    shown(given, |code| code.value.0.to_string())
}

fn shown<T>(given: Option<&Given<T>>, literal: impl Fn(&T) -> String) -> Option<String> {
    given.map(|given| match given {
        Given::Literal(value) => literal(value),
        Given::From(place) => self::place(place),
    })
}

fn subjects_of(At { value: Subjects(given), .. }: &At<Subjects>) -> String {
    let steps: Vec<&str> = given.normalise.steps().map(Step::name).collect();
    let normalised = if steps.is_empty() { String::new() } else { format!(", {}", steps.join(", ")) };
    format!("{} ({}{normalised})", given.source.origin(), given.kind.name())
}

fn place(place: &ValueSource) -> String {
    match place {
        ValueSource::Header(name) => format!("header {}", name.0),
        ValueSource::Body(pointer) => format!("body {}", pointer.0),
        ValueSource::Context(key) => format!("context {}", key.0),
    }
}
