//! Compiles the entries of zone lists into an index by item and edition.

use std::collections::HashMap;

use super::builder::Builder;
use crate::domain::list::{Condition, Named};
use crate::domain::reason::PersonsOf;
use crate::domain::snapshot::Entries;
use crate::domain::units::{
    AttributeId, AttributeSet, Class as DomainClass, CountedClass, EditionId, ItemId, ModalitySet, RuleId, ScenarioId,
    SectorId,
};
use crate::policy::SourceFile;
use crate::policy::source::Document;
use crate::policy::source::list::{Entry, ZoneList};
use crate::policy::source::scalar::{At, Class, Code, Known, Words};

/// Most entries of one edition that name the same item. They are checked one after the other.
const ENTRIES_PER_ITEM_MAX: usize = 64;

/// Compiles the entries of all lists.
pub(super) fn compile(builder: &mut Builder<'_>, sources: &[SourceFile]) {
    let mut conditions: HashMap<Condition, u32> = HashMap::new();
    let mut named: Vec<(ItemId, Named)> = Vec::new();
    let mut examples: Vec<(&Entry, Vec<ItemId>)> = Vec::new();
    for SourceFile { path, document, .. } in sources {
        let Document::Zone(list) = document else { continue };
        let Some(edition) = builder.editions.get(&list.id.value.0).and_then(|id| u16::try_from(id).ok()) else {
            continue;
        };
        for entry in &list.entries {
            let rule = rule(builder, path, list, entry);
            let condition = condition(builder, path, entry);
            let next = u32::try_from(conditions.len()).unwrap_or(u32::MAX);
            let index = *conditions.entry(condition.clone()).or_insert(next);
            if index == next {
                builder.lists.conditions.push(condition);
            }
            let mut items = Vec::new();
            for item in &entry.items {
                if let Some(id) = builder.follow(path, item, |codes| &codes.items, "data item") {
                    if let Some(facts) = builder.lists.items.get_mut(id as usize) {
                        facts.strictest = facts.strictest.max(entry.class.to_class());
                    }
                    let entry = Named { edition: EditionId(edition), rule, condition: index };
                    named.push((ItemId(id), entry));
                    items.push(ItemId(id));
                }
            }
            examples.push((entry, items));
        }
    }
    fields(builder, &examples);
    named.sort_by_key(|(item, named)| (*item, named.edition, named.rule));
    check_density(builder, &named);
    for run in named.chunk_by(|a, b| a.0 == b.0) {
        let Some((item, first)) = run.first() else { continue };
        let from = u32::try_from(builder.lists.named.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
        let Some(facts) = builder.lists.items.get_mut(item.index()) else { continue };
        if count == 1 {
            facts.entries = Entries::One(*first);
        } else {
            facts.entries = Entries::Many { from, count };
            builder.lists.named.extend(run.iter().map(|(_, named)| *named));
        }
    }
}

/// Records the example fields of lists: a caller may use the same name for a code of its own.
fn fields(builder: &mut Builder<'_>, examples: &[(&Entry, Vec<ItemId>)]) {
    for (entry, items) in examples {
        let class = |item: &ItemId| builder.lists.items.get(item.index()).map(|facts| facts.strictest);
        for Words(field) in &entry.example_fields {
            // The strictest item of the entry; among several of those, the one with that name.
            let is_meant = |item: &ItemId| {
                let code = builder.codes.items.word(item.0);
                code.rsplit('.').next().is_some_and(|last| last.replace('_', "-") == field.replace('_', "-"))
            };
            let Some(item) = items.iter().max_by_key(|item| (class(item), is_meant(item))) else { continue };
            match builder.codes.fields.insert(field) {
                Ok(_) => builder.lists.fields.push(*item),
                Err(known) => {
                    // Several entries have the same example: the strictest item holds.
                    if let Some(before) = builder.lists.fields.get(known as usize).copied()
                        && class(&before) < class(item)
                        && let Some(place) = builder.lists.fields.get_mut(known as usize)
                    {
                        *place = *item;
                    }
                }
            }
        }
    }
}

fn rule(builder: &mut Builder<'_>, path: &str, list: &ZoneList, entry: &Entry) -> RuleId {
    let name = format!("{}/{}", list.id.value.0, entry.id.value.0);
    let citation = entry.citation.as_ref().unwrap_or(&list.citation);
    builder.rule_at(path, entry.id.span, &name, citation)
}

fn condition(builder: &mut Builder<'_>, path: &str, entry: &Entry) -> Condition {
    check(builder, path, entry);
    let mut sectors: Vec<SectorId> = Vec::new();
    for code in &entry.sectors {
        let number = builder.follow(path, code, |codes| &codes.sectors, "sector");
        sectors.extend(number.and_then(|number| u16::try_from(number).ok()).map(SectorId));
    }
    let mut scenarios: Vec<ScenarioId> = Vec::new();
    for code in &entry.scenarios {
        let number = builder.follow(path, code, |codes| &codes.scenarios, "scenario");
        scenarios.extend(number.and_then(|number| u16::try_from(number).ok()).map(ScenarioId));
    }
    let mut modalities = ModalitySet::default();
    for modality in &entry.modalities {
        modalities.insert(modality.to_modality());
    }
    let mut unless: Vec<AttributeSet> = Vec::new();
    for exception in &entry.unless {
        let mut set = AttributeSet::default();
        for code in exception {
            let number = builder.follow(path, code, |codes| &codes.attributes, "attribute");
            if let Some(number) = number.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 64) {
                set.insert(AttributeId(number));
            }
        }
        unless.push(set);
    }
    let step = entry.next_step.as_ref();
    let step = step.map(|step| builder.step(&step.procedure.value.0, step.authority.as_ref(), &step.text));
    let persons_at_least = match entry.persons_at_least {
        Some(Known::Known(persons)) => Some(persons.0),
        // A size that could not be read must not let data pass: the entry holds for any number.
        Some(Known::Unknown) | None => None,
    };
    sectors.sort_unstable();
    scenarios.sort_unstable();
    Condition {
        class: entry.class.to_class(),
        sectors: sectors.into(),
        scenarios: scenarios.into(),
        modalities,
        persons_at_least,
        persons_of: persons_of(builder, entry),
        unless: unless.into(),
        step,
    }
}

/// Returns the persons that the size of an entry's group counts. If all items are sensitive in the catalogue, those
/// with sensitive information. Otherwise those of both classes: a caller may class a general item as sensitive, and an
/// important item may concern either class.
fn persons_of(builder: &Builder<'_>, entry: &Entry) -> PersonsOf {
    let class_of = |item: &At<Code>| {
        let id = builder.codes.items.get(&item.value.0)?;
        builder.lists.items.get(id as usize).map(|facts| facts.class)
    };
    if entry.items.iter().all(|item| class_of(item) == Some(DomainClass::Sensitive)) {
        PersonsOf::Class(CountedClass::Sensitive)
    } else {
        PersonsOf::BothClasses
    }
}

fn check(builder: &mut Builder<'_>, path: &str, entry: &Entry) {
    let mut cx = builder.cx(path);
    if entry.items.is_empty() {
        let help = "name at least one item of the catalogue in `items`".to_owned();
        cx.error("P017", entry.span, format!("the entry `{}` names no item", entry.id.value.0), help);
    }
    if entry.class == Class::NonPersonal {
        let help = "an entry can only make a class stricter: important, sensitive or general".to_owned();
        cx.error("P017", entry.span, format!("the entry `{}` cannot make data non-personal", entry.id.value.0), help);
    }
    if entry.persons_at_least.is_some() && entry.class != Class::Important {
        let help = "remove it: only important data depends on a number of persons".to_owned();
        cx.error("P017", entry.span, "`persons_at_least` is for `class: important` only".to_owned(), help);
    }
    for exception in &entry.unless {
        if exception.is_empty() {
            let help = "name the required attributes, or remove the line".to_owned();
            let message =
                format!("an exception of the entry `{}` has no attributes: it would always apply", entry.id.value.0);
            cx.error("P017", entry.span, message, help);
        }
    }
}

fn check_density(builder: &mut Builder<'_>, named: &[(ItemId, Named)]) {
    for run in named.chunk_by(|a, b| a.0 == b.0 && a.1.edition == b.1.edition) {
        let Some((item, _)) = run.first().filter(|_| ENTRIES_PER_ITEM_MAX < run.len()) else { continue };
        let code = builder.codes.items.word(item.0).to_owned();
        let message = format!("one list names `{code}` in {} entries; at most {ENTRIES_PER_ITEM_MAX}", run.len());
        builder.directory_error("P015", &message, "join equivalent entries");
    }
}
