//! The files, searched from end to end.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use neglist::domain::reason::{Outcome, ReasonCode};
use neglist::domain::units::Moment;
use neglist::policy::SourceFile;
use neglist::policy::source::Document;
use neglist::policy::source::catalogue::{Catalogue, Item, Word, Zone};
use neglist::policy::source::list::{Entry, NationalList, ZoneList};
use neglist::policy::source::registry::{Clearance, ClearanceKind, Exporter, Flow};
use neglist::policy::source::scalar::{At, Day, YesNo};

static SHANGHAI: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Asia/Shanghai").unwrap());

/// All policies, as they were parsed.
#[derive(Debug)]
pub(crate) struct Law<'p>(pub &'p [SourceFile]);

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The outcome: the condition on which the data may leave.
    pub(crate) outcome: Outcome,
    /// The outcome that the rules require before clearances are considered.
    pub(crate) required: Outcome,
    /// The codes of all reasons.
    pub(crate) reasons: BTreeSet<ReasonCode>,
    /// The clearance that satisfied the required outcome.
    pub(crate) clearance: Option<String>,
    /// The procedure that may replace the required one.
    pub(crate) alternative: Option<String>,
    /// Until when the answer holds.
    pub(crate) valid_until: Moment,
    /// The counters to which it adds when it goes ahead, with their class, such as `national/general`.
    pub(crate) counted: BTreeSet<String>,
}

impl<'p> Law<'p> {
    fn documents(&self) -> impl Iterator<Item = &'p Document> + use<'p> {
        self.0.iter().map(|file| &file.document)
    }

    /// Says whether a section of a catalogue has a word.
    fn knows(&self, section: fn(&Catalogue) -> &Vec<Word>, word: &str) -> bool {
        self.documents().any(|document| match document {
            Document::Catalogue(file) => section(file).iter().any(|known| &*known.code.value.0 == word),
            Document::National(_)
            | Document::Zone(_)
            | Document::Registry(_)
            | Document::Gateway(_)
            | Document::Test(_) => false,
        })
    }

    /// Says whether a sector is known.
    pub(crate) fn knows_sector(&self, sector: &str) -> bool {
        sector == "other" || self.knows(|file| &file.sectors, sector)
    }

    /// Says whether a scenario is known.
    pub(crate) fn knows_scenario(&self, scenario: &str) -> bool {
        scenario == "other" || self.knows(|file| &file.scenarios, scenario)
    }

    /// Says whether an attribute is known.
    pub(crate) fn knows_attribute(&self, attribute: &str) -> bool {
        self.knows(|file| &file.attributes, attribute)
    }

    /// Says whether a kind of exporter is known.
    pub(crate) fn knows_kind(&self, kind: &str) -> bool {
        self.knows(|file| &file.exporter_kinds, kind)
    }

    /// Says whether a city lies in the Greater Bay Area; `None` where it is unknown.
    pub(crate) fn city(&self, code: &str) -> Option<bool> {
        self.documents().find_map(|document| {
            let Document::Catalogue(file) = document else { return None };
            let city = file.cities.iter().find(|city| &*city.code.value.0 == code)?;
            Some(city.greater_bay_area == YesNo::Yes)
        })
    }

    /// Returns the catalogue's entry for a kind of data.
    pub(crate) fn item(&self, code: &str) -> Option<&'p Item> {
        self.documents().find_map(|document| {
            let Document::Catalogue(file) = document else { return None };
            file.items.iter().find(|item| &*item.code.value.0 == code)
        })
    }

    /// Returns the entries of all lists that name a kind of data.
    pub(crate) fn entries_of(&self, code: &str) -> impl Iterator<Item = &'p Entry> {
        let mut entries = Vec::new();
        for document in self.documents() {
            if let Document::Zone(list) = document {
                let names = |entry: &&Entry| entry.items.iter().any(|item| &*item.value.0 == code);
                entries.extend(list.entries.iter().filter(names));
            }
        }
        entries.into_iter()
    }

    fn zone(&self, code: &str) -> Option<&'p Zone> {
        self.documents().find_map(|document| {
            let Document::Catalogue(file) = document else { return None };
            file.zones.iter().find(|zone| &*zone.code.value.0 == code)
        })
    }

    /// Returns a zone and all that it lies within; `None` where it is unknown.
    pub(crate) fn zone_and_around(&self, code: &str) -> Option<BTreeSet<&'p str>> {
        let mut zone = self.zone(code)?;
        let mut found = BTreeSet::from([&*zone.code.value.0]);
        while let Some(within) = &zone.within {
            zone = self.zone(&within.value.0)?;
            found.insert(&zone.code.value.0);
        }
        Some(found)
    }

    /// Returns a registered exporter.
    pub(crate) fn exporter(&self, id: &str) -> Option<&'p Exporter> {
        self.documents().find_map(|document| {
            let Document::Registry(file) = document else { return None };
            file.exporters.iter().find(|exporter| &*exporter.id.value.0 == id)
        })
    }

    /// Returns a registered flow.
    pub(crate) fn flow(&self, id: &str) -> Option<&'p Flow> {
        self.flows().into_iter().find(|flow| &*flow.id.value.0 == id)
    }

    /// Returns all registered flows.
    pub(crate) fn flows(&self) -> Vec<&'p Flow> {
        let mut flows = Vec::new();
        for document in self.documents() {
            if let Document::Registry(file) = document {
                flows.extend(&file.flows);
            }
        }
        flows
    }

    /// Returns all clearances: the least kind that suffices comes first, then the first id.
    pub(crate) fn clearances(&self) -> Vec<&'p Clearance> {
        let mut clearances: Vec<&Clearance> = Vec::new();
        for document in self.documents() {
            if let Document::Registry(file) = document {
                clearances.extend(&file.clearances);
            }
        }
        let rank = |kind| match kind {
            ClearanceKind::ZoneFiling => 0,
            ClearanceKind::Contract | ClearanceKind::Certification => 1,
            ClearanceKind::GbaContract => 2,
            ClearanceKind::Assessment => 3,
        };
        clearances.sort_by_key(|clearance| (rank(clearance.kind), &clearance.id.value.0));
        clearances
    }

    /// Returns the national rules in force on a day.
    pub(crate) fn national(&self, today: Date) -> Option<&'p NationalList> {
        self.documents().find_map(|document| {
            let Document::National(list) = document else { return None };
            is_between(today, &list.first_day, list.last_day.as_ref()).then_some(&**list)
        })
    }

    /// Returns all zone lists, whatever their date.
    pub(crate) fn zone_lists(&self) -> Vec<&'p ZoneList> {
        let mut lists = Vec::new();
        for document in self.documents() {
            if let Document::Zone(list) = document {
                lists.push(&**list);
            }
        }
        lists
    }

    /// Returns all scenarios of the catalogue.
    pub(crate) fn scenarios(&self) -> Vec<&'p str> {
        let mut scenarios = Vec::new();
        for document in self.documents() {
            if let Document::Catalogue(file) = document {
                scenarios.extend(file.scenarios.iter().map(|scenario| &*scenario.code.value.0));
            }
        }
        scenarios
    }

    /// Returns the zone lists in force on a day in any of the zones.
    pub(crate) fn lists(&self, today: Date, zones: &BTreeSet<&str>) -> Vec<&'p ZoneList> {
        let mut lists = Vec::new();
        for document in self.documents() {
            if let Document::Zone(list) = document
                && zones.contains(&*list.zone.value.0)
                && is_between(today, &list.first_day, list.last_day.as_ref())
            {
                lists.push(&**list);
            }
        }
        lists
    }

    /// Returns the first midnight after a day at which an edition, a clearance or the year begins or ends.
    pub(crate) fn valid_until(&self, today: Date, clearances: &[&Clearance]) -> Moment {
        let mut turns = vec![Date::new(today.year() + 1, 1, 1).unwrap()];
        let mut add = |first: &At<Day>, last: Option<&At<Day>>| {
            turns.push(first.value.0);
            turns.extend(last.map(|last| last.value.0.tomorrow().unwrap()));
        };
        for document in self.documents() {
            match document {
                Document::National(list) => {
                    add(&list.first_day, list.last_day.as_ref());
                    if let Some(contract) = &list.mechanisms.gba_contract {
                        add(&contract.hong_kong_from, None);
                        add(&contract.macao_from, None);
                    }
                }
                Document::Zone(list) => add(&list.first_day, list.last_day.as_ref()),
                Document::Catalogue(_) | Document::Registry(_) | Document::Gateway(_) | Document::Test(_) => {}
            }
        }
        for clearance in clearances {
            add(&clearance.first_day, Some(&clearance.last_day));
        }
        let next = turns.into_iter().filter(|turn| today < *turn).min().unwrap();
        let timestamp = SHANGHAI.to_timestamp(next.at(0, 0, 0, 0)).unwrap();
        Moment::from_seconds(timestamp.as_second())
    }
}

/// Says whether a day lies between two others, both included.
pub(crate) fn is_between(today: Date, first: &At<Day>, last: Option<&At<Day>>) -> bool {
    first.value.0 <= today && last.is_none_or(|last| today <= last.value.0)
}

/// Returns the day in Shanghai; `None` outside the years that the server knows.
pub(crate) fn day(moment: Moment) -> Option<Date> {
    let timestamp = Timestamp::from_second(moment.seconds()).ok()?;
    let date = SHANGHAI.to_datetime(timestamp).date();
    (2017..=2199).contains(&date.year()).then_some(date)
}
