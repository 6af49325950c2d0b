//! The quantities and names of the domain: persons, moments, codes by number.
//!
//! Every type is a plain value, valid by construction. Nothing here reads a clock or a time zone: a
//! [`Moment`] is a point on the UTC time line. [`super::calendar`] says in which year it falls; the
//! policy compiler builds the calendar from a time-zone database.

use std::fmt;
use std::ops::Add;

/// A number of distinct natural persons. Not records, not transfers.
///
/// Range: `0..=Persons::MAX`, so that the sum of a few never overflows a `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Persons(u64);

impl Persons {
    /// The largest head-count that is accepted: ten billion, above the population of the world. A
    /// larger number in a request or a file is a mistake and is refused.
    pub const MAX: Persons = Persons(10_000_000_000);
    /// No person.
    pub const ZERO: Persons = Persons(0);
    /// One person.
    pub const ONE: Persons = Persons(1);

    /// Returns the head-count, or `None` above [`Persons::MAX`].
    pub const fn new(count: u64) -> Option<Self> {
        if count <= Self::MAX.0 { Some(Self(count)) } else { None }
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Add for Persons {
    type Output = Persons;

    /// Adds head-counts. The sum saturates far above every line, so an impossibly large sum can only
    /// lead to a stricter outcome.
    fn add(self, other: Persons) -> Persons {
        Persons(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Persons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Head-counts by class of information: general and sensitive apart.
///
/// A person with information of both classes is in both counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Headcount {
    /// Persons whose general personal information is concerned.
    pub general: Persons,
    /// Persons whose sensitive personal information is concerned.
    pub sensitive: Persons,
}

impl Headcount {
    /// No person in either class.
    pub const ZERO: Headcount = Headcount { general: Persons::ZERO, sensitive: Persons::ZERO };

    /// Returns the persons of one class.
    pub const fn of(self, class: CountedClass) -> Persons {
        match class {
            CountedClass::General => self.general,
            CountedClass::Sensitive => self.sensitive,
        }
    }

    /// Returns both classes added up: the conservative size of a group.
    pub fn total(self) -> Persons {
        self.general + self.sensitive
    }

    /// Subtracts the other head-counts, class by class; stops at zero.
    #[must_use]
    pub const fn less(self, other: Headcount) -> Headcount {
        Headcount {
            general: Persons(self.general.0.saturating_sub(other.general.0)),
            sensitive: Persons(self.sensitive.0.saturating_sub(other.sensitive.0)),
        }
    }

    /// Returns the smaller of the two, class by class.
    #[must_use]
    pub fn min(self, other: Headcount) -> Headcount {
        Headcount { general: self.general.min(other.general), sensitive: self.sensitive.min(other.sensitive) }
    }

    /// Returns the larger of the two, class by class.
    #[must_use]
    pub fn max(self, other: Headcount) -> Headcount {
        Headcount { general: self.general.max(other.general), sensitive: self.sensitive.max(other.sensitive) }
    }
}

impl Add for Headcount {
    type Output = Headcount;

    fn add(self, other: Headcount) -> Headcount {
        Headcount { general: self.general + other.general, sensitive: self.sensitive + other.sensitive }
    }
}

/// The two classes of personal information that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CountedClass {
    /// Personal information that is not sensitive.
    General,
    /// Sensitive personal information (PIPL art. 28).
    Sensitive,
}

impl CountedClass {
    /// Both, in the order in which they are reported.
    pub const ALL: [CountedClass; 2] = [CountedClass::General, CountedClass::Sensitive];

    /// Returns the word for the class in the names of counters.
    pub const fn name(self) -> &'static str {
        match self {
            CountedClass::General => "general",
            CountedClass::Sensitive => "sensitive",
        }
    }
}

/// Class of a kind of data, from least to most protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Neither personal information nor important data.
    NonPersonal,
    /// Personal information that is not sensitive.
    General,
    /// Sensitive personal information (PIPL art. 28; everything about minors under 14).
    Sensitive,
    /// Important data.
    Important,
}

impl Class {
    /// Returns the word for the class in policy files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Class::NonPersonal => "non-personal",
            Class::General => "general",
            Class::Sensitive => "sensitive",
            Class::Important => "important",
        }
    }
}

/// Modality of data, for lists that treat modalities differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modality {
    /// Text.
    Text,
    /// Sound.
    Audio,
    /// Still images.
    Image,
    /// Moving images.
    Video,
}

impl Modality {
    /// All modalities.
    pub const ALL: [Modality; 4] = [Modality::Text, Modality::Audio, Modality::Image, Modality::Video];

    /// Returns the word for the modality in policy files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Audio => "audio",
            Modality::Image => "image",
            Modality::Video => "video",
        }
    }
}

/// A set of modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ModalitySet(u8);

impl ModalitySet {
    /// Adds a modality.
    pub const fn insert(&mut self, modality: Modality) {
        self.0 |= 1 << modality as u8;
    }

    /// Says whether the modality is in the set.
    pub const fn contains(self, modality: Modality) -> bool {
        self.0 & (1 << modality as u8) != 0
    }

    /// Says whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A ground on which the Provisions of 2024 exempt a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ground {
    /// Art. 4: collected abroad, processed here, sent out again.
    Transit,
    /// Art. 5(1)(1): to conclude or perform a contract with the individual.
    ContractNecessity,
    /// Art. 5(1)(2): cross-border management of human resources.
    HumanResources,
    /// Art. 5(1)(3): life, health or property in an emergency.
    Emergency,
}

impl Ground {
    /// All grounds, in the order of the articles.
    pub const ALL: [Ground; 4] =
        [Ground::Transit, Ground::ContractNecessity, Ground::HumanResources, Ground::Emergency];

    /// Returns the word for the ground in policy files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Ground::Transit => "transit",
            Ground::ContractNecessity => "contract-necessity",
            Ground::HumanResources => "human-resources",
            Ground::Emergency => "emergency",
        }
    }
}

/// Where data goes: an ISO 3166-1 alpha-2 code. HK, MO and TW are outside the mainland.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Mainland China: a transfer there is not an export.
    pub const MAINLAND: Country = Country(*b"CN");
    /// Hong Kong.
    pub const HONG_KONG: Country = Country(*b"HK");
    /// Macao.
    pub const MACAO: Country = Country(*b"MO");

    /// Returns the country of an officially assigned code in capital letters, or `None`.
    ///
    /// Source: ISO 3166-1, officially assigned alpha-2 codes.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 2] = code.as_bytes().try_into().ok()?;
        let [first, second] = bytes.map(|byte| byte.wrapping_sub(b'A'));
        let row = ASSIGNED.get(usize::from(first))?;
        (second < LETTERS && row >> second & 1 == 1).then_some(Self(bytes))
    }

    /// Returns the officially assigned codes, in alphabetical order.
    pub fn assigned() -> impl Iterator<Item = &'static str> {
        ASSIGNED_COUNTRIES.split_ascii_whitespace()
    }
}

/// ISO 3166-1, officially assigned alpha-2 codes.
const ASSIGNED_COUNTRIES: &str = "\
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP \
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT \
MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG \
UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Capital letters.
const LETTERS: u8 = 26;

/// The same codes: for each first letter a bit for each second one.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where an index out of bounds is an error")]
const ASSIGNED: [u32; LETTERS as usize] = {
    let codes = ASSIGNED_COUNTRIES.as_bytes();
    let mut rows = [0; LETTERS as usize];
    let mut place = 0;
    // Two letters and a separator.
    while place < codes.len() {
        rows[(codes[place] - b'A') as usize] |= 1 << (codes[place + 1] - b'A');
        place += 3;
    }
    rows
};

/// A point on the UTC time line, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    seconds: i64,
    nanos: u32,
}

impl Moment {
    /// Returns the moment, or `None` if `nanos` is not below one second.
    ///
    /// `seconds`: since 1970-01-01T00:00:00Z.
    pub const fn new(seconds: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 { Some(Self { seconds, nanos }) } else { None }
    }

    /// Returns the moment at a whole second since 1970-01-01T00:00:00Z.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Returns the whole seconds since 1970-01-01T00:00:00Z.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds within the second: `0..=999_999_999`.
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Returns the moment that many seconds later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), nanos: self.nanos }
    }
}

/// An interval of time: includes its first moment, excludes its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// First moment within.
    pub from: Moment,
    /// First moment after it; `None` if no end is known.
    pub until: Option<Moment>,
}

impl Interval {
    /// Says whether the moment lies within.
    pub fn contains(self, moment: Moment) -> bool {
        self.from <= moment && self.until.is_none_or(|until| moment < until)
    }

    /// Says whether the two have a moment in common.
    pub fn overlaps(self, other: Interval) -> bool {
        self.until.is_none_or(|until| other.from < until) && other.until.is_none_or(|until| self.from < until)
    }

    /// Returns the first of its two bounds that lies after the moment.
    pub fn next_bound(self, after: Moment) -> Option<Moment> {
        if after < self.from { Some(self.from) } else { self.until.filter(|until| after < *until) }
    }
}

/// A calendar year in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Year(pub u16);

impl fmt::Display for Year {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($repr:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            /// Returns the index in the table of this kind.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A zone of the catalogue, by its number in one snapshot.
    ZoneId(u8);
    /// A sector of the catalogue. [`SectorId::OTHER`] is built in.
    SectorId(u16);
    /// A scenario of the catalogue. [`ScenarioId::OTHER`] is built in.
    ScenarioId(u16);
    /// A kind of data in the catalogue.
    ItemId(u32);
    /// An attribute of the catalogue.
    AttributeId(u8);
    /// A city of the catalogue.
    CityId(u8);
    /// A kind of exporter that lists exclude.
    KindId(u8);
    /// A registered exporter.
    ExporterId(u32);
    /// A recipient that a flow or a clearance names.
    RecipientId(u32);
    /// A registered flow.
    FlowId(u32);
    /// A clearance.
    ClearanceId(u32);
    /// A rule, line or entry that a reason names.
    RuleId(u32);
    /// An edition of a zone list.
    EditionId(u16);
    /// An edition of the national rules.
    NationalId(u16);
    /// A next step that an answer names.
    StepId(u32);
    /// A route of a flow, built when the policies are compiled.
    RouteId(u32);
    /// A family of editions that share their scenario counters.
    FamilyId(u16);
}

impl SectorId {
    /// "None of the listed": an explicit answer, never a default.
    pub const OTHER: SectorId = SectorId(0);
}

impl ScenarioId {
    /// "None of the listed": an explicit answer, never a default.
    pub const OTHER: ScenarioId = ScenarioId(0);
}

/// The code of [`SectorId::OTHER`] and [`ScenarioId::OTHER`].
pub const OTHER: &str = "other";

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident of $id:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// The most members that the catalogue may have: one bit each.
            pub const MEMBERS_MAX: usize = 64;
            /// The set without members.
            pub const EMPTY: $name = $name(0);

            /// Adds a member.
            pub const fn insert(&mut self, id: $id) {
                self.0 |= 1 << id.0;
            }

            /// Says whether the member is in the set.
            pub const fn contains(self, id: $id) -> bool {
                self.0 & (1 << id.0) != 0
            }

            /// Says whether every member of `other` is in this set too.
            pub const fn contains_all(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Says whether the two sets have a member in common.
            pub const fn intersects(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            /// Says whether the set is empty.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Returns the members of either set.
            #[must_use]
            pub const fn union(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            /// Returns the members in ascending order.
            pub fn iter(self) -> impl Iterator<Item = $id> {
                let mut rest = self.0;
                std::iter::from_fn(move || {
                    let bit = u8::try_from(rest.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                    rest &= rest - 1;
                    Some($id(bit))
                })
            }
        }
    )*};
}

sets! {
    /// A set of zones.
    ZoneSet of ZoneId;
    /// A set of cities.
    CitySet of CityId;
    /// A set of kinds of exporter.
    KindSet of KindId;
    /// A set of attributes of a data item.
    AttributeSet of AttributeId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_the_assigned_codes() {
        assert_eq!(Country::assigned().count(), 249);
        assert!(Country::assigned().is_sorted());
        assert_eq!(Country::parse("CN"), Some(Country::MAINLAND));
        for wrong in ["", "C", "cn", "XK", "CHN", "ZZ", "中"] {
            assert_eq!(Country::parse(wrong), None, "{wrong}");
        }
        // Only the bytes of an assigned code are accepted.
        for (first, second) in (0..128_u8).flat_map(|first| (0..128_u8).map(move |second| (first, second))) {
            let code: String = [first, second].map(char::from).into_iter().collect();
            let is_assigned = Country::assigned().any(|assigned| assigned == code);
            assert_eq!(Country::parse(&code).is_some(), is_assigned, "{code:?}");
        }
    }

    #[test]
    fn an_interval_has_its_first_moment_and_not_its_end() {
        let at = Moment::from_seconds;
        let interval = Interval { from: at(10), until: Some(at(20)) };
        assert_eq!([9, 10, 19, 20].map(|s| interval.contains(at(s))), [false, true, true, false]);
        assert_eq!(interval.next_bound(at(9)), Some(at(10)));
        assert_eq!(interval.next_bound(at(10)), Some(at(20)));
        assert_eq!(interval.next_bound(at(20)), None);
        assert!(!interval.overlaps(Interval { from: at(20), until: None }));
        assert!(interval.overlaps(Interval { from: at(19), until: None }));
    }

    #[test]
    fn sets_iterate_in_order_up_to_the_last_bit() {
        let mut zones = ZoneSet::default();
        for bit in [63, 0, 7] {
            zones.insert(ZoneId(bit));
        }
        assert_eq!(zones.iter().collect::<Vec<_>>(), [ZoneId(0), ZoneId(7), ZoneId(63)]);
    }

    #[test]
    fn persons_are_bounded_and_never_wrap() {
        assert_eq!(Persons::new(u64::MAX), None);
        assert_eq!(Persons::new(10_000_000_000), Some(Persons::MAX));
        assert!(Persons::MAX < Persons::MAX + Persons::ONE);
    }
}
