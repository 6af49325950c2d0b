//! `kind: national-list` and `kind: zone-list`: the rules, one edition in each file.

use serde_json::{Map, Value as Json, json};

use super::closing::Complete;
use super::scalar::{
    At, Bilingual, Class, Code, Confidence, Day, Known, Modality, Note, OrNone, PersonCount, Rows, Small, Source,
    Sources, Table, Words, YesNo, YesNoUnknown,
};
pub use super::settings::{
    Boundary, CiioQuantity, FreesListed, NationalSettings, PartOfHolding, PersonInBothClasses, Settings,
};
use super::{Format, Kind};
use crate::policy::decode::{Context, Decode, record, words};
use crate::policy::yaml::{Node, Value};

record! {
    /// An edition of the national rules.
    pub struct NationalList {
        /// Format version: 1.
        pub format: Format,
        /// `national-list`.
        pub kind: Kind,
        /// Id of the edition; the names of its rules begin with it.
        pub id: At<Code>,
        /// Title of the instrument.
        pub title: Bilingual,
        /// First day in force.
        pub first_day: At<Day>,
        /// Last day in force; absent: no end is known.
        pub last_day: Option<At<Day>>,
        /// Source of title and dates.
        pub source: Sources,
        /// How reliable they are.
        pub confidence: Confidence,
        /// Sources that the file refers to.
        pub sources: Table<Source>,
        /// Rules that are not lines.
        pub rules: NationalRules,
        /// Head-counts since 1 January.
        pub lines: NationalLines,
        /// How long clearances last.
        pub mechanisms: Mechanisms,
        /// Next steps.
        pub procedures: Procedures,
        /// Contested readings.
        pub settings: Option<NationalSettings>,
        /// Rounds of official answers that are known, read or not.
        pub official_answers: Vec<OfficialAnswers>,
        /// Matters that could not be read.
        pub unknown: Vec<Unread>,
        /// Known facts that change no answer.
        pub facts: Vec<Fact>,
        /// Free text.
        pub note: Option<Note>,
        /// `yes`, as the last line of the file: a truncated file lacks it.
        pub complete: Complete,
    }

    /// The rules of a national edition that are not lines.
    pub struct NationalRules {
        /// The scope: data that leaves the mainland.
        pub not_an_export ["not-an-export"]: Rule,
        /// Important data.
        pub important_data ["important-data"]: Rule,
        /// Data that is neither personal nor important.
        pub no_personal_information ["no-personal-information"]: Rule,
        /// Art. 4.
        pub transit ["transit"]: Rule,
        /// Art. 5(1)(1).
        pub contract_necessity ["contract-necessity"]: Rule,
        /// Art. 5(1)(2).
        pub human_resources ["human-resources"]: Rule,
        /// Art. 5(1)(3).
        pub emergency ["emergency"]: Rule,
        /// Art. 5(1)(4).
        pub small_volume ["small-volume"]: Rule,
        /// Operators of critical information infrastructure.
        pub ciio ["ciio"]: Rule,
    }

    /// A rule of the national list.
    pub struct Rule {
        /// Its id within the list.
        pub id: At<Code>,
        /// Instrument and article.
        pub citation: Bilingual,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// The lines of the national list.
    pub struct NationalLines {
        /// For persons whose general information is concerned.
        pub general: NationalPair,
        /// For persons whose sensitive information is concerned.
        pub sensitive: NationalPair,
    }

    /// The two lines of one class.
    pub struct NationalPair {
        /// First head-count that needs a contract or certification.
        pub contract_from: NationalLine,
        /// First head-count that needs an assessment.
        pub assess_from: NationalLine,
    }

    /// A line of the national list.
    pub struct NationalLine {
        /// The head-count; it is itself on the line.
        pub persons: At<PersonCount>,
        /// Its id within the list.
        pub id: At<Code>,
        /// Instrument and article.
        pub citation: Bilingual,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// How long each kind of clearance lasts.
    pub struct Mechanisms {
        /// Security assessment.
        pub assessment: Mechanism,
        /// Standard contract.
        pub contract: Mechanism,
        /// Certification.
        pub certification: Mechanism,
        /// Standard contract of the Greater Bay Area; absent if the edition does not have it.
        pub gba_contract ["gba-contract"]: Option<AreaMechanism>,
    }

    /// How long contracts of the Greater Bay Area last, and from when they exist.
    pub struct AreaMechanism {
        /// Years; `none`: the law sets no number; `unknown`: could not be read.
        pub validity_years: Known<OrNone<Small>>,
        /// Day on which the guideline for Hong Kong was published: no such contract is older.
        pub hong_kong_from: At<Day>,
        /// The same for Macao.
        pub macao_from: At<Day>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// How long a kind of clearance lasts.
    pub struct Mechanism {
        /// Years; `none`: the law sets no number; `unknown`: could not be read.
        pub validity_years: Known<OrNone<Small>>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// Next steps of the national procedures.
    pub struct Procedures {
        /// Standard contract or certification.
        pub contract: Procedure,
        /// Security assessment.
        pub assess: Procedure,
        /// Standard contract of the Greater Bay Area; requires the mechanism of that name.
        pub gba_contract ["gba-contract"]: Option<Procedure>,
    }

    /// A next step.
    pub struct Procedure {
        /// Code of the procedure.
        pub code: At<Code>,
        /// Authority to turn to.
        pub authority: Option<Bilingual>,
        /// What to do.
        pub text: Bilingual,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A round of official answers, known from its announcement or its address.
    pub struct OfficialAnswers {
        /// Day of publication.
        pub date: At<Day>,
        /// Its title.
        pub title: Bilingual,
        /// Where it can be read.
        pub url: Option<Words>,
        /// Whether it was read for these files. If not, `check` names the sources that are older.
        pub read: YesNo,
        /// How reliable its existence and its date are.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A matter that could not be read.
    pub struct Unread {
        /// The matter.
        pub what: Bilingual,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A known fact that changes no answer.
    pub struct Fact {
        /// The fact.
        pub text: Bilingual,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// An edition of a zone's negative list.
    pub struct ZoneList {
        /// Format version: 1.
        pub format: Format,
        /// `zone-list`.
        pub kind: Kind,
        /// Id of the edition; the names of its rules begin with it.
        pub id: At<Code>,
        /// Exporters registered in this zone come under the list.
        pub zone: At<Code>,
        /// Editions of one family share their counters over the year.
        pub family: At<Code>,
        /// Title of the list.
        pub title: Bilingual,
        /// The instrument, as answers quote it.
        pub citation: Bilingual,
        /// First day in force.
        pub first_day: At<Day>,
        /// Last day in force; absent: no end is known.
        pub last_day: Option<At<Day>>,
        /// Source of title and dates.
        pub source: Sources,
        /// How reliable they are.
        pub confidence: Confidence,
        /// Sources that the file refers to.
        pub sources: Table<Source>,
        /// Size of the list, as published.
        pub size: Option<Size>,
        /// Whether the list has scenarios of its own.
        pub coverage: Coverage,
        /// Who may use the list.
        pub eligibility: Eligibility,
        /// Whether the zone lets its exporters use other zones' lists.
        pub adopts_other_lists: Adoption,
        /// The zone's requirement below the lines.
        pub filing: Filing,
        /// Contested readings.
        pub settings: Option<Settings>,
        /// Holdings that make personal information important data.
        pub quantitative_identification: Option<Quantities>,
        /// Sectors of the list.
        pub sectors: Rows<Sector>,
        /// Data that the list names.
        pub entries: Rows<Entry>,
        /// Matters that could not be read.
        pub unknown: Rows<Unread>,
        /// Known facts that change no answer.
        pub facts: Rows<Fact>,
        /// Free text.
        pub note: Option<Note>,
        /// `yes`, as the last line of the file: a truncated file lacks it.
        pub complete: Complete,
    }

    /// Size of a list, as published.
    pub struct Size {
        /// Sectors.
        pub sectors: Option<Known<Small>>,
        /// Scenarios.
        pub scenarios: Option<Known<Small>>,
        /// Categories.
        pub categories: Option<Known<Small>>,
        /// Subcategories.
        pub subcategories: Option<Known<Small>>,
        /// Items.
        pub items: Option<Known<Small>>,
        /// Fields.
        pub fields: Option<Known<Small>>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// Who may use a list.
    pub struct Eligibility {
        /// Whether the data has to leave from the zone; `unknown` is treated as required.
        pub export_from_zone: Requirement,
        /// Operators of critical information infrastructure; `unknown` is treated as excluded.
        pub ciio: Admission,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// Whether a zone lets its exporters use other zones' lists.
    pub struct Adoption {
        /// Yes, no or unknown.
        pub value: YesNoUnknown,
        /// Where it is written.
        pub source: Option<Sources>,
        /// How reliable that is.
        pub confidence: Option<Confidence>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// The requirement of a zone below the lines.
    pub struct Filing {
        /// When; `unknown` is treated as before the export.
        pub mode: FilingMode,
        /// Working days within which a report after the export is due.
        pub within_working_days: Option<Known<Small>>,
        /// Whether data that is not personal is filed too; `unknown` is treated as yes.
        pub covers_non_personal: YesNoUnknown,
        /// Code of the procedure.
        pub procedure: Option<At<Code>>,
        /// Authority to turn to.
        pub authority: Option<Bilingual>,
        /// What to do.
        pub text: Option<Bilingual>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// Holdings from which personal information is important data.
    pub struct Quantities {
        /// Id within the list.
        pub id: At<Code>,
        /// Instrument and article.
        pub citation: Bilingual,
        /// Persons with general information.
        pub general: Option<Number>,
        /// Persons with sensitive information.
        pub sensitive: Option<Number>,
        /// Persons with specially sensitive information.
        pub specially_sensitive: Option<Number>,
        /// Persons held by an operator of critical information infrastructure.
        pub ciio: Option<Number>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A head-count with its evidence.
    pub struct Number {
        /// The head-count.
        pub persons: At<PersonCount>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A sector of a list.
    pub struct Sector {
        /// Its code.
        pub sector: At<Code>,
        /// Whether all its listed scenarios are written down.
        pub scenarios_known: ScenariosKnown,
        /// Kinds of exporter that come under the national rules.
        pub excluded_exporter_kinds: Vec<At<Code>>,
        /// Modalities of data that come under the national rules.
        pub excluded_modalities: Vec<Modality>,
        /// Lines of scenarios that have no lines of their own.
        pub lines: Lines,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Its scenarios.
        pub scenarios: Vec<Scenario>,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A scenario of a sector.
    pub struct Scenario {
        /// Its code.
        pub scenario: At<Code>,
        /// Its lines; absent: those of the sector.
        pub lines: Option<Lines>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// Lines of both classes.
    pub struct LinesTable {
        /// For persons whose general information is concerned.
        pub general: ClassLines,
        /// For persons whose sensitive information is concerned.
        pub sensitive: ClassLines,
    }

    /// The two lines of one class.
    pub struct LinePair {
        /// First head-count that needs a contract or certification.
        pub contract_from: Line,
        /// First head-count that needs an assessment.
        pub assess_from: Line,
    }

    /// Data that a list names.
    pub struct Entry {
        /// Id within the list.
        pub id: At<Code>,
        /// Its name.
        pub name: Bilingual,
        /// The class that it gives to its items.
        pub class: Class,
        /// Items that it names.
        pub items: Vec<At<Code>>,
        /// Sectors that it is limited to; absent: no limit.
        pub sectors: Vec<At<Code>>,
        /// Scenarios that it is limited to; absent: no limit.
        pub scenarios: Vec<At<Code>>,
        /// Modalities that it is limited to; absent: no limit.
        pub modalities: Vec<Modality>,
        /// Least number of persons concerned; absent, or `unknown`: any number.
        pub persons_at_least: Option<Known<PersonCount>>,
        /// Exceptions: met where the item carries every attribute of one line.
        pub unless: Vec<Vec<At<Code>>>,
        /// Next step that replaces the usual one.
        pub next_step: Option<EntryStep>,
        /// Instrument and article; absent: the citation of the list.
        pub citation: Option<Bilingual>,
        /// Criteria for data to fall under the entry.
        pub criteria: Option<Known<Bilingual>>,
        /// Examples of fields.
        pub example_fields: Vec<Words>,
        /// Where it is written.
        pub source: Sources,
        /// How reliable that is.
        pub confidence: Confidence,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A next step of an entry.
    pub struct EntryStep {
        /// Code of the procedure.
        pub procedure: At<Code>,
        /// Authority to turn to.
        pub authority: Option<Bilingual>,
        /// What to do.
        pub text: Bilingual,
    }
}

words! {
    /// Whether a list has scenarios of its own.
    pub enum Coverage {
        /// Listed sectors and scenarios have rules of their own.
        Scenarios = "scenarios",
        /// The list only names data; the national head-counts apply.
        Catalogue = "catalogue",
    }

    /// Whether something is required.
    pub enum Requirement {
        /// It is.
        Required = "required",
        /// It is not.
        NotRequired = "not-required",
        /// Could not be read.
        Unknown = "unknown",
    }

    /// Whether operators of critical information infrastructure may use a list.
    pub enum Admission {
        /// They may not.
        Excluded = "excluded",
        /// They may.
        Included = "included",
        /// Could not be read.
        Unknown = "unknown",
    }

    /// When the filing or the report of an export below the lines is due.
    pub enum FilingMode {
        /// Before it.
        BeforeExport = "before-export",
        /// After it.
        AfterExport = "after-export",
        /// The exporter judges first and reports afterwards.
        JudgeFirst = "judge-first",
        /// Never.
        None = "none",
        /// Could not be read.
        Unknown = "unknown",
    }

    /// Whether all listed scenarios of a sector are written down.
    pub enum ScenariosKnown {
        /// All.
        All = "all",
        /// Some.
        Partial = "partial",
        /// None.
        None = "none",
    }
}

/// A line of a zone list.
#[derive(Debug, Clone)]
pub enum Line {
    /// Could not be read.
    Unknown,
    /// The list keeps the national line.
    National,
    /// A number.
    Own(Number),
}

/// Lines of one class.
#[derive(Debug, Clone)]
pub enum ClassLines {
    /// Could not be read.
    Unknown,
    /// The list keeps the national lines.
    National,
    /// A pair.
    Pair(Box<LinePair>),
}

/// Lines of both classes.
#[derive(Debug, Clone)]
pub enum Lines {
    /// Could not be read.
    Unknown,
    /// The list keeps the national lines.
    National,
    /// Lines for each class.
    Table(Box<LinesTable>),
}

macro_rules! unknown_or_national {
    ($($name:ident::$variant:ident($inner:ty);)*) => {$(
        impl Decode for $name {
            fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
                match &node.value {
                    Value::Text(text) if text.as_ref() == "unknown" => {
                        cx.unknown.push(node.span);
                        Some($name::Unknown)
                    }
                    Value::Text(text) if text.as_ref() == "national" => Some($name::National),
                    Value::Map(_) => <$inner>::decode(node, cx).map($name::$variant),
                    _ => cx.wrong_kind(node, "`unknown`, `national`, or a mapping with the lines", None),
                }
            }

            fn schema(defs: &mut Map<String, Json>) -> Json {
                json!({ "anyOf": [{ "enum": ["unknown", "national"] }, <$inner>::schema(defs)] })
            }
        }
    )*};
}

unknown_or_national! {
    Line::Own(Number);
    ClassLines::Pair(Box<LinePair>);
    Lines::Table(Box<LinesTable>);
}
