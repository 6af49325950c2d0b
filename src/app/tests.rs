//! Tests of a running server within the process: listeners, health, administration, stopping.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::app::clock::SystemClock;
use crate::app::serve::run;
use crate::app::server::{Door, Drained, Server};
use crate::app::signals::Event;
use crate::app::start_error::StartError;
use crate::config::{self, Config, Flags};
use crate::live::reload::Compiler;
use crate::live::testing::{Workspace, fake_compile};
use crate::wire::generated::v1 as neglist;
use crate::wire::generated::v1::policy_service_client::PolicyServiceClient;

const DEADLINE: Duration = Duration::from_secs(10);

fn config(workspace: &Workspace, more: &[(&'static str, &str)]) -> Config {
    let policies = workspace.policies();
    let mut values: Vec<(&'static str, Vec<String>)> = vec![
        ("policies", vec![policies.to_str().unwrap().to_owned()]),
        ("listen", vec!["127.0.0.1:0".to_owned()]),
        ("admin", vec!["127.0.0.1:0".to_owned()]),
        ("policy_poll_interval_ms", vec!["20".to_owned()]),
        ("policy_debounce_ms", vec!["1".to_owned()]),
        ("ledger", vec!["none".to_owned()]),
        ("http", vec!["none".to_owned()]),
    ];
    values.extend(more.iter().map(|(key, value)| (*key, value.split(',').map(str::to_owned).collect())));
    config::load(&Flags { config: None, values }, []).unwrap().config
}

async fn start(workspace: &Workspace, more: &[(&'static str, &str)]) -> Server {
    let config = config(workspace, more);
    Server::start(&config, Compiler::new(fake_compile), Arc::new(SystemClock)).await.unwrap()
}

async fn connect(server: &Server, door: Door) -> Channel {
    let (_, address) = server.listening().iter().find(|(other, _)| *other == door).unwrap();
    connect_to(&address.to_string()).await
}

async fn connect_to(address: &str) -> Channel {
    let uri = if address.starts_with("unix:") { address.to_owned() } else { format!("http://{address}") };
    Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
}

async fn health(channel: Channel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(channel).check(request).await;
    response.map(|response| response.into_inner().status()).map_err(|status| status.code())
}

async fn status(client: &mut PolicyServiceClient<Channel>) -> neglist::PolicyStatus {
    client.get_status(neglist::GetStatusRequest {}).await.unwrap().into_inner().status.unwrap()
}

fn digest(status: &neglist::PolicyStatus) -> String {
    status.snapshot.as_ref().unwrap().digest.clone()
}

#[tokio::test]
async fn every_listener_answers_on_tcp_and_on_a_unix_socket() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("a.sock");
    let server = start(&workspace, &[("listen", &format!("127.0.0.1:0,unix:{},[::1]:0", path.display()))]).await;
    assert_eq!(server.listening().len(), 4);
    for (_, address) in server.listening() {
        assert_eq!(health(connect_to(&address.to_string()).await, "").await, Ok(ServingStatus::Serving), "{address}");
    }
    let admin = connect(&server, Door::Admin).await;
    assert_eq!(health(admin, "neglist.v1.PolicyService").await, Ok(ServingStatus::Serving));
    let grpc = connect(&server, Door::Grpc).await;
    assert_eq!(health(grpc.clone(), "neglist.v1.PolicyService").await, Err(Code::NotFound));
    let refused = PolicyServiceClient::new(grpc).get_status(neglist::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(server.drain().await, Drained::Fully);
    assert!(!path.exists());
}

#[tokio::test]
async fn both_versions_of_reflection_name_the_services() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[]).await;
    let channel = connect(&server, Door::Admin).await;
    let expected = ["grpc.health.v1.Health", "neglist.v1.PolicyService"];

    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else { panic!() };
    assert_eq!(list.service.into_iter().map(|service| service.name).collect::<Vec<_>>(), expected);

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            "neglist.v1.PolicyService".to_owned(),
        )),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(answer, v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_)));
}

#[tokio::test]
async fn admins_see_reload_and_validate_the_policies() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[("policy_poll_interval_ms", "3600000"), ("policy_debounce_ms", "10000")]).await;
    let mut client = PolicyServiceClient::new(connect(&server, Door::Admin).await);
    // From its first answer on the reload thread only waits.
    client.validate(neglist::ValidateRequest {}).await.unwrap();
    let first = status(&mut client).await;
    assert_eq!((first.state(), first.snapshot.as_ref().unwrap().revision), (neglist::State::Current, 1));

    workspace.write("a.yaml", "bad");
    let validated = client.validate(neglist::ValidateRequest {}).await.unwrap().into_inner();
    assert_eq!((validated.digest.as_str(), validated.diagnostics.len()), ("", 1));
    assert_eq!(status(&mut client).await.state(), neglist::State::Current);
    let stale = client.reload(neglist::ReloadRequest {}).await.unwrap().into_inner().status.unwrap();
    assert_eq!((stale.state(), digest(&stale)), (neglist::State::Stale, digest(&first)));
    assert_eq!(stale.diagnostics[0].severity(), neglist::Severity::Error);
    // Stale is not unhealthy: the last good snapshot answers.
    assert_eq!(health(connect(&server, Door::Grpc).await, "").await, Ok(ServingStatus::Serving));

    workspace.write("a.yaml", "two");
    let validated = client.validate(neglist::ValidateRequest {}).await.unwrap().into_inner();
    let current = client.reload(neglist::ReloadRequest {}).await.unwrap().into_inner().status.unwrap();
    assert_eq!((current.state(), digest(&current)), (neglist::State::Current, validated.digest));
    assert_eq!(current.snapshot.unwrap().revision, 2);
}

#[tokio::test]
async fn a_pipeline_waits_for_a_digest_until_it_serves_or_the_time_is_up() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[]).await;
    let mut client = PolicyServiceClient::new(connect(&server, Door::Admin).await);
    let wait = |digest: &str| neglist::WaitForDigestRequest { digest: digest.to_owned() };
    let first = digest(&status(&mut client).await);
    let answer = client.wait_for_digest(wait(&first)).await.unwrap().into_inner();
    assert_eq!(digest(&answer.status.unwrap()), first);

    let malformed = client.wait_for_digest(wait("blake3:xyz")).await.unwrap_err();
    assert_eq!(malformed.code(), Code::InvalidArgument);
    let violations = tonic_types::StatusExt::get_details_bad_request(&malformed).unwrap().field_violations;
    assert_eq!(violations[0].field, "digest");

    let unknown = format!("blake3:{}", "0".repeat(64));
    let mut request = Request::new(wait(&unknown));
    request.metadata_mut().insert("grpc-timeout", "1S".parse().unwrap());
    let late = client.wait_for_digest(request).await.unwrap_err();
    // On a machine that is busy the client gives up by itself first; this one then says CANCELLED.
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late:?}");
    assert!(late.code() == Code::Cancelled || late.message().contains(&first), "{late:?}");

    workspace.write("a.yaml", "two");
    let validated = client.validate(neglist::ValidateRequest {}).await.unwrap().into_inner().digest;
    let answer = timeout(DEADLINE, client.wait_for_digest(wait(&validated))).await.unwrap().unwrap();
    assert_eq!(digest(&answer.into_inner().status.unwrap()), validated);
}

#[tokio::test]
async fn a_server_has_its_own_limit_on_waiting() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[("wait_for_digest_seconds_max", "1")]).await;
    let mut client = PolicyServiceClient::new(connect(&server, Door::Admin).await);
    let request = neglist::WaitForDigestRequest { digest: format!("blake3:{}", "0".repeat(64)) };
    let late = timeout(DEADLINE, client.wait_for_digest(request)).await.unwrap().unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_watcher_sees_each_state_and_the_end() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[]).await;
    let mut client = PolicyServiceClient::new(connect(&server, Door::Admin).await);
    let mut statuses = client.watch_status(neglist::WatchStatusRequest {}).await.unwrap().into_inner();
    let mut health_client = HealthClient::new(connect(&server, Door::Grpc).await);
    let mut healths = health_client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut next = async || timeout(DEADLINE, statuses.message()).await.unwrap().unwrap();
    assert_eq!(next().await.unwrap().status.unwrap().state(), neglist::State::Current);
    workspace.replace("a.yaml", "bad");
    assert_eq!(next().await.unwrap().status.unwrap().state(), neglist::State::Stale);
    workspace.replace("a.yaml", "two");
    assert_eq!(next().await.unwrap().status.unwrap().snapshot.unwrap().revision, 2);

    assert_eq!(healths.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let drained = timeout(DEADLINE, server.drain()).await.unwrap();
    assert_eq!(drained, Drained::Fully);
    assert!(next().await.is_none());
    assert_eq!(healths.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(healths.message().await.unwrap().is_none());
}

#[tokio::test]
async fn requests_in_flight_are_finished_and_an_idle_client_does_not_delay_the_end() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[("drain_seconds", "9")]).await;
    let idle = connect(&server, Door::Grpc).await;
    assert_eq!(health(idle.clone(), "").await, Ok(ServingStatus::Serving));
    let mut client = PolicyServiceClient::new(connect(&server, Door::Admin).await);
    let request = neglist::WaitForDigestRequest { digest: format!("blake3:{}", "0".repeat(64)) };
    let waiting = tokio::spawn(async move { client.wait_for_digest(request).await });
    // The request is on its way once the server has answered a later one on another connection
    // or not at all; either way it must end with an answer that says that the server stops.
    assert_eq!(health(connect(&server, Door::Admin).await, "").await, Ok(ServingStatus::Serving));
    assert_eq!(timeout(DEADLINE, server.drain()).await.unwrap(), Drained::Fully);
    let ended = timeout(DEADLINE, waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
}

#[tokio::test]
async fn policies_with_errors_do_not_start() {
    let workspace = Workspace::with(&[("a.yaml", "bad")]);
    let config = config(&workspace, &[]);
    let refused = Server::start(&config, Compiler::new(fake_compile), Arc::new(SystemClock)).await.unwrap_err();
    let StartError::Policies(diagnostics) = refused else { panic!("{refused}") };
    let mut printed = Vec::new();
    crate::app::serve::print_diagnostics(&mut printed, &diagnostics).unwrap();
    assert_eq!(String::from_utf8(printed).unwrap(), "error[P001] a.yaml: bad text\n");
}

#[tokio::test]
async fn a_listener_that_cannot_be_bound_stops_the_start() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let first = start(&workspace, &[]).await;
    let taken = first.listening()[0].1.to_string();
    let config = config(&workspace, &[("listen", &taken)]);
    let refused = Server::start(&config, Compiler::new(fake_compile), Arc::new(SystemClock)).await.unwrap_err();
    assert!(refused.to_string().contains(&taken), "{refused}");
}

#[tokio::test]
async fn signals_reload_and_stop() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[("policy_poll_interval_ms", "3600000"), ("policy_debounce_ms", "10000")]).await;
    let mut client = PolicyServiceClient::new(connect(&server, Door::Admin).await);
    let address = server.listening()[0].1.to_string();
    let (events, mut received) = mpsc::channel(8);
    let (say, said) = std::sync::mpsc::channel();
    let running = tokio::spawn(async move {
        let say = move |text| say.send(text).map_err(std::io::Error::other);
        let code = run(server, &mut received, say).await;
        (code, String::from_utf8(said.recv().unwrap()).unwrap())
    });
    workspace.write("a.yaml", "two");
    events.send(Event::Reload).await.unwrap();
    timeout(DEADLINE, async { while status(&mut client).await.snapshot.unwrap().revision != 2 {} }).await.unwrap();
    events.send(Event::Stop { exit_code: 143 }).await.unwrap();
    let (code, output) = timeout(DEADLINE, running).await.unwrap().unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(output.starts_with(&format!("listening grpc {address}\nlistening admin 127.0.0.1:")), "{output}");
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[("drain_seconds", "3600")]).await;
    // A call that never ends: a stream of reflection requests that stays open.
    let channel = connect(&server, Door::Grpc).await;
    let (_requests, stream) = mpsc::channel(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let _answers = client.server_reflection_info(requests).await.unwrap();

    let (events, mut received) = mpsc::channel(8);
    events.send(Event::Stop { exit_code: 143 }).await.unwrap();
    events.send(Event::Stop { exit_code: 130 }).await.unwrap();
    let code = timeout(DEADLINE, run(server, &mut received, |_| Ok(()))).await.unwrap();
    assert_eq!(code, ExitCode::from(130));
}

#[tokio::test]
async fn a_call_that_never_ends_is_cut_off_when_the_time_is_up() {
    let workspace = Workspace::with(&[("a.yaml", "one")]);
    let server = start(&workspace, &[("drain_seconds", "0")]).await;
    let channel = connect(&server, Door::Grpc).await;
    let (_requests, stream) = mpsc::channel(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let _answers = client.server_reflection_info(requests).await.unwrap();
    assert_eq!(timeout(DEADLINE, server.drain()).await.unwrap(), Drained::TimeUp);
}
