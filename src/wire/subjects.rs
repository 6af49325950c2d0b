//! The persons that a request to reserve names: by pseudonym, or by identifier.
//!
//! INVARIANT (never shown): a violation names the field and the place in its list, never an identifier.

use std::fmt;

use crate::domain::asked::{CountingProblem, Need, PSEUDONYM_BYTES_MAX, PSEUDONYM_BYTES_MIN, Problem, Violation};
use crate::domain::named::Named;
use crate::domain::names::NameFault;
use crate::domain::path::RequestField;
use crate::domain::persons::{Identifier, Kind, Normalise, Step, Subject};
use crate::domain::units::CountedClass;
use crate::wire::generated::v1;

/// Persons that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedPersons {
    /// By pseudonyms of the caller's own.
    ByPseudonym(Named<Box<[u8]>>),
    /// By identifiers, of which the server makes pseudonyms.
    ByIdentifier(Named<Subject>),
}

impl NamedPersons {
    /// Returns the number of persons: general, then sensitive.
    pub fn count(&self) -> (u64, u64) {
        match self {
            NamedPersons::ByPseudonym(named) => named.count(),
            NamedPersons::ByIdentifier(named) => named.count(),
        }
    }

    /// Returns the field that names the persons of a class.
    pub const fn field(&self, class: CountedClass) -> RequestField {
        match self {
            NamedPersons::ByPseudonym(_) => RequestField::Subjects(class),
            NamedPersons::ByIdentifier(_) => RequestField::SubjectIds(class),
        }
    }
}

/// Reads the persons that a request names; `None` if it names none. Adds the violations.
pub(super) fn read(
    request: &v1::ReserveRequest,
    subjects_max: usize,
    violations: &mut Vec<Violation>,
) -> Option<NamedPersons> {
    let v1::ReserveRequest { general_subjects, sensitive_subjects, general_subject_ids, sensitive_subject_ids, .. } =
        request;
    let general = pseudonyms(CountedClass::General, general_subjects, subjects_max, violations);
    let sensitive = pseudonyms(CountedClass::Sensitive, sensitive_subjects, subjects_max, violations);
    let has_pseudonyms = !general_subjects.is_empty() || !sensitive_subjects.is_empty();
    let has_identifiers = !general_subject_ids.is_empty() || !sensitive_subject_ids.is_empty();
    if has_pseudonyms && has_identifiers {
        let class = if general_subject_ids.is_empty() { CountedClass::Sensitive } else { CountedClass::General };
        let problem = Problem::Counting(CountingProblem::PseudonymsAndIdentifiers);
        violations.push(Violation::new(RequestField::SubjectIds(class), problem));
    }
    let identified = identified(request, has_identifiers, subjects_max, violations);
    if has_identifiers {
        identified.map(NamedPersons::ByIdentifier)
    } else {
        let is_named = !general.is_empty() || !sensitive.is_empty();
        is_named.then(|| NamedPersons::ByPseudonym(Named::new(general, sensitive)))
    }
}

/// Checks how many persons of each class a gateway's request names, by identifier.
///
/// # Errors
/// More than `max` of a class.
pub fn check_count(named: &Named<Subject>, max: usize) -> Result<(), Vec<Violation>> {
    let counts = [(CountedClass::General, named.general.len()), (CountedClass::Sensitive, named.sensitive.len())];
    let too_many = counts.into_iter().filter(|(_, count)| max < *count);
    let violations: Vec<_> =
        too_many.map(|(class, count)| self::too_many(RequestField::SubjectIds(class), count, max)).collect();
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn pseudonyms(
    class: CountedClass,
    subjects: &[Vec<u8>],
    max: usize,
    violations: &mut Vec<Violation>,
) -> Vec<Box<[u8]>> {
    if max < subjects.len() {
        violations.push(too_many(RequestField::Subjects(class), subjects.len(), max));
        return Vec::new();
    }
    let mut read = Vec::with_capacity(subjects.len());
    for (index, pseudonym) in subjects.iter().enumerate() {
        if (PSEUDONYM_BYTES_MIN..=PSEUDONYM_BYTES_MAX).contains(&pseudonym.len()) {
            read.push(pseudonym.as_slice().into());
        } else {
            let problem = CountingProblem::PseudonymLength { bytes: pseudonym.len() };
            violations.push(Violation::new(RequestField::Subject(class, index), Problem::Counting(problem)));
        }
    }
    read
}

/// Reads identifiers, their kind and their normalisation. `None` if no identifier can be read without all three.
fn identified(
    request: &v1::ReserveRequest,
    has_identifiers: bool,
    max: usize,
    violations: &mut Vec<Violation>,
) -> Option<Named<Subject>> {
    let v1::ReserveRequest { general_subject_ids, sensitive_subject_ids, subject_kind, subject_normalise, .. } =
        request;
    let normalise = normalise(subject_normalise, violations);
    if !has_identifiers {
        let is_described = !subject_kind.is_empty() || !subject_normalise.is_empty();
        if is_described {
            let problem = Problem::Counting(CountingProblem::NoIdentifier);
            violations.push(Violation::new(RequestField::SubjectIds(CountedClass::General), problem));
        }
        return None;
    }
    let kind = Kind::parse(subject_kind).map_err(|fault| match fault {
        NameFault::Empty => Problem::Missing(Need::SubjectKind),
        NameFault::TooLong { bytes } => Problem::TooLong { bytes },
        fault => Problem::NotAName(fault),
    });
    let kind = match kind {
        Ok(kind) => Some(kind),
        Err(problem) => {
            violations.push(Violation::new(RequestField::SubjectKind, problem));
            None
        }
    };
    let (kind, normalise) = (kind?, normalise?);
    let general = subjects(CountedClass::General, general_subject_ids, &kind, normalise, max, violations);
    let sensitive = subjects(CountedClass::Sensitive, sensitive_subject_ids, &kind, normalise, max, violations);
    Some(Named::new(general, sensitive))
}

fn subjects(
    class: CountedClass,
    identifiers: &[String],
    kind: &Kind,
    normalise: Normalise,
    max: usize,
    violations: &mut Vec<Violation>,
) -> Vec<Subject> {
    if max < identifiers.len() {
        violations.push(too_many(RequestField::SubjectIds(class), identifiers.len(), max));
        return Vec::new();
    }
    let mut read = Vec::with_capacity(identifiers.len());
    for (index, text) in identifiers.iter().enumerate() {
        match Identifier::new(text, normalise) {
            Ok(identifier) => read.push(Subject { kind: kind.clone(), identifier }),
            Err(fault) => {
                let problem = Problem::Counting(CountingProblem::Identifier(fault));
                violations.push(Violation::new(RequestField::SubjectId(class, index), problem));
            }
        }
    }
    read
}

fn normalise(steps: &[i32], violations: &mut Vec<Violation>) -> Option<Normalise> {
    let mut read = Some(Normalise::NONE);
    for (index, number) in steps.iter().enumerate() {
        let step = match v1::SubjectNormalisation::try_from(*number) {
            Ok(v1::SubjectNormalisation::Trim) => Some(Step::Trim),
            Ok(v1::SubjectNormalisation::Lowercase) => Some(Step::Lowercase),
            Ok(v1::SubjectNormalisation::Digits) => Some(Step::Digits),
            Ok(v1::SubjectNormalisation::Nfc) => Some(Step::Nfc),
            Ok(v1::SubjectNormalisation::Unspecified) | Err(_) => None,
        };
        if step.is_none() {
            let problem = Problem::UnknownNumber { number: *number, name: "SubjectNormalisation" };
            violations.push(Violation::new(RequestField::SubjectNormalise(index), problem));
        }
        read = read.zip(step).map(|(read, step)| read.with(step));
    }
    read
}

/// Without the persons, so that no log can have them by accident.
impl fmt::Debug for v1::ReserveRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveRequest").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

fn too_many(field: RequestField, count: usize, max: usize) -> Violation {
    Violation::new(field, Problem::TooMany { count, max })
}
