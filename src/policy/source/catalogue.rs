//! `kind: catalogue`: the codes of zones, sectors, scenarios, kinds of data and attributes.

use super::closing::Complete;
use super::scalar::{At, Bilingual, Class, Code, Confidence, Note, Source, Sources, Table, YesNo};
use super::{Format, Kind};
use crate::policy::decode::record;

record! {
    /// A catalogue file. Codes may be spread over any number of files.
    pub struct Catalogue {
        /// Format version: 1.
        pub format: Format,
        /// `catalogue`.
        pub kind: Kind,
        /// Sources that entries refer to.
        pub sources: Table<Source>,
        /// Free trade zones and municipalities.
        pub zones: Vec<Zone>,
        /// Cities whose registration opens a mechanism.
        pub cities: Vec<City>,
        /// Sectors.
        pub sectors: Vec<Word>,
        /// Business scenarios.
        pub scenarios: Vec<Word>,
        /// Kinds of exporter that lists exclude.
        pub exporter_kinds: Vec<Word>,
        /// Facts about data that entries and their exceptions refer to.
        pub attributes: Vec<Word>,
        /// Kinds of data.
        pub items: Vec<Item>,
        /// Free text.
        pub note: Option<Note>,
        /// `yes`, as the last line of the file: a truncated file lacks it.
        pub complete: Complete,
    }

    /// A zone.
    pub struct Zone {
        /// Its code.
        pub code: At<Code>,
        /// Its name.
        pub name: Bilingual,
        /// The zone that contains this one: exporters registered here count as registered there too.
        pub within: Option<At<Code>>,
        /// Where it is named.
        pub source: Option<Sources>,
        /// How reliable that is.
        pub confidence: Option<Confidence>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A city.
    pub struct City {
        /// Its code.
        pub code: At<Code>,
        /// Its name.
        pub name: Bilingual,
        /// Whether it is one of the mainland cities of the Greater Bay Area.
        pub greater_bay_area: YesNo,
        /// Where it is named.
        pub source: Option<Sources>,
        /// How reliable that is.
        pub confidence: Option<Confidence>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A sector, a scenario, a kind of exporter or an attribute.
    pub struct Word {
        /// Its code.
        pub code: At<Code>,
        /// Its name.
        pub name: Bilingual,
        /// Where it is named.
        pub source: Option<Sources>,
        /// How reliable that is.
        pub confidence: Option<Confidence>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A kind of data.
    pub struct Item {
        /// Its code; its parts are joined by dots.
        pub code: At<Code>,
        /// Its name.
        pub name: Bilingual,
        /// The class that it has without any list.
        pub class: Class,
        /// Whether it counts towards holdings of specially sensitive information.
        pub specially_sensitive: YesNo,
        /// Where its class is said.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }
}
