//! Retries of transfers that the policies no longer accept, over gRPC: a reload in between removed the flow that they
//! name. An answered request gets its first answer again, from either ledger.

use neglist::app::server::Server;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;
use neglist::wire::generated::v1::policy_service_client::PolicyServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::postgres_server;
use crate::support::server::{Directory, NEVER_MS, SetClock, address, connect, start};
use crate::support::small::{GATE, OWN, Small};

/// 2026-06-01T12:00:00+08:00.
const NOON: i64 = 1_780_286_400;

struct Scene {
    directory: Directory,
    ledger: String,
    server: Server,
    client: LedgerServiceClient<Channel>,
}

impl Scene {
    async fn begin(ledger: String) -> Self {
        Self::at(Directory::small(), ledger).await
    }

    async fn at(directory: Directory, ledger: String) -> Self {
        let settings = [
            ("ledger", ledger.as_str()),
            ("policy_poll_interval_ms", NEVER_MS),
            // This noon is long ago by the clock of the database.
            ("ledger_clocks_apart_max_seconds", "4000000000"),
        ];
        let server = start(&directory.policies(), SetClock::at(NOON), &settings).await;
        let client = LedgerServiceClient::new(connect(&address(&server, "grpc")).await);
        Self { directory, ledger, server, client }
    }

    /// Removes or restores the flow, and waits until the change is in force.
    async fn reload(&self, registry: &Small) {
        for file in registry.files.iter().filter(|file| [GATE, OWN].contains(&file.path.as_str())) {
            self.directory.write(&file.path, &file.text);
        }
        let mut admin = PolicyServiceClient::new(connect(&address(&self.server, "admin")).await);
        let status = admin.reload(v1::ReloadRequest {}).await.unwrap().into_inner().status.unwrap();
        assert_eq!(status.state(), v1::State::Current, "{status:?}");
    }

    /// The same policies and the same ledger in another server.
    async fn restart(self) -> Self {
        let Self { directory, ledger, server, client } = self;
        drop(client);
        server.drain().await;
        Self::at(directory, ledger).await
    }

    async fn reserve(&mut self, request: v1::ReserveRequest) -> Result<v1::ReserveResponse, Status> {
        self.client.reserve(request).await.map(tonic::Response::into_inner)
    }

    /// Committed and reserved persons of the scenario.
    async fn counted(&mut self) -> (u64, u64) {
        let request = v1::GetUsageRequest { exporter: "acme".into(), year: 2026 };
        let counters = self.client.get_usage(request).await.unwrap().into_inner().counters;
        let counter = "port/pharma/clinical-trial/sensitive/2026";
        let found = counters.iter().find(|usage| usage.counter == counter);
        found.map(|usage| (usage.committed, usage.reserved)).unwrap_or_default()
    }
}

/// Diagnoses of persons in the flow `trial`.
fn trial(id: &str, sensitive: u64) -> v1::ReserveRequest {
    let persons = Some(v1::Persons { general: 0, sensitive });
    let transfer = v1::Transfer { flow: "trial".into(), persons, ..v1::Transfer::default() };
    v1::ReserveRequest { transfer_id: id.into(), transfer: Some(transfer), ..v1::ReserveRequest::default() }
}

/// The policies without the flow.
fn without_flow() -> Small {
    let small = Small::new();
    let own = &small.files.iter().find(|file| file.path == OWN).unwrap().text;
    let (_, rest) = own.split_once("flows:").unwrap();
    let flows = format!("flows:{}", rest.split_once("clearances:").unwrap().0);
    // A rule of a gateway names it too.
    small.with(OWN, &flows, "flows: []\n").with(GATE, "flow: trial", "flow: {header: x-flow}")
}

#[track_caller]
fn refused_as(answer: Result<v1::ReserveResponse, Status>, code: Code) {
    assert_eq!(answer.unwrap_err().code(), code);
}

async fn retries_get_the_first_answer(ledger: String) {
    let mut scene = Scene::begin(ledger).await;
    let first = scene.reserve(trial("kept", 10)).await.unwrap();
    assert_eq!(first.decision.as_ref().unwrap().outcome(), v1::Outcome::Allow);
    let later = scene.reserve(trial("later", 5)).await.unwrap();
    scene.reserve(trial("back", 3)).await.unwrap();
    scene.client.release(v1::ReleaseRequest { transfer_id: "back".into() }).await.unwrap();
    // Over the scenario's line, with a filing alone: refused, and the refusal is kept too.
    let refused = scene.reserve(trial("refused", 10_000)).await.unwrap();
    assert_eq!(refused.decision.as_ref().unwrap().outcome(), v1::Outcome::Contract);
    assert_eq!(scene.counted().await, (0, 15));

    scene.reload(&without_flow()).await;
    let replayed = |first: &v1::ReserveResponse| v1::ReserveResponse { replayed: true, ..first.clone() };
    for _ in 0..2 {
        assert_eq!(scene.reserve(trial("kept", 10)).await.unwrap(), replayed(&first));
        assert_eq!(scene.reserve(trial("refused", 10_000)).await.unwrap(), replayed(&refused));
    }
    refused_as(scene.reserve(trial("new", 10)).await, Code::InvalidArgument);
    refused_as(scene.reserve(trial("kept", 11)).await, Code::AlreadyExists);
    refused_as(scene.reserve(trial("back", 3)).await, Code::FailedPrecondition);
    assert_eq!(scene.counted().await, (0, 15));
    let committed = v1::ReserveRequest { commit: true, ..trial("later", 5) };
    let answer = scene.reserve(committed).await.unwrap();
    assert_eq!(answer, v1::ReserveResponse { expires_at: None, ..replayed(&later) });
    assert_eq!(scene.counted().await, (5, 10));

    let mut scene = scene.restart().await;
    assert_eq!(scene.reserve(trial("kept", 10)).await.unwrap(), replayed(&first));
    refused_as(scene.reserve(trial("new", 10)).await, Code::InvalidArgument);
    // The flow is back: the same answer, by the usual way.
    scene.reload(&Small::new()).await;
    assert_eq!(scene.reserve(trial("kept", 10)).await.unwrap(), replayed(&first));
    assert!(!scene.reserve(trial("new", 10)).await.unwrap().replayed);
    assert_eq!(scene.counted().await, (5, 20));
    drop(scene.client);
    scene.server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_a_file_remembers() {
    let directory = tempfile::tempdir().unwrap();
    retries_get_the_first_answer(directory.path().join("ledger").to_str().unwrap().to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_a_database_remembers() {
    let Some(server) = postgres_server::shared() else { return };
    retries_get_the_first_answer(server.database().await).await;
}
