//! Load on a server whose policies change, and the statements that hold for each of its answers.
//!
//! The lists say their own version: in version (p, n) the contract line of the port's clinical trials
//! is at 10,000 + p sensitive persons, and the national one at 100,000 + n general persons. So an
//! answer tells by its outcome and its head-room which lists made it, and its digest must be theirs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use neglist::policy::PolicyFile;
use neglist::wire::generated::v1;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::clients::{self, answer, message, request, transfer};
use crate::support::server::{Process, decisions_on, digest_of};
use crate::support::small::{NATION, PORT, Small};
use crate::support::wait::{until, within};

/// Contract line of the port's clinical trials, in version 0.
const PORT_LINE: u64 = 10_000;
/// Contract line for general information, in version 0.
const NATION_LINE: u64 = 100_000;
/// Transfers of one batch: enough for a reload to come between two of them.
const BATCH: usize = 16;
/// Messages of a stream that wait for their answers.
const PIPELINED: usize = 32;

/// A version of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version {
    pub(crate) port: u64,
    pub(crate) nation: u64,
}

impl Version {
    /// Returns the policies of this version.
    pub(crate) fn files(self) -> Vec<PolicyFile> {
        let line = |persons| format!("contract_from: {{persons: {persons},");
        let small = Small::new().with(PORT, &line(PORT_LINE), &line(PORT_LINE + self.port)).with(
            NATION,
            &line(NATION_LINE),
            &line(NATION_LINE + self.nation),
        );
        small.split().0
    }

    /// Returns the text of one of its files.
    pub(crate) fn text(self, path: &str) -> String {
        self.files().into_iter().find(|file| file.path == path).unwrap().text
    }
}

/// Which digest belongs to which version. A version is told before it is written.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    versions: Mutex<HashMap<String, Version>>,
    digests: Mutex<HashMap<u64, String>>,
}

impl Truth {
    /// Tells of a version as a directory will have it; returns its digest.
    pub(crate) fn tell(&self, version: Version, files: &[PolicyFile]) -> String {
        let digest = digest_of(files);
        self.versions.lock().unwrap().insert(digest.clone(), version);
        digest
    }

    /// Returns the version and the revision of a snapshot.
    #[track_caller]
    fn of(&self, snapshot: &v1::Snapshot) -> Version {
        let version = self.versions.lock().unwrap().get(&snapshot.digest).copied();
        let version = version.unwrap_or_else(|| panic!("no test wrote the lists of {snapshot:?}"));
        let mut digests = self.digests.lock().unwrap();
        let known = digests.entry(snapshot.revision).or_insert_with(|| snapshot.digest.clone());
        assert_eq!(*known, snapshot.digest, "one revision, two digests");
        version
    }
}

/// The questions: a total around a line, of the port's trials or of the nation.
#[derive(Debug, Clone, Copy)]
struct Ask {
    of_port: bool,
    /// How far the total is above the line of version 0.
    above: u64,
}

impl Ask {
    /// Returns one ask after the other, spread over the lines of the versions in use.
    fn nth(number: u64) -> Self {
        Self { of_port: number.is_multiple_of(2), above: number.wrapping_mul(2_654_435_761) % 64 }
    }

    fn transfer(self) -> v1::Transfer {
        if !self.of_port {
            return transfer(1, NATION_LINE + self.above - 1);
        }
        let sensitive = |sensitive| Some(v1::Persons { general: 0, sensitive });
        v1::Transfer {
            flow: "trial".into(),
            persons: sensitive(1),
            year_to_date: sensitive(0),
            scenario_year_to_date: sensitive(PORT_LINE + self.above - 1),
            ..v1::Transfer::default()
        }
    }

    /// Checks that a decision is the one of its version; returns its revision.
    #[track_caller]
    fn check(self, decision: &v1::Decision, truth: &Truth) -> u64 {
        let snapshot = decision.snapshot.as_ref().unwrap();
        let version = truth.of(snapshot);
        let (line, own, counter) = if self.of_port {
            (PORT_LINE, version.port, "port/pharma/clinical-trial/sensitive/")
        } else {
            (NATION_LINE, version.nation, "national/general/")
        };
        let below = self.above < own;
        // A filing covers the trial below its line; no clearance covers anything on it.
        let expected = if below { v1::Outcome::Allow } else { v1::Outcome::Contract };
        assert_eq!(decision.outcome(), expected, "{self:?} {version:?} {decision:?}");
        let headroom = decision.headroom.iter().find(|headroom| headroom.counter.starts_with(counter));
        let headroom = headroom.unwrap_or_else(|| panic!("no {counter} in {decision:?}"));
        assert_eq!(headroom.projected, line + self.above);
        if below {
            assert_eq!((headroom.line, headroom.next()), (line + own, v1::Outcome::Contract), "{decision:?}");
        } else {
            assert_eq!(headroom.next(), v1::Outcome::Assess, "{decision:?}");
        }
        snapshot.revision
    }
}

/// What one client has seen.
#[derive(Debug, Default)]
struct Seen {
    revision: AtomicU64,
    answers: AtomicU64,
}

impl Seen {
    /// Notes an answer; revisions only grow.
    #[track_caller]
    fn note(&self, revision: u64) {
        let before = self.revision.swap(revision, Ordering::SeqCst);
        assert!(before <= revision, "revision {revision} after {before}");
        self.answers.fetch_add(1, Ordering::SeqCst);
    }
}

/// Clients that ask without a pause until they are told to stop.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<(Arc<Seen>, JoinHandle<()>)>,
}

impl Load {
    /// Starts clients of each call on a server, each on a connection of its own.
    pub(crate) async fn on(server: &Process, truth: &Arc<Truth>) -> Self {
        let mut channels = Vec::new();
        for _ in 0..4 {
            channels.push(crate::support::server::connect(server.grpc()[0]).await);
        }
        Self::over(channels, truth)
    }

    /// Starts clients on four connections.
    pub(crate) fn over(channels: Vec<tonic::transport::Channel>, truth: &Arc<Truth>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for (kind, channel) in channels.into_iter().enumerate() {
            let (seen, truth, stop) = (Arc::new(Seen::default()), truth.clone(), stop.clone());
            let of_client = seen.clone();
            let client = decisions_on(channel);
            clients.push((
                seen,
                tokio::spawn(async move {
                    match kind {
                        0 | 1 => ask_one_by_one(client, &truth, &of_client, &stop).await,
                        2 => ask_in_batches(client, &truth, &of_client, &stop).await,
                        _ => ask_in_a_stream(client, &truth, &of_client, &stop).await,
                    }
                }),
            ));
        }
        Self { stop, clients }
    }

    /// Waits until every client has had an answer of this revision or a later one.
    pub(crate) async fn has_seen(&self, revision: u64) {
        for (seen, client) in &self.clients {
            until("each client sees the new lists", || {
                assert!(!client.is_finished(), "a client has failed");
                (revision <= seen.revision.load(Ordering::SeqCst)).then_some(())
            })
            .await;
        }
    }

    /// Waits until every client has had this many more answers.
    pub(crate) async fn goes_on(&self, answers: u64) {
        for (seen, client) in &self.clients {
            let enough = seen.answers.load(Ordering::SeqCst) + answers;
            until("answers go on", || {
                assert!(!client.is_finished(), "a client has failed");
                (enough <= seen.answers.load(Ordering::SeqCst)).then_some(())
            })
            .await;
        }
    }

    /// Stops the clients; returns how many answers they had. Fails the test where one of them failed.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        let mut answers = 0;
        for (seen, client) in self.clients {
            within("the client stops", client).await.expect("no request fails");
            answers += seen.answers.load(Ordering::SeqCst);
        }
        answers
    }
}

type Client = neglist::wire::generated::v1::decision_service_client::DecisionServiceClient<tonic::transport::Channel>;

async fn ask_one_by_one(mut client: Client, truth: &Truth, seen: &Seen, stop: &AtomicBool) {
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let ask = Ask::nth(number);
        let response = client.decide(request(ask.transfer())).await.unwrap();
        seen.note(ask.check(&response.into_inner().decision.unwrap(), truth));
    }
}

async fn ask_in_batches(mut client: Client, truth: &Truth, seen: &Seen, stop: &AtomicBool) {
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let asks: Vec<_> = (0..BATCH as u64).map(|index| Ask::nth(round * BATCH as u64 + index)).collect();
        let transfers = asks.iter().map(|ask| ask.transfer()).collect();
        let batch = v1::DecideBatchRequest { transfers, detail: v1::Detail::Full.into() };
        let results = client.decide_batch(batch).await.unwrap().into_inner().results;
        assert_eq!(results.len(), BATCH);
        let decisions: Vec<_> = results.into_iter().map(|result| answer(Some(result)).unwrap()).collect();
        // One batch, one snapshot.
        assert!(decisions.iter().all(|decision| decision.snapshot == decisions[0].snapshot));
        for (ask, decision) in asks.iter().zip(&decisions) {
            seen.note(ask.check(decision, truth));
        }
    }
}

async fn ask_in_a_stream(mut client: Client, truth: &Truth, seen: &Seen, stop: &AtomicBool) {
    let (sender, messages) = mpsc::channel(PIPELINED);
    let mut answers = client.decide_stream(ReceiverStream::new(messages)).await.unwrap().into_inner();
    let mut asked = 0;
    for number in 0.. {
        while asked < number + PIPELINED as u64 {
            sender.send(message(asked, Ask::nth(asked).transfer())).await.unwrap();
            asked += 1;
        }
        let response = answers.message().await.unwrap().expect("the stream goes on");
        assert_eq!(response.sequence, number);
        let decision = clients::answer(response.result).unwrap();
        seen.note(Ask::nth(number).check(&decision, truth));
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    drop(sender);
    while answers.message().await.unwrap().is_some() {}
}
