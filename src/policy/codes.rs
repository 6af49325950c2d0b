//! The meaning of each diagnostic code, in both languages: the fault, and the fix.
//!
//! The one table of all codes, those of the directory (`D…`) included. A diagnostic has an exact message in English;
//! reports, the admin API and `docs/diagnostics.md` take the text of its code from here. Codes are stable: a number is
//! never used again for something else.

use super::diagnostic::Severity;

/// The meaning of a diagnostic code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code, such as `P012`.
    pub code: &'static str,
    /// The severities that its diagnostics have, the most severe first.
    pub severities: &'static [Severity],
    /// The fault, in English.
    pub problem_en: &'static str,
    /// The fault, in Chinese.
    pub problem_zh: &'static str,
    /// How to fix it, in English.
    pub fix_en: &'static str,
    /// How to fix it, in Chinese.
    pub fix_zh: &'static str,
}

/// Returns the meaning of a code; `None` for a code that does not exist.
pub fn explanation(code: &str) -> Option<&'static Explanation> {
    EXPLANATIONS.iter().find(|explanation| explanation.code == code)
}

const ERROR: &[Severity] = &[Severity::Error];
const WARNING: &[Severity] = &[Severity::Warning];
const NOTE: &[Severity] = &[Severity::Note];
const WARNING_OR_NOTE: &[Severity] = &[Severity::Warning, Severity::Note];

/// Returns a row of the table: the fault and the fix are each in English and Chinese.
const fn explanation_of(
    code: &'static str,
    severities: &'static [Severity],
    (problem_en, problem_zh): (&'static str, &'static str),
    (fix_en, fix_zh): (&'static str, &'static str),
) -> Explanation {
    Explanation { code, severities, problem_en, problem_zh, fix_en, fix_zh }
}

/// All codes: those of files, then those of the directory.
pub const EXPLANATIONS: &[Explanation] = &[
    explanation_of(
        "P001",
        ERROR,
        (
            "the file is not YAML (indentation, brackets, quotes, tabs); or it has anchors, aliases, merge keys or several documents, is nested too deep, or has more than one value for each 4 bytes",
            "文件不是有效的 YAML（缩进、括号、引号或制表符有误）；或者含有锚点、别名、合并键或多个文档，嵌套过深，或平均不足 4 字节就有一个值",
        ),
        (
            "look at the place and just before it; put texts with `: ` in quotes; write out aliases",
            "请检查所指位置及其前文；含 `: ` 的文本请加引号；别名请展开书写",
        ),
    ),
    explanation_of(
        "P002",
        ERROR,
        (
            "a value of the wrong kind: a text instead of a list, a number instead of a text",
            "值的类型不符，例如应为列表而写成文本，应为文本而写成数字",
        ),
        ("write it as `policies/README.md` shows", "请按 `policies/README.md` 的格式书写"),
    ),
    explanation_of(
        "P003",
        ERROR,
        ("a key that the format does not have here", "此处没有这个键"),
        ("correct its spelling, or remove it", "请更正拼写，或删除该键"),
    ),
    explanation_of("P004", ERROR, ("a key is missing", "缺少必填的键"), ("add it", "请补上该键")),
    explanation_of("P005", ERROR, ("a duplicate key", "键重复"), ("keep one", "请只保留一个")),
    explanation_of(
        "P006",
        ERROR,
        (
            "an invalid word, code, day, country, number, host, path, method or header, or one that is not in the form in which it is compared; a path that is a pattern (`/a/*`, `/u/:id`, `/u/{id}`)",
            "取值、代码、日期、国家和地区代码、数字、主机名、路径、请求方法或请求头无效，或未按比较时的规范形式书写；或者路径写成了通配模式（`/a/*`、`/u/:id`、`/u/{id}`）",
        ),
        ("the message names the permitted values", "允许的写法见具体提示"),
    ),
    explanation_of(
        "P007",
        ERROR,
        ("the file is empty, or states no kind or no known format version", "文件为空，或未写明种类，或格式版本未知"),
        ("begin it with `format: 1` and `kind: …`", "文件请以 `format: 1` 和 `kind: …` 开头"),
    ),
    explanation_of(
        "P010",
        ERROR,
        ("a duplicate code or id", "代码或标识重复"),
        ("rename or remove one of the two", "请改名，或删除其中之一"),
    ),
    explanation_of(
        "P011",
        ERROR,
        (
            "an undefined reference: no file defines the code; or a test names a reason code that does not exist",
            "引用的代码未定义：没有文件定义该代码；或者测试用例写了不存在的判定理由代码",
        ),
        (
            "correct the word (the message names the nearest known one), or define it",
            "请更正代码（提示中给出最接近的已知代码），或补充定义",
        ),
    ),
    explanation_of(
        "P012",
        ERROR,
        ("two editions for the same exporters are in force at the same time", "适用于相同出口方的两个清单版本同时有效"),
        ("end the earlier one with `last_day`", "请为较早的版本填写 `last_day`，使其先行终止"),
    ),
    explanation_of(
        "P013",
        ERROR,
        ("a contract line is above the assessment line", "标准合同线高于安全评估线"),
        ("exchange the two, or correct the number", "请对调两个人数，或更正其中之一"),
    ),
    explanation_of(
        "P014",
        ERROR,
        ("a last day is before the first", "终止日早于起始日"),
        ("correct one of the two", "请更正其中之一"),
    ),
    explanation_of(
        "P015",
        ERROR,
        (
            "a limit is exceeded: all entries, zones, cities, kinds, attributes, entries that name one item, or conditions of one gateway rule",
            "超出上限：全部条目数，区域、城市、出口方类型、属性的个数，涉及同一数据项的条目数，或一条网关规则的条件数",
        ),
        (
            "raise the limit if the message names one, or split or join",
            "提示中写明配置项的，可调高该上限；否则请拆分或合并",
        ),
    ),
    explanation_of(
        "P016",
        ERROR,
        ("there is no national list", "缺少全国清单"),
        ("keep `lists/national/` of the shipped policies", "请保留随附政策中的 `lists/national/`"),
    ),
    explanation_of(
        "P017",
        ERROR,
        (
            "contradictory values: an exception without attributes, a zone filing without editions, a zone within itself, a contract of the Greater Bay Area without its statements, a gateway rule with half a transfer, and the like",
            "内容相互矛盾，例如：例外未列属性，负面清单备案未列清单版本，区域包含于自身，大湾区标准合同缺少应有的声明，网关规则只写明了传输的一部分",
        ),
        ("the message says which", "请按具体提示更正"),
    ),
    explanation_of(
        "P020",
        WARNING_OR_NOTE,
        (
            "a list or clearance ends within 60 days (`--expires-within-days`); a note if the next edition follows immediately, or if the end has passed",
            "清单或已完成程序将在 60 天内到期（`--expires-within-days`）；下一版本紧接其后的，或已经到期的，仅作提示",
        ),
        ("add the next edition; have the clearance extended", "请添加下一版本的清单；请办理已完成程序的延期"),
    ),
    explanation_of(
        "P021",
        WARNING,
        ("a line outside 1 to 10 times the national line", "清单的人数线不在全国人数线的 1 至 10 倍之间"),
        ("look at the source: is there a zero too few or too many?", "请核对原文：是否少写或多写了一个零"),
    ),
    explanation_of(
        "P022",
        WARNING,
        ("a clearance lasts longer than its mechanism allows", "已完成程序的有效期超过该类程序允许的期限"),
        ("correct its last day; register an extension as a separate entry", "请更正终止日；延期请另行登记一条"),
    ),
    explanation_of(
        "P023",
        WARNING_OR_NOTE,
        (
            "no zone list applies to a flow although one is in force in the exporter's zone; or the flow goes to the mainland. A warning if the flow's sector or scenario resembles a listed one",
            "出口方所在区域有负面清单生效，但没有清单适用于该数据流；或者该数据流的目的地在中国内地。其行业或场景与清单所列相似的，为警告",
        ),
        (
            "register the flow under the listed sector or scenario, if that is intended",
            "如属清单所列情形，请将该数据流登记在清单所列的行业或场景之下",
        ),
    ),
    explanation_of(
        "P024",
        NOTE,
        ("parts of a file are `unknown`; the message states how many", "文件中有内容标为 `unknown`，处数见具体提示"),
        (
            "find the published text and enter it; until then the stricter reading applies",
            "请查找公布的原文并录入；在此之前从严适用",
        ),
    ),
    explanation_of(
        "P025",
        WARNING,
        ("a source to which nothing in the file refers", "文件中没有内容引用该来源"),
        ("remove it, or refer to it where it applies", "请删除该来源，或在应当引用处写明"),
    ),
    explanation_of(
        "P026",
        WARNING_OR_NOTE,
        (
            "days between two editions of a family on which neither is in force; a note if they have passed",
            "同一系列的两个清单版本之间，有若干日没有版本生效；该期间已过的，仅作提示",
        ),
        (
            "correct `last_day` or `first_day`, if the later edition followed immediately",
            "如后一版本紧接前一版本，请更正 `last_day` 或 `first_day`",
        ),
    ),
    explanation_of(
        "P027",
        WARNING,
        (
            "an exporter sends a class of information but `held` says that it holds none, and a list makes large holdings important data",
            "出口方传出某类个人信息，而其 `held` 写明不持有该类信息；适用的清单将持有量较大的个人信息认定为重要数据",
        ),
        ("state in `held` the number of persons", "请在 `held` 中填写所持个人信息涉及的人数"),
    ),
    explanation_of(
        "P028",
        WARNING,
        (
            "a filing in force names only editions that have ended: it covers nothing",
            "有效期内的备案所列的清单版本均已终止，该备案不起作用",
        ),
        ("file under the edition in force and add it to `lists`", "请按现行版本办理备案，并将其标识加入 `lists`"),
    ),
    explanation_of(
        "P029",
        WARNING,
        (
            "an assessment that extends another has a cap more than 20 % above it",
            "延期的安全评估的人数上限比原评估高出 20% 以上",
        ),
        (
            "apply for a new assessment, or correct the cap: an extension may not exceed this",
            "请重新申报安全评估，或更正上限：延期不得超过该幅度",
        ),
    ),
    explanation_of(
        "P030",
        ERROR,
        (
            "a file named `*_test.yaml` is not a test, or a test has another name: a server skips files with that name, and `test` runs no others",
            "名为 `*_test.yaml` 的文件不是测试，或者测试文件未按此命名：服务器跳过此类文件，`test` 只运行此类文件",
        ),
        ("rename it", "请改名"),
    ),
    explanation_of(
        "P031",
        WARNING,
        (
            "lists for the same exporters have different families, so the count of the year begins again with the later list",
            "适用于相同出口方的清单属于不同系列，后一清单生效时年度人数将重新计算",
        ),
        ("give both the same `family`", "请将两者的 `family` 写成一致"),
    ),
    explanation_of(
        "P032",
        ERROR,
        ("two files state the label headers", "有两个文件写明标签请求头"),
        ("keep one of the two", "请只保留一处"),
    ),
    explanation_of(
        "P033",
        ERROR,
        (
            "two gateway rules match the same requests, so every such request would be refused",
            "两条网关规则与相同的请求匹配，此类请求将一律被拒绝",
        ),
        ("add a condition to one, or remove it", "请为其中一条增加条件，或将其删除"),
    ),
    explanation_of(
        "P034",
        ERROR,
        (
            "more than 64 gateway rules for the same host, path and server name",
            "同一主机名、路径和服务器名称的网关规则超过 64 条",
        ),
        (
            "take the flow from a header or the context, or distinguish the requests by path",
            "请由请求头或上下文给出数据流，或按路径区分请求",
        ),
    ),
    explanation_of(
        "P035",
        WARNING,
        (
            "no request can match a gateway rule: another rule has precedence for every path, it depends on the path of CONNECT, or it concerns an AuthZEN `resource.type` of `flow` or `transfer`, which the door maps by itself",
            "没有请求能与该网关规则匹配：另一规则在每个路径上优先，或该规则取决于 CONNECT 请求的路径，或涉及 AuthZEN 入口自行处理的 `resource.type`（`flow`、`transfer`）",
        ),
        ("correct its conditions, or remove it", "请更正其条件，或将其删除"),
    ),
    explanation_of(
        "P036",
        WARNING,
        (
            "a catch-all rule: it matches every request that no other rule matches",
            "兜底的网关规则：凡不与其他规则匹配的请求，均与该规则匹配",
        ),
        ("state a host or a path, if that is not intended", "如非本意，请写明主机名或路径"),
    ),
    explanation_of(
        "P037",
        WARNING,
        (
            "a gateway rule with `record: yes` counts under an id from a header that is not a label: a client that can set this header can pass off two transfers as one, and the second is not counted",
            "写有 `record: yes` 的网关规则按某请求头中的编号计数，而该请求头不是标签请求头：能设置该请求头的客户端可将两次传输并作一次，第二次不计数",
        ),
        (
            "omit `transfer_id` and let the gateway set the label header; or make sure that every gateway sets that header itself",
            "请不写 `transfer_id`，由网关设置标签请求头；或确保每个网关都自行设置该请求头",
        ),
    ),
    explanation_of(
        "P038",
        WARNING,
        (
            "a gateway rule gives a header or a context key a value that begins or ends with `*`: values are compared letter by letter, and a milder rule may match the requests that the pattern was meant for",
            "网关规则中请求头或上下文键的值以 `*` 开头或结尾：值须逐字相同才匹配，原想匹配的请求可能适用更宽松的规则",
        ),
        ("write complete values, one rule for each", "请写出完整的值，每个值一条规则"),
    ),
    explanation_of(
        "P040",
        WARNING,
        (
            "nine tenths or more of a clearance's cap are used in the year of the day of the check. Only with `check --ledger`",
            "在检查日所在年度，已完成程序的人数上限已用九成以上。仅见于 `check --ledger`",
        ),
        (
            "send less under the clearance until the end of the year, or have its cap raised: transfers beyond it are not covered",
            "请在年底前减少该程序项下的传输，或办理提高上限：超出部分不在涵盖之内",
        ),
    ),
    explanation_of(
        "P041",
        NOTE,
        (
            "a known round of official answers is unread; for each file, its sources that are older than the newest such round, and the number without a date",
            "已知的一轮官方问答尚未读取；各文件中早于最新一轮的来源，以及未注明日期的来源数",
        ),
        (
            "read it, enter the changes, write `read: yes` in `official_answers` of the national list",
            "读取问答，录入变更，并在全国清单的 `official_answers` 中写 `read: yes`",
        ),
    ),
    explanation_of(
        "P042",
        ERROR,
        (
            "a contract of the Greater Bay Area begins before its guideline was public",
            "大湾区标准合同的起始日早于其指引公布之日",
        ),
        ("correct `first_day`", "更正 `first_day`"),
    ),
    explanation_of(
        "P043",
        WARNING,
        (
            "a contract of the Greater Bay Area covers nothing: its exporter is registered in none of the Area's cities, or operates critical infrastructure",
            "大湾区标准合同不起作用：出口方未注册于大湾区城市，或者为关键信息基础设施运营者",
        ),
        (
            "correct the exporter's `cities` or `ciio`, or remove the contract",
            "更正出口方的 `cities` 或 `ciio`，或者删除该合同",
        ),
    ),
    explanation_of(
        "P044",
        WARNING,
        (
            "two gateway rules normalise identifiers of one kind in different ways: one person may count as two",
            "两条网关规则对同一类别的标识采用不同的归一化方式：同一人可能被计为两人",
        ),
        (
            "give both the same `normalise`, or each a kind of its own",
            "请让两者采用相同的 `normalise`，或各用不同的类别",
        ),
    ),
    explanation_of(
        "P050",
        ERROR,
        (
            "the last line of the file is missing or not exactly `complete: yes`: the file is truncated, or is still being written; or there are keys after that line",
            "文件末行缺失，或不是 `complete: yes`：文件被截断，或尚未写完；或者该行之后还有其他键",
        ),
        (
            "wait until the file is complete; if it is, add the line at the end, in the first column",
            "请等文件写完；如文件完整，请在末尾顶格加上该行",
        ),
    ),
    explanation_of(
        "D001",
        ERROR,
        ("the policy directory does not exist", "政策目录不存在"),
        ("create it, or name another", "请创建该目录，或指定其他目录"),
    ),
    explanation_of(
        "D002",
        ERROR,
        ("the policy directory is a file", "政策目录是一个文件"),
        ("name the directory that holds the files", "请指定存放政策文件的目录"),
    ),
    explanation_of(
        "D003",
        ERROR,
        ("a directory cannot be listed", "无法列出目录"),
        ("allow the user that runs neglist to list and enter it", "请允许运行 neglist 的用户列出并进入该目录"),
    ),
    explanation_of(
        "D004",
        ERROR,
        ("a file cannot be read", "无法读取文件"),
        (
            "allow the user that runs neglist to read it, or remove it",
            "请允许运行 neglist 的用户读取该文件，或将其移除",
        ),
    ),
    explanation_of(
        "D005",
        ERROR,
        ("a file is not UTF-8", "文件不是 UTF-8 编码"),
        ("save it as UTF-8", "请另存为 UTF-8"),
    ),
    explanation_of(
        "D006",
        ERROR,
        ("a file is too large", "文件过大"),
        ("split it, or raise `policy_file_bytes_max`", "请拆分，或调高 `policy_file_bytes_max`"),
    ),
    explanation_of(
        "D007",
        ERROR,
        ("there are too many files", "政策文件过多"),
        ("put more into each, or raise `policy_files_max`", "请合并文件，或调高 `policy_files_max`"),
    ),
    explanation_of(
        "D008",
        ERROR,
        ("all files together are too large", "全部政策文件合计过大"),
        (
            "remove unneeded files, or raise `policy_total_bytes_max`",
            "请移除不需要的文件，或调高 `policy_total_bytes_max`",
        ),
    ),
    explanation_of(
        "D009",
        ERROR,
        ("directories are nested too deep", "目录嵌套过深"),
        (
            "move the files up, or raise `policy_directory_depth_max`",
            "请将文件上移，或调高 `policy_directory_depth_max`",
        ),
    ),
    explanation_of(
        "D010",
        ERROR,
        ("there is no policy file", "没有政策文件"),
        ("put `.yaml` files into the directory", "请将 `.yaml` 文件放入该目录"),
    ),
    explanation_of(
        "D011",
        ERROR,
        ("a link forms a cycle", "链接形成循环"),
        ("remove or change it", "请移除或更改该链接"),
    ),
    explanation_of(
        "D012",
        ERROR,
        ("a link has no target", "链接的目标不存在"),
        ("remove or change it", "请移除或更改该链接"),
    ),
    explanation_of(
        "D013",
        ERROR,
        ("an entry with the name of a policy file is not a regular file", "名称与政策文件相同的条目不是普通文件"),
        ("remove or rename it", "请移除，或改名"),
    ),
    explanation_of("D014", ERROR, ("a file name is not UTF-8", "文件名不是 UTF-8 编码"), ("rename the file", "请改名")),
    explanation_of(
        "D015",
        ERROR,
        ("the directory kept changing while it was read", "目录在读取期间不断变动"),
        ("write files elsewhere and move them here in one step", "请在别处写好文件后一次移入"),
    ),
    explanation_of(
        "D016",
        WARNING,
        ("a file is ignored although its name resembles that of a policy file", "文件被忽略，但其名称与政策文件相似"),
        ("rename or remove it", "请改名，或移除"),
    ),
    explanation_of(
        "D017",
        ERROR,
        ("there are too many directory entries of any kind", "目录中各类条目过多"),
        ("keep other files elsewhere, or raise `policy_files_max`", "请将其他文件移至别处，或调高 `policy_files_max`"),
    ),
    explanation_of(
        "D018",
        ERROR,
        ("neglist failed while it compiled the policies: a bug", "neglist 编译政策时失败，属程序缺陷"),
        ("report it, with the files", "请连同政策文件一并报告"),
    ),
    explanation_of(
        "D019",
        ERROR,
        ("a policy file is empty", "政策文件为空"),
        ("complete it, or remove it", "请补全，或移除"),
    ),
    explanation_of(
        "D020",
        ERROR,
        (
            "the policy files have kept changing for longer than `policy_changing_max_ms`, without a pause of `policy_debounce_ms`: they are not read, and the state is STALE until they are; the message names the path that changed last",
            "政策文件连续变动超过 `policy_changing_max_ms`，其间未能静止 `policy_debounce_ms`：静止之前不予读取，状态为 STALE；提示中写明最后变动的路径",
        ),
        (
            "find the program that writes there; write files elsewhere and move them here in one step",
            "请查明写入的程序；请在别处写好文件后一次移入",
        ),
    ),
];
