//! Policies that change under load, in every style in which people and tools change files.
//!
//! `NEGLIST_RELOAD_ROUNDS` says how often each style is tried.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neglist::policy::PolicyFile;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::policy_service_client::PolicyServiceClient;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::reload::load::{Load, Truth, Version};
use crate::support::server::{Directory, NEVER_MS, Process, connect, write};
use crate::support::small::{NATION, OWN, PORT};
use crate::support::wait::within;

/// How often each style is tried.
pub(crate) fn rounds() -> u64 {
    let rounds = std::env::var_os("NEGLIST_RELOAD_ROUNDS");
    rounds.map_or(1, |rounds| rounds.to_str().unwrap().parse().expect("NEGLIST_RELOAD_ROUNDS is a number"))
}

/// Noticed by the watch alone, and soon: the comparison comes too late to help.
const WATCHING: [(&str, &str); 2] =
    [("NEGLIST_POLICY_POLL_INTERVAL_MS", NEVER_MS), ("NEGLIST_POLICY_DEBOUNCE_MS", "5")];

/// A server under load, and the directory that changes.
struct Scene {
    directory: Directory,
    server: Process,
    truth: Arc<Truth>,
    load: Load,
    admin: PolicyServiceClient<Channel>,
    watcher: tokio::task::JoinHandle<Vec<v1::PolicyStatus>>,
    version: Version,
    /// Files that are not of any version.
    more: Vec<PolicyFile>,
    revision: u64,
}

impl Scene {
    async fn begin(directory: Directory, files: &[PolicyFile], settings: &[(&str, &str)]) -> Self {
        let truth = Arc::new(Truth::default());
        let digest = truth.tell(Version::default(), files);
        let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], settings);
        let mut admin = server.policies().await;
        // From its first answer on the reload thread has its watch and waits.
        let validated = admin.validate(v1::ValidateRequest {}).await.unwrap().into_inner();
        assert_eq!(validated.digest, digest);
        let mut statuses = server.policies().await.watch_status(v1::WatchStatusRequest {}).await.unwrap().into_inner();
        let watcher = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Ok(Some(message)) = statuses.message().await {
                seen.push(message.status.unwrap());
            }
            seen
        });
        let load = Load::on(&server, &truth).await;
        load.has_seen(1).await;
        let version = Version::default();
        Self { directory, server, truth, load, admin, watcher, version, more: Vec::new(), revision: 1 }
    }

    async fn watching(settings: &[(&str, &str)]) -> Self {
        let files = Version::default().files();
        Self::begin(Directory::of(&files), &files, settings).await
    }

    fn files(&self) -> Vec<PolicyFile> {
        self.version.files().into_iter().chain(self.more.clone()).collect()
    }

    /// Goes on to the next version of the port's list; returns its text.
    fn next(&mut self) -> String {
        self.version.port = self.version.port % 40 + 1;
        self.truth.tell(self.version, &self.files());
        self.version.text(PORT)
    }

    async fn status(&mut self) -> v1::PolicyStatus {
        self.admin.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().status.unwrap()
    }

    /// Waits until the files of the version in hand serve, and every client has seen it.
    async fn serves(&mut self, style: &str) {
        let digest = self.truth.tell(self.version, &self.files());
        let wait = v1::WaitForDigestRequest { digest: digest.clone() };
        let status = within(style, self.admin.wait_for_digest(wait)).await.unwrap().into_inner().status.unwrap();
        let snapshot = status.snapshot.unwrap();
        assert_eq!((status.state, snapshot.digest), (v1::State::Current.into(), digest), "{style}");
        assert!(self.revision < snapshot.revision, "{style}: {} after {}", snapshot.revision, self.revision);
        self.revision = snapshot.revision;
        self.load.has_seen(self.revision).await;
    }

    /// Waits until the status is as wanted.
    async fn comes_to(&mut self, state: v1::State) -> v1::PolicyStatus {
        let looked = async {
            loop {
                let status = self.status().await;
                if status.state() == state {
                    return status;
                }
            }
        };
        within(state.as_str_name(), looked).await
    }

    /// Ends the load and the server. Returns each status that the watcher saw.
    async fn end(self) -> Vec<v1::PolicyStatus> {
        let answers = self.load.stop().await;
        assert!(100 < answers, "only {answers} answers");
        drop(self.admin);
        self.server.stop().await;
        let statuses = within("the end of the watch", self.watcher).await.unwrap();
        let revisions: Vec<_> = statuses.iter().map(|status| status.snapshot.as_ref().unwrap().revision).collect();
        assert!(revisions.is_sorted(), "{revisions:?}");
        assert_eq!(revisions.last(), Some(&self.revision));
        statuses
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_may_change_in_every_style() {
    let mut scene = Scene::watching(&WATCHING).await;
    for _ in 0..rounds() {
        let text = scene.next();
        scene.directory.write(PORT, &text);
        scene.serves("a write in place").await;

        let text = scene.next();
        write(&scene.directory.beside("port.tmp"), &text);
        fs::rename(scene.directory.beside("port.tmp"), scene.directory.path(PORT)).unwrap();
        scene.serves("a rename over the file").await;

        let text = scene.next();
        fs::remove_file(scene.directory.path(PORT)).unwrap();
        scene.directory.write(PORT, &text);
        scene.serves("deleted and created again").await;

        let text = scene.next();
        fs::remove_file(scene.directory.path(PORT)).unwrap();
        scene.comes_to(v1::State::Stale).await;
        scene.load.goes_on(20).await;
        scene.directory.write(PORT, &text);
        scene.serves("deleted, missed, and created again").await;

        let text = scene.next();
        let (file, kept) = (scene.directory.path(PORT), scene.directory.path("lists/zones/port.yaml~"));
        fs::write(scene.directory.path("lists/zones/.port.yaml.swp"), "b0VIM 9.0").unwrap();
        fs::write(scene.directory.path("lists/zones/4913"), "").unwrap();
        fs::remove_file(scene.directory.path("lists/zones/4913")).unwrap();
        fs::rename(&file, &kept).unwrap();
        fs::write(&file, &text).unwrap();
        fs::remove_file(&kept).unwrap();
        fs::remove_file(scene.directory.path("lists/zones/.port.yaml.swp")).unwrap();
        scene.serves("an editor").await;

        for _ in 0..20 {
            let text = scene.next();
            scene.directory.write(PORT, &text);
        }
        scene.serves("many quick changes").await;
    }
    for status in scene.end().await {
        assert!(status.state() == v1::State::Current || !status.diagnostics.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_may_come_and_go() {
    // The rest of a directory that is being deleted may be valid: the usual time to settle.
    let mut scene = Scene::watching(&WATCHING[..1]).await;
    for round in 0..rounds() {
        scene.next();
        let next = scene.directory.beside("next");
        for file in scene.files() {
            write(&next.join(&file.path), &file.text);
        }
        fs::remove_dir_all(scene.directory.policies()).unwrap();
        fs::rename(&next, scene.directory.policies()).unwrap();
        scene.serves("the directory deleted and created again").await;

        scene.next();
        let away = scene.directory.beside("away");
        fs::rename(scene.directory.policies(), &away).unwrap();
        let status = scene.comes_to(v1::State::Stale).await;
        assert_eq!(status.diagnostics[0].code, "D001", "{status:?}");
        scene.load.goes_on(20).await;
        write(&away.join(PORT), &scene.version.text(PORT));
        fs::rename(&away, scene.directory.policies()).unwrap();
        scene.serves("the directory moved away and back").await;

        // A new directory in a new directory, a file in it, a change of that file, and a further file.
        let registry = |exporter: &str| {
            let facts = "name: {zh: 乙, en: B}, zones: [], ciio: no, kinds: []";
            let held = "held: {general: 0, sensitive: 0, specially_sensitive: 0}";
            format!(
                "format: 1\nkind: registry\nexporters: [{{id: {exporter}, {facts}, {held}}}]\nflows: []\nclearances: []\ncomplete: yes\n"
            )
        };
        let path = |name: &str| format!("registry/new-{round}/deep/{name}.yaml");
        for (name, exporter) in [("a", "a"), ("a", "b"), ("c", "c")] {
            let file = PolicyFile { path: path(name), text: registry(&format!("{exporter}-{round}")) };
            scene.more.retain(|known| known.path != file.path);
            scene.more.push(file.clone());
            scene.truth.tell(scene.version, &scene.files());
            scene.directory.write(&file.path, &file.text);
            scene.serves("a new sub-directory").await;
        }
    }
    scene.end().await;
}

/// Puts a new directory behind the link `..data`, as Kubernetes does with a config map.
fn swap(directory: &Directory, version: &str, files: &[PolicyFile]) {
    let old = fs::read_link(directory.path("..data")).ok();
    for file in files {
        directory.write(&format!("..{version}/{}", file.path), &file.text);
    }
    symlink(format!("..{version}"), directory.path("..data_tmp")).unwrap();
    fs::rename(directory.path("..data_tmp"), directory.path("..data")).unwrap();
    for file in files {
        if !directory.path(&file.path).is_symlink() {
            symlink(format!("..data/{}", file.path), directory.path(&file.path)).unwrap();
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(directory.policies().join(old)).unwrap();
    }
}

/// A config map knows no directories.
fn flat(version: Version) -> Vec<PolicyFile> {
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    version.files().into_iter().map(|file| PolicyFile { path: name(&file.path), ..file }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_is_swapped_whole() {
    let directory = Directory::of(&[]);
    swap(&directory, "2026_0", &flat(Version::default()));
    let files = flat(Version::default());
    let mut scene = Scene::begin(directory, &files, &WATCHING).await;
    for round in 1..=5 * rounds() {
        // Two files at once: an answer from a mixture of versions has a digest that was never written.
        scene.version = Version { port: round % 41, nation: round * 7 % 41 };
        let files = flat(scene.version);
        let digest = scene.truth.tell(scene.version, &files);
        swap(&scene.directory, &format!("2026_{round}"), &files);
        let wait = v1::WaitForDigestRequest { digest };
        let status = within("the swap", scene.admin.wait_for_digest(wait)).await.unwrap().into_inner().status.unwrap();
        scene.revision = status.snapshot.unwrap().revision;
        assert_eq!(scene.revision, round + 1, "one swap, one revision");
        scene.load.has_seen(scene.revision).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_policies_change_nothing_and_equal_ones_neither() {
    let mut scene = Scene::watching(&WATCHING).await;
    let mut health = HealthClient::new(connect(scene.server.grpc()[0]).await);
    for _ in 0..rounds() {
        let before = scene.status().await;
        let good = scene.version.text(PORT);
        let bad = good.replace("sector: pharma\n", "sector: farma\n");
        scene.directory.write(PORT, &bad);
        let stale = scene.comes_to(v1::State::Stale).await;
        assert_eq!((&stale.snapshot, stale.activated_at), (&before.snapshot, before.activated_at));
        let found: Vec<_> =
            stale.diagnostics.iter().map(|found| (&*found.file, found.line, found.severity())).collect();
        assert_eq!(found, [(PORT, 27, v1::Severity::Error)], "{stale:?}");
        assert!(stale.diagnostics[0].message.contains("farma"), "{stale:?}");
        let validated = scene.admin.validate(v1::ValidateRequest {}).await.unwrap().into_inner();
        assert_eq!((validated.digest.as_str(), &validated.diagnostics), ("", &stale.diagnostics));
        // The last good lists answer, and that is healthy.
        scene.load.goes_on(20).await;
        let serving = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status();
        assert_eq!(serving, ServingStatus::Serving);
        scene.directory.write(OWN, "format: 1\nkind: regist");
        let worse = within("more findings", async {
            loop {
                let status = scene.status().await;
                if 1 < status.diagnostics.len() {
                    return status;
                }
            }
        });
        assert_eq!(worse.await.snapshot, before.snapshot);
        scene.directory.write(OWN, &scene.version.text(OWN));

        // The previous content is in force already.
        scene.directory.write(PORT, &good);
        let mended = scene.comes_to(v1::State::Current).await;
        assert_eq!((&mended.snapshot, mended.diagnostics.len()), (&before.snapshot, 0));

        // Equal content is no change, even on a requested reload.
        scene.directory.write(PORT, &good);
        let reloaded = scene.admin.reload(v1::ReloadRequest {}).await.unwrap().into_inner().status.unwrap();
        assert_eq!((reloaded.state(), &reloaded.snapshot), (v1::State::Current, &before.snapshot));
        assert_eq!(reloaded.activated_at, before.activated_at);

        scene.directory.write(PORT, &bad);
        scene.comes_to(v1::State::Stale).await;
        let revision = scene.revision;
        let text = scene.next();
        scene.directory.write(PORT, &text);
        scene.serves("mended").await;
        assert_eq!(scene.revision, revision + 1);
    }
    let states: Vec<_> = scene.end().await.iter().map(v1::PolicyStatus::state).collect();
    assert!(states.contains(&v1::State::Stale) && states.last() == Some(&v1::State::Current), "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_and_an_admin_reload_at_once() {
    // Nothing else would notice a change for ten seconds, which no wait of this test spans.
    let settings = [("NEGLIST_POLICY_POLL_INTERVAL_MS", NEVER_MS), ("NEGLIST_POLICY_DEBOUNCE_MS", "10000")];
    let files = Version::default().files();
    let mut scene = Scene::begin(Directory::of(&files), &files, &settings).await;
    for _ in 0..3 * rounds() {
        let text = scene.next();
        scene.directory.write(PORT, &text);
        scene.server.signal("HUP");
        scene.serves("SIGHUP").await;

        // Waits for a digest that is not there yet, as a pipeline does before it rolls lists out.
        scene.version.nation = scene.version.nation % 40 + 1;
        let text = scene.version.text(NATION);
        let wait = v1::WaitForDigestRequest { digest: scene.truth.tell(scene.version, &scene.files()) };
        let (mut pipeline, ended) = (scene.server.policies().await, Arc::new(AtomicBool::new(false)));
        let flag = ended.clone();
        let waiting = tokio::spawn(async move {
            let waited = pipeline.wait_for_digest(wait).await;
            flag.store(true, Ordering::SeqCst);
            waited
        });
        scene.load.goes_on(5).await;
        assert!(!ended.load(Ordering::SeqCst));
        scene.directory.write(NATION, &text);
        let reloaded = scene.admin.reload(v1::ReloadRequest {}).await.unwrap().into_inner().status.unwrap();
        assert_eq!(reloaded.state(), v1::State::Current);
        let waited = within("the pipeline", waiting).await.unwrap().unwrap().into_inner().status.unwrap();
        assert_eq!(waited.snapshot, reloaded.snapshot);
        scene.serves("an admin").await;
    }
    scene.end().await;
}
