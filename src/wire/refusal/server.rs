//! Refusals without a field of the request, in words: the ledger, the state of the server, its limits.

use crate::wire::refusal::wording::clock;
use crate::wire::refusal::{Exhausted, Issue, Malformed, Unavailable, Uncounted};

/// A message that is not protobuf.
pub(super) fn malformed(Malformed { fields, problem }: &Malformed) -> Issue {
    let en = format!("not a valid protobuf message: {problem}: encode it from the contract of the service");
    let zh = format!("不是有效的 protobuf 消息（{problem}）：请按该服务的协议编码");
    Issue::new(fields.join("."), "MALFORMED", (en, zh))
}

/// A limit of the server. No code: the status says which kind of limit it is.
pub(super) fn exhausted(what: Exhausted) -> Issue {
    let (en, zh) = match what {
        Exhausted::RequestsInFlight => (
            "too many requests in flight: try again after the delay in RetryInfo",
            "正在处理的请求过多：请按 RetryInfo 所示时间后重试",
        ),
        Exhausted::OpenStreams => (
            "too many open streams: close one, or try again after the delay in RetryInfo",
            "打开的流过多：请关闭其一，或按 RetryInfo 所示时间后重试",
        ),
        Exhausted::HealthWatches => (
            "too many watches of health are open: close one, use `Check`, or try again after the delay in RetryInfo",
            "打开的健康状态监听过多：请关闭其一、改用 `Check`，或按 RetryInfo 所示时间后重试",
        ),
        Exhausted::HeldBytes => (
            "too many bytes are being received or wait to be read: nothing may pass, send less at once and read the answers, or try again after the delay in RetryInfo",
            "正在接收或等待取走的数据过多：不得放行，请减少同时发送的数据并及时取走答复，或按 RetryInfo 所示时间后重试",
        ),
    };
    Issue::of_the_whole("", en, zh)
}

/// More exporters that are not registered than may begin within an hour.
pub(super) fn too_many_new_exporters(per_hour_max: u32) -> Issue {
    let en = format!(
        "the exporter is neither registered nor known to the ledger, and the hourly limit of {per_hour_max} such exporters is reached: register the exporter, or try again after the delay in RetryInfo"
    );
    let zh = format!(
        "该出口方未登记且台账中尚无其记录，一小时内可新增的此类出口方（{per_hour_max} 个）已满：请登记该出口方，或按 RetryInfo 所示时间后重试"
    );
    Issue::of_the_whole("TOO_MANY_NEW_EXPORTERS", en, zh)
}

/// A batch whose answer would be too large.
pub(super) fn answer_too_large(bytes_max: usize) -> Issue {
    let en = format!(
        "the answer would have more than {bytes_max} bytes, more than clients accept: ask in smaller batches, or without details; nothing of this batch was answered"
    );
    let zh = format!("答复将超过客户端可接收的 {bytes_max} 字节：请拆分批量，或不要求详情；本批次未作任何答复");
    Issue::of_the_whole("ANSWER_TOO_LARGE", en, zh)
}

/// A server that cannot answer now.
pub(super) fn unavailable(why: Unavailable) -> Issue {
    let (en, zh) = match why {
        Unavailable::NoSnapshot => ("no valid policies are loaded: try again later", "尚未加载有效政策：请稍后重试"),
        Unavailable::Draining => (
            "the server is stopping: send unanswered messages again in a new call",
            "服务器正在停止：未答复的请求请重新发起",
        ),
        Unavailable::Loading => (
            "the policies are being loaded, and other calls are waiting already: try again later",
            "正在加载政策，且已有其他请求等候：请稍后重试",
        ),
        Unavailable::Ledger => (
            "the year's totals cannot be read or written now: nothing may pass, try again after the delay in RetryInfo",
            "目前无法读写累计人数：不得放行，请按 RetryInfo 所示时间后重试",
        ),
        Unavailable::Clock(clocking) => clock(clocking),
    };
    Issue::of_the_whole("", en, zh)
}

/// A call whose deadline has passed.
pub(super) fn late() -> Issue {
    Issue::of_the_whole(
        "",
        "the deadline of the call passed before it was answered: nothing may pass, try again with more time",
        "请求在答复前已超时：不得放行，请延长时限后重试",
    )
}

/// A call of the ledger that is well-formed.
pub(super) fn uncounted(why: Uncounted) -> Issue {
    let (code, en, zh) = match why {
        Uncounted::OtherTransfer => (
            "OTHER_TRANSFER",
            "the transfer id was used for another transfer: choose a new id, or repeat the first request as it was",
            "该传输编号已用于另一次传输：请更换编号，或按原样重发首次请求",
        ),
        Uncounted::TransferNotFound => (
            "TRANSFER_NOT_FOUND",
            "no transfer with that id was reserved: reserve it first",
            "没有该编号的传输：请先预留",
        ),
        Uncounted::Committed => (
            "TRANSFER_COMMITTED",
            "the transfer was committed and cannot be released: its persons stay counted",
            "该传输已确认，不能撤回：已出境的人数保留计数",
        ),
        Uncounted::Released => (
            "TRANSFER_RELEASED",
            "the transfer was released: reserve it again under a new id",
            "该传输已撤回：请以新编号重新预留",
        ),
        Uncounted::Expired => (
            "RESERVATION_EXPIRED",
            "the reservation expired and its persons are no longer counted: reserve again under a new id",
            "预留已过期，其人数不再计入：请以新编号重新预留",
        ),
        Uncounted::Refused => (
            "TRANSFER_NOT_ALLOWED",
            "the transfer was not allowed to go: complete the mechanism that its decision names, then use a new id",
            "该传输未获放行：请先完成判定所列程序，再使用新编号",
        ),
        Uncounted::ExporterNotFound => (
            "EXPORTER_NOT_FOUND",
            "no exporter of that name is registered, and nothing was counted for it in that year: check the name",
            "该出口方未登记，且该年度无任何计数：请核对名称",
        ),
        Uncounted::NoLedger => (
            "NO_LEDGER",
            "this server keeps no totals: state them in Decide, or ask a server that has a ledger",
            "本服务器不计累计人数：请在 Decide 中填写，或使用有台账的服务器",
        ),
        Uncounted::NotHere => (
            "NOT_COUNTED_HERE",
            "the gateway rule counts the transfer (`record: yes`), but this door never counts: ask through another door, or remove `record` from the rule",
            "网关规则要求对该传输计数，而此入口从不计数：请改用其他入口，或从规则中去掉 `record`",
        ),
        Uncounted::Unreadable => (
            "ANSWER_UNREADABLE",
            "the ledger's record of the first answer cannot be read: nothing may pass, report this to the operator of the server",
            "台账中首次答复的记录无法读取：不得放行，请告知服务器运维人员",
        ),
    };
    Issue::of_the_whole(code, en, zh)
}

/// A refusal without a reason. That cannot happen; if it does, nothing may pass.
pub(super) fn unresolved() -> Issue {
    let text = "the request could not be resolved against the policies: report this to the operator of the server";
    Issue::of_the_whole("", text, text)
}
