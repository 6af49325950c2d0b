//! The clock of the machine is set while a server runs. `libfaketime` sets it for the server alone: tests may not set
//! that of the machine, which other processes use.

use std::path::Path;

use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;
use tonic::Code;

use crate::support::clients::transfer;
use crate::support::http_client::get;
use crate::support::missing;
use crate::support::server::{Directory, Process, connect, serve_arguments};
use crate::support::wait::{until, within};

/// Where Debian and Ubuntu, Fedora, and Alpine put the library.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Returns the library; `None`, which skips the test, where it is not installed and need not be.
fn library() -> Option<&'static str> {
    let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        missing::report("libfaketime", "Install Debian's `faketime`.", "NEGLIST_REQUIRE_GATEWAYS");
    }
    found
}

fn reserve(id: &str) -> v1::ReserveRequest {
    let transfer = v1::Transfer { year_to_date: None, ..transfer(1, 0) };
    v1::ReserveRequest { transfer_id: id.to_owned(), transfer: Some(transfer), ..v1::ReserveRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn b17_a_clock_that_is_set_stops_the_counting_until_it_is_back() {
    let Some(library) = library() else { return };
    let directory = Directory::small();
    let offset = directory.beside("offset");
    let ledger = directory.beside("ledger");
    let set = |text: &str| {
        // In one step: a file that is half written says another time.
        let written = directory.beside("offset.new");
        std::fs::write(&written, text).unwrap();
        std::fs::rename(written, &offset).unwrap();
    };
    set("+0");
    let arguments: Vec<String> = serve_arguments(&directory.policies(), &["127.0.0.1:0"])
        .into_iter()
        .map(|argument| if argument == "none" { ledger.to_str().unwrap().to_owned() } else { argument })
        .chain(["--ledger-create".to_owned()])
        .collect();
    let settings = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NEGLIST_HTTP", "127.0.0.1:0"),
    ];
    let server = Process::listening(&arguments, &settings);
    let mut client = LedgerServiceClient::new(connect(server.grpc()[0]).await);
    assert!(within("an answer", client.reserve(reserve("before"))).await.is_ok());
    assert_eq!(get(server.http(), "/readyz").status, 200);
    for jump in ["+40d", "-40d", "+2h", "-2h"] {
        set(jump);
        // The first call after it sees it, whatever was read before.
        let refused = within("an answer", client.reserve(reserve(jump))).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{jump}: {refused:?}");
        assert!(refused.message().contains("clock"), "{jump}: {refused:?}");
        until("it is not ready", || (get(server.http(), "/readyz").status == 503).then_some(())).await;
        set("+0");
        until("it is ready again", || (get(server.http(), "/readyz").status == 200).then_some(())).await;
        assert!(within("an answer", client.reserve(reserve(jump))).await.is_ok(), "{jump}");
    }
    server.signal("TERM");
    let ended = within("the end", server.ended()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("the clock of this machine was set"), "{}", ended.stderr);
}
