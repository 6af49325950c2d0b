//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::Res;

/// Most slices of a timeline; each takes some 14 KiB.
const SLICES_MAX: f64 = 10_000.0;

#[derive(Parser, Clone)]
#[command(version, about = "CPU-cheap gRPC load generator (h2c over TCP or a unix socket)")]
pub struct Args {
    /// host:port, or unix:/path/to.sock
    #[arg(long)]
    pub target: String,
    /// /package.Service/Method
    #[arg(long)]
    pub path: String,
    /// One request message, protobuf-encoded, in hex, and the expected content of its answer (repeatable: the set
    /// rotates)
    #[arg(long)]
    pub payload_hex: Vec<String>,
    /// File of request messages, a line each: in hex, and then the expected content of the answer, such as `1.2=1`
    #[arg(long)]
    pub payloads: Option<PathBuf>,
    /// Take any answer: ignore the expected answers of the payloads
    #[arg(long)]
    pub unchecked: bool,
    /// Count a response whose message differs from this hex as an error
    #[arg(long)]
    pub expect_hex: Option<String>,
    /// Extra request metadata, "name: value"
    #[arg(long)]
    pub header: Vec<String>,
    #[arg(long, default_value = "localhost")]
    pub authority: String,
    #[arg(long, short, default_value_t = 1)]
    pub connections: usize,
    /// Requests in flight per connection (a server's MAX_CONCURRENT_STREAMS lowers it)
    #[arg(long, short = 'm', default_value_t = 1)]
    pub inflight: usize,
    /// Client threads; connections are dealt out among them
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Measured seconds, after the warm-up
    #[arg(long, short, default_value_t = 5.0)]
    pub duration: f64,
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// Stop after this many measured requests (or at --duration, whichever is first)
    #[arg(long)]
    pub count: Option<u64>,
    /// Open loop at this many requests a second in all
    #[arg(long)]
    pub rate: Option<f64>,
    /// Open loop: the time that latencies count from
    #[arg(long, value_enum, default_value_t = LatencyFrom::Due)]
    pub latency_from: LatencyFrom,
    /// Report slices of this many milliseconds too, and the server's memory at the same intervals
    #[arg(long)]
    pub timeline_ms: Option<u64>,
    /// Pipeline the messages over one bidirectional stream per connection
    #[arg(long)]
    pub stream: bool,
    /// Spin instead of sleeping (burns a core; takes this side's wake-up out of the latency)
    #[arg(long)]
    pub busy_poll: bool,
    /// Report CPU and memory of this process
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// Copied into the result
    #[arg(long, default_value = "")]
    pub label: String,
}

/// The time that latencies count from, in open loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LatencyFrom {
    /// When the request was due, so that a server that stalls cannot hide it.
    Due,
    /// When it was sent: how long the server takes, where more is due than anybody could send.
    Sent,
}

impl Args {
    /// Checks what concerns one argument or several.
    ///
    /// # Errors
    /// Where they make no sense.
    pub fn check(&self) -> Res<()> {
        if self.connections == 0 || self.inflight == 0 || self.threads == 0 {
            return Err("--connections, --inflight and --threads must be at least 1".into());
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err("--rate must be above 0".into());
        }
        if ![self.duration, self.warmup].iter().all(|seconds| (0.0..=86_400.0).contains(seconds)) {
            return Err("--duration and --warmup are seconds, at most a day".into());
        }
        if let Some(slice_ms) = self.timeline_ms
            && self.duration * 1e3 > SLICES_MAX * slice_ms as f64
        {
            return Err(format!("--timeline-ms {slice_ms}: a timeline has at most {SLICES_MAX} slices").into());
        }
        Ok(())
    }

    /// Returns the length of a slice of the timeline.
    pub fn slice_ns(&self) -> Option<u64> {
        self.timeline_ms.map(|ms| ms * 1_000_000)
    }

    /// Returns the extra request metadata.
    ///
    /// # Errors
    /// Where one is not of the form.
    pub fn headers(&self) -> Res<Vec<(String, String)>> {
        let parse = |line: &String| {
            let (name, value) = line.split_once(':').ok_or("--header wants \"name: value\"")?;
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        self.header.iter().map(parse).collect()
    }

    /// Returns the name of the measurement.
    pub fn mode(&self) -> &'static str {
        match (self.stream, self.rate) {
            (false, None) => "unary-closed",
            (false, Some(_)) => "unary-open",
            (true, None) => "stream-closed",
            (true, Some(_)) => "stream-open",
        }
    }
}
