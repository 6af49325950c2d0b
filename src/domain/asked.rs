//! A request in the caller's words, before codes are looked up, and the violations of a request.
//!
//! Every door makes an [`Asked`]. [`super::resolve`] turns it into a
//! [`Transfer`](super::transfer::Transfer), or returns its violations field by field.

use super::clock::Clocking;
use super::names::{NAME_BYTES_MAX, NameFault};
use super::path::Path;
use super::persons::IdentifierFault;
use super::units::{Class, CountedClass, Country, Ground, Modality, Moment};

/// A transfer in the caller's words. `None` and empty values are not stated.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// Registered flow that supplies the facts that the request does not state.
    pub flow: Option<&'a str>,
    /// Exporter.
    pub exporter: Option<&'a str>,
    /// Facts about the exporter.
    pub exporter_facts: Option<AskedFacts<'a>>,
    /// Recipient.
    pub recipient: Option<&'a str>,
    /// Destination country.
    pub destination: Option<&'a str>,
    /// Sector.
    pub sector: Option<&'a str>,
    /// Scenario.
    pub scenario: Option<&'a str>,
    /// Items of data.
    pub data: Vec<AskedItem<'a>>,
    /// Persons that the transfer adds.
    pub persons: Option<AskedPersons>,
    /// Totals of the year.
    pub year_to_date: Option<AskedPersons>,
    /// Totals of the year in the scenario.
    pub scenario_year_to_date: Option<AskedPersons>,
    /// Totals of the year under the clearance.
    pub clearance_year_to_date: Option<AskedPersons>,
    /// Ground.
    pub ground: Option<Ground>,
    /// Moment to decide for.
    pub at: Option<Moment>,
    /// Zone that the data leaves from.
    pub export_zone: Option<&'a str>,
}

/// Facts about an exporter in the caller's words.
#[derive(Debug, Clone, Default)]
pub struct AskedFacts<'a> {
    /// Operator of critical information infrastructure.
    pub ciio: bool,
    /// Zones of registration.
    pub zones: Vec<&'a str>,
    /// Cities of registration.
    pub cities: Vec<&'a str>,
    /// Kinds that lists exclude.
    pub kinds: Vec<&'a str>,
    /// Persons whose data it holds.
    pub held: AskedPersons,
    /// Persons of whom it holds specially sensitive information.
    pub held_specially_sensitive: u64,
}

/// Head-counts in the caller's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskedPersons {
    /// General.
    pub general: u64,
    /// Sensitive.
    pub sensitive: u64,
}

/// A kind of data in the caller's words.
#[derive(Debug, Clone, Default)]
pub struct AskedItem<'a> {
    /// Code.
    pub code: &'a str,
    /// The caller's own classification.
    pub class: Option<Class>,
    /// Modality.
    pub modality: Option<Modality>,
    /// Attributes.
    pub attributes: Vec<&'a str>,
}

/// Most bytes of a code or a name.
pub const CODE_BYTES_MAX: usize = NAME_BYTES_MAX;
/// Most items of one transfer.
pub const ITEMS_MAX: usize = 256;
/// Most attributes of one item.
pub const ATTRIBUTES_MAX: usize = 16;

/// One fault of a request, with its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The place of the field in the request.
    pub path: Path,
    /// The fault.
    pub problem: Problem,
}

impl Violation {
    /// Returns a violation.
    pub fn new(path: impl Into<Path>, problem: Problem) -> Self {
        Self { path: path.into(), problem }
    }
}

/// The kind of code that a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// A zone.
    Zone,
    /// A city.
    City,
    /// A sector.
    Sector,
    /// A scenario.
    Scenario,
    /// A kind of data.
    Item,
    /// An attribute of a data item.
    Attribute,
    /// A kind of exporter.
    ExporterKind,
    /// A registered exporter.
    Exporter,
    /// A registered flow.
    Flow,
}

impl CodeKind {
    /// Returns the Chinese and the English noun.
    pub const fn nouns(self) -> (&'static str, &'static str) {
        match self {
            CodeKind::Zone => ("区域", "zone"),
            CodeKind::City => ("城市", "city"),
            CodeKind::Sector => ("行业", "sector"),
            CodeKind::Scenario => ("业务场景", "scenario"),
            CodeKind::Item => ("数据项", "data item"),
            CodeKind::Attribute => ("属性", "attribute"),
            CodeKind::ExporterKind => ("出口方类别", "kind of exporter"),
            CodeKind::Exporter => ("出口方", "exporter"),
            CodeKind::Flow => ("数据流", "flow"),
        }
    }
}

/// The fault of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The field is needed and missing.
    Missing(Need),
    /// The code is unknown.
    UnknownCode {
        /// The kind of code that the field takes.
        kind: CodeKind,
        /// The word as it came.
        code: String,
        /// The nearest known code, if one is near.
        nearest: Option<String>,
    },
    /// A code of the caller's own that resembles a stricter code of the catalogue: it is one slip away, looks like it, or
    /// is a name for it in the examples of a list.
    NearMiss {
        /// The word as it came.
        code: String,
        /// The code that it resembles.
        nearest: String,
    },
    /// An exporter that is not registered, one slip away from a registered one.
    NearExporter {
        /// The name as it came.
        code: String,
        /// The registered exporter that it resembles.
        nearest: String,
    },
    /// Not a country code.
    NotACountry {
        /// The word as it came.
        code: String,
        /// The code that is certainly meant, if there is one.
        nearest: Option<String>,
    },
    /// Longer than [`CODE_BYTES_MAX`].
    TooLong {
        /// Bytes as they came.
        bytes: usize,
    },
    /// A name that breaks the rule for names.
    NotAName(NameFault),
    /// A code of the caller's own that breaks the rule for codes.
    NotACode(NameFault),
    /// More entries than allowed.
    TooMany {
        /// Entries as they came.
        count: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// A head-count above the population of the world.
    TooManyPersons {
        /// The number as it came.
        count: u64,
    },
    /// The request states persons, but none of its items is personal information.
    PersonsWithoutPersonalInformation,
    /// The flow belongs to another exporter.
    OtherExportersFlow {
        /// The flow's exporter.
        registered: String,
    },
    /// The ground of the flow was registered for other data than the request sends.
    GroundNotInherited {
        /// The flow.
        flow: String,
    },
    /// The moment is outside the calendar.
    OutOfCalendar,
    /// The caller states no moment, and the clock of the server is not reliable. Not the caller's fault.
    Clock(Clocking),
    /// A field that the contract does not have.
    UnknownField {
        /// Its number.
        number: u32,
    },
    /// A field of the contract, encoded with the wire type of another type.
    WrongWireType {
        /// Its number.
        number: u32,
    },
    /// A number that is no value of the enumeration.
    UnknownNumber {
        /// The number as it came.
        number: i32,
        /// The enumeration.
        name: &'static str,
    },
    /// A time stamp that is not valid.
    NotATimestamp,
    /// The ledger cannot count the request.
    Counting(CountingProblem),
}

/// The fault of a call of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountingProblem {
    /// The caller states a total that the ledger keeps.
    TotalsKeptByLedger,
    /// A pseudonym is too short or too long.
    PseudonymLength {
        /// Bytes as they came.
        bytes: usize,
    },
    /// A text is no identifier of a person.
    Identifier(IdentifierFault),
    /// The request names persons both by pseudonym and by identifier.
    PseudonymsAndIdentifiers,
    /// The request states a kind or a normalisation of identifiers, and has no identifier.
    NoIdentifier,
    /// The server has no key to make pseudonyms of identifiers.
    NoSubjectKey,
    /// The stated number of persons differs from the number of named persons.
    NotAsManyAsNamed {
        /// Persons as stated.
        stated: u64,
        /// Distinct named persons.
        named: u64,
    },
    /// The transfer has information of a class, but names no person of that class.
    NoPersonNamed {
        /// The class.
        class: CountedClass,
    },
    /// A time to live that is zero or too long.
    TimeToLive {
        /// The longest, in seconds.
        max_s: u32,
    },
    /// A moment other than the present: a ledger counts only present transfers.
    NotNow {
        /// The most seconds that the moment may lie in the past.
        age_max_s: u32,
        /// The most seconds that the moment may lie in the future.
        ahead_max_s: u32,
        /// The moment as stated.
        at: Moment,
        /// The moment by the clock of the server.
        now: Moment,
    },
    /// An exporter that is not registered, on a server that counts only registered exporters.
    ExporterNotRegistered,
    /// A number that is not a calendar year.
    NotAYear,
    /// A transfer id with a prefix that is reserved for ids from gateways.
    IdOfADoor {
        /// The reserved prefix.
        prefix: &'static str,
    },
}

/// Fewest bytes of a pseudonym: a shorter one can be guessed, and two persons may share it.
pub const PSEUDONYM_BYTES_MIN: usize = 8;
/// Most bytes of a pseudonym: a keyed hash.
pub const PSEUDONYM_BYTES_MAX: usize = 32;

/// The reason why a field is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Every request has a transfer.
    Transfer,
    /// Every request without a flow needs it.
    UnlessFlow,
    /// The exporter's zone has a list in force.
    ZoneHasList,
    /// An item is personal information.
    PersonalInformation,
    /// The server keeps no totals.
    NoLedger,
    /// The list has separate counters for the scenario, and the server keeps no totals.
    NoLedgerForScenario,
    /// The list treats modalities differently.
    ListExcludesModalities,
    /// A data item has no code.
    ItemCode,
    /// A call of the ledger has no transfer id.
    TransferId,
    /// Identifiers of persons have no kind.
    SubjectKind,
    /// A question about totals has no exporter.
    UsageExporter,
}

/// Codes that are not in ISO 3166-1, and the assigned code that is meant. A code of two letters is too short to guess by
/// spelling.
///
/// Source: `UK` is exceptionally reserved in ISO 3166-1; the European Union uses `EL` for Greece; the others were withdrawn
/// (ISO 3166-3) and have one successor each.
const OTHER_CODES: [(&str, &str); 7] =
    [("UK", "GB"), ("EL", "GR"), ("FX", "FR"), ("BU", "MM"), ("TP", "TL"), ("ZR", "CD"), ("DD", "DE")];

/// Returns the country of a code.
///
/// # Errors
/// [`Problem::NotACountry`], with the code that is certainly meant, if there is one.
pub fn parse_country(code: &str) -> Result<Country, Problem> {
    if let Some(country) = Country::parse(code) {
        return Ok(country);
    }
    let capitals = code.to_ascii_uppercase();
    let known = OTHER_CODES.iter().find(|(other, _)| *other == capitals).map(|(_, code)| (*code).to_owned());
    let nearest = known.or_else(|| Country::parse(&capitals).map(|_| capitals));
    Err(Problem::NotACountry { code: code.to_owned(), nearest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn nearest(code: &str) -> Option<String> {
        match parse_country(code) {
            Err(Problem::NotACountry { code: said, nearest }) if said == code => nearest,
            other => panic!("{code}: {other:?}"),
        }
    }

    #[test]
    fn c_codes_that_are_no_codes_are_answered_with_the_one_that_is_meant() {
        for (code, meant) in [("UK", "GB"), ("uk", "GB"), ("EL", "GR"), ("TP", "TL"), ("ch", "CH"), ("cn", "CN")] {
            assert_eq!(nearest(code).as_deref(), Some(meant), "{code}");
        }
        for code in ["XK", "EU", "SU", "YU", "Germany", "DEU", "", " DE", "ＣＨ"] {
            assert_eq!(nearest(code), None, "{code}");
        }
        for (code, meant) in OTHER_CODES {
            assert!(Country::parse(code).is_none() && Country::parse(meant).is_some(), "{code}");
        }
    }
}
