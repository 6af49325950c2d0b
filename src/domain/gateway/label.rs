//! From what a gateway says to a transfer, or to everything that is wrong with its labels.

use super::labelled::{Fault, Label, Labelled, Nothing, Origin, Reading, Unlabelled, Unmatched};
use super::seen::Seen;
use super::table::LabelHeaders;
use super::value::{self, Problems};
use crate::domain::asked::AskedPersons;
use crate::domain::route::Content;
use crate::domain::snapshot::Snapshot;
use crate::domain::statement::Destination;
use crate::domain::units::{Class, Country, FlowId, ItemId};

/// Labels a request.
///
/// Takes the snapshot whole, not its gateway table alone: which numbers of persons are needed
/// depends on what a flow sends.
///
/// # Errors
/// Nothing matches, or everything that is wrong with the labels.
pub fn label<'a, S: Seen + ?Sized>(snapshot: &'a Snapshot, seen: &'a S) -> Result<Labelled<'a>, Unlabelled> {
    let headers = &snapshot.gateway.headers;
    let mut problems = Problems::default();
    let sent = Sent::read(headers, seen, &mut problems);
    if sent.is_empty() && problems.found.is_empty() {
        return Err(Unlabelled::NothingMatches(nothing(headers, seen)));
    }
    if sent.flow.is_none() && !problems.found.iter().any(|problem| problem.label == Label::Flow) {
        problems.add(Label::Flow, Origin::Header(headers.flow.to_string()), Fault::Missing);
    }
    let mut labelled = Labelled { flow: sent.flow, transfer_id: sent.transfer_id, ..Labelled::default() };
    count(snapshot, headers, &mut labelled, (sent.persons, sent.sensitive_persons), &mut problems);
    if problems.found.is_empty() { Ok(labelled) } else { Err(Unlabelled::Wrong(problems.found)) }
}

/// Labels a request, and does what the operator says with one that nothing matches.
pub fn read<'a, S: Seen + ?Sized>(snapshot: &'a Snapshot, seen: &'a S, unmatched: &'a Unmatched) -> Reading<'a> {
    match (label(snapshot, seen), unmatched) {
        (Ok(labelled), _) => Reading::Transfer(labelled),
        (Err(Unlabelled::NothingMatches(_)), Unmatched::Allow) => Reading::NoTransfer,
        (Err(Unlabelled::NothingMatches(_)), Unmatched::Flow(flow)) => {
            Reading::Transfer(Labelled { flow: Some(flow.as_ref().into()), ..Labelled::default() })
        }
        (Err(unlabelled), Unmatched::Refuse | Unmatched::Allow | Unmatched::Flow(_)) => Reading::Refused(unlabelled),
    }
}

/// What the label headers say.
#[derive(Debug, Default)]
struct Sent<'a> {
    flow: Option<std::borrow::Cow<'a, str>>,
    persons: Option<u64>,
    sensitive_persons: Option<u64>,
    transfer_id: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Sent<'a> {
    fn read<S: Seen + ?Sized>(headers: &LabelHeaders, seen: &'a S, problems: &mut Problems) -> Self {
        let mut text = |name: &str, label| {
            value::header(seen, name).unwrap_or_else(|fault| {
                problems.add(label, Origin::Header(name.to_owned()), fault);
                None
            })
        };
        let flow = text(&headers.flow, Label::Flow);
        let persons = text(&headers.persons, Label::Persons);
        let sensitive_persons = text(&headers.sensitive_persons, Label::SensitivePersons);
        let transfer_id = text(&headers.transfer_id, Label::TransferId);
        let mut number = |text: Option<std::borrow::Cow<'_, str>>, name: &str, label| {
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

/// Puts the numbers of persons together. A class that is sent has to have its own: a label that
/// is left out must not count as nobody.
fn count(
    snapshot: &Snapshot,
    headers: &LabelHeaders,
    labelled: &mut Labelled<'_>,
    (general, sensitive): (Option<u64>, Option<u64>),
    problems: &mut Problems,
) {
    let sent = content(snapshot, labelled);
    let needed = [
        (sent.general && general.is_none(), Label::Persons, &headers.persons),
        (sent.sensitive && sensitive.is_none(), Label::SensitivePersons, &headers.sensitive_persons),
    ];
    for (is_missing, label, name) in needed {
        if is_missing && !problems.found.iter().any(|problem| problem.label == label) {
            problems.add(label, Origin::Header(name.to_string()), Fault::Missing);
        }
    }
    if general.is_some() || sensitive.is_some() {
        labelled.persons = Some(AskedPersons { general: general.unwrap_or(0), sensitive: sensitive.unwrap_or(0) });
    }
}

/// Returns which classes of personal information a transfer is known to consist of. What is
/// not known at all is refused when the transfer is resolved.
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
    let mut add = |class: Class| match class {
        Class::NonPersonal | Class::Important => {}
        Class::General => content.general = true,
        Class::Sensitive => content.sensitive = true,
    };
    if labelled.items.is_empty() {
        let routes = flow.iter().flat_map(|flow| &flow.routes);
        for route in routes.filter_map(|(_, route)| snapshot.route(*route)) {
            content.general |= route.content.general;
            content.sensitive |= route.content.sensitive;
        }
        return content;
    }
    for item in &labelled.items {
        if let Some(known) = snapshot.codes.items.get(&item.code).map(ItemId) {
            add(snapshot.class_of(known));
            // An entry of a list may make sensitive information of what the catalogue calls general.
            add(snapshot.strictest_class_of(known));
        }
        if let Some(class) = item.class {
            add(class);
        }
    }
    content
}

fn nothing<S: Seen + ?Sized>(headers: &LabelHeaders, seen: &S) -> Nothing {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(value::shown);
    let path = seen.path().map(|path| path.split(['?', '#']).next().unwrap_or_default());
    Nothing {
        host: text(seen.host()),
        method: text(seen.method()),
        path: text(path),
        sni: text(seen.sni()),
        flow_header: headers.flow.to_string(),
    }
}
