//! Violations in words: for people, in English and Chinese, and for programs as codes.
//!
//! Each text names the fault and the fix. Words of the caller are in backticks, with control characters escaped, so
//! that they cannot break out of a line of a log.

use crate::domain::asked::{
    CODE_BYTES_MAX, CodeKind, CountingProblem, Need, PSEUDONYM_BYTES_MAX, PSEUDONYM_BYTES_MIN, Problem, Violation,
};
use crate::domain::clock::Clocking;
use crate::domain::persons::{IDENTIFIER_BYTES_MAX, IdentifierFault};
use crate::domain::units::{CountedClass, Persons};
use crate::wire::decide::to_proto::timestamp;
use crate::wire::refusal::issue::Issue;

/// Returns a violation in words.
pub fn issue(Violation { path, problem }: &Violation) -> Issue {
    Issue::new(path.to_string(), code(problem), texts(problem))
}

/// Returns the stable code of a problem.
pub(super) const fn code(problem: &Problem) -> &'static str {
    match problem {
        Problem::Missing(_) => "MISSING",
        Problem::UnknownCode { .. } => "UNKNOWN_CODE",
        Problem::NearMiss { .. } | Problem::NearExporter { .. } => "NEAR_MISS",
        Problem::NotACountry { .. } => "NOT_A_COUNTRY",
        Problem::TooLong { .. } => "TOO_LONG",
        Problem::NotAName(_) => "NOT_A_NAME",
        Problem::NotACode(_) => "NOT_A_CODE",
        Problem::TooMany { .. } => "TOO_MANY",
        Problem::TooManyPersons { .. } => "TOO_MANY_PERSONS",
        Problem::PersonsWithoutPersonalInformation => "PERSONS_WITHOUT_PERSONAL_INFORMATION",
        Problem::OtherExportersFlow { .. } => "OTHER_EXPORTERS_FLOW",
        Problem::GroundNotInherited { .. } => "GROUND_NOT_INHERITED",
        Problem::OutOfCalendar => "OUT_OF_CALENDAR",
        Problem::Clock(_) => "CLOCK_IN_DOUBT",
        Problem::UnknownField { .. } => "UNKNOWN_FIELD",
        Problem::WrongWireType { .. } => "WRONG_WIRE_TYPE",
        Problem::UnknownNumber { .. } => "UNKNOWN_NUMBER",
        Problem::NotATimestamp => "NOT_A_TIMESTAMP",
        Problem::Counting(problem) => counting_code(*problem),
    }
}

const fn counting_code(problem: CountingProblem) -> &'static str {
    match problem {
        CountingProblem::TotalsKeptByLedger => "TOTALS_KEPT_BY_LEDGER",
        CountingProblem::PseudonymLength { .. } => "PSEUDONYM_LENGTH",
        CountingProblem::Identifier(_) => "NOT_AN_IDENTIFIER",
        CountingProblem::PseudonymsAndIdentifiers => "PSEUDONYMS_AND_IDENTIFIERS",
        CountingProblem::NoIdentifier => "NO_IDENTIFIER",
        CountingProblem::NoSubjectKey => "NO_SUBJECT_KEY",
        CountingProblem::NotAsManyAsNamed { .. } => "NOT_AS_MANY_AS_NAMED",
        CountingProblem::NoPersonNamed { .. } => "NOBODY_NAMED",
        CountingProblem::TimeToLive { .. } => "TIME_TO_LIVE_OUT_OF_RANGE",
        CountingProblem::NotNow { .. } => "NOT_NOW",
        CountingProblem::ExporterNotRegistered => "EXPORTER_NOT_REGISTERED",
        CountingProblem::NotAYear => "NOT_A_YEAR",
        CountingProblem::IdOfADoor { .. } => "ID_OF_A_DOOR",
    }
}

/// English, then Chinese.
fn texts(problem: &Problem) -> (String, String) {
    match problem {
        Problem::Missing(need) => fixed(missing(*need)),
        Problem::UnknownCode { kind, code, nearest } => unknown_code(*kind, code, nearest.as_deref()),
        Problem::NearMiss { code, nearest } => {
            let (code, nearest) = (quoted(code), quoted(nearest));
            (
                format!(
                    "{code} resembles {nearest}, which is protected more strictly: correct it or choose another code"
                ),
                format!("{code} 与保护级别更高的 {nearest} 相似：请更正或换用其他代码"),
            )
        }
        Problem::NearExporter { code, nearest } => {
            let (code, nearest) = (quoted(code), quoted(nearest));
            (
                format!(
                    "{code} is not registered, and resembles the registered exporter {nearest}: correct it, or register it"
                ),
                format!("{code} 未登记，且与已登记的出口方 {nearest} 相似：请更正，或者登记"),
            )
        }
        Problem::NotACountry { code, nearest } => not_a_country(code, nearest.as_deref()),
        Problem::TooLong { bytes } => (
            format!("{bytes} bytes long: at most {CODE_BYTES_MAX} are allowed"),
            format!("长 {bytes} 字节：最多 {CODE_BYTES_MAX} 字节"),
        ),
        Problem::NotAName(fault) => (format!("not a name: {fault}"), format!("不是有效名称：{}", fault.chinese())),
        Problem::NotACode(fault) => (format!("not a code: {fault}"), format!("不是有效代码：{}", fault.chinese())),
        Problem::TooMany { count, max } => (
            format!("{count} entries: at most {max} are allowed, so split the request"),
            format!("共 {count} 项：最多 {max} 项，请拆分请求"),
        ),
        Problem::TooManyPersons { count } => (
            format!("{count} persons: at most {} are possible, so count distinct persons", Persons::MAX),
            format!("{count} 人：最多 {} 人，请按自然人去重计数", Persons::MAX),
        ),
        Problem::PersonsWithoutPersonalInformation => fixed((
            "persons are stated, but no data item is personal information: correct the items, or leave persons out",
            "填写了人数，但没有数据项属于个人信息：请更正数据项，或不填人数",
        )),
        Problem::OtherExportersFlow { registered } => (
            format!("the flow belongs to {}: leave the exporter out, or name another flow", quoted(registered)),
            format!("该数据流属于 {}：请不填出口方，或指明其他数据流", quoted(registered)),
        ),
        Problem::GroundNotInherited { flow } => (
            format!(
                "the ground of flow {} is registered for other data: state the ground that applies here, or omit the flow",
                quoted(flow)
            ),
            format!("数据流 {} 的豁免事由系为其他数据登记：请填写本次适用的事由，或不填数据流", quoted(flow)),
        ),
        Problem::OutOfCalendar => fixed((
            "no calendar for that moment: choose one within the years that the policies cover",
            "该时点不在日历之内：请选择政策所涵盖年份内的时点",
        )),
        Problem::Clock(clocking) => fixed(clock(*clocking)),
        Problem::UnknownField { number } => unknown_field(*number),
        Problem::WrongWireType { number } => wrong_wire_type(*number),
        Problem::UnknownNumber { number, name } => unknown_number(*number, name),
        Problem::NotATimestamp => fixed((
            "not a time stamp: use a year from 1 to 9999, and nanos from 0 to 999999999",
            "不是有效的时间戳：年份须为 1 至 9999，nanos 须为 0 至 999999999",
        )),
        Problem::Counting(problem) => counting(*problem),
    }
}

/// A clock that cannot be relied on. The caller did nothing wrong.
pub(super) const fn clock(clocking: Clocking) -> (&'static str, &'static str) {
    match clocking {
        // A sound clock causes no violation. If it does, nothing may pass either.
        Clocking::Sound | Clocking::Unusable => (
            "the clock of this server is wrong, not the request: its time cannot be the present. Nothing may pass until the clock is set, except a transfer that states its moment and needs no total from the ledger",
            "此处的时钟有误，而非请求有误：其所示时点不可能是当前时点。时钟校正前不得放行；已填写时点且无须读取台账的传输除外",
        ),
        Clocking::Jumped => (
            "the clock of this server was set while it ran, so the year and its totals are in doubt: nothing that depends on them may pass until the clock is back or the server is restarted",
            "服务器运行期间时钟被改动，年度及其累计人数存疑：时钟恢复或服务器重启前，凡以此为据者不得放行",
        ),
    }
}

/// A field that the contract does not have.
fn unknown_field(number: u32) -> (String, String) {
    (
        format!(
            "the contract of this server has no field {number} here, so its value would be dropped: omit it, or update the server"
        ),
        format!("本服务器的协议在此处没有编号为 {number} 的字段，其内容会被忽略：请去掉该字段，或升级服务器"),
    )
}

/// A field of the contract in another wire type.
fn wrong_wire_type(number: u32) -> (String, String) {
    (
        format!(
            "field {number} is encoded as another type than the contract has: encode it from the contract `neglist.v1`"
        ),
        format!("编号为 {number} 的字段编码类型与协议不符：请按 `neglist.v1` 编码"),
    )
}

/// A number without a value in its enumeration.
fn unknown_number(number: i32, name: &str) -> (String, String) {
    (
        format!("{number} is not a value of `{name}`: use one that the contract `neglist.v1` names"),
        format!("{number} 不是 `{name}` 的值：请使用 `neglist.v1` 所列的值"),
    )
}

/// A violation of a call of the ledger.
fn counting(problem: CountingProblem) -> (String, String) {
    match problem {
        CountingProblem::PseudonymLength { bytes } => (
            format!("{bytes} bytes long: a pseudonym has {PSEUDONYM_BYTES_MIN} to {PSEUDONYM_BYTES_MAX}"),
            format!("长 {bytes} 字节：化名须为 {PSEUDONYM_BYTES_MIN} 至 {PSEUDONYM_BYTES_MAX} 字节"),
        ),
        CountingProblem::Identifier(fault) => identifier(fault),
        CountingProblem::PseudonymsAndIdentifiers => fixed((
            "the request names persons by pseudonym and by identifier, so that one person could count twice: name all in one way",
            "请求同时以化名和标识列出个人，同一人可能被重复计数：请只用一种方式",
        )),
        CountingProblem::NoIdentifier => fixed((
            "a kind or a normalisation of identifiers is stated, and there is no identifier: send the identifiers, or leave both out",
            "填写了标识类别或规范化方式，但没有标识：请列出标识，或均不填",
        )),
        CountingProblem::NoSubjectKey => fixed((
            "this server has no subject key (`subject_key`), and makes no pseudonyms of identifiers: send pseudonyms, or ask its operator for a key",
            "本服务器没有化名密钥（`subject_key`），不能由标识生成化名：请改用化名，或请运维人员配置密钥",
        )),
        CountingProblem::NotAsManyAsNamed { stated, named } => (
            format!("{stated} persons are stated, but {named} distinct ones are named: omit the number, or correct it"),
            format!("填写了 {stated} 人，而列出的不同个人为 {named} 个：请不填人数，或更正"),
        ),
        CountingProblem::NoPersonNamed { class: CountedClass::General } => fixed((
            "general information is sent, but its persons are not named: name them here, even if they are named as sensitive too",
            "涉及一般个人信息但未列出相应个人：请在此列出，即使其已列入敏感个人信息一栏",
        )),
        CountingProblem::NoPersonNamed { class: CountedClass::Sensitive } => fixed((
            "sensitive information is sent, but its persons are not named: name them here",
            "涉及敏感个人信息但未列出相应个人：请在此列出",
        )),
        CountingProblem::TimeToLive { max_s } => (
            format!("out of range: state more than 0 and at most {max_s} seconds, or leave it out"),
            format!("超出范围：须大于 0 且不超过 {max_s} 秒，或不填"),
        ),
        CountingProblem::NotNow { age_max_s, ahead_max_s, at, now } => {
            let (at, now) = (timestamp(at), timestamp(now));
            (
                format!(
                    "transfers are counted at the present moment, so that no other day's lists, clearances or year can be chosen: {at} is stated, and the server's clock says {now}; omit the moment, or state one at most {age_max_s} seconds ago and {ahead_max_s} seconds ahead"
                ),
                format!(
                    "计数以当下为准，不得选择其他日期的清单、许可或年度：填写的时点为 {at}，服务器时钟为 {now}；请不填时点，或填写不早于 {age_max_s} 秒前、不晚于 {ahead_max_s} 秒后的时点"
                ),
            )
        }
        CountingProblem::IdOfADoor { prefix } => (
            format!("ids that begin with `{prefix}` are reserved for requests at a gateway: choose another id"),
            format!("以 `{prefix}` 开头的编号专用于经网关的请求：请换用其他编号"),
        ),
        CountingProblem::ExporterNotRegistered => fixed((
            "this server counts registered exporters only, but this one is not registered: register it, or correct the name",
            "本服务器仅为已登记的出口方计数，而该出口方未登记：请先登记，或更正名称",
        )),
        CountingProblem::NotAYear => fixed((
            "not a calendar year: use one from 1 to 9999, or 0 for the current one",
            "不是有效年份：请填 1 至 9999，或填 0 表示当年",
        )),
        CountingProblem::TotalsKeptByLedger => {
            fixed(("the ledger keeps the totals: leave this out", "累计人数由本服务器的台账计算：请不填"))
        }
    }
}

/// A text that is no identifier. The text itself is never repeated.
fn identifier(fault: IdentifierFault) -> (String, String) {
    match fault {
        IdentifierFault::Empty => fixed((
            "nothing is left of the identifier after its normalisation, and its person would not be counted: correct it, or normalise less",
            "标识经规范化后为空，该个人将无法计数：请更正，或减少规范化步骤",
        )),
        IdentifierFault::TooLong { bytes } => (
            format!("{bytes} bytes long: an identifier has at most {IDENTIFIER_BYTES_MAX}"),
            format!("长 {bytes} 字节：标识最多 {IDENTIFIER_BYTES_MAX} 字节"),
        ),
        IdentifierFault::OtherDigit => fixed((
            "only digits are to remain, and one of them is of another script: write 0 to 9",
            "仅保留数字，而其中有其他文字的数字：请用 0 至 9",
        )),
    }
}

fn fixed((en, zh): (&str, &str)) -> (String, String) {
    (en.to_owned(), zh.to_owned())
}

fn unknown_code(kind: CodeKind, code: &str, nearest: Option<&str>) -> (String, String) {
    let (noun_zh, noun_en) = kind.nouns();
    let (en, zh) = match (nearest.map(quoted), kind) {
        (Some(nearest), _) => (format!("did you mean {nearest}?"), format!("是否为 {nearest}？")),
        (None, CodeKind::Exporter) => fixed((
            "register it, or state its facts in `exporter_facts`",
            "请先登记，或在 `exporter_facts` 中填写其情况",
        )),
        (None, CodeKind::Flow) => fixed(("register it, or leave it out", "请先登记，或不填")),
        (
            None,
            CodeKind::Zone
            | CodeKind::City
            | CodeKind::Sector
            | CodeKind::Scenario
            | CodeKind::Item
            | CodeKind::Attribute
            | CodeKind::ExporterKind,
        ) => fixed(("use a code of the catalogue in force", "请使用现行目录中的代码")),
    };
    let code = quoted(code);
    (format!("unknown {noun_en} {code}: {en}"), format!("未知{noun_zh} {code}：{zh}"))
}

fn not_a_country(code: &str, nearest: Option<&str>) -> (String, String) {
    let code = quoted(code);
    let (en, zh) = match nearest.map(quoted) {
        Some(nearest) => (format!("did you mean {nearest}?"), format!("是否为 {nearest}？")),
        None => fixed((
            "use a code of that standard in two capital letters, such as `DE`",
            "请用该标准的两位大写字母代码，如 `DE`",
        )),
    };
    (format!("{code} is no ISO 3166-1 country code: {en}"), format!("{code} 不是 ISO 3166-1 国家和地区代码：{zh}"))
}

fn quoted(word: &str) -> String {
    format!("`{}`", word.escape_debug())
}

fn missing(need: Need) -> (&'static str, &'static str) {
    match need {
        Need::Transfer => ("required: say which transfer to decide", "必填：请给出待判定的传输"),
        Need::UnlessFlow => (
            "required: set it, or name a registered flow that supplies it",
            "必填：请填写，或以 flow 指明提供此项的已登记数据流",
        ),
        Need::ZoneHasList => (
            "required, because the exporter's zone has a negative list in force: name its code, or `other` if none of the listed ones fits",
            "必填，因出口方所在区域有生效的负面清单：请填代码，均不属于时填 `other`",
        ),
        Need::PersonalInformation => (
            "required, because personal information is sent: state how many persons it adds to the year's totals, even if it is 0",
            "必填，因涉及个人信息：请填写本次新增的人数，可为 0",
        ),
        Need::NoLedger => (
            "required, because this server keeps no totals: state the persons since 1 January (Asia/Shanghai) without this transfer",
            "必填，因本服务器不计累计人数：请填写自1月1日（北京时间）起的累计人数，不含本次",
        ),
        Need::NoLedgerForScenario => (
            "required, because the list counts this scenario separately and this server keeps no totals: state the scenario's persons since 1 January (Asia/Shanghai)",
            "必填，因清单对该场景单独计数而本服务器不计累计人数：请填写该场景自1月1日（北京时间）起的累计人数",
        ),
        Need::ListExcludesModalities => (
            "required, because the list treats modalities differently: state text, audio, image or video",
            "必填，因清单区别对待数据模态：请填写文本、音频、图像或视频",
        ),
        Need::ItemCode => ("required: name the kind of data by its code", "必填：请填写数据项代码"),
        Need::TransferId => (
            "required: choose an id of your own, unique per transfer, so that a retry counts once",
            "必填：请自定义每次传输唯一的编号，以便重试只计一次",
        ),
        Need::SubjectKind => (
            "required with identifiers: say what they identify, such as `customer`, and use the same word everywhere",
            "列出标识时必填：请说明标识的类别，如 `customer`，并处处使用同一名称",
        ),
        Need::UsageExporter => ("required: say whose totals", "必填：请指明查询哪个出口方的累计人数"),
    }
}
