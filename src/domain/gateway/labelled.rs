//! What labels come to: a transfer, or everything that is wrong with them.

use std::borrow::Cow;
use std::fmt;

use crate::domain::asked::{Asked, AskedItem, AskedPersons};
use crate::domain::names::NameFault;
use crate::domain::units::{Class, Ground, Modality};

/// A transfer as labels give it. `None` and empty: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelled<'a> {
    /// The rule that matched; `None` where headers alone name the transfer.
    pub rule: Option<&'a str>,
    /// Registered flow.
    pub flow: Option<Cow<'a, str>>,
    /// Exporter.
    pub exporter: Option<Cow<'a, str>>,
    /// Recipient.
    pub recipient: Option<Cow<'a, str>>,
    /// Country that the data goes to.
    pub destination: Option<Cow<'a, str>>,
    /// Sector.
    pub sector: Option<Cow<'a, str>>,
    /// Scenario.
    pub scenario: Option<Cow<'a, str>>,
    /// Zone that the data leaves from.
    pub export_zone: Option<Cow<'a, str>>,
    /// Ground. Only a rule states one, never a request.
    pub ground: Option<Ground>,
    /// What is sent.
    pub items: Vec<LabelledItem<'a>>,
    /// Persons that the transfer adds.
    pub persons: Option<AskedPersons>,
    /// The gateway's id of the transfer.
    pub transfer_id: Option<Cow<'a, str>>,
    /// Whether the transfer is only asked about or counted too.
    pub record: Record,
}

/// A kind of data, as labels give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledItem<'a> {
    /// Code.
    pub code: Cow<'a, str>,
    /// A class stricter than the catalogue's.
    pub class: Option<Class>,
    /// Modality.
    pub modality: Option<Modality>,
    /// Attributes.
    pub attributes: Vec<Cow<'a, str>>,
}

/// What the ledger's ids of transfers begin with whose id is a label. No caller of the ledger itself may use them.
pub const LABEL_ID_PREFIX: &str = "gateway:";
/// What the ledger's ids of transfers begin with whose id Envoy drew. No caller of the ledger itself may use them.
pub const STREAM_ID_PREFIX: &str = "envoy:";

/// What a door does with a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Record {
    /// It asks. Nothing is counted.
    #[default]
    AskOnly,
    /// It reserves and commits in one step, under the transfer's id. Where no label is one, the door may have an id of
    /// its own that no client can choose; without any the request is refused.
    Record,
}

impl Labelled<'_> {
    /// Returns the question that these labels ask.
    pub fn asked(&self) -> Asked<'_> {
        let items = self.items.iter().map(|item| AskedItem {
            code: &item.code,
            class: item.class,
            modality: item.modality,
            attributes: item.attributes.iter().map(AsRef::as_ref).collect(),
        });
        Asked {
            flow: self.flow.as_deref(),
            exporter: self.exporter.as_deref(),
            recipient: self.recipient.as_deref(),
            destination: self.destination.as_deref(),
            sector: self.sector.as_deref(),
            scenario: self.scenario.as_deref(),
            data: items.collect(),
            persons: self.persons,
            ground: self.ground,
            export_zone: self.export_zone.as_deref(),
            ..Asked::default()
        }
    }
}

/// Why a request cannot be turned into a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlabelled {
    /// No rule is about it and it carries no label at all.
    NothingMatches(Nothing),
    /// Its labels are incomplete, contradictory or unreadable. Never empty.
    Wrong(Vec<LabelProblem>),
}

/// What is known of a request that nothing matches, shortened for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nothing {
    /// Host, as sent.
    pub host: Option<String>,
    /// Method, as sent.
    pub method: Option<String>,
    /// Path without query, as sent.
    pub path: Option<String>,
    /// Server name, as sent.
    pub sni: Option<String>,
    /// The header that would name a flow.
    pub flow_header: String,
}

/// One thing that is wrong with the labels of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelProblem {
    /// The rule that asks for the label; `None` where none matched.
    pub rule: Option<String>,
    /// What it is about.
    pub label: Label,
    /// Where it comes from, or should come from.
    pub origin: Origin,
    /// What is wrong.
    pub fault: Fault,
}

/// What a label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Which rule holds.
    Rule,
    /// The flow.
    Flow,
    /// The exporter.
    Exporter,
    /// The recipient.
    Recipient,
    /// The destination.
    Destination,
    /// The sector.
    Sector,
    /// The scenario.
    Scenario,
    /// The zone that the data leaves from.
    ExportZone,
    /// The code of a kind of data, by its position among the rule's.
    Item(usize),
    /// Persons whose general information is sent.
    Persons,
    /// Persons whose sensitive information is sent.
    SensitivePersons,
    /// The id of the transfer.
    TransferId,
}

/// Where a label comes from. Its text names the place in the request: `header x-neglist-flow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A header of the request.
    Header(String),
    /// A member of its JSON body.
    Body(String),
    /// A key of the gateway's context.
    Context(String),
    /// Its host.
    Host,
    /// Its method.
    Method,
    /// Its path.
    Path,
    /// The server name of its TLS connection.
    Sni,
    /// The request as a whole.
    Request,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Header(name) => write!(f, "header {name}"),
            Origin::Body(pointer) => write!(f, "body {pointer}"),
            Origin::Context(key) => write!(f, "context {key}"),
            Origin::Host => f.write_str("host"),
            Origin::Method => f.write_str("method"),
            Origin::Path => f.write_str("path"),
            Origin::Sni => f.write_str("sni"),
            Origin::Request => f.write_str("request"),
        }
    }
}

/// What is wrong with a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is needed and not there.
    Missing,
    /// It is there and empty.
    Empty,
    /// It may be there, and the gateway does not hand it on.
    NotSeen,
    /// A header that was sent, or a key of the body that stands, several times.
    Repeated,
    /// A header that is no visible ASCII text.
    NotText,
    /// Not a whole number in decimal digits.
    NotANumber {
        /// The text as it came, shortened.
        text: String,
    },
    /// A head-count above the population of the world.
    TooManyPersons {
        /// The number as it came.
        count: u64,
    },
    /// Longer than such a label may be.
    TooLong {
        /// Bytes as they came.
        bytes: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// It breaks the rule for names.
    NotAName(NameFault),
    /// The body does not give it.
    Body(BodyFault),
    /// The request says one thing and the rule another.
    Disagrees {
        /// What the request says, shortened.
        request: String,
        /// What the rule says, shortened.
        rule: String,
    },
    /// The rule describes the transfer by itself, and the request names a flow.
    FlowBesideFields,
    /// A host that cannot be compared.
    Host(HostFault),
    /// A path that cannot be compared.
    Path(PathFault),
    /// Which rule holds cannot be told.
    Choice(ChoiceFault),
}

impl Unlabelled {
    /// Returns the stable codes of what is wrong, each with its place in the request.
    pub fn codes(&self) -> Vec<(&'static str, String)> {
        match self {
            Unlabelled::NothingMatches(_) => vec![(NOTHING_MATCHES, Origin::Request.to_string())],
            Unlabelled::Wrong(problems) => {
                problems.iter().map(|problem| (problem.fault.code(), problem.origin.to_string())).collect()
            }
        }
    }
}

/// Code of a request that nothing matches.
pub const NOTHING_MATCHES: &str = "NOTHING_MATCHES";

impl Fault {
    /// Returns the stable code, in capitals.
    pub const fn code(&self) -> &'static str {
        match self {
            Fault::Missing | Fault::Empty => "LABEL_MISSING",
            Fault::NotSeen => "LABEL_NOT_SEEN",
            Fault::Repeated => "LABEL_REPEATED",
            Fault::NotText => "LABEL_NOT_TEXT",
            Fault::NotANumber { .. } => "LABEL_NOT_A_NUMBER",
            Fault::TooManyPersons { .. } => "TOO_MANY_PERSONS",
            Fault::TooLong { .. } => "TOO_LONG",
            Fault::NotAName(_) => "NOT_A_NAME",
            Fault::Body(BodyFault::WrongKind) => "LABEL_OF_WRONG_KIND",
            Fault::Body(BodyFault::InOtherCapitals) => "KEY_IN_OTHER_CAPITALS",
            Fault::Body(BodyFault::NotThere) => "BODY_NOT_THERE",
            Fault::Body(BodyFault::Partial) => "BODY_PARTIAL",
            Fault::Body(BodyFault::NotJson) => "BODY_NOT_JSON",
            Fault::Disagrees { .. } => "LABELS_DISAGREE",
            Fault::FlowBesideFields => "FLOW_BESIDE_FIELDS",
            Fault::Host(_) => "HOST_NOT_COMPARABLE",
            Fault::Path(_) => "PATH_NOT_NORMALISED",
            Fault::Choice(ChoiceFault::HostNotSeen) => "HOST_NOT_SEEN",
            Fault::Choice(ChoiceFault::OnlyServerName) => "ONLY_SERVER_NAME_SEEN",
            Fault::Choice(ChoiceFault::PathNotSeen) => "PATH_NOT_SEEN",
            Fault::Choice(ChoiceFault::ServerNameNotSeen) => "SERVER_NAME_NOT_SEEN",
            Fault::Choice(ChoiceFault::InsideTunnel) => "INSIDE_TUNNEL",
            Fault::Choice(ChoiceFault::MethodNotInCapitals) => "METHOD_NOT_IN_CAPITALS",
            Fault::Choice(ChoiceFault::ConditionsNotMet { .. } | ChoiceFault::ServerNameNotMet) => "CONDITIONS_NOT_MET",
            Fault::Choice(ChoiceFault::Ambiguous { .. }) => "RULES_AMBIGUOUS",
            Fault::Choice(ChoiceFault::SlashAtEnd { .. }) => "SLASH_AT_END",
            Fault::Choice(ChoiceFault::SuffixAtEnd { .. }) => "SUFFIX_AT_END",
            Fault::Choice(ChoiceFault::MethodOverridden { .. }) => "METHOD_OVERRIDDEN",
            Fault::Choice(ChoiceFault::PathOverridden { .. }) => "PATH_OVERRIDDEN",
        }
    }
}

/// Why a body does not give a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// What stands there is of another kind than the label.
    WrongKind,
    /// The key stands there with other capitals.
    InOtherCapitals,
    /// The gateway sent no body.
    NotThere,
    /// The gateway sent the beginning of the body only.
    Partial,
    /// The body is no JSON.
    NotJson,
}

/// Why it cannot be told which rule holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChoiceFault {
    /// Rules go by the host, and the gateway does not see one.
    HostNotSeen,
    /// Rules for that host and path go by the TLS server name, and none is written for this one.
    ServerNameNotMet,
    /// Rules are written for that host, and of a connection to it only the TLS server name is seen.
    OnlyServerName,
    /// Rules for that host go by the TLS server name, and the gateway does not see one.
    ServerNameNotSeen,
    /// Rules for that host go by the path, the gateway does not see one, and the rule found is not written for that.
    PathNotSeen,
    /// What goes through a tunnel or a connection may come to another rule than the one found, and is not seen.
    InsideTunnel,
    /// A method that is not written in capitals, where rules go by the method.
    MethodNotInCapitals,
    /// Rules are written for that host and path, and the request meets none of their conditions.
    ConditionsNotMet {
        /// Some of these rules.
        rules: Vec<String>,
    },
    /// The request meets the conditions of rules of which none goes before the other.
    Ambiguous {
        /// Some of these rules.
        rules: Vec<String>,
    },
    /// A rule is written for the same path with, or without, a slash at its end.
    SlashAtEnd {
        /// The path that stands in the rule, shortened.
        written: String,
    },
    /// A rule is written for the same path with another suffix of its last segment, or with or without one.
    SuffixAtEnd {
        /// The path that stands in the rule, shortened.
        written: String,
    },
    /// Rules differ by method, and a header asks the server to act by another one.
    MethodOverridden {
        /// The header.
        header: &'static str,
        /// What it says, shortened.
        says: String,
    },
    /// Rules differ by path, and a header asks the server to act on another one.
    PathOverridden {
        /// The header.
        header: &'static str,
        /// What it says, shortened.
        says: String,
    },
}

/// Why a host cannot be compared with those of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// It has a name of a user, a blank, a slash or another character that no host has.
    Character,
    /// It is not ASCII: a name in another script has to be in its `xn--` form.
    NotAscii,
    /// It has an empty part, or too many or too long ones.
    Parts,
    /// It looks like an address, and is not written like one.
    Address,
    /// What stands behind the colon is no port.
    Port,
}

/// Why a path cannot be compared with those of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It does not begin with a slash.
    NoSlash,
    /// It has a segment `.` or `..`, plain or encoded.
    DotSegment,
    /// It has an empty segment: `//`.
    EmptySegment,
    /// It has an encoded slash, or a backslash, plain or encoded.
    HiddenSlash,
    /// It has a `#`, plain or encoded, or an encoded `?`: servers may cut it off there.
    HiddenEnd,
    /// It has a control character, plain or encoded, a blank, or what is not ASCII.
    Character,
    /// It has a `%` without two hexadecimal digits, or what is encoded is no UTF-8.
    Encoding,
    /// It is encoded twice.
    EncodedTwice,
    /// It has parameters (`;`), which servers count to the name or do not.
    Parameters,
    /// A segment ends with a dot, or begins or ends with a blank, which some servers take off.
    DotOrBlankAtEnd,
    /// It is longer than any path that is compared.
    TooLong,
}

/// What an operator lets a door do with a request that nothing matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// Refuse it.
    #[default]
    Refuse,
    /// Let it pass: what no rule is about and carries no label is no transfer.
    Allow,
    /// Decide it as a transfer of that flow.
    Flow(Box<str>),
}

/// What a door has to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<'a> {
    /// Decide this transfer.
    Transfer(Labelled<'a>),
    /// Let it pass undecided, because the operator says so: see [`Unmatched::Allow`].
    NoTransfer,
    /// Refuse it.
    Refused(Unlabelled),
}
