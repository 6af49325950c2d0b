//! Files that are written in several steps while a server runs: no half of one is in force.

use std::fs;
use std::time::Duration;

use neglist::wire::generated::v1;

use crate::support::http_client::Client;
use crate::support::server::{Directory, Process, digest_of};
use crate::support::small::{GATE, OWN, Small};
use crate::support::wait::{until, within};

/// Time between two steps of writing.
const PAUSE: Duration = Duration::from_millis(500);

const RULES: &str = "format: 1
kind: gateway
rules:
  - id: pages
    match: {host: trials.example}
    flow: maps
  - id: few
    match: {host: few.example}
    flow: trial
    sensitive_persons: 6
  - id: strict
    match: {host: trials.example, path_prefix: /subjects}
    flow: trial
    sensitive_persons: 60000
complete: yes
";

const REGISTRY: &str = "format: 1
kind: registry
flows:
  - id: maps
    exporter: acme
    recipient: partner
    destination: CN
    sector: pharma
    scenario: other
    items: [{code: geo.map}]
  - id: trial
    exporter: acme
    recipient: partner
    destination: CH
    sector: pharma
    scenario: clinical-trial
    items: [{code: health.diagnosis}]
clearances:
  - id: filing-1
    kind: zone-filing
    exporter: acme
    recipient: partner
    sector: pharma
    scenario: clinical-trial
    items: [health.diagnosis]
    lists: [port-2025]
    persons_per_year_max: none
    first_day: 2025-01-01
    last_day: 2027-12-31
exporters:
  - id: acme
    name: {zh: 甲公司, en: Acme}
    zones: [port]
    held: {general: 1000, sensitive: 1000, specially_sensitive: 0}
    ciio: CIIO
complete: yes
";

/// A file, where it is cut off, and a request that is denied by the whole file and allowed by the rest.
struct Cut {
    path: &'static str,
    ends_with: &'static str,
    host: &'static str,
    uri: &'static str,
    ciio: &'static str,
}

const CUTS: [Cut; 3] = [
    // A rule is missing.
    Cut { path: GATE, ends_with: "    sensitive_persons: 6\n", host: "trials.example", uri: "/subjects/7", ciio: "no" },
    // A number lost its last digits.
    Cut {
        path: GATE,
        ends_with: "/subjects}\n    flow: trial\n    sensitive_persons: 6",
        host: "trials.example",
        uri: "/subjects/7",
        ciio: "no",
    },
    // What makes an exporter stricter is missing.
    Cut { path: OWN, ends_with: "specially_sensitive: 0}\n", host: "few.example", uri: "/", ciio: "yes" },
];

struct Scene {
    directory: Directory,
    server: Process,
    files: Vec<neglist::policy::PolicyFile>,
}

impl Scene {
    fn begin(cut: &Cut, settings: &[(&str, &str)]) -> Self {
        let mut files = Small::new().split().0;
        for file in &mut files {
            match file.path.as_str() {
                GATE => RULES.clone_into(&mut file.text),
                OWN => file.text = REGISTRY.replace("CIIO", cut.ciio),
                _ => {}
            }
        }
        let directory = Directory::of(&files);
        let ledger = directory.beside("neglist.ledger");
        let policies = directory.policies();
        let arguments = ["serve", "--policies", policies.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()];
        let listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let settings = [&[("NEGLIST_HTTP", "127.0.0.1:0")], settings].concat();
        let server = Process::listening(&[&arguments[..], &listen].concat(), &settings);
        Self { directory, server, files }
    }

    /// Returns the status of the answer to a gateway.
    fn ask(&self, cut: &Cut) -> u16 {
        let headers = [("X-Original-Method", "GET"), ("X-Original-Host", cut.host), ("X-Original-URI", cut.uri)];
        Client::connect(self.server.http()).ask("GET", "/v1/forward-auth", &headers, "").status
    }

    /// Returns the new text of the file, and the beginning of it that is written first.
    fn steps(&mut self, cut: &Cut) -> (String, String) {
        let file = self.files.iter_mut().find(|file| file.path == cut.path).unwrap();
        file.text = format!("# another edition\n{}", file.text);
        let end = file.text.find(cut.ends_with).unwrap() + cut.ends_with.len();
        (file.text.get(..end).unwrap().to_owned(), file.text.clone())
    }

    async fn serves_the_whole(&self) {
        let wait = v1::WaitForDigestRequest { digest: digest_of(&self.files) };
        within("the whole file in force", self.server.policies().await.wait_for_digest(wait)).await.unwrap();
    }
}

/// With the closing line put where the file is cut, its beginning is in force and allows: the cut is one that matters.
async fn the_cut_matters(cut: &Cut) {
    let mut scene = Scene::begin(cut, &[("NEGLIST_POLICY_DEBOUNCE_MS", "1")]);
    let (half, _) = scene.steps(cut);
    let text = format!("{}\ncomplete: yes\n", half.trim_end());
    scene.directory.write(cut.path, &text);
    until("the half in force", || (scene.ask(cut) == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_a_file_that_is_written_in_two_steps_is_not_in_force_half_written() {
    for cut in &CUTS {
        the_cut_matters(cut).await;
        let mut scene = Scene::begin(cut, &[]);
        assert_eq!(scene.ask(cut), 403);
        let (half, whole) = scene.steps(cut);
        scene.directory.write(cut.path, &half);
        let written = tokio::time::Instant::now();
        while written.elapsed() < PAUSE {
            assert_eq!(scene.ask(cut), 403, "{}", cut.ends_with);
        }
        // It was not even looked at.
        let mut admin = scene.server.policies().await;
        let status = admin.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().status.unwrap();
        assert_eq!(status.state(), v1::State::Current, "{status:?}");
        fs::write(scene.directory.path(cut.path), &whole).unwrap();
        scene.serves_the_whole().await;
        assert_eq!(scene.ask(cut), 403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_half_a_file_is_refused_for_any_delay_of_the_other_half() {
    for cut in &CUTS {
        let settings = [("NEGLIST_POLICY_DEBOUNCE_MS", "1"), ("NEGLIST_POLICY_POLL_INTERVAL_MS", "10")];
        let mut scene = Scene::begin(cut, &settings);
        let (half, whole) = scene.steps(cut);
        scene.directory.write(cut.path, &half);
        let mut admin = scene.server.policies().await;
        let refused = async {
            loop {
                assert_eq!(scene.ask(cut), 403, "{}", cut.ends_with);
                let status = admin.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().status.unwrap();
                if status.diagnostics.iter().any(|found| found.code == "P050") {
                    return status;
                }
            }
        };
        let status = within("the half refused", refused).await;
        assert_eq!((status.state(), status.snapshot.unwrap().revision), (v1::State::Stale, 1));
        // A request reads at once, but half a file is still refused.
        let reloaded = admin.reload(v1::ReloadRequest {}).await.unwrap().into_inner().status.unwrap();
        assert_eq!(reloaded.state(), v1::State::Stale);
        assert_eq!(scene.ask(cut), 403);
        fs::write(scene.directory.path(cut.path), &whole).unwrap();
        scene.serves_the_whole().await;
        assert_eq!(scene.ask(cut), 403);
    }
}
