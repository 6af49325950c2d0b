//! No message of an Envoy makes reading it panic, and none passes by itself: it is a transfer that labels name, or refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::gateway::{self, Reading, Unmatched};
use neglist::domain::snapshot::Snapshot;
use neglist::policy::{self, Limits, PolicyFile};
use neglist::wire::envoy::check::Check;
use neglist::wire::generated::vendor::envoy::service::auth::v3::CheckRequest;
use neglist::wire::status;
use prost::Message as _;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let file = |path: &str, text: &str| PolicyFile { path: path.to_owned(), text: text.to_owned() };
    let files = [
        file("catalogue/codes.yaml", include_str!("../../tests/it/small/catalogue/codes.yaml")),
        file("lists/national/nation.yaml", include_str!("../../tests/it/small/lists/national/nation.yaml")),
        file("lists/zones/port.yaml", include_str!("../../tests/it/small/lists/zones/port.yaml")),
        file("registry/own.yaml", include_str!("../../tests/it/small/registry/own.yaml")),
        file("gateways/routes.yaml", include_str!("../../tests/it/small/gateways/routes.yaml")),
    ];
    policy::compile(&files, &Limits { entries_max: 10_000, depth_max: 32 }).snapshot.expect("valid policies")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = CheckRequest::decode(bytes) else { return };
    match gateway::read(&SNAPSHOT, &Check::new(&request), &Unmatched::Refuse) {
        Reading::Transfer(labelled) => assert!(labelled.rule.is_some() || labelled.flow.is_some()),
        Reading::NoTransfer => panic!("passed by itself"),
        Reading::Refused(why) => assert!(!status::unlabelled(&why).message.is_empty()),
    }
});
