//! Violations in the labels of a gateway, in words.
//!
//! Each text names the missing or faulty label and its source. It quotes the request in backticks, with control
//! characters escaped.

use crate::domain::gateway::{
    BodyFault, ChoiceFault, Fault, HostFault, Label, LabelProblem, METHOD_OVERRIDES, NOTHING_MATCHES, Nothing, Origin,
    PATH_OVERRIDES, PathFault, Unlabelled,
};
use crate::domain::units::Persons;
use crate::wire::refusal::issue::Issue;

/// Returns the reasons why a request cannot be turned into a transfer.
pub fn explain(unlabelled: &Unlabelled) -> Vec<Issue> {
    match unlabelled {
        Unlabelled::NothingMatches(nothing) => vec![explain_nothing(nothing)],
        Unlabelled::Wrong(problems) => problems.iter().map(explain_problem).collect(),
    }
}

/// Says whether a refusal of labels has no reason. That cannot happen; if it does, it is not the caller's fault.
pub(super) fn is_empty(unlabelled: &Unlabelled) -> bool {
    matches!(unlabelled, Unlabelled::Wrong(problems) if problems.is_empty())
}

/// Most bytes of a quotation, escapes included. A text has a handful of quotations, and has to fit into a status (see
/// `ISSUES_BYTES_MAX`).
const QUOTED_BYTES_MAX: usize = 96;

fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// Returns the beginning of a stranger's text, escaped for a message.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let escaped = character.escape_debug();
        if QUOTED_BYTES_MAX < shown.len() + escaped.clone().map(char::len_utf8).sum::<usize>() {
            shown.push('…');
            break;
        }
        shown.extend(escaped);
    }
    shown
}

fn explain_nothing(nothing: &Nothing) -> Issue {
    let Nothing { host, method, path, sni, flow_header } = nothing;
    let parts = [
        ("host", "主机名", host),
        ("method", "请求方法", method),
        ("path", "路径", path),
        ("TLS server name", "TLS 服务器名称", sni),
    ];
    let said = parts.iter().filter_map(|(en, zh, text)| Some((en, zh, quoted(text.as_deref()?))));
    let (en, zh): (Vec<String>, Vec<String>) =
        said.map(|(en, zh, text)| (format!("{en} {text}"), format!("{zh} {text}"))).unzip();
    let (seen, seen_zh) = if en.is_empty() {
        ("the gateway states nothing about it".to_owned(), "网关未提供任何信息".to_owned())
    } else {
        (en.join(", "), zh.join("，"))
    };
    let header = quoted(flow_header);
    Issue {
        code: NOTHING_MATCHES,
        field: Origin::Request.to_string(),
        en: format!(
            "no gateway rule matches this request ({seen}) and it carries no header {header}: add a rule to the policies, or let the gateway set the header"
        ),
        zh: format!(
            "没有网关规则与该请求匹配（{seen_zh}），请求也不带请求头 {header}：请在政策中添加规则，或由网关设置该请求头"
        ),
    }
}

fn explain_problem(problem: &LabelProblem) -> Issue {
    let LabelProblem { rule, label, origin, fault } = problem;
    let (en, zh) = fault_texts(*label, origin, fault);
    let (en, zh) = match rule {
        Some(rule) => (format!("rule {}: {en}", quoted(rule)), format!("规则 {}：{zh}", quoted(rule))),
        None => (en, zh),
    };
    Issue { code: fault.code(), field: origin.to_string(), en, zh }
}

/// Returns the English and the Chinese noun of a label.
fn nouns(label: Label) -> (String, String) {
    let (en, zh) = match label {
        Label::Item(index) => {
            return (format!("the code of item {}", index + 1), format!("第 {} 项数据的代码", index + 1));
        }
        Label::Rule => ("the basis for choosing a rule", "判断适用规则的依据"),
        Label::Flow => ("the flow", "数据流"),
        Label::Exporter => ("the exporter", "出口方"),
        Label::Recipient => ("the recipient", "境外接收方"),
        Label::Destination => ("the destination", "目的地"),
        Label::Sector => ("the sector", "行业"),
        Label::Scenario => ("the scenario", "业务场景"),
        Label::ExportZone => ("the zone that the data leaves from", "数据出境所在区域"),
        Label::Persons => ("the number of persons whose general information is sent", "一般个人信息所涉人数"),
        Label::SensitivePersons => {
            ("the number of persons whose sensitive information is sent", "敏感个人信息所涉人数")
        }
        Label::TransferId => ("the id of the transfer", "传输编号"),
    };
    (en.to_owned(), zh.to_owned())
}

/// Returns where a label comes from, in English and Chinese.
fn place(origin: &Origin) -> (String, String) {
    match origin {
        Origin::Header(name) => (format!("the request header {}", quoted(name)), format!("请求头 {}", quoted(name))),
        Origin::Body(pointer) => {
            (format!("{} of the JSON body", quoted(pointer)), format!("JSON 正文的 {}", quoted(pointer)))
        }
        Origin::Context(key) => {
            (format!("{} of the gateway's context", quoted(key)), format!("网关上下文的 {}", quoted(key)))
        }
        Origin::Lines(path) => {
            (format!("{} of a line of the body", quoted(path)), format!("正文每行的 {}", quoted(path)))
        }
        Origin::Csv(column) => {
            (format!("the column {} of the CSV table", quoted(column)), format!("CSV 表的 {} 列", quoted(column)))
        }
        Origin::Form(field) => {
            (format!("the field {} of the form", quoted(field)), format!("表单字段 {}", quoted(field)))
        }
        Origin::Segment(template) => (
            format!("the segment {{}} of the path {}", quoted(template)),
            format!("路径 {} 中 {{}} 处的段", quoted(template)),
        ),
        Origin::Query(name) => {
            (format!("the parameter {} of the query", quoted(name)), format!("查询参数 {}", quoted(name)))
        }
        Origin::Host => ("the host".to_owned(), "主机名".to_owned()),
        Origin::Method => ("the method".to_owned(), "请求方法".to_owned()),
        Origin::Path => ("the path".to_owned(), "路径".to_owned()),
        Origin::Sni => ("the TLS server name".to_owned(), "TLS 服务器名称".to_owned()),
        Origin::Request => ("the request".to_owned(), "请求".to_owned()),
    }
}

fn fault_texts(label: Label, origin: &Origin, fault: &Fault) -> (String, String) {
    let ((noun, noun_zh), (place, place_zh)) = (nouns(label), place(origin));
    match fault {
        Fault::Missing => {
            (format!("{noun} is missing: {place} has to state it"), format!("缺少{noun_zh}：应由{place_zh}给出"))
        }
        Fault::Empty => (format!("{noun} is missing: {place} is empty"), format!("缺少{noun_zh}：{place_zh}为空")),
        Fault::NotSeen => (
            format!("{noun}: the gateway does not provide {place}: let it, or use a value that it sees"),
            format!("{noun_zh}：网关未提供{place_zh}：请让网关提供，或改用其可见的内容"),
        ),
        Fault::Repeated => (
            format!("{noun}: {place} occurs several times, and none of the values is chosen: send it once"),
            format!("{noun_zh}：{place_zh}出现多次，不作取舍：请只发送一次"),
        ),
        Fault::NotText => (
            format!("{noun}: {place} is not visible ASCII text"),
            format!("{noun_zh}：{place_zh}不是可见的 ASCII 文本"),
        ),
        Fault::NotANumber { text } => (
            format!(
                "{noun}: {place} is {}: write a whole number from 0 to {} in digits only",
                quoted(text),
                Persons::MAX
            ),
            format!("{noun_zh}：{place_zh}为 {}：请只用数字填写 0 至 {} 的整数", quoted(text), Persons::MAX),
        ),
        Fault::TooManyPersons { count } => (
            format!("{noun}: {place} is {count}: at most {} are possible, so count distinct persons", Persons::MAX),
            format!("{noun_zh}：{place_zh}为 {count}：最多 {} 人，请按自然人去重计数", Persons::MAX),
        ),
        Fault::TooLong { bytes, max } => (
            format!("{noun}: {place} is {bytes} bytes long: at most {max} are allowed"),
            format!("{noun_zh}：{place_zh}长 {bytes} 字节：最多 {max} 字节"),
        ),
        Fault::NotAName(fault) => (
            format!("{noun}: {place} is not a name: {fault}"),
            format!("{noun_zh}：{place_zh}不是有效名称：{}", fault.chinese()),
        ),
        Fault::OtherDigit => (
            format!("{noun}: {place} has a digit that is neither ASCII nor full-width: write the digits 0 to 9"),
            format!("{noun_zh}：{place_zh}含有既非 ASCII 也非全角的数字：请使用数字 0 至 9"),
        ),
        Fault::Body(fault) => body_texts(&(noun, noun_zh), &(place, place_zh), *fault),
        Fault::Disagrees { request, rule } => (
            format!(
                "{noun}: {place} states {} and the rule {}: make them agree, or omit one",
                quoted(request),
                quoted(rule)
            ),
            format!("{noun_zh}：{place_zh}为 {}，而规则为 {}：两者应一致，或去掉其一", quoted(request), quoted(rule)),
        ),
        Fault::FlowBesideFields => (
            format!(
                "the rule describes the transfer itself, and {place} names a flow: omit the header, or let the rule take the flow from it"
            ),
            format!("规则已自行说明所传数据，而{place_zh}又指明数据流：请去掉该请求头，或让规则从中读取数据流"),
        ),
        Fault::NumberBesideNames => {
            let key = if label == Label::Persons { "subjects" } else { "sensitive_subjects" };
            (
                format!(
                    "{noun}: the rule counts persons by identifier, and {place} can state only a number: let the rule name these persons too, with `{key}`"
                ),
                format!("{noun_zh}：规则按标识计数，而{place_zh}只能给出人数：请在规则中用 `{key}` 指明这些个人"),
            )
        }
        Fault::Host(fault) => host_texts(&(place, place_zh), *fault),
        Fault::Path(fault) => path_texts(*fault),
        Fault::Choice(fault) => choice_texts(fault),
    }
}

fn body_texts(
    (noun, noun_zh): &(String, String),
    (place, place_zh): &(String, String),
    fault: BodyFault,
) -> (String, String) {
    let (en, zh) = match fault {
        BodyFault::InOtherCapitals => (
            "a key there differs only in capitals, blanks, dots or brackets, and some servers treat both keys alike: write it as the rule does",
            "该处的键名仅大小写、空格、点号或方括号不同，部分服务器会视为相同：请按规则中的写法填写",
        ),
        BodyFault::NotThere => (
            "the gateway sent no body: let it send the body, or take the label from elsewhere",
            "网关未发送正文：请让网关发送正文，或从别处取得该标签",
        ),
        BodyFault::Partial => (
            "the gateway sent the beginning of the body only: raise its limit, or take the label from elsewhere",
            "网关只发送了正文的开头：请提高其上限，或从别处取得该标签",
        ),
        BodyFault::NotJson => (
            "the body is not JSON: send JSON, or take the label from elsewhere",
            "正文不是 JSON：请发送 JSON，或从别处取得该标签",
        ),
        BodyFault::NotCsv => (
            "the body is not a CSV table as RFC 4180 demands it: quote cells with quotes, commas or line ends, give every row as many cells as the header, and leave no blank line",
            "正文不是符合 RFC 4180 的 CSV 表：含引号、逗号或换行的单元格应加引号，各行的单元格数应与表头一致，且不留空行",
        ),
        BodyFault::NotForm => (
            "it cannot be decoded in one way: percent-encode it as UTF-8, semicolons too, or send the parts as RFC 7578 demands",
            "无法唯一解码：请按 UTF-8 作百分号编码（分号亦然），或按 RFC 7578 发送各部分",
        ),
        BodyFault::OtherType => (
            "the header `content-type` states another type, another charset than UTF-8, or a parameter twice: send the type that the rule reads",
            "请求头 `content-type` 声明了其他类型或非 UTF-8 字符集，或重复声明参数：请发送规则所读取的类型",
        ),
        BodyFault::Compressed => {
            ("the body is compressed: let the gateway decompress it first", "正文经过压缩：请先由网关解压")
        }
        BodyFault::WrongKind => (
            "the value there has the wrong type: a code is a text, a number of persons is a whole number or a list, an identifier is a text or a whole number",
            "该处的值类型不符：代码应为文本，人数应为整数或列表，标识符应为文本或整数",
        ),
    };
    (format!("{noun} should come from {place}, but {en}"), format!("{noun_zh}应取自{place_zh}，但{zh}"))
}

fn host_texts((place, place_zh): &(String, String), fault: HostFault) -> (String, String) {
    let (en, zh) = match fault {
        HostFault::Character => ("it has a character that a host cannot have", "含有主机名不允许的字符"),
        HostFault::NotAscii => ("it is not ASCII: send its `xn--` form", "不是 ASCII：请使用 `xn--` 形式"),
        HostFault::Parts => ("it has an empty part, or too many or too long ones", "含有空的部分，或部分过多、过长"),
        HostFault::Address => ("it looks like an IP address but is not written like one", "形似地址但写法不规范"),
        HostFault::Port => ("the text after the colon is not a port", "冒号之后不是端口号"),
    };
    (format!("{place} cannot be compared with those of the rules: {en}"), format!("{place_zh}无法与规则比较：{zh}"))
}

fn path_texts(fault: PathFault) -> (String, String) {
    let (en, zh) = match fault {
        PathFault::NoSlash => ("it does not begin with a slash", "不以斜杠开头"),
        PathFault::DotSegment => ("it has a segment `.` or `..`", "含有 `.` 或 `..` 段"),
        PathFault::EmptySegment => ("it has an empty segment, `//`", "含有空段 `//`"),
        PathFault::HiddenSlash => ("it has an encoded slash or a backslash", "含有编码的斜杠或反斜杠"),
        PathFault::HiddenEnd => (
            "it has a `#` or an encoded `?`, where servers may cut it off",
            "含有 `#` 或编码的 `?`，服务器可能在此截断",
        ),
        PathFault::Character => {
            ("it has a control character, a blank, or one beyond ASCII", "含有控制字符、空格或非 ASCII 字符")
        }
        PathFault::Encoding => ("it is not percent-encoded UTF-8", "不是有效的百分号编码 UTF-8"),
        PathFault::EncodedTwice => ("it is encoded twice", "经过两次编码"),
        PathFault::Parameters => {
            ("it has parameters after a `;`, which servers read differently", "含有 `;` 之后的参数，各服务器解读不一")
        }
        PathFault::DotOrBlankAtEnd => (
            "a segment ends with a dot, or begins or ends with a blank, which some servers take off",
            "某一段以点号结尾，或者以空白字符开头或结尾，部分服务器会将其去掉",
        ),
        PathFault::TooLong => ("it is too long", "过长"),
    };
    (
        format!("the path is not normalised, so that rules could be evaded: {en}; let the gateway normalise the path"),
        format!("路径未规范化，可能绕过规则：{zh}；请由网关规范化路径"),
    )
}

/// Lists the names of headers.
fn names(headers: &[&str]) -> String {
    headers.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn choice_texts(fault: &ChoiceFault) -> (String, String) {
    let list = |rules: &[String]| rules.iter().map(|rule| quoted(rule)).collect::<Vec<_>>().join(", ");
    match fault {
        ChoiceFault::ConditionsNotMet { rules } => (
            format!("there are rules for this host and path, but the request meets the conditions of none ({}): add a rule for the rest, or correct the request", list(rules)),
            format!("该主机与路径已有规则，但请求不满足其中任何一条的条件（{}）：请为其余情形添加规则，或更正请求", list(rules)),
        ),
        ChoiceFault::Ambiguous { rules } => (
            format!("the request meets the conditions of several rules ({}), and none of them has precedence: add a condition to one of them", list(rules)),
            format!("请求同时满足多条规则（{}），且无先后之分：请为其中一条增加条件", list(rules)),
        ),
        ChoiceFault::SlashAtEnd { written } => (
            format!("there is a rule for {}, and this path differs from it only by a slash at the end, so servers may treat both alike: add a rule for this path, or let the gateway normalise it", quoted(written)),
            format!("已有针对 {} 的规则，而该路径与之仅差末尾斜杠，服务器可能视为相同：请为该路径添加规则，或由网关规范化", quoted(written)),
        ),
        ChoiceFault::SuffixAtEnd { written } => (
            format!("there is a rule for {}, and this path differs from it only by a suffix of its last segment, so servers may treat it as a format of the same resource: add a rule for this path, or let the gateway refuse it", quoted(written)),
            format!("已有针对 {} 的规则，而该路径与之仅差最后一段的后缀，服务器可能视为同一资源的不同格式：请为该路径添加规则，或由网关拒绝", quoted(written)),
        ),
        ChoiceFault::MethodOverridden { header, says } => (
            format!("the request header `{header}` asks for the method {}, which servers may follow in place of the request's own, and the rules here differ by method: let the gateway strip {}", quoted(says), names(&METHOD_OVERRIDES)),
            format!("请求头 `{header}` 要求按 {} 方法处理，服务器可能以其代替请求自身的方法，而规则按请求方法区分：请由网关去掉 {}", quoted(says), names(&METHOD_OVERRIDES)),
        ),
        ChoiceFault::PathOverridden { header } => (
            format!("the request header `{header}` asks for another path, which servers may follow in place of the request's own, and the rules here differ by path: let the gateway strip {}", names(&PATH_OVERRIDES)),
            format!("请求头 `{header}` 要求处理其他路径，服务器可能以其代替请求自身的路径，而规则按路径区分：请由网关去掉 {}", names(&PATH_OVERRIDES)),
        ),
        ChoiceFault::HostNotSeen => (
            "rules match by host, but the gateway does not see a host: let it send the host".to_owned(),
            "规则按主机名区分，而网关看不到主机名：请让网关提供主机名".to_owned(),
        ),
        ChoiceFault::ServerNameNotMet => (
            "the rules for this host and path match by TLS server name, and none has this name: add a rule for it, or one for any server name".to_owned(),
            "该主机与路径的规则按 TLS 服务器名称区分，但没有针对此名称的规则：请为其添加规则，或添加不限服务器名称的规则".to_owned(),
        ),
        ChoiceFault::OnlyServerName => (
            "there are rules for this host, but the gateway sees only the TLS server name of this connection: add a rule that matches by `sni`".to_owned(),
            "该主机已有规则，而网关对此连接只看到 TLS 服务器名称：请添加按 `sni` 匹配的规则".to_owned(),
        ),
        ChoiceFault::MethodNotInCapitals => (
            "the method is not written in capitals, and rules match by method".to_owned(),
            "请求方法未用大写，而规则按请求方法区分".to_owned(),
        ),
        ChoiceFault::PathNotSeen => (
            "rules for this host match by path, but the gateway does not see the path: add a rule without a path that names CONNECT in `methods`, or for plain connections one that matches by `sni`".to_owned(),
            "该主机的规则按路径区分，而网关看不到路径：请添加不限路径、且在 `methods` 中列出 CONNECT 的规则，普通连接则添加按 `sni` 匹配的规则".to_owned(),
        ),
        ChoiceFault::InsideTunnel => (
            "the gateway does not see the requests inside this tunnel or connection, and another rule could match them: for tunnels add a rule that names CONNECT in `methods`; for plain connections write no rule with methods or headers beside the one with `sni`".to_owned(),
            "网关看不到该隧道或连接内的内容，其中的请求可能适用另一规则：隧道请添加在 `methods` 中列出 CONNECT 的规则；普通连接请勿在按 `sni` 匹配的规则旁设置含请求方法或请求头条件的规则".to_owned(),
        ),
        ChoiceFault::ServerNameNotSeen => (
            "rules for this host match by TLS server name, but the gateway does not see it: let it send the server name (Envoy: `include_tls_session`), or let the rules match by `host`".to_owned(),
            "该主机的规则按 TLS 服务器名称区分，而网关看不到该名称：请让网关提供服务器名称（Envoy：`include_tls_session`），或改用按 `host` 匹配的规则".to_owned(),
        ),
    }
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
