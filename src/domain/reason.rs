//! Reason codes: stable names for the facts that decide a transfer.
//!
//! A code is never renamed, only retired, because callers store and match codes. The texts are for compliance officers:
//! each states the finding, and the rule beside it cites the law.

use super::units::{CountedClass, Ground, Headcount, Persons, RuleId};

/// The procedure to complete before the data may leave, from least to most strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// None: the transfer is allowed now.
    Allow,
    /// File with the zone first.
    File,
    /// Conclude and file a standard contract, or hold a certification, first.
    Contract,
    /// Pass the security assessment first.
    Assess,
}

impl Outcome {
    /// All outcomes, from least to most strict.
    pub const ALL: [Outcome; 4] = [Outcome::Allow, Outcome::File, Outcome::Contract, Outcome::Assess];

    /// Returns the word for the outcome in policy files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Allow => "allow",
            Outcome::File => "file",
            Outcome::Contract => "contract",
            Outcome::Assess => "assess",
        }
    }
}

/// A text in the two languages that users read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text {
    /// Chinese.
    pub zh: Box<str>,
    /// English.
    pub en: Box<str>,
}

/// One reason for an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason {
    /// The code of the fact.
    pub code: ReasonCode,
    /// The rule, line or entry that applied.
    pub rule: RuleId,
    /// The outcome that this reason alone would require.
    pub requires: Outcome,
    /// The counts that were compared, if the reason compares counts.
    pub measured: Option<Measured>,
}

impl Reason {
    /// Returns a reason that compares no counts.
    pub const fn new(code: ReasonCode, rule: RuleId, requires: Outcome) -> Self {
        Self { code, rule, requires, measured: None }
    }
}

/// A head-count and the line that it was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measured {
    /// Persons counted, including this transfer.
    pub persons: Persons,
    /// First head-count at which the reason holds.
    pub line: Persons,
    /// The persons that are counted; `None` if the code implies them.
    pub of: Option<PersonsOf>,
}

/// The persons that a head-count includes, by class of information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersonsOf {
    /// Those of one class.
    Class(CountedClass),
    /// Those of both classes, added up.
    BothClasses,
}

impl PersonsOf {
    /// Returns the number of these persons in a head-count.
    pub fn among(self, persons: Headcount) -> Persons {
        match self {
            PersonsOf::Class(class) => persons.of(class),
            PersonsOf::BothClasses => persons.total(),
        }
    }
}

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $zh:literal, $en:literal;)*) => {
        /// A fact about a transfer that decides it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReasonCode {
            $($(#[$doc])* $variant,)*
        }

        impl ReasonCode {
            /// All codes.
            pub const ALL: &[ReasonCode] = &[$(ReasonCode::$variant,)*];

            /// Returns the stable code.
            pub const fn name(self) -> &'static str {
                match self { $(ReasonCode::$variant => $code,)* }
            }

            /// Returns the text in Chinese.
            pub const fn text_zh(self) -> &'static str {
                match self { $(ReasonCode::$variant => $zh,)* }
            }

            /// Returns the text in English.
            pub const fn text_en(self) -> &'static str {
                match self { $(ReasonCode::$variant => $en,)* }
            }
        }
    };
}

reason_codes! {
    /// The destination is the mainland.
    NotAnExport, "NOT_AN_EXPORT",
        "目的地在中国内地，不构成数据出境", "the destination is mainland China: not an export";
    /// The caller classified an item as important data.
    ImportantDataDeclared, "IMPORTANT_DATA_DECLARED",
        "调用方申明含有重要数据", "the caller declares important data";
    /// The catalogue classifies an item as important data.
    ImportantDataInCatalogue, "IMPORTANT_DATA_IN_CATALOGUE",
        "目录将该数据项列为重要数据", "the catalogue classes an item as important data";
    /// An entry of a list that applies to the exporter names an item as important data.
    ImportantDataListed, "IMPORTANT_DATA_LISTED",
        "适用的负面清单将该数据项列为重要数据", "a list that applies to the exporter names an item as important data";
    /// An entry for groups of persons names an item, and the number of persons reaches the group size.
    ImportantDataGroupSize, "IMPORTANT_DATA_GROUP_SIZE",
        "涉及人数达到清单所定群体规模，构成重要数据", "the number of persons reaches the group size of the list: the data is important";
    /// The exporter's holdings reach the quantitative identification of its zone.
    ImportantDataHeld, "IMPORTANT_DATA_HELD",
        "出口方所持个人信息达到重要数据的数量识别标准", "the personal information that the exporter holds reaches the quantity for important data";
    /// No item is personal information or important data.
    NoPersonalInformation, "NO_PERSONAL_INFORMATION",
        "不含个人信息和重要数据", "neither personal information nor important data";
    /// No personal information, but a listed scenario of a list whose filing covers data that is not personal.
    NonPersonalDataInListedScenario, "NON_PERSONAL_DATA_IN_LISTED_SCENARIO",
        "清单所列场景的非个人数据亦须备案", "a listed scenario whose data has to be filed even if it is not personal";
    /// Art. 4.
    GroundTransit, "GROUND_TRANSIT",
        "境外收集的个人信息经境内处理后出境，未引入境内数据", "collected abroad, processed here without domestic data, sent out again";
    /// Art. 5(1)(1).
    GroundContractNecessity, "GROUND_CONTRACT_NECESSITY",
        "为订立、履行个人作为一方当事人的合同确需出境", "needed to conclude or perform a contract with the individual";
    /// Art. 5(1)(2).
    GroundHumanResources, "GROUND_HUMAN_RESOURCES",
        "实施跨境人力资源管理确需出境", "needed for cross-border management of human resources";
    /// Art. 5(1)(3).
    GroundEmergency, "GROUND_EMERGENCY",
        "紧急情况下为保护生命健康和财产安全确需出境", "needed in an emergency to protect life, health or property";
    /// The exporter operates critical information infrastructure.
    CriticalInformationInfrastructure, "CRITICAL_INFORMATION_INFRASTRUCTURE",
        "关键信息基础设施运营者出境个人信息", "an operator of critical information infrastructure exports personal information";
    /// The general counter reaches the contract line.
    GeneralContractLine, "GENERAL_PERSONS_AT_OR_OVER_CONTRACT_LINE",
        "一般个人信息人数达到标准合同（认证）线", "persons with general information reach the contract line";
    /// The general counter reaches the assessment line.
    GeneralAssessmentLine, "GENERAL_PERSONS_AT_OR_OVER_ASSESSMENT_LINE",
        "一般个人信息人数达到安全评估线", "persons with general information reach the assessment line";
    /// The sensitive counter reaches the contract line.
    SensitiveContractLine, "SENSITIVE_PERSONS_AT_OR_OVER_CONTRACT_LINE",
        "敏感个人信息人数达到标准合同（认证）线", "persons with sensitive information reach the contract line";
    /// The sensitive counter reaches the assessment line.
    SensitiveAssessmentLine, "SENSITIVE_PERSONS_AT_OR_OVER_ASSESSMENT_LINE",
        "敏感个人信息人数达到安全评估线", "persons with sensitive information reach the assessment line";
    /// A listed scenario below its lines, in a list that requires a filing first.
    BelowListLines, "BELOW_LIST_LINES",
        "属清单所列场景且低于清单人数线，出境前须备案", "a listed scenario below the lines of the list: file first";
    /// A listed scenario below its lines, in a list that requires a report after the export.
    BelowListLinesReportAfterExport, "BELOW_LIST_LINES_REPORT_AFTER_EXPORT",
        "属清单所列场景且低于清单人数线，可先出境后报告", "a listed scenario below the lines of the list: report after the export";
    /// A listed scenario below its lines, in a list that requires no filing.
    BelowListLinesNoReport, "BELOW_LIST_LINES_NO_REPORT",
        "属清单所列场景且低于清单人数线，无须备案", "a listed scenario below the lines of the list: no filing is required";
    /// Art. 5(1)(4).
    SmallVolume, "SMALL_VOLUME",
        "不含敏感个人信息且人数低于标准合同线", "no sensitive information, and fewer persons than the contract line";
    /// The list's own line is unknown, so the national line applies.
    LineUnknown, "LINE_UNKNOWN_NATIONAL_LINE_APPLIES",
        "清单的人数线未知，适用全国人数线", "the list's own line is unknown: the national line applies";
    /// The sector is listed, and not all of its scenarios are known.
    ScenarioNotKnownToBeListed, "SCENARIO_NOT_KNOWN_TO_BE_LISTED",
        "该行业所列场景未全部掌握，按已列入处理", "the list's scenarios for the sector are not all known: this one counts as listed";
    /// The list excludes a kind of exporter.
    ExporterKindExcluded, "EXPORTER_KIND_EXCLUDED_FROM_LIST",
        "该类出口方不适用清单，适用全国规定", "the list excludes this kind of exporter: the national rules apply";
    /// The list excludes a modality of data.
    ModalityExcluded, "MODALITY_EXCLUDED_FROM_LIST",
        "该模态的数据不适用清单，适用全国规定", "the list excludes data of this modality: the national rules apply";
    /// The list requires export from the zone, and the transfer states another zone.
    NotExportedFromZone, "NOT_EXPORTED_FROM_ZONE",
        "未从自贸区出境，不适用清单", "not exported from the zone: its list does not apply";
    /// It is not known whether the data leaves from the zone, or has to.
    ExportFromZoneUnclear, "EXPORT_FROM_ZONE_UNCLEAR",
        "是否须从自贸区出境或者是否从该区出境不明：清单与全国规定从严适用",
        "it is not known whether the data leaves from the zone, or has to: the stricter of the list and the national rules applies";
    /// A clearance in force covers the transfer.
    CoveredByClearance, "COVERED_BY_CLEARANCE",
        "已完成相应程序且在有效范围内", "a clearance in force covers the transfer";
    /// A clearance in force covers the transfer, but the head-count of the year exceeds its cap.
    ClearanceCapReached, "CLEARANCE_CAP_REACHED",
        "已完成程序的范围涵盖本次传输，但该程序项下（可能）已出境的年度人数超出其上限",
        "a clearance in force covers the transfer, but the persons exported under it this year exceed its cap, or may exceed it";
    /// A clearance in force covers the transfer, but the use of its cap is unknown.
    ClearanceUseNotKnown, "CLEARANCE_USE_NOT_KNOWN",
        "已完成程序的范围涵盖本次传输，但其年度已用人数不明：由调用方自行计数时，须一并提供 clearance_year_to_date",
        "a clearance in force covers the transfer, but the number of persons exported under it is unknown: a caller that states totals has to state clearance_year_to_date too";
    /// No national rules are in force at the moment of the transfer.
    NoRulesInForce, "NO_RULES_IN_FORCE",
        "该时点没有生效的全国规定，从严处理", "no national rules are in force at that moment: the strictest outcome applies";
}

impl ReasonCode {
    /// Returns the reason code of a ground.
    pub const fn of_ground(ground: Ground) -> Self {
        match ground {
            Ground::Transit => ReasonCode::GroundTransit,
            Ground::ContractNecessity => ReasonCode::GroundContractNecessity,
            Ground::HumanResources => ReasonCode::GroundHumanResources,
            Ground::Emergency => ReasonCode::GroundEmergency,
        }
    }
}
