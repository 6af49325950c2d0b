//! `pdp-load`: a load generator for gRPC servers that is cheap enough to share a small machine with
//! the server it measures.
//!
//! It speaks HTTP/2 by hand (frames, flow control, HPACK with the dynamic table, as usual gRPC clients do) over
//! non-blocking sockets and epoll, and sends pre-encoded protobuf payloads to any unary method, or pipelines them over
//! one bidirectional stream per connection. A payload can have the expected content of its answer beside it; any other
//! answer is an error.
//!
//! * closed loop (default): every connection keeps `--inflight` requests outstanding;
//! * open loop (`--rate`): requests fall due on a fixed timetable and latency counts from the due
//!   time, so a stalled server cannot hide its stall (no coordinated omission).
//!
//! Result: one JSON object on stdout.

mod args;
mod conn;
mod expect;
mod http2;
mod message;
mod payload;
mod proc;
mod socket;
mod tally;
mod template;
mod worker;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use serde_json::{Value, json};

use args::Args;
use proc::Sample;
use tally::Tally;
use template::Template;
use worker::Shared;

/// Any fault ends the measurement.
pub type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Time between two looks whether the measurement is over.
const LOOK: Duration = Duration::from_millis(20);

/// The measurements and their times.
struct Measured {
    began_unix_ms: u64,
    seconds: f64,
    before: Sample,
    after: Sample,
    /// The server's resident memory: milliseconds after the beginning, and MiB.
    memory: Vec<(u64, f64)>,
    tally: Tally,
}

fn main() -> Res<()> {
    let mut args = Args::parse();
    args.check()?;
    args.threads = args.threads.min(args.connections);
    let measured = measure(&args)?;
    println!("{}", report(&args, &measured));
    if measured.tally.total() == 0 {
        return Err("no request completed".into());
    }
    Ok(())
}

fn measure(args: &Args) -> Res<Measured> {
    let mut payloads = payload::read(&args.payload_hex, args.payloads.as_deref())?;
    if args.unchecked {
        payloads.iter_mut().for_each(|payload| payload.expected.clear());
    }
    let exact = args.expect_hex.as_deref().map(payload::unhex).transpose()?;
    let template = Arc::new(Template::new(&args.path, &args.authority, &args.headers()?, payloads, exact)?);
    let shared = Arc::new(Shared::new(args.threads));
    let start = |index| {
        let (args, template, shared) = (args.clone(), template.clone(), shared.clone());
        std::thread::spawn(move || worker::run(&args, index, &template, &shared))
    };
    let threads: Vec<JoinHandle<Res<Tally>>> = (0..args.threads).map(start).collect();
    shared.ready.wait();
    let a_thread_ended = || threads.iter().any(JoinHandle::is_finished);

    wait(Instant::now() + Duration::from_secs_f64(args.warmup), LOOK, a_thread_ended);
    let before = Sample::take(args.server_pid);
    let began_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let begun = Instant::now();
    shared.begin();
    let mut memory = Vec::new();
    let pace = args.timeline_ms.map_or(LOOK, |ms| LOOK.min(Duration::from_millis(ms.max(1))));
    wait(begun + Duration::from_secs_f64(args.duration), pace, || {
        if args.timeline_ms.is_some()
            && let Some(mib) = args.server_pid.and_then(proc::resident_mib)
        {
            memory.push((begun.elapsed().as_millis() as u64, mib));
        }
        shared.finished.load(Relaxed) >= args.threads || (args.count.is_none() && a_thread_ended())
    });
    let after = Sample::take(args.server_pid);
    let seconds = begun.elapsed().as_secs_f64();
    shared.stop();

    let mut tally = Tally::new(args.slice_ns())?;
    for thread in threads {
        tally.merge(thread.join().map_err(|_| "a client thread panicked")??)?;
    }
    Ok(Measured { began_unix_ms, seconds, before, after, memory, tally })
}

/// Waits until a moment, or until `stop` says so, which is asked at a pace.
fn wait(until: Instant, pace: Duration, mut stop: impl FnMut() -> bool) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stop() {
            return;
        }
        std::thread::sleep(left.min(pace));
    }
}

fn report(args: &Args, measured: &Measured) -> Value {
    let Measured { began_unix_ms, seconds, before, after, memory, tally } = measured;
    let total = tally.total();
    let mut report = json!({
        "label": args.label,
        "target": args.target,
        "path": args.path,
        "mode": args.mode(),
        "connections": args.connections,
        "inflight": args.inflight,
        "rate": args.rate,
        "began_unix_ms": began_unix_ms,
        "seconds": seconds,
        "requests": total,
        "ok": tally.ok,
        "errors": tally.errors,
        "first_error": tally.first_error,
        "unfinished": tally.unfinished,
        "unsent": tally.unsent,
        "rps": (total as f64 / seconds).round(),
        "latency_us": tally.all_us(),
        "ok_us": tally.answered_us(),
        "error_us": tally.failed_us(),
        "client": before.client_report(after, total),
        "host_steal_pct": before.steal_percent(after),
        "sample_response_hex": tally.sample.as_deref().map(payload::hex),
    });
    if args.server_pid.is_some() {
        report["server"] = before.server_report(after, total).unwrap_or(Value::Null);
    }
    if args.timeline_ms.is_some() {
        report["timeline"] = tally.timeline();
        report["server_rss_mib"] = json!(memory);
    }
    report
}
