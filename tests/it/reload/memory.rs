//! A reload leaves no memory behind, and requests do not clean up after it.

use std::sync::{Arc, Weak};

use neglist::app::clock::SystemClock;
use neglist::domain::snapshot::Snapshot;
use neglist::live::status::Files;

use crate::reload::load::{Load, Truth, Version};
use crate::reload::rounds::rounds;
use crate::support::server::{self, Directory, NEVER_MS, Process, connect};
use crate::support::small::PORT;
use crate::support::wait::{until, within};

/// Nothing is noticed unless the test asks for it.
const ON_REQUEST: [(&str, &str); 2] = [("policy_poll_interval_ms", NEVER_MS), ("policy_debounce_ms", "10000")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_out_of_force_are_freed_and_never_by_a_request() {
    let directory = Directory::of(&Version::default().files());
    let truth = Arc::new(Truth::default());
    truth.tell(Version::default(), &Version::default().files());
    let server = server::start(&directory.policies(), Arc::new(SystemClock), &ON_REQUEST).await;
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(connect(&server::address(&server, "grpc")).await);
    }
    let load = Load::over(channels, &truth);
    let policies = server.policies().clone();
    let reloads = 20 * rounds();
    let mut old: Vec<Weak<Snapshot>> = Vec::new();
    for number in 1..=reloads {
        let version = Version { port: number % 41, nation: 0 };
        truth.tell(version, &version.files());
        // A request that takes its time: it holds the snapshot over the reload.
        let held = arc_swap::Guard::into_inner(policies.live().snapshot());
        directory.write(PORT, &version.text(PORT));
        let status = within("a reload", policies.reload()).await.unwrap();
        assert_eq!((status.files, status.revision), (Files::Current, number + 1));
        assert_eq!((held.revision, policies.live().snapshot().revision), (number, number + 1));
        // Another part still holds it, so that the request is not the one that frees it.
        assert!(2 <= Arc::strong_count(&held), "reload {number}");
        old.push(Arc::downgrade(&held));
        drop(held);
        let in_use = |old: &[Weak<Snapshot>]| old.iter().filter(|snapshot| 0 < snapshot.strong_count()).count();
        until("old snapshots are freed", || (in_use(&old) <= 1).then_some(())).await;
    }
    until("the last one is freed", || old.iter().all(|snapshot| snapshot.strong_count() == 0).then_some(())).await;
    load.has_seen(reloads + 1).await;
    load.stop().await;
    drop(policies);
    within("the end", server.drain()).await;
}

/// Returns the memory that a process has, in KiB.
fn resident_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns a registry that makes a snapshot large enough to be missed where it is not freed.
fn large_registry() -> String {
    use std::fmt::Write as _;
    let mut text = "format: 1\nkind: registry\nexporters:\n".to_owned();
    for number in 0..100 {
        let facts = "zones: [port], ciio: no, kinds: [], held: {general: 0, sensitive: 0, specially_sensitive: 0}";
        writeln!(text, "  - {{id: company-{number}, name: {{zh: 公司, en: company}}, {facts}}}").unwrap();
    }
    text.push_str("flows:\n");
    for number in 0..100 {
        let what = "sector: pharma, scenario: clinical-trial, items: [{code: health.diagnosis}], ground: none";
        let who = format!("exporter: company-{number}, recipient: laboratory-{number}, destination: CH");
        writeln!(text, "  - {{id: flow-{number}, {who}, {what}}}").unwrap();
    }
    text + "clearances: []\ncomplete: yes\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_from_reload_to_reload() {
    use neglist::wire::generated::v1;
    let directory = Directory::of(&Version::default().files());
    directory.write("registry/large.yaml", &large_registry());
    let settings = [("NEGLIST_POLICY_POLL_INTERVAL_MS", NEVER_MS), ("NEGLIST_POLICY_DEBOUNCE_MS", "10000")];
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
    let mut admin = server.policies().await;
    let mut reload = async |number: u64| {
        directory.write(PORT, &Version { port: number % 41, nation: 0 }.text(PORT));
        let status = within("a reload", admin.reload(v1::ReloadRequest {})).await.unwrap().into_inner().status.unwrap();
        assert_eq!(status.snapshot.unwrap().revision, number + 1);
    };
    // After the first few reloads the allocator holds the memory that it keeps for reuse.
    let before = 5;
    let after = before + 8 * rounds();
    for number in 1..=before {
        reload(number).await;
    }
    let first_kib = resident_kib(&server);
    for number in before + 1..=after {
        reload(number).await;
    }
    let last_kib = resident_kib(&server);
    println!("{first_kib} KiB after {before} reloads, {last_kib} KiB after {after}");
    // Each snapshot has some MiB; those of a continuous integration run, not freed, would be far beyond this.
    assert!(last_kib < first_kib + first_kib / 4 + 4_096, "{first_kib} KiB, then {last_kib} KiB");
    drop(admin);
    server.stop().await;
}
