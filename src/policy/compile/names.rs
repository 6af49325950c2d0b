//! Collects the codes of all files, so that references resolve whatever the order of the files.

use std::collections::BTreeMap;

use super::builder::Builder;
use crate::domain::snapshot::{Codes, Entries, ItemFacts};
use crate::domain::units::{CityId, OTHER, ZoneId, ZoneSet};
use crate::domain::vocabulary::Vocabulary;
use crate::policy::SourceFile;
use crate::policy::diagnostic::{Span, duplicate};
use crate::policy::source::Document;
use crate::policy::source::catalogue::{City, Word, Zone};
use crate::policy::source::registry::RegistryFile;
use crate::policy::source::scalar::YesNo;

/// For each noun, the file and line of each code, by the code's number.
type Firsts<'s> = BTreeMap<&'static str, Vec<(&'s str, u32)>>;

/// Collects codes, in the order of the files' paths.
pub(super) fn collect(builder: &mut Builder<'_>, sources: &[SourceFile]) {
    let mut firsts = Firsts::new();
    for vocabulary in [&mut builder.codes.sectors, &mut builder.codes.scenarios] {
        let other = vocabulary.insert(OTHER);
        debug_assert!(other == Ok(0), "`other` is number 0");
    }
    let zones = zones(builder, &mut firsts, sources);
    for SourceFile { path, document, .. } in sources {
        match document {
            Document::Catalogue(file) => {
                cities(builder, &mut firsts, path, &file.cities);
                words(builder, &mut firsts, path, &file.sectors, |codes| &mut codes.sectors, "sector");
                words(builder, &mut firsts, path, &file.scenarios, |codes| &mut codes.scenarios, "scenario");
                words(builder, &mut firsts, path, &file.exporter_kinds, |codes| &mut codes.kinds, "kind of exporter");
                words(builder, &mut firsts, path, &file.attributes, |codes| &mut codes.attributes, "attribute");
                for item in &file.items {
                    let code = &item.code;
                    if add(builder, &mut firsts, path, code.span, &code.value.0, |codes| &mut codes.items, "data item")
                    {
                        let class = item.class.to_class();
                        builder.lists.items.push(ItemFacts { class, strictest: class, entries: Entries::NONE });
                    }
                }
            }
            Document::Registry(file) => registry_names(builder, &mut firsts, path, file),
            Document::National(_) | Document::Zone(_) | Document::Gateway(_) | Document::Test(_) => {}
        }
    }
    limit(builder, "zones", builder.codes.zones.len());
    limit(builder, "cities", builder.codes.cities.len());
    limit(builder, "kinds of exporter", builder.codes.kinds.len());
    limit(builder, "attributes", builder.codes.attributes.len());
    closures(builder, &zones);
}

/// Collects zones in the order of their codes. Where the lists of several zones apply to an exporter, the first reason
/// and the first next step must not depend on the order of the files.
fn zones<'s>(
    builder: &mut Builder<'_>,
    firsts: &mut Firsts<'s>,
    sources: &'s [SourceFile],
) -> Vec<(&'s str, &'s Zone)> {
    let mut zones: Vec<(&str, &Zone)> = Vec::new();
    for SourceFile { path, document, .. } in sources {
        if let Document::Catalogue(file) = document {
            zones.extend(file.zones.iter().map(|zone| (path.as_str(), zone)));
        }
    }
    zones.sort_by_key(|(_, zone)| &zone.code.value.0);
    zones.retain(|(path, zone)| {
        add(builder, firsts, path, zone.code.span, &zone.code.value.0, |codes| &mut codes.zones, "zone")
    });
    zones
}

fn cities<'s>(builder: &mut Builder<'_>, firsts: &mut Firsts<'s>, path: &'s str, cities: &[City]) {
    for city in cities {
        let number = u8::try_from(builder.codes.cities.len()).ok().filter(|number| *number < 64);
        let is_new = add(builder, firsts, path, city.code.span, &city.code.value.0, |codes| &mut codes.cities, "city");
        if let Some(number) = number.filter(|_| is_new && city.greater_bay_area == YesNo::Yes) {
            builder.lists.greater_bay_area.insert(CityId(number));
        }
    }
}

fn registry_names<'s>(builder: &mut Builder<'_>, firsts: &mut Firsts<'s>, path: &'s str, file: &RegistryFile) {
    for exporter in &file.exporters {
        let id = &exporter.id;
        add(builder, firsts, path, id.span, &id.value.0, |codes| &mut codes.exporters, "exporter");
    }
    for flow in &file.flows {
        add(builder, firsts, path, flow.id.span, &flow.id.value.0, |codes| &mut codes.flows, "flow");
        let known = builder.codes.recipients.insert(&flow.recipient.value.0);
        debug_assert!(known.is_ok() || known.is_err(), "several flows may have one recipient");
    }
    for clearance in &file.clearances {
        let known = builder.codes.recipients.insert(&clearance.recipient.value.0);
        debug_assert!(known.is_ok() || known.is_err(), "several clearances may have one recipient");
    }
}

fn words<'s>(
    builder: &mut Builder<'_>,
    firsts: &mut Firsts<'s>,
    path: &'s str,
    words: &[Word],
    of: fn(&mut Codes) -> &mut Vocabulary,
    noun: &'static str,
) {
    for word in words {
        add(builder, firsts, path, word.code.span, &word.code.value.0, of, noun);
    }
}

/// Adds a code; reports one that exists already. Says whether it was added.
fn add<'s>(
    builder: &mut Builder<'_>,
    firsts: &mut Firsts<'s>,
    path: &'s str,
    span: Span,
    code: &str,
    of: fn(&mut Codes) -> &mut Vocabulary,
    noun: &'static str,
) -> bool {
    let added = of(&mut builder.codes).insert(code);
    let (Ok(number) | Err(number)) = added;
    let places = firsts.entry(noun).or_default();
    let index = number as usize;
    if added.is_ok() {
        // The numbers ascend; `other` has number 0 and no place.
        places.resize(index, ("", 0));
        places.push((path, span.line));
        return true;
    }
    let (message, help) = match places.get(index) {
        Some((first, line)) if !first.is_empty() => (
            duplicate(format_args!("{noun} `{code}`"), format_args!("{first}:{line}")),
            "each code is defined once, in one file: rename or remove one of the two",
        ),
        _ => (format!("the {noun} `{code}` is built in"), "remove it here"),
    };
    builder.cx(path).error("P010", span, message, help.to_owned());
    false
}

fn limit(builder: &mut Builder<'_>, noun: &str, count: usize) {
    if ZoneSet::MEMBERS_MAX < count {
        let message = format!("{count} {noun}; at most {} are allowed", ZoneSet::MEMBERS_MAX);
        builder.directory_error("P015", &message, "remove those that nothing refers to");
    }
}

/// Computes which zones lie within which, at any depth.
fn closures(builder: &mut Builder<'_>, zones: &[(&str, &Zone)]) {
    let mut parents: Vec<Option<u32>> = Vec::with_capacity(zones.len());
    for (path, zone) in zones {
        let parent = zone.within.as_ref().and_then(|code| builder.follow(path, code, |codes| &codes.zones, "zone"));
        parents.push(parent);
    }
    for (number, (path, zone)) in zones.iter().enumerate().take(ZoneSet::MEMBERS_MAX) {
        let mut closure = ZoneSet::default();
        let mut next = u32::try_from(number).ok();
        while let Some(current) = next {
            let Some(id) = u8::try_from(current).ok().filter(|id| *id < 64).map(ZoneId) else { break };
            if closure.contains(id) {
                let message = format!("the zone `{}` lies within itself", zone.code.value.0);
                builder.cx(path).error("P017", zone.code.span, message, "correct `within`".to_owned());
                break;
            }
            closure.insert(id);
            next = parents.get(id.index()).copied().flatten();
        }
        builder.lists.zone_closure.push(closure);
    }
}
