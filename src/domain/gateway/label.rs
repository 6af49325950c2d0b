//! Turns a gateway's view of a request into a transfer, or reports every violation in its labels.

use std::borrow::Cow;

use super::labelled::{Fault, Label, Labelled, LabelledItem, Nothing, Origin, Reading, Unlabelled, Unmatched, shown};
use super::seen::Seen;
use super::subjects::GivenSubjects;
use super::table::{Gateway, Given, Gives, LabelHeaders, Rule};
use super::value::{self, Problems};
use crate::domain::asked::AskedPersons;
use crate::domain::named::Named;
use crate::domain::persons::Subject;
use crate::domain::reason::ReasonCode;
use crate::domain::route::{Content, Route};
use crate::domain::snapshot::Snapshot;
use crate::domain::statement::Destination;
use crate::domain::units::{Class, CountedClass, Country, FlowId, ItemId};

/// Labels a request.
///
/// Takes the whole snapshot, not only its gateway table: the numbers of persons that are required depend on the data
/// that a flow sends.
///
/// # Errors
/// Nothing matches, or every violation in the labels.
pub fn label<'a, S: Seen + ?Sized>(snapshot: &'a Snapshot, seen: &'a S) -> Result<Labelled<'a>, Unlabelled> {
    let headers = &snapshot.gateway.headers;
    let mut problems = Problems::default();
    let rule = match snapshot.gateway.choose(seen).0 {
        Ok(rule) => rule,
        Err((origin, fault)) => {
            problems.add(Label::Rule, origin, fault);
            None
        }
    };
    let sent = Sent::read(headers, seen, &mut problems);
    if rule.is_none() && sent.is_empty() && problems.found.is_empty() {
        return Err(Unlabelled::NothingMatches(nothing(&snapshot.gateway, seen)));
    }
    if problems.has(Label::Rule) {
        // What else the rule requires is not known.
        return Err(Unlabelled::Wrong(problems.found));
    }
    problems.rule = rule.map(|rule| rule.id.to_string());
    let persons = (sent.persons, sent.sensitive_persons);
    let (mut labelled, persons) = match rule {
        Some(rule) => by_rule(headers, rule, seen, sent, &mut problems),
        None => (Labelled { flow: sent.flow, transfer_id: sent.transfer_id, ..Labelled::default() }, persons),
    };
    require(headers, rule.map(|rule| &rule.gives), &labelled, &mut problems);
    count(snapshot, rule.map(|rule| &rule.gives), &mut labelled, persons, &mut problems);
    if problems.found.is_empty() { Ok(labelled) } else { Err(Unlabelled::Wrong(problems.found)) }
}

/// Labels a request, and applies the operator's setting to a request that nothing matches.
pub fn read<'a, S: Seen + ?Sized>(snapshot: &'a Snapshot, seen: &'a S, unmatched: &'a Unmatched) -> Reading<'a> {
    match (label(snapshot, seen), unmatched) {
        (Ok(labelled), _) => Reading::Transfer(labelled),
        (Err(Unlabelled::NothingMatches(_)), Unmatched::Allow) => Reading::NoTransfer,
        (Err(Unlabelled::NothingMatches(_)), Unmatched::Flow(flow)) => by_default(snapshot, flow),
        (Err(unlabelled), Unmatched::Refuse | Unmatched::Allow | Unmatched::Flow(_)) => Reading::Refused(unlabelled),
    }
}

fn by_default<'a>(snapshot: &Snapshot, flow: &'a str) -> Reading<'a> {
    let mut labelled = Labelled { flow: Some(flow.into()), ..Labelled::default() };
    let mut problems = Problems::default();
    count(snapshot, None, &mut labelled, (None, None), &mut problems);
    if problems.found.is_empty() {
        Reading::Transfer(labelled)
    } else {
        Reading::Refused(Unlabelled::Wrong(problems.found))
    }
}

/// Contents of the label headers.
#[derive(Debug, Default)]
struct Sent<'a> {
    flow: Option<Cow<'a, str>>,
    persons: Option<u64>,
    sensitive_persons: Option<u64>,
    transfer_id: Option<Cow<'a, str>>,
}

impl<'a> Sent<'a> {
    fn read<S: Seen + ?Sized>(headers: &LabelHeaders, seen: &'a S, problems: &mut Problems) -> Self {
        let mut text = |name: &str, label| {
            value::header(seen, name, label).unwrap_or_else(|fault| {
                problems.add(label, Origin::Header(name.to_owned()), fault);
                None
            })
        };
        let flow = text(&headers.flow, Label::Flow);
        let persons = text(&headers.persons, Label::Persons);
        let sensitive_persons = text(&headers.sensitive_persons, Label::SensitivePersons);
        let transfer_id = text(&headers.transfer_id, Label::TransferId);
        let mut number = |text: Option<Cow<'_, str>>, name: &str, label| {
            value::persons(&text?).map_err(|fault| problems.add(label, Origin::Header(name.to_owned()), fault)).ok()
        };
        Self {
            flow,
            persons: number(persons, &headers.persons, Label::Persons),
            sensitive_persons: number(sensitive_persons, &headers.sensitive_persons, Label::SensitivePersons),
            transfer_id,
        }
    }

    /// Says whether the request carries no label header.
    const fn is_empty(&self) -> bool {
        self.flow.is_none() && self.persons.is_none() && self.sensitive_persons.is_none() && self.transfer_id.is_none()
    }
}

/// Numbers of persons, general and sensitive.
type Counts = (Option<u64>, Option<u64>);

/// Returns the labels that a rule and the headers give together, and the numbers of persons.
fn by_rule<'a, S: Seen + ?Sized>(
    headers: &LabelHeaders,
    rule: &'a Rule,
    seen: &'a S,
    sent: Sent<'a>,
    problems: &mut Problems,
) -> (Labelled<'a>, Counts) {
    let gives = &rule.gives;
    let flow = problems.text(seen, gives.flow.as_ref(), Label::Flow);
    if gives.flow.is_none() && gives.has_fields() && sent.flow.is_some() {
        problems.add(Label::Flow, Origin::Header(headers.flow.to_string()), Fault::FlowBesideFields);
    }
    let flow = agreed(flow, sent.flow, (Label::Flow, &headers.flow), problems);
    let transfer_id = gives.transfer_id.as_ref().and_then(|source| {
        let text = value::text_at(seen, source, Label::TransferId);
        text.map_err(|fault| problems.add(Label::TransferId, value::origin(source), fault)).ok()
    });
    let transfer_id = agreed(transfer_id, sent.transfer_id, (Label::TransferId, &headers.transfer_id), problems);
    let subjects = named(gives, seen, problems);
    let of_names = subjects.as_ref().map(Named::count);
    let general_names = of_names.filter(|_| gives.subjects.is_some()).map(|(general, _)| general);
    let general = problems.persons(seen, gives.persons.as_ref(), Label::Persons).or(general_names);
    let general = agreed(general, sent.persons, (Label::Persons, &headers.persons), problems);
    let sensitive_names = of_names.filter(|_| gives.sensitive_subjects.is_some()).map(|(_, sensitive)| sensitive);
    let sensitive = problems.persons(seen, gives.sensitive_persons.as_ref(), Label::SensitivePersons);
    let sensitive = sensitive.or(sensitive_names);
    let place = (Label::SensitivePersons, headers.sensitive_persons.as_ref());
    let sensitive = agreed(sensitive, sent.sensitive_persons, place, problems);
    let items = gives.items.iter().enumerate().filter_map(|(index, item)| {
        let code = problems.text(seen, Some(&item.code), Label::Item(index))?;
        let attributes = item.attributes.iter().map(|attribute| Cow::Borrowed(attribute.as_ref())).collect();
        Some(LabelledItem { code, class: item.class, modality: item.modality, attributes })
    });
    let items = items.collect();
    let labelled = Labelled {
        rule: Some(&rule.id),
        flow,
        exporter: problems.text(seen, gives.exporter.as_ref(), Label::Exporter),
        recipient: problems.text(seen, gives.recipient.as_ref(), Label::Recipient),
        destination: problems.text(seen, gives.destination.as_ref(), Label::Destination),
        sector: problems.text(seen, gives.sector.as_ref(), Label::Sector),
        scenario: problems.text(seen, gives.scenario.as_ref(), Label::Scenario),
        export_zone: problems.text(seen, gives.export_zone.as_ref(), Label::ExportZone),
        ground: gives.ground,
        items,
        persons: None,
        subjects,
        transfer_id,
        record: rule.record,
    };
    (labelled, (general, sensitive))
}

/// Returns the persons whom a request names, where its rule says who they are.
fn named<S: Seen + ?Sized>(gives: &Gives, seen: &S, problems: &mut Problems) -> Option<Named<Subject>> {
    if gives.subjects.is_none() && gives.sensitive_subjects.is_none() {
        return None;
    }
    let mut read = |place: &Option<GivenSubjects>, label| {
        let Some(place) = place else { return Vec::new() };
        place.read(seen).unwrap_or_else(|fault| {
            problems.add(label, place.source.origin(), fault);
            Vec::new()
        })
    };
    let general = read(&gives.subjects, Label::Persons);
    Some(Named::new(general, read(&gives.sensitive_subjects, Label::SensitivePersons)))
}

/// Returns the value of the rule, or else that of the label header. If both give one, they must agree.
fn agreed<T: PartialEq + ToString>(
    by_rule: Option<T>,
    sent: Option<T>,
    (label, header): (Label, &str),
    problems: &mut Problems,
) -> Option<T> {
    if let (Some(by_rule), Some(sent)) = (&by_rule, &sent)
        && by_rule != sent
    {
        let request = shown(&sent.to_string());
        let rule = shown(&by_rule.to_string());
        problems.add(label, Origin::Header(header.to_owned()), Fault::Disagrees { request, rule });
    }
    by_rule.or(sent)
}

/// Requires the labels without which there is no transfer.
fn require(headers: &LabelHeaders, gives: Option<&Gives>, labelled: &Labelled<'_>, problems: &mut Problems) {
    let describes_itself = gives.is_some_and(Gives::has_fields);
    if labelled.flow.is_none() && !describes_itself && !problems.has(Label::Flow) {
        problems.add(Label::Flow, Origin::Header(headers.flow.to_string()), Fault::Missing);
    }
}

/// Combines the numbers of persons. Each class that is sent needs its own number: a missing label must not count as
/// zero persons. Where the rule says who the persons are, each class needs its own place: the ledger would count those who
/// are named and leave out a number beside them.
fn count(
    snapshot: &Snapshot,
    gives: Option<&Gives>,
    labelled: &mut Labelled<'_>,
    (general, sensitive): Counts,
    problems: &mut Problems,
) {
    let headers = &snapshot.gateway.headers;
    let sent = content(snapshot, labelled);
    let (of_general, of_sensitive) =
        gives.map_or((false, false), |gives| (gives.subjects.is_some(), gives.sensitive_subjects.is_some()));
    let is_by_name = of_general || of_sensitive;
    for (is_sent, number, is_named, label, name) in [
        (sent.general, general, of_general, Label::Persons, &headers.persons),
        (sent.sensitive, sensitive, of_sensitive, Label::SensitivePersons, &headers.sensitive_persons),
    ] {
        let fault = if is_by_name && !is_named && (is_sent || number.is_some_and(|number| 0 < number)) {
            Fault::NumberBesideNames
        } else if is_sent && number.is_none() {
            Fault::Missing
        } else {
            continue;
        };
        if !problems.has(label) {
            problems.add(label, Origin::Header(name.to_string()), fault);
        }
    }
    if general.is_some() || sensitive.is_some() {
        labelled.persons = Some(AskedPersons { general: general.unwrap_or(0), sensitive: sensitive.unwrap_or(0) });
    }
}

/// Returns the classes that the flow of a rule sends and for which the rule has no place, although it counts persons by
/// identifier. All requests of such a rule are refused. Empty for a rule that takes its flow from the request.
pub fn classes_without_place(snapshot: &Snapshot, gives: &Gives) -> Vec<CountedClass> {
    let Some(Given::Literal(flow)) = &gives.flow else { return Vec::new() };
    if gives.subjects.is_none() && gives.sensitive_subjects.is_none() {
        return Vec::new();
    }
    let sent = content(snapshot, &Labelled { flow: Some(Cow::Borrowed(flow)), ..Labelled::default() });
    let classes = [
        (CountedClass::General, sent.general && gives.subjects.is_none()),
        (CountedClass::Sensitive, sent.sensitive && gives.sensitive_subjects.is_none()),
    ];
    classes.into_iter().filter(|(_, is_without)| *is_without).map(|(class, _)| class).collect()
}

/// Returns the classes of personal information that a transfer is known to contain. Resolving the transfer refuses
/// unknown codes.
fn content(snapshot: &Snapshot, labelled: &Labelled<'_>) -> Content {
    let flow = labelled.flow.as_deref().and_then(|flow| snapshot.codes.flows.get(flow));
    let flow = flow.and_then(|number| snapshot.flow(FlowId(number)));
    let mut content = Content::default();
    let stays = match labelled.destination.as_deref() {
        Some(code) => Country::parse(code) == Some(Country::MAINLAND),
        None => flow.is_some_and(|flow| flow.statement.destination == Destination::Mainland),
    };
    if stays {
        return content;
    }
    if labelled.items.is_empty() {
        let routes = flow.iter().flat_map(|flow| &flow.routes);
        let routes = routes.filter_map(|(_, route)| snapshot.route(*route));
        // Before the first national rules nothing passes, whatever the number of persons, and no class was evaluated.
        let is_ruled = |route: &&Route| route.reasons.iter().all(|reason| reason.code != ReasonCode::NoRulesInForce);
        for route in routes.filter(is_ruled) {
            content.general |= route.content.general;
            content.sensitive |= route.content.sensitive;
        }
        return content;
    }
    let mut add = |class: Class| match class {
        Class::NonPersonal | Class::Important => {}
        Class::General => content.general = true,
        Class::Sensitive => content.sensitive = true,
    };
    for item in &labelled.items {
        if let Some(known) = snapshot.codes.items.get(&item.code).map(ItemId) {
            add(snapshot.class_of(known));
            // An entry of a list may make an item sensitive that is general in the catalogue.
            add(snapshot.strictest_class_of(known));
        }
        if let Some(class) = item.class {
            add(class);
        }
    }
    content
}

fn nothing<S: Seen + ?Sized>(gateway: &Gateway, seen: &S) -> Nothing {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(shown);
    let path = seen.path().filter(|_| !gateway.has_persons_in_paths);
    let path = path.map(|path| path.split(['?', '#']).next().unwrap_or_default());
    Nothing {
        host: text(seen.host()),
        method: text(seen.method()),
        path: text(path),
        sni: text(seen.sni()),
        flow_header: gateway.headers.flow.to_string(),
    }
}

#[cfg(test)]
#[path = "label_tests.rs"]
mod tests;
