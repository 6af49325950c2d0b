//! CPU and memory of the server and of this process, from /proc.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

struct Usage {
    /// Nanoseconds on a CPU, all threads (schedstat; exact, unlike the 10 ms ticks below).
    cpu_ns: u64,
    user_ticks: u64,
    sys_ticks: u64,
    rss_kb: u64,
    peak_kb: u64,
}

/// Returns the resident memory of a process, in MiB.
pub fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(round(kib(&status, "VmRSS:")? as f64 / 1024.0, 2))
}

/// Returns a number of KiB from the text of a `status` file.
fn kib(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn usage(pid: &str) -> Option<Usage> {
    let mut cpu_ns = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread may end between the listing and the read.
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).unwrap_or_default();
        cpu_ns += text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user_ticks = fields.next()?.parse().ok()?;
    let sys_ticks = fields.next()?.parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let (rss_kb, peak_kb) = (kib(&status, "VmRSS:")?, kib(&status, "VmHWM:")?);
    Some(Usage { cpu_ns, user_ticks, sys_ticks, rss_kb, peak_kb })
}

/// (steal, total) jiffies of the whole machine.
fn host() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line: Vec<u64> =
        text.lines().next().unwrap_or("").split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    (line.get(7).copied().unwrap_or(0), line.iter().sum())
}

pub struct Sample {
    at: Instant,
    server: Option<Usage>,
    client: Option<Usage>,
    host: (u64, u64),
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn report(a: &Usage, b: &Usage, seconds: f64, requests: u64) -> Value {
    let cpu_s = b.cpu_ns.saturating_sub(a.cpu_ns) as f64 / 1e9;
    let (user, sys) = (b.user_ticks.saturating_sub(a.user_ticks), b.sys_ticks.saturating_sub(a.sys_ticks));
    json!({
        "cpu_s": round(cpu_s, 4),
        "cpu_us_per_request": round(cpu_s * 1e6 / requests.max(1) as f64, 3),
        "cpus_busy": round(cpu_s / seconds, 3),
        "sys_share": round(sys as f64 / (user + sys).max(1) as f64, 3),
        "rss_mib": round(b.rss_kb as f64 / 1024.0, 1),
        "peak_rss_mib": round(b.peak_kb as f64 / 1024.0, 1),
    })
}

impl Sample {
    pub fn take(server: Option<u32>) -> Sample {
        Sample {
            server: server.and_then(|pid| usage(&pid.to_string())),
            client: usage("self"),
            host: host(),
            at: Instant::now(),
        }
    }

    pub fn server_report(&self, after: &Sample, requests: u64) -> Option<Value> {
        let seconds = (after.at - self.at).as_secs_f64();
        Some(report(self.server.as_ref()?, after.server.as_ref()?, seconds, requests))
    }

    pub fn client_report(&self, after: &Sample, requests: u64) -> Option<Value> {
        let seconds = (after.at - self.at).as_secs_f64();
        Some(report(self.client.as_ref()?, after.client.as_ref()?, seconds, requests))
    }

    pub fn steal_percent(&self, after: &Sample) -> f64 {
        let total = after.host.1.saturating_sub(self.host.1).max(1);
        round(100.0 * after.host.0.saturating_sub(self.host.0) as f64 / total as f64, 2)
    }
}
