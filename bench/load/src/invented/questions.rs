//! Questions about the invented policies, and their expected answers.
//!
//! Content of the lists of `files`, and of the registry of `registry`:
//!
//! * items whose number is a multiple of 3 are sensitive, the others general;
//! * list `n` is of zone `n` and names the items `n`, `n + 20`, …; those that are a multiple of 4 are important data
//!   from 100,000,000 persons on;
//! * each list regulates scenarios 0 to 4 of sectors 0 to 4: CONTRACT from 500,000 general or 10,000 sensitive
//!   persons on, ASSESS from 5,000,000 or 50,000 on, FILE below;
//! * elsewhere the national lines: general CONTRACT from 100,000, ASSESS from 1,000,000; sensitive CONTRACT from 1,
//!   ASSESS from 10,000.

use std::fmt::Write as _;

use crate::contract::neglist::v1::{DataClass, DataItem, ExporterFacts, Outcome, Persons, Transfer};
use crate::files::{LISTS, code};

/// Persons of general and of sensitive information that each transfer adds.
const GENERAL: u64 = 12;
const SENSITIVE: u64 = 7;

/// A question.
pub struct Question {
    transfer: Transfer,
    /// Persons since the beginning of the year, before this transfer.
    to_date: Persons,
    /// The counter that they are in: `national`, or that of a scenario.
    counter: String,
    /// Name of the exporter; a flow may supply it.
    pub exporter: String,
    /// The expected answer.
    pub outcome: Outcome,
    /// The flow that it names, where it does.
    pub flow: Option<Flow>,
}

/// A registered flow.
#[derive(Clone)]
pub struct Flow {
    pub zone: usize,
    pub sector: usize,
    pub scenario: usize,
    pub item: usize,
    pub clearance: Clearance,
}

/// Whether a flow has a clearance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clearance {
    None,
    /// A filed contract for up to 1,999,999 general and 40,000 sensitive persons: a cap is compared with both totals
    /// that a question states, added up.
    Contract,
}

impl Question {
    /// Returns the transfer with the totals of the year.
    pub fn stated(&self) -> Transfer {
        let to_date = Some(self.to_date);
        Transfer { year_to_date: to_date, scenario_year_to_date: to_date, ..self.transfer.clone() }
    }

    /// Returns the transfer without them: the ledger has them.
    pub fn unstated(&self) -> Transfer {
        self.transfer.clone()
    }

    /// Returns the transfer with the totals of the year, and in place of its first item a general one with a code of the
    /// caller's own.
    pub fn own(&self, number: usize) -> Transfer {
        let mut transfer = self.stated();
        if let Some(item) = transfer.data.first_mut() {
            *item = DataItem {
                code: format!("acme.own-kind-{number:06}"),
                data_class: DataClass::General.into(),
                ..DataItem::default()
            };
        }
        transfer
    }

    /// Returns the transfer with the totals of the year and an item that no catalogue has, which is refused.
    pub fn misspelt(&self) -> Transfer {
        let mut transfer = self.stated();
        transfer.data.push(DataItem { code: "no-such-item".to_owned(), ..DataItem::default() });
        transfer
    }
}

/// Returns questions through registered flows, spread over the lists; each of an exporter of its own.
pub fn flows(entries: usize) -> Vec<Question> {
    let question = |zone: usize| {
        // Of list `zone`, spread over all of it; some sensitive and some not.
        let item = zone + LISTS * (entries / LISTS * zone / LISTS + zone % 3);
        let (sector, scenario) = (item % 5, zone % 5);
        // Multiples of 4 stay below the 100,000,000 from which they are important.
        let (general, sensitive, outcome, clearance) = match zone % 4 {
            0 => (50_000, 7_000, Outcome::Allow, Clearance::Contract),
            1 => (400_000, 9_000, Outcome::File, Clearance::None),
            2 => (600_000, 12_000, Outcome::Allow, Clearance::Contract),
            _ if zone == LISTS - 1 => (5_000_000, 60_000, Outcome::Assess, Clearance::None),
            _ => (600_000, 12_000, Outcome::Contract, Clearance::None),
        };
        let (persons, to_date) = if item.is_multiple_of(3) {
            (Persons { general: 0, sensitive: SENSITIVE }, Persons { general: 0, sensitive })
        } else {
            (Persons { general: GENERAL, sensitive: 0 }, Persons { general, sensitive: 0 })
        };
        Question {
            transfer: Transfer { flow: format!("measured-flow-{zone}"), persons: Some(persons), ..Transfer::default() },
            to_date,
            counter: scenario_counter(zone, sector, scenario),
            exporter: format!("measured-exporter-{zone}"),
            outcome,
            flow: Some(Flow { zone, sector, scenario, item, clearance }),
        }
    };
    (0..LISTS).map(question).collect()
}

/// Returns questions that say everything: exporters that are not registered, their facts, three items.
pub fn full(entries: usize) -> Vec<Question> {
    let question = |zone: usize| {
        let near = entries / LISTS * zone;
        let plain = |item: &usize| !item.is_multiple_of(3) && !item.is_multiple_of(4);
        let mut items: Vec<usize> = (near..).filter(plain).take(3).collect();
        let (listed, general, sensitive, outcome) = match zone % 4 {
            0 => (false, 50_000, 0, Outcome::Allow),
            1 => (true, 400_000, 0, Outcome::File),
            2 => (false, 99_990, 0, Outcome::Contract),
            _ => (false, 50_000, 9_995, Outcome::Assess),
        };
        if sensitive != 0 {
            items.extend((near..).find(|item| item.is_multiple_of(3) && !item.is_multiple_of(4)));
        }
        // Sector 7 and scenario 9 are on no list.
        let (sector, scenario) = if listed { (zone % 5, zone % 5) } else { (7, 9) };
        let added = if sensitive == 0 { 0 } else { SENSITIVE };
        Question {
            transfer: Transfer {
                persons: Some(Persons { general: GENERAL, sensitive: added }),
                ..spelt(zone, sector, scenario, &items)
            },
            to_date: Persons { general, sensitive },
            counter: if listed { scenario_counter(zone, sector, scenario) } else { "national".to_owned() },
            exporter: unregistered(zone),
            outcome,
            flow: None,
        }
    };
    (0..LISTS).map(question).collect()
}

/// Returns a question in a listed scenario of each zone: whether a filing is enough, which the count decides.
pub fn filings(entries: usize) -> Vec<Question> {
    let question = |zone: usize| {
        let near = entries / LISTS * zone;
        let plain = |item: &usize| !item.is_multiple_of(3) && !item.is_multiple_of(4);
        let items: Vec<usize> = (near..).filter(plain).take(1).collect();
        let (sector, scenario) = (zone % 5, zone / 5);
        let (general, outcome) =
            if zone.is_multiple_of(2) { (400_000, Outcome::File) } else { (600_000, Outcome::Contract) };
        Question {
            transfer: Transfer {
                persons: Some(Persons { general: GENERAL, sensitive: 0 }),
                ..spelt(zone, sector, scenario, &items)
            },
            to_date: Persons { general, sensitive: 0 },
            counter: scenario_counter(zone, sector, scenario),
            exporter: unregistered(zone),
            outcome,
            flow: None,
        }
    };
    (0..LISTS).map(question).collect()
}

/// Returns a question about the shipped policies that needs no total: papers that are not personal.
pub fn shipped() -> Question {
    Question {
        transfer: Transfer { flow: "shipping-papers-to-hamburg".to_owned(), ..Transfer::default() },
        to_date: Persons::default(),
        counter: "national".to_owned(),
        exporter: "91440000EXAMPLE004".to_owned(),
        outcome: Outcome::Allow,
        flow: None,
    }
}

fn spelt(zone: usize, sector: usize, scenario: usize, items: &[usize]) -> Transfer {
    let facts = ExporterFacts {
        zones: vec![format!("zone-{zone}")],
        held: Some(Persons { general: 40_000, sensitive: 3_000 }),
        ..ExporterFacts::default()
    };
    let item = |item: &usize| DataItem { code: code(*item), ..DataItem::default() };
    Transfer {
        exporter: unregistered(zone),
        exporter_facts: Some(facts),
        recipient: format!("recipient-abroad-{zone}"),
        destination: "DE".to_owned(),
        sector: format!("sectors-{sector}"),
        scenario: format!("scenarios-{scenario}"),
        data: items.iter().map(item).collect(),
        ..Transfer::default()
    }
}

fn unregistered(zone: usize) -> String {
    format!("unregistered-exporter-{zone}")
}

fn scenario_counter(zone: usize, sector: usize, scenario: usize) -> String {
    format!("family-{zone}/sectors-{sector}/scenarios-{scenario}")
}

/// Returns the totals that the questions are about, as `neglist ledger import` reads them.
pub fn totals<'q>(year: u16, questions: impl Iterator<Item = &'q Question>) -> String {
    let mut text = "exporter,year,counter,class,persons\n".to_owned();
    for Question { exporter, counter, to_date, .. } in questions {
        for (class, persons) in [("general", to_date.general), ("sensitive", to_date.sensitive)] {
            if persons != 0 {
                let _ = writeln!(text, "{exporter},{year},{counter},{class},{persons}");
            }
        }
    }
    text
}
