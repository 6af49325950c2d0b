//! `kind: test`: cases that must hold. The server never loads them.

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::closing::Complete;
use super::registry::Registry;
use super::request::{CasePersons, CaseRequest, CaseTotals, Raw};
use super::scalar::{At, Class, Day, Ground, Modality, Note, OrNone, PersonCount, Words, YesNo};
use super::{Format, Kind};
use crate::domain::units::Moment;
use crate::policy::decode::{Context, Decode, record, words};
use crate::policy::diagnostic::clip;
use crate::policy::time;
use crate::policy::yaml::{Node, Value};

record! {
    /// A test file.
    pub struct TestFile {
        /// Format version: 1.
        pub format: Format,
        /// `test`.
        pub kind: Kind,
        /// Exporters, flows and clearances for these cases only.
        pub registry: Option<Registry>,
        /// The cases.
        pub cases: Vec<Case>,
        /// Free text.
        pub note: Option<Note>,
        /// `yes`, as the last line of the file: a truncated file lacks it.
        pub complete: Complete,
    }

    /// A case.
    pub struct Case {
        /// Its id, unique in the file.
        pub id: At<Words>,
        /// Its title.
        pub title: Words,
        /// Reason codes that it covers.
        pub about: Vec<At<Words>>,
        /// Its source.
        pub source: Option<SourceText>,
        /// Moment to decide for.
        pub at: CaseMoment,
        /// The transfer to decide; alternatively `request`.
        pub transfer: Option<CaseTransfer>,
        /// The request that a gateway asks about.
        pub request: Option<CaseRequest>,
        /// For a request: the totals that the answer depends on.
        pub totals: Option<CaseTotals>,
        /// The expected result.
        pub want: Want,
        /// Free text.
        pub note: Option<Note>,
    }

    /// A transfer, as in the API. Texts are sent exactly as they are written; keys that are left out are not sent.
    pub struct CaseTransfer {
        /// Registered flow.
        pub flow: Option<Raw>,
        /// Exporter.
        pub exporter: Option<Raw>,
        /// Facts about it.
        pub exporter_facts: Option<CaseFacts>,
        /// Recipient.
        pub recipient: Option<Raw>,
        /// Destination.
        pub destination: Option<Raw>,
        /// Sector.
        pub sector: Option<Raw>,
        /// Scenario.
        pub scenario: Option<Raw>,
        /// Data that is sent.
        pub data: Vec<CaseItem>,
        /// Persons that the transfer adds.
        pub persons: Option<CasePersons>,
        /// Totals of the year.
        pub year_to_date: Option<CasePersons>,
        /// Totals of the year in the scenario.
        pub scenario_year_to_date: Option<CasePersons>,
        /// Totals of the year under the clearance.
        pub clearance_year_to_date: Option<CasePersons>,
        /// Ground.
        pub ground: Ground,
        /// Zone that the data leaves from.
        pub export_zone: Option<Raw>,
    }

    /// Facts about an exporter.
    pub struct CaseFacts {
        /// Operator of critical information infrastructure.
        pub ciio: YesNo,
        /// Zones of registration.
        pub zones: Vec<Words>,
        /// Cities of registration.
        pub cities: Vec<Words>,
        /// Kinds that lists exclude.
        pub kinds: Vec<Words>,
        /// Persons whose data it holds.
        pub held: Option<CasePersons>,
        /// Persons of whom it holds specially sensitive information.
        pub held_specially_sensitive: Option<PersonCount>,
    }

    /// A kind of data.
    pub struct CaseItem {
        /// Its code.
        pub code: Raw,
        /// The caller's classification.
        pub class: Option<Class>,
        /// Its modality.
        pub modality: Option<Modality>,
        /// Facts about it.
        pub attributes: Vec<Words>,
    }

    /// The expected result.
    pub struct Want {
        /// The outcome; absent where a refusal is expected.
        pub outcome: Option<WantOutcome>,
        /// The outcome that is required before clearances; absent: not compared.
        pub required: Option<WantOutcome>,
        /// Reason codes that must be among those of the answer.
        pub reasons: Vec<At<Words>>,
        /// The clearance; absent: not compared.
        pub clearance: Option<Words>,
        /// Procedures that must be the answer's other next steps, in order; absent: not compared.
        pub alternatives: Option<Vec<Words>>,
        /// For a request: the rule that must match; `none` where label headers alone name the transfer.
        pub rule: Option<OrNone<Words>>,
        /// For a request: the flow that results.
        pub flow: Option<Words>,
        /// For a request: the distinct persons that it names, or the numbers that it states.
        pub persons: Option<CasePersons>,
        /// The field for which the request must be refused. For a request also a code, such as `LABEL_MISSING`.
        pub error: Option<Words>,
    }
}

words! {
    /// An outcome.
    pub enum WantOutcome {
        /// The transfer may go.
        Allow = "allow",
        /// File first.
        File = "file",
        /// Contract or certification first.
        Contract = "contract",
        /// Assessment first.
        Assess = "assess",
    }
}

/// The source of a case: free text, or several texts.
#[derive(Debug, Clone)]
pub struct SourceText;

impl Decode for SourceText {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Seq(_) => Vec::<Words>::decode(node, cx).map(|_| SourceText),
            _ => Words::decode(node, cx).map(|_| SourceText),
        }
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

/// The moment of a case: a day (12:00 in Shanghai), or a moment with its offset.
#[derive(Debug, Clone, Copy)]
pub struct CaseMoment(pub Moment);

impl Decode for CaseMoment {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::Text(text) = &node.value else { return cx.wrong_kind(node, "a day or a moment", None) };
        let moment = if text.len() == 10 {
            let Day(date) = Day::decode(node, cx)?;
            time::moment(date, 12)
        } else {
            text.parse::<Timestamp>().ok().and_then(|timestamp| {
                let nanos = u32::try_from(timestamp.subsec_nanosecond()).ok()?;
                Moment::new(timestamp.as_second(), nanos)
            })
        };
        if moment.is_none() {
            let help = "write a day such as 2026-06-01, or a moment such as 2026-06-01T00:00:00+08:00".to_owned();
            cx.error("P006", node.span, format!("`{}` is not a moment", clip(text)), help);
        }
        moment.map(CaseMoment)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string" })
    }
}
