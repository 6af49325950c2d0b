//! The exposition: all counts and gauges of the server in the `OpenMetrics` text format.

use std::collections::HashMap;
use std::fmt::{Error, Write as _};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::cells::{BOUNDS_NANOSECONDS, BUCKETS, Cell};
use super::counts::Metrics;
use super::health::{Health, Part, health};
use super::labels::{Answer, Door, LedgerCall, LedgerResult, Limit};
use super::standing::{Counting, Files, Serving, Standing};
use crate::domain::clock::Clocking;
use crate::domain::reason::ReasonCode;

/// Media type of the text of [`render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// Media type of the text of [`plain`].
pub const PLAIN_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Converts the text of [`render`] to the text format 0.0.4 of Prometheus, for older readers.
///
/// In that format a family has the name of its samples, so a counter ends in `_total`; an info is a gauge; units and the mark
/// at the end do not exist.
pub fn plain(open_metrics: &str) -> String {
    let kinds = open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let kinds: HashMap<&str, &str> = kinds.collect();
    let mut plain = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let described = line.strip_prefix("# ").and_then(|rest| {
            let (word, rest) = rest.split_once(' ')?;
            let (name, rest) = rest.split_once(' ')?;
            Some((word, name, rest))
        });
        let written = match described {
            Some((word @ ("HELP" | "TYPE"), name, rest)) => {
                let kind = kinds.get(name).copied().unwrap_or_default();
                let ending = match kind {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                let rest = if word == "TYPE" && rest == "info" { "gauge" } else { rest };
                writeln!(plain, "# {word} {name}{ending} {rest}")
            }
            // Units, and the end.
            _ if line.starts_with('#') => Ok(()),
            _ => writeln!(plain, "{line}"),
        };
        // A write to memory cannot fail.
        let _ = written;
    }
    plain
}

/// Returns all counts and the standing of the server as text.
///
/// # Errors
/// If the text cannot be written, which cannot happen, because it is written to memory.
pub fn render(metrics: &Arc<Metrics>, standing: Standing) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("neglist");
    registry.register_collector(Box::new(Scrape { metrics: Arc::clone(metrics), standing }));
    let mut text = String::with_capacity(64 << 10);
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// One scrape.
#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    standing: Standing,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.decisions(&mut encoder)?;
        self.times(&mut encoder)?;
        self.refusals(&mut encoder)?;
        self.ledger(&mut encoder)?;
        self.policies(&mut encoder)?;
        self.server(&mut encoder)
    }
}

impl Scrape {
    fn sum(&self, cell: Cell) -> u64 {
        self.metrics.cells.sum(cell)
    }

    fn decisions(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Transfers asked about, by door and outcome / 询问的传输数，按入口和结果";
        let mut family = encoder.encode_descriptor("decisions", help, None, MetricType::Counter)?;
        for door in Door::ALL {
            for answer in Answer::ALL {
                let labels = [("door", door.name()), ("outcome", answer.name())];
                counter(&mut family, &labels, self.sum(Cell::Answer(*door, *answer)))?;
            }
        }
        let help = "Reasons of decisions, by code; a decision has one or several / 判定理由数，按代码";
        let mut family = encoder.encode_descriptor("reasons", help, None, MetricType::Counter)?;
        for code in ReasonCode::ALL {
            counter(&mut family, &[("reason", code.name())], self.sum(Cell::Reason(*code)))?;
        }
        Ok(())
    }

    fn times(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Time to answer a call, by door / 答复用时，按入口";
        let unit = Some(&Unit::Seconds);
        let mut family = encoder.encode_descriptor("call_duration", help, unit, MetricType::Histogram)?;
        for door in Door::ALL {
            // The count is the sum of the buckets, so that the two always agree.
            let counts = (0..BUCKETS).map(|bucket| self.sum(Cell::Bucket(*door, bucket)));
            let bounds = BOUNDS_NANOSECONDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let sum = seconds(self.sum(Cell::TookNanoseconds(*door)));
            let labels = [("door", door.name())];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn refusals(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Requests refused and connections cut off for a limit / 因限额被拒绝的请求和被切断的连接";
        let mut family = encoder.encode_descriptor("limit_refusals", help, None, MetricType::Counter)?;
        for limit in Limit::ALL {
            counter(&mut family, &[("limit", limit.name())], self.sum(Cell::Limit(*limit)))?;
        }
        Ok(())
    }

    fn ledger(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Calls of the ledger, by result / 台账调用次数，按结果";
        let mut family = encoder.encode_descriptor("ledger_calls", help, None, MetricType::Counter)?;
        for call in LedgerCall::ALL {
            for result in LedgerResult::ALL {
                let labels = [("call", call.name()), ("result", result.name())];
                counter(&mut family, &labels, self.sum(Cell::Ledger(*call, *result)))?;
            }
        }
        let help = "Calls that wait for the ledger / 等候台账的调用";
        gauge(encoder, "ledger_calls_waiting", help, None, self.standing.ledger_calls_waiting)?;
        let help = "Time for which the oldest call has waited for the ledger / 等候台账最久的调用已等时长";
        let seconds = self.standing.ledger_oldest_call_seconds;
        gauge(encoder, "ledger_oldest_call", help, Some(&Unit::Seconds), seconds)?;
        let is_open = match self.standing.counting {
            // No ledger, no series: an alert on a closed one must not go off.
            Counting::None => return Ok(()),
            Counting::Open => 1_u64,
            Counting::Full | Counting::Closed | Counting::Stalled => 0,
        };
        gauge(encoder, "ledger_open", "1 where persons can be counted / 可以计数时为1", None, is_open)
    }

    fn policies(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let policies = &self.standing.policies;
        let help = "Revision of the policies in force / 生效政策的版次";
        gauge(encoder, "snapshot_revision", help, None, policies.revision)?;
        let help = "Content digest of the policies in force / 生效政策的内容摘要";
        let mut family = encoder.encode_descriptor("snapshot", help, None, MetricType::Info)?;
        family.encode_info(&[("digest", policies.digest.as_ref())])?;
        let help = "Time for which the policies have been in force / 政策已生效时长";
        gauge(encoder, "snapshot_age", help, Some(&Unit::Seconds), policies.age_seconds)?;
        let help = "Time that the last load of the policies took / 最近一次加载政策用时";
        gauge(encoder, "snapshot_load_duration", help, Some(&Unit::Seconds), policies.load_seconds)?;
        let help = "1 for the state of the policy files: in force, or refused / 政策文件状态：已生效或被拒绝";
        let mut family = encoder.encode_descriptor("policy_files", help, None, MetricType::Gauge)?;
        for files in Files::ALL {
            let is_so = u64::from(files == policies.files);
            family.encode_family(&[("state", files.name())])?.encode_gauge(&is_so)?;
        }
        let help = "Attempts to load the policies, by result / 加载政策次数，按结果";
        let mut family = encoder.encode_descriptor("reloads", help, None, MetricType::Counter)?;
        let results =
            [("activated", policies.activations), ("refused", policies.refusals), ("unchanged", policies.unchanged)];
        for (result, count) in results {
            counter(&mut family, &[("result", result)], count)?;
        }
        Ok(())
    }

    fn server(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Requests that are being answered / 正在答复的请求";
        gauge(encoder, "requests_in_flight", help, None, self.standing.requests_in_flight)?;
        let help = "Open connections, the admin listener apart / 打开的连接（管理入口除外）";
        gauge(encoder, "connections_open", help, None, self.standing.connections_open)?;
        let help = "1 for the state of the clock: sound, jumped, or unusable / 时钟状态：可靠、被改动或不可用";
        let mut family = encoder.encode_descriptor("clock", help, None, MetricType::Gauge)?;
        for clocking in Clocking::ALL {
            let is_so = u64::from(clocking == self.standing.clock);
            family.encode_family(&[("state", clocking.name())])?.encode_gauge(&is_so)?;
        }
        let help = "Log lines dropped because the log was not read / 因日志无人读取而丢弃的日志行";
        let mut family = encoder.encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, u64, f64>(&self.standing.log_lines_dropped, None)?;
        let is_ready = match self.standing.serving {
            Serving::Ready => 1_u64,
            Serving::Draining => 0,
        };
        gauge(encoder, "serving", "1 until the server begins to stop / 服务器开始停止前为1", None, is_ready)?;
        let help = "1 where a service is healthy, as health checks are told / 服务健康时为1（与健康检查一致）";
        let mut family = encoder.encode_descriptor("health", help, None, MetricType::Gauge)?;
        for part in Part::ALL {
            let is_healthy = u64::from(health(part, self.standing.condition()) == Health::Serving);
            family.encode_family(&[("service", part.label())])?.encode_gauge(&is_healthy)?;
        }
        let mut family = encoder.encode_descriptor("build", "What runs / 运行的程序", None, MetricType::Info)?;
        family.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

fn counter(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, count: u64) -> Result<(), Error> {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: impl EncodeGaugeValue + Copy,
) -> Result<(), Error> {
    encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
}

#[expect(clippy::cast_precision_loss, reason = "a time for a graph: nanoseconds beyond 104 days are rounded")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / NANOSECONDS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::standing::PoliciesStanding;
    use super::*;
    use crate::domain::reason::Outcome;

    fn standing() -> Standing {
        Standing {
            serving: Serving::Ready,
            policies: PoliciesStanding {
                files: Files::Stale,
                revision: 3,
                digest: "blake3:00".into(),
                age_seconds: 12.5,
                load_seconds: 0.25,
                activations: 2,
                refusals: 1,
                unchanged: 4,
            },
            counting: Counting::Closed,
            ledger_calls_waiting: 7,
            ledger_oldest_call_seconds: 0.5,
            requests_in_flight: 2,
            connections_open: 5,
            clock: Clocking::Jumped,
            log_lines_dropped: 9,
        }
    }

    #[test]
    fn c_the_older_format_has_the_same_samples_each_under_the_name_of_its_family() {
        let open_metrics = render(&Arc::default(), standing()).unwrap();
        let plain = plain(&open_metrics);
        let samples = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&plain), samples(&open_metrics));
        assert!(!plain.contains("# EOF") && !plain.contains("# UNIT") && plain.ends_with('\n'));
        let (mut family, mut kind) = ("", "");
        for line in plain.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                (family, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(plain.contains(&format!("# HELP {family} ")), "{line}");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let ending = name.strip_prefix(family);
                let endings: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
                assert!(ending.is_some_and(|ending| endings.contains(&ending)), "{line} of {family}");
            }
        }
    }

    fn lines(metrics: &Arc<Metrics>, standing: Standing) -> Vec<String> {
        render(metrics, standing).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_count_is_shown() {
        let metrics = Arc::new(Metrics::default());
        let reasons = [ReasonCode::SmallVolume, ReasonCode::LineUnknown];
        metrics.decided(Door::Decide, Outcome::Allow, reasons.into_iter());
        metrics.refused(Door::HttpDecide);
        metrics.limited(Limit::RequestsInFlight);
        metrics.ledger(LedgerCall::Reserve, LedgerResult::Failed);
        for microseconds in [5, 6, 20_000_000] {
            metrics.took(Door::Decide, Duration::from_micros(microseconds));
        }
        let lines = lines(&metrics, standing());
        for line in [
            r#"neglist_decisions_total{door="decide",outcome="allow"} 1"#,
            r#"neglist_decisions_total{door="http-decide",outcome="refused"} 1"#,
            r#"neglist_decisions_total{door="envoy",outcome="allow"} 0"#,
            r#"neglist_reasons_total{reason="SMALL_VOLUME"} 1"#,
            r#"neglist_limit_refusals_total{limit="requests-in-flight"} 1"#,
            r#"neglist_ledger_calls_total{call="reserve",result="failed"} 1"#,
            r#"neglist_call_duration_seconds_bucket{le="0.000005",door="decide"} 1"#,
            r#"neglist_call_duration_seconds_bucket{le="0.00001",door="decide"} 2"#,
            r#"neglist_call_duration_seconds_bucket{le="10.0",door="decide"} 2"#,
            r#"neglist_call_duration_seconds_bucket{le="+Inf",door="decide"} 3"#,
            r#"neglist_call_duration_seconds_count{door="decide"} 3"#,
            r#"neglist_call_duration_seconds_sum{door="decide"} 20.000011"#,
            "neglist_snapshot_revision 3",
            r#"neglist_snapshot_info{digest="blake3:00"} 1"#,
            "neglist_snapshot_age_seconds 12.5",
            r#"neglist_policy_files{state="stale"} 1"#,
            r#"neglist_policy_files{state="current"} 0"#,
            r#"neglist_reloads_total{result="activated"} 2"#,
            "neglist_ledger_calls_waiting 7",
            "neglist_ledger_open 0",
            "neglist_ledger_oldest_call_seconds 0.5",
            r#"neglist_health{service="server"} 0"#,
            r#"neglist_health{service="neglist.v1.DecisionService"} 1"#,
            r#"neglist_health{service="neglist.v1.LedgerService"} 0"#,
            "neglist_requests_in_flight 2",
            "neglist_connections_open 5",
            r#"neglist_clock{state="sound"} 0"#,
            r#"neglist_clock{state="jumped"} 1"#,
            "neglist_log_lines_dropped_total 9",
            "neglist_serving 1",
            concat!("neglist_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# TYPE neglist_decisions counter",
            "# TYPE neglist_call_duration_seconds histogram",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line} is not in\n{}", lines.join("\n"));
        }
        assert_eq!(lines.last().unwrap(), "# EOF");
    }

    #[test]
    fn without_a_ledger_there_is_nothing_to_say_of_one() {
        let lines = lines(&Arc::default(), Standing { counting: Counting::None, ..standing() });
        assert!(!lines.iter().any(|line| line.starts_with("neglist_ledger_open")));
    }
}
