//! `kind: registry`: the operator's own exporters, flows and clearances.

use super::closing::Complete;
use super::scalar::{
    At, Bilingual, Class, Code, Day, Ground, Modality, Name, Note, OrAny, OrNone, PersonCount, Words, YesNo,
};
use super::{Format, Kind};
use crate::policy::decode::{record, words};

record! {
    /// A registry file. Entries may be spread over any number of files.
    pub struct RegistryFile {
        /// Format version: 1.
        pub format: Format,
        /// `registry`.
        pub kind: Kind,
        /// Exporters.
        pub exporters: Vec<Exporter>,
        /// Flows.
        pub flows: Vec<Flow>,
        /// Clearances.
        pub clearances: Vec<Clearance>,
        /// Free text.
        pub note: Option<Note>,
        /// `yes`, as the last line of the file: a truncated file lacks it.
        pub complete: Complete,
    }

    /// The same three tables inside a test file.
    pub struct Registry {
        /// Exporters.
        pub exporters: Vec<Exporter>,
        /// Flows.
        pub flows: Vec<Flow>,
        /// Clearances.
        pub clearances: Vec<Clearance>,
    }

    /// A registered exporter.
    pub struct Exporter {
        /// Its id, as callers name it.
        pub id: At<Name>,
        /// Its name.
        pub name: Bilingual,
        /// Zones in which it is registered.
        pub zones: Vec<At<Code>>,
        /// Cities of the catalogue in which it is registered.
        pub cities: Vec<At<Code>>,
        /// Whether it operates critical information infrastructure.
        pub ciio: YesNo,
        /// Kinds that lists exclude.
        pub kinds: Vec<At<Code>>,
        /// Persons whose data it holds.
        pub held: Held,
        /// Free text.
        pub note: Option<Note>,
    }

    /// Persons whose data an exporter holds: stock, not flow.
    pub struct Held {
        /// General information.
        pub general: PersonCount,
        /// Sensitive information.
        pub sensitive: PersonCount,
        /// Specially sensitive information.
        pub specially_sensitive: PersonCount,
    }

    /// A transfer that recurs.
    pub struct Flow {
        /// Its id, as callers name it.
        pub id: At<Name>,
        /// The exporter.
        pub exporter: At<Name>,
        /// The recipient.
        pub recipient: At<Name>,
        /// The destination.
        pub destination: At<Words>,
        /// Sector.
        pub sector: At<Code>,
        /// Scenario.
        pub scenario: At<Code>,
        /// Data that is sent.
        pub items: Vec<FlowItem>,
        /// Ground.
        pub ground: Ground,
        /// Zone that the data leaves from.
        pub export_zone: Option<At<Code>>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A kind of data of a flow.
    pub struct FlowItem {
        /// Its code.
        pub code: At<Code>,
        /// A class stricter than the catalogue's.
        pub class: Option<Class>,
        /// Its modality.
        pub modality: Option<Modality>,
        /// Facts about it.
        pub attributes: Vec<At<Code>>,
    }

    /// A clearance.
    pub struct Clearance {
        /// Its id.
        pub id: At<Name>,
        /// The mechanism that was completed.
        pub kind: ClearanceKind,
        /// The authority's number.
        pub reference: Option<Words>,
        /// The exporter.
        pub exporter: At<Name>,
        /// The recipient.
        pub recipient: At<Name>,
        /// The sector.
        pub sector: OrAny<At<Code>>,
        /// The scenario.
        pub scenario: OrAny<At<Code>>,
        /// Data that may be sent.
        pub items: Vec<At<Code>>,
        /// Whether important data was assessed too.
        pub covers_important_data: YesNo,
        /// For a zone filing: the editions under which it was accepted.
        pub lists: Vec<At<Code>>,
        /// For a contract of the Greater Bay Area: where the recipient is registered.
        pub recipient_registered_in: Option<At<AreaPlace>>,
        /// For a contract of the Greater Bay Area: that nothing is passed on outside the Area.
        pub no_onward_transfer: Option<At<YesNo>>,
        /// The assessment that this one extends.
        pub extends: Option<At<Name>>,
        /// Cap: most persons in a calendar year.
        pub persons_per_year_max: OrNone<Cap>,
        /// First day in force.
        pub first_day: At<Day>,
        /// Last day in force.
        pub last_day: At<Day>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A cap of persons, by class.
    pub struct Cap {
        /// General information.
        pub general: PersonCount,
        /// Sensitive information.
        pub sensitive: PersonCount,
    }
}

words! {
    /// Part of the Greater Bay Area outside the mainland.
    pub enum AreaPlace {
        /// Hong Kong.
        HongKong = "HK",
        /// Macao.
        Macao = "MO",
    }

    /// The mechanism that was completed.
    pub enum ClearanceKind {
        /// Security assessment.
        Assessment = "assessment",
        /// Standard contract.
        Contract = "contract",
        /// Certification.
        Certification = "certification",
        /// Standard contract of the Greater Bay Area.
        GbaContract = "gba-contract",
        /// Zone filing.
        ZoneFiling = "zone-filing",
    }
}
