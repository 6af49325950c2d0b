//! Result of labelling: a transfer, or every violation in the labels.

use std::borrow::Cow;
use std::fmt;

use crate::domain::asked::{Asked, AskedItem, AskedPersons};
use crate::domain::named::Named;
use crate::domain::names::NameFault;
use crate::domain::persons::Subject;
use crate::domain::units::{Class, Ground, Modality};

/// A transfer as labels give it. `None` or empty: not stated.
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
    /// Data that is sent.
    pub items: Vec<LabelledItem<'a>>,
    /// Persons that the transfer adds. Where they are named: their number.
    pub persons: Option<AskedPersons>,
    /// Who they are; `None` where only their number is known.
    pub subjects: Option<Named<Subject>>,
    /// The gateway's id of the transfer.
    pub transfer_id: Option<Cow<'a, str>>,
    /// Whether the transfer is only asked about, or counted too.
    pub record: Record,
}

/// A kind of data as labels give it.
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

/// Prefix of ledger ids that come from a label. Callers of the ledger itself may not use it.
pub const LABEL_ID_PREFIX: &str = "gateway:";
/// Prefix of ledger ids that Envoy generates. Callers of the ledger itself may not use it.
pub const STREAM_ID_PREFIX: &str = "envoy:";

/// How a door treats a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Record {
    /// It asks only. Nothing is counted.
    #[default]
    AskOnly,
    /// It reserves and commits in one step, under the transfer's id. If no label gives an id, the door may use one of
    /// its own that no client can choose; without any id the request is refused.
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
    /// No rule matches it, and it carries no label.
    NothingMatches(Nothing),
    /// Its labels are incomplete, contradictory or unreadable. Never empty.
    Wrong(Vec<LabelProblem>),
}

/// Description of an unmatched request, shortened for a message.
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
    /// Name of the header that would name a flow.
    pub flow_header: String,
}

/// One violation in the labels of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelProblem {
    /// The rule that asks for the label; `None` where none matched.
    pub rule: Option<String>,
    /// The label concerned.
    pub label: Label,
    /// Where the label comes from, or should come from.
    pub origin: Origin,
    /// What is wrong.
    pub fault: Fault,
}

/// A label, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The rule that matches.
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
    /// The code of a kind of data, by its position among the items of the rule.
    Item(usize),
    /// Persons whose general information is sent.
    Persons,
    /// Persons whose sensitive information is sent.
    SensitivePersons,
    /// The id of the transfer.
    TransferId,
}

/// Where a label comes from. Its `Display` form names the place in the request: `header x-neglist-flow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A header of the request.
    Header(String),
    /// A member of its JSON body.
    Body(String),
    /// A key of the gateway's context.
    Context(String),
    /// A place in the JSON documents of its lines.
    Lines(String),
    /// A column of its CSV table.
    Csv(String),
    /// A field of its form.
    Form(String),
    /// A segment of its path, by the template of the rule.
    Segment(String),
    /// A parameter of its query.
    Query(String),
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
            Origin::Lines(path) => write!(f, "lines {path}"),
            Origin::Csv(column) => write!(f, "csv {column}"),
            Origin::Form(field) => write!(f, "form {field}"),
            Origin::Segment(template) => write!(f, "path {template}"),
            Origin::Query(name) => write!(f, "query {name}"),
            Origin::Host => f.write_str("host"),
            Origin::Method => f.write_str("method"),
            Origin::Path => f.write_str("path"),
            Origin::Sni => f.write_str("sni"),
            Origin::Request => f.write_str("request"),
        }
    }
}

/// The fault of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Required and absent.
    Missing,
    /// Present and empty.
    Empty,
    /// Possibly present, but the gateway does not pass it on.
    NotSeen,
    /// A header sent several times, or a duplicate key in the body.
    Repeated,
    /// A header whose value is not visible ASCII text.
    NotText,
    /// Not a whole number in decimal digits.
    NotANumber {
        /// The text as received, shortened.
        text: String,
    },
    /// A head-count above the population of the world.
    TooManyPersons {
        /// The number as received.
        count: u64,
    },
    /// Longer than the label may be.
    TooLong {
        /// Length in bytes.
        bytes: usize,
        /// Greatest length allowed, in bytes.
        max: usize,
    },
    /// It breaks the rule for names.
    NotAName(NameFault),
    /// An identifier of which only digits count has a digit of another script.
    OtherDigit,
    /// The body does not provide it.
    Body(BodyFault),
    /// The request contradicts the rule.
    Disagrees {
        /// The value of the request, shortened.
        request: String,
        /// The value of the rule, shortened.
        rule: String,
    },
    /// The request names a flow although the rule describes the transfer itself.
    FlowBesideFields,
    /// The rule says who the persons are, and not for this class, of which the request can state only a number.
    NumberBesideNames,
    /// A host that cannot be compared.
    Host(HostFault),
    /// A path that cannot be compared.
    Path(PathFault),
    /// The matching rule cannot be determined.
    Choice(ChoiceFault),
}

impl Unlabelled {
    /// Returns the stable code of each violation, with its place in the request.
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
            Fault::OtherDigit => "IDENTIFIER_NOT_READABLE",
            Fault::Body(BodyFault::WrongKind) => "LABEL_OF_WRONG_KIND",
            Fault::Body(BodyFault::InOtherCapitals) => "KEY_IN_OTHER_CAPITALS",
            Fault::Body(BodyFault::NotThere) => "BODY_NOT_THERE",
            Fault::Body(BodyFault::Partial) => "BODY_PARTIAL",
            Fault::Body(BodyFault::NotJson) => "BODY_NOT_JSON",
            Fault::Body(BodyFault::NotCsv) => "BODY_NOT_CSV",
            Fault::Body(BodyFault::NotForm) => "BODY_NOT_FORM",
            Fault::Body(BodyFault::OtherType) => "BODY_OF_OTHER_TYPE",
            Fault::Body(BodyFault::Compressed) => "BODY_COMPRESSED",
            Fault::Disagrees { .. } => "LABELS_DISAGREE",
            Fault::FlowBesideFields => "FLOW_BESIDE_FIELDS",
            Fault::NumberBesideNames => "NUMBER_BESIDE_IDENTIFIERS",
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

/// Why a body does not provide a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// The value has another type than the label.
    WrongKind,
    /// The body has the key in different capitals only.
    InOtherCapitals,
    /// The gateway sent no body.
    NotThere,
    /// The gateway sent only the beginning of the body.
    Partial,
    /// The body is not JSON.
    NotJson,
    /// The body is not a CSV table as RFC 4180 demands it.
    NotCsv,
    /// The body, or the query, is not a form that is read in one way.
    NotForm,
    /// The body has another type than the rule reads, or another encoding of characters than UTF-8.
    OtherType,
    /// The body is compressed.
    Compressed,
}

/// Why the matching rule cannot be determined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChoiceFault {
    /// Rules depend on the host, and the gateway does not see it.
    HostNotSeen,
    /// Rules for that host and path depend on the TLS server name, and none is written for this one.
    ServerNameNotMet,
    /// Rules are written for that host, and the connection shows only its TLS server name.
    OnlyServerName,
    /// Rules for that host depend on the TLS server name, and the gateway does not see it.
    ServerNameNotSeen,
    /// Rules for that host depend on the path, the gateway does not see it, and the rule found is not written for that
    /// case.
    PathNotSeen,
    /// The hidden requests of a tunnel or a connection may match another rule than the one found.
    InsideTunnel,
    /// The method is not in capitals, and rules depend on the method.
    MethodNotInCapitals,
    /// Rules are written for that host and path, and the request meets the conditions of none of them.
    ConditionsNotMet {
        /// Some of these rules.
        rules: Vec<String>,
    },
    /// The request meets the conditions of several rules of equal precedence.
    Ambiguous {
        /// Some of these rules.
        rules: Vec<String>,
    },
    /// A rule is written for the same path with, or without, a final slash.
    SlashAtEnd {
        /// The path in the rule, shortened.
        written: String,
    },
    /// A rule is written for the same path with another suffix of its last segment. Either path may be without a
    /// suffix.
    SuffixAtEnd {
        /// The path in the rule, shortened.
        written: String,
    },
    /// Rules differ by method, and a header asks the server to act on another method.
    MethodOverridden {
        /// The header.
        header: &'static str,
        /// Value of the header, shortened.
        says: String,
    },
    /// Rules differ by path, and a header asks the server to act on another path. A path, or its query, may have an
    /// identifier of a person, so that the value is not repeated.
    PathOverridden {
        /// The header.
        header: &'static str,
    },
}

/// Why a host cannot be compared with the hosts of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// It contains user information, a blank, a slash or another character that hosts cannot have.
    Character,
    /// It is not ASCII: an internationalised name must be in its `xn--` form.
    NotAscii,
    /// It has an empty part, or it is too long, or one of its parts is.
    Parts,
    /// It looks like an IP address but is not written like one.
    Address,
    /// The text after the colon is not a port.
    Port,
}

/// Why a path cannot be compared with the paths of rules.
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
    /// It has a `#`, plain or encoded, or an encoded `?`: servers may cut the path off there.
    HiddenEnd,
    /// It has a control character, plain or encoded, a blank, or a character outside ASCII.
    Character,
    /// It has a `%` without two hexadecimal digits, or its decoded bytes are not UTF-8.
    Encoding,
    /// It is encoded twice.
    EncodedTwice,
    /// It has parameters (`;`), which some servers count as part of the name.
    Parameters,
    /// A segment ends with a dot, or begins or ends with a blank; some servers strip these.
    DotOrBlankAtEnd,
    /// It is longer than the longest path that is compared.
    TooLong,
}

/// How a door treats a request that nothing matches. The operator chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// Refuse it.
    #[default]
    Refuse,
    /// Let it pass: a request that no rule matches and that carries no label is not a transfer.
    Allow,
    /// Decide it as a transfer of this flow.
    Flow(Box<str>),
}

/// The action that a door takes on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<'a> {
    /// Decide this transfer.
    Transfer(Labelled<'a>),
    /// Let it pass undecided, because the operator chose so: see [`Unmatched::Allow`].
    NoTransfer,
    /// Refuse it.
    Refused(Unlabelled),
}

/// Most characters of request text that a message repeats.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// Shortens request text for a message.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(SHOWN_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}
