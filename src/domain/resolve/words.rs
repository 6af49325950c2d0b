//! Reads the words of a request one by one, and collects the violations.
//!
//! A field is a value: its path is written as text only where an answer shows it.

use crate::domain::asked::{
    ATTRIBUTES_MAX, AskedFacts, AskedItem, AskedPersons, CODE_BYTES_MAX, CodeKind, Need, Problem, Violation,
    parse_country,
};
use crate::domain::names::{check_code, check_name};
use crate::domain::path::{Counts, FactList, Field, ItemField};
use crate::domain::snapshot::Snapshot;
use crate::domain::statement::{Ciio, Destination, Facts, Item};
use crate::domain::units::{
    AttributeId, AttributeSet, CityId, CitySet, Class, CountedClass, Country, Headcount, ItemId, KindId, Persons,
    ZoneId, ZoneSet,
};
use crate::domain::vocabulary::Vocabulary;

/// Violations that get a hint of the word that the caller may have meant.
const HINTS_MAX: usize = 8;

/// The violations found so far, and the readers that find them.
#[derive(Default)]
pub(super) struct Violations(pub(super) Vec<Violation>);

impl Violations {
    pub(super) fn add(&mut self, field: Field, problem: Problem) {
        self.0.push(Violation::new(field, problem));
    }

    /// Checks the length of a word before the look-up.
    pub(super) fn bounded<'a>(&mut self, field: Field, word: &'a str) -> Option<&'a str> {
        if word.len() <= CODE_BYTES_MAX {
            return Some(word);
        }
        self.add(field, Problem::TooLong { bytes: word.len() });
        None
    }

    /// Returns the number of a name, which may be unknown. A known name follows the rule for names.
    pub(super) fn name(&mut self, field: Field, vocabulary: &Vocabulary, name: &str) -> Option<u32> {
        let known = vocabulary.get(self.bounded(field, name)?);
        if known.is_none() {
            self.new_name(field, name);
        }
        known
    }

    /// Checks that an unknown name follows the rule for names.
    pub(super) fn new_name(&mut self, field: Field, name: &str) -> Option<()> {
        check_name(name).map_err(|fault| self.add(field, Problem::NotAName(fault))).ok()
    }

    pub(super) fn code(&mut self, field: Field, kind: CodeKind, vocabulary: &Vocabulary, code: &str) -> Option<u32> {
        let code = self.bounded(field, code)?;
        let known = vocabulary.get(code);
        if known.is_none() {
            self.unknown(field, kind, vocabulary, code);
        }
        known
    }

    /// Says whether the next misspelt word gets a hint. The search costs far more than the refusal, and a
    /// request with many misspelt words would keep a processor busy.
    fn is_worth_a_hint(&self) -> bool {
        self.0.len() < HINTS_MAX
    }

    pub(super) fn unknown(&mut self, field: Field, kind: CodeKind, vocabulary: &Vocabulary, code: &str) {
        let nearest = self.is_worth_a_hint().then(|| vocabulary.nearest(code)).flatten();
        let nearest = nearest.map(|number| vocabulary.word(number).to_owned());
        self.add(field, Problem::UnknownCode { kind, code: code.to_owned(), nearest });
    }

    pub(super) fn destination(&mut self, code: &str) -> Option<Destination> {
        match parse_country(code) {
            Ok(Country::MAINLAND) => Some(Destination::Mainland),
            Ok(country) => Some(Destination::Abroad(country)),
            Err(problem) => {
                if let Some(code) = self.bounded(Field::Destination, code) {
                    debug_assert!(code.len() <= CODE_BYTES_MAX, "checked by its length");
                    self.add(Field::Destination, problem);
                }
                None
            }
        }
    }

    pub(super) fn persons(&mut self, field: Field, count: u64) -> Persons {
        Persons::new(count).unwrap_or_else(|| {
            self.add(field, Problem::TooManyPersons { count });
            Persons::MAX
        })
    }

    /// Reads head-counts. Inlined, because a request states up to four.
    #[inline]
    pub(super) fn headcount(&mut self, counts: Counts, asked: Option<AskedPersons>) -> Option<Headcount> {
        let AskedPersons { general, sensitive } = asked?;
        match (Persons::new(general), Persons::new(sensitive)) {
            (Some(general), Some(sensitive)) => Some(Headcount { general, sensitive }),
            _ => Some(self.too_many_persons(counts, general, sensitive)),
        }
    }

    #[cold]
    fn too_many_persons(&mut self, counts: Counts, general: u64, sensitive: u64) -> Headcount {
        Headcount {
            general: self.persons(Field::Count(counts, CountedClass::General), general),
            sensitive: self.persons(Field::Count(counts, CountedClass::Sensitive), sensitive),
        }
    }

    pub(super) fn zones(&mut self, snapshot: &Snapshot, field: Field, code: &str) -> Option<ZoneSet> {
        let number = self.code(field, CodeKind::Zone, &snapshot.codes.zones, code)?;
        u8::try_from(number).ok().map(|number| snapshot.zone_closure(ZoneId(number)))
    }

    pub(super) fn facts(&mut self, snapshot: &Snapshot, asked: &AskedFacts<'_>) -> Facts {
        let ciio = if asked.ciio { Ciio::Yes } else { Ciio::No };
        let mut facts = Facts { ciio, ..Facts::default() };
        if ZoneSet::MEMBERS_MAX < asked.zones.len() {
            let problem = Problem::TooMany { count: asked.zones.len(), max: ZoneSet::MEMBERS_MAX };
            self.add(Field::Facts(FactList::Zones), problem);
            return facts;
        }
        for (index, code) in asked.zones.iter().enumerate() {
            if let Some(zones) = self.zones(snapshot, Field::Fact(FactList::Zones, index), code) {
                facts.zones = facts.zones.union(zones);
            }
        }
        if CitySet::MEMBERS_MAX < asked.cities.len() {
            let problem = Problem::TooMany { count: asked.cities.len(), max: CitySet::MEMBERS_MAX };
            self.add(Field::Facts(FactList::Cities), problem);
            return facts;
        }
        for (index, code) in asked.cities.iter().enumerate() {
            let field = Field::Fact(FactList::Cities, index);
            let number = self.code(field, CodeKind::City, &snapshot.codes.cities, code);
            let city = number.and_then(|number| u8::try_from(number).ok()).map(CityId);
            facts.in_greater_bay_area |= city.is_some_and(|city| snapshot.lists.greater_bay_area.contains(city));
        }
        if ZoneSet::MEMBERS_MAX < asked.kinds.len() {
            let problem = Problem::TooMany { count: asked.kinds.len(), max: ZoneSet::MEMBERS_MAX };
            self.add(Field::Facts(FactList::Kinds), problem);
            return facts;
        }
        for (index, code) in asked.kinds.iter().enumerate() {
            let field = Field::Fact(FactList::Kinds, index);
            let number = self.code(field, CodeKind::ExporterKind, &snapshot.codes.kinds, code);
            if let Some(number) = number.and_then(|number| u8::try_from(number).ok()) {
                facts.kinds.insert(KindId(number));
            }
        }
        facts.held = self.headcount(Counts::Held, Some(asked.held)).unwrap_or_default();
        facts.held_specially_sensitive = self.persons(Field::HeldSpeciallySensitive, asked.held_specially_sensitive);
        facts
    }

    pub(super) fn item(&mut self, snapshot: &Snapshot, index: usize, asked: &AskedItem<'_>) -> Option<Item> {
        let code = Field::Item(index, ItemField::Code);
        if asked.code.is_empty() {
            self.add(code, Problem::Missing(Need::ItemCode));
            return None;
        }
        if CODE_BYTES_MAX < asked.code.len() {
            self.add(code, Problem::TooLong { bytes: asked.code.len() });
            return None;
        }
        let vocabulary = &snapshot.codes.items;
        let id = vocabulary.get(asked.code).map(ItemId);
        match (id, asked.class) {
            (Some(_), _) => {}
            (None, None) => self.unknown(code, CodeKind::Item, vocabulary, asked.code),
            (None, Some(class)) => self.own_code(snapshot, code, asked.code, class),
        }
        let mut item = Item { id, declared: asked.class, modality: asked.modality, ..EMPTY_ITEM };
        if ATTRIBUTES_MAX < asked.attributes.len() {
            let problem = Problem::TooMany { count: asked.attributes.len(), max: ATTRIBUTES_MAX };
            self.add(Field::Item(index, ItemField::Attributes), problem);
            return None;
        }
        for (position, code) in asked.attributes.iter().enumerate() {
            let field = Field::Item(index, ItemField::Attribute(position));
            let number = self.code(field, CodeKind::Attribute, &snapshot.codes.attributes, code);
            if let Some(number) = number.and_then(|number| u8::try_from(number).ok()) {
                item.attributes.insert(AttributeId(number));
            }
        }
        Some(item)
    }

    /// Checks a code of the caller's own, which the caller has classified. It must not resemble a code that the catalogue or a
    /// list classes more strictly: such a code would evade the lists.
    fn own_code(&mut self, snapshot: &Snapshot, field: Field, code: &str, class: Class) {
        // The request already has so many violations that it is refused regardless of this check.
        if !self.is_worth_a_hint() {
            return;
        }
        if let Some(stricter) = snapshot.stricter_code_like(code, class) {
            let nearest = snapshot.codes.items.word(stricter.0).to_owned();
            self.add(field, Problem::NearMiss { code: code.to_owned(), nearest });
        } else if let Err(fault) = check_code(code) {
            self.add(field, Problem::NotACode(fault));
        }
    }
}

const EMPTY_ITEM: Item = Item { id: None, declared: None, modality: None, attributes: AttributeSet::EMPTY };
