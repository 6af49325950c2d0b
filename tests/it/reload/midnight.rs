//! Midnight in Shanghai: editions, years and clearances begin and end without a reload.

use neglist::wire::generated::v1;
use neglist::wire::generated::v1::policy_service_client::PolicyServiceClient;

use crate::support::clients::request;
use crate::support::server::{self, Directory, NEVER_MS, SetClock, connect, decisions_on};
use crate::support::small::{OWN, PORT, Small};
use crate::support::wait::within;

/// 2026-07-01T00:00:00+08:00.
const MIDNIGHT: i64 = 1_782_835_200;
/// 2027-01-01T00:00:00+08:00.
const NEW_YEAR: i64 = 1_798_732_800;

/// The port's list of 2025 ends with June 2026, and a stricter edition begins with July.
fn two_editions() -> Directory {
    let small = Small::new()
        .with(PORT, "first_day: 2025-01-01\n", "first_day: 2025-01-01\nlast_day: 2026-06-30\n")
        .with(OWN, "lists: [port-2025]", "lists: [port-2025, port-2026]")
        .with(OWN, "last_day: 2027-12-31", "last_day: 2026-12-31");
    let next = Small::new()
        .with(PORT, "id: port-2025", "id: port-2026")
        .with(PORT, "first_day: 2025-01-01", "first_day: 2026-07-01")
        .with(PORT, "contract_from: {persons: 10000,", "contract_from: {persons: 2000,");
    let next = next.files.into_iter().find(|file| file.path == PORT).unwrap().text;
    Directory::of(&small.and("lists/zones/port-2026.yaml", &next).files)
}

fn trial(total: u64) -> v1::Transfer {
    let sensitive = |sensitive| Some(v1::Persons { general: 0, sensitive });
    v1::Transfer {
        flow: "trial".into(),
        persons: sensitive(1),
        year_to_date: sensitive(0),
        scenario_year_to_date: sensitive(total - 1),
        ..v1::Transfer::default()
    }
}

#[tokio::test]
async fn an_edition_begins_at_midnight_in_shanghai_without_a_reload() {
    let directory = two_editions();
    let clock = SetClock::at(MIDNIGHT - 3_600);
    let settings = [("policy_poll_interval_ms", NEVER_MS), ("policy_debounce_ms", "10000")];
    let server = server::start(&directory.policies(), clock.clone(), &settings).await;
    let mut client = decisions_on(connect(&server::address(&server, "grpc")).await);
    let mut admin = PolicyServiceClient::new(connect(&server::address(&server, "admin")).await);
    let mut snapshots = Vec::new();
    for (now, edition, line, until) in [
        // The ceiling of a day would reach beyond midnight.
        (MIDNIGHT - 3_600, "port-2025", 10_000, MIDNIGHT),
        (MIDNIGHT - 1, "port-2025", 10_000, MIDNIGHT),
        (MIDNIGHT, "port-2026", 2_000, MIDNIGHT + 86_400),
        (MIDNIGHT + 1, "port-2026", 2_000, MIDNIGHT + 86_401),
        // Back again: nothing but the clock decides.
        (MIDNIGHT - 1, "port-2025", 10_000, MIDNIGHT),
        // The clearance ends with the year, and with it its permission.
        (NEW_YEAR - 1, "port-2026", 2_000, NEW_YEAR),
        (NEW_YEAR, "port-2026", 2_000, NEW_YEAR + 86_400),
    ] {
        clock.set(now);
        let below = if now < NEW_YEAR { v1::Outcome::Allow } else { v1::Outcome::File };
        for (total, outcome) in [(line - 1, below), (line, v1::Outcome::Contract)] {
            let response = within("an answer", client.decide(request(trial(total)))).await.unwrap();
            let decision = response.into_inner().decision.unwrap();
            assert_eq!(decision.outcome(), outcome, "{now} {total} {decision:?}");
            let rule = format!("{edition}/pharma/clinical-trial");
            assert!(decision.reasons.iter().any(|reason| reason.rule.starts_with(&rule)), "{now} {decision:?}");
            let year = if now < NEW_YEAR { "/2026" } else { "/2027" };
            assert!(decision.headroom.iter().all(|headroom| headroom.counter.ends_with(year)), "{now} {decision:?}");
            let times = (decision.evaluated_at.unwrap().seconds, decision.valid_until.unwrap().seconds);
            assert_eq!(times, (now, until));
            snapshots.push(decision.snapshot.unwrap());
        }
        let status = admin.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().status.unwrap();
        let editions: Vec<_> = status.editions.iter().map(|edition| edition.id.as_str()).collect();
        assert_eq!(editions, ["nation", edition]);
        assert_eq!(status.activated_at.unwrap().seconds, MIDNIGHT - 3_600);
    }
    assert!(snapshots.iter().all(|snapshot| *snapshot == snapshots[0] && snapshot.revision == 1), "{snapshots:?}");
    drop((client, admin));
    within("the end", server.drain()).await;
}

#[tokio::test]
async fn an_answer_for_another_moment_has_the_lists_of_that_moment() {
    let directory = two_editions();
    let clock = SetClock::at(MIDNIGHT - 1);
    let server = server::start(&directory.policies(), clock, &[]).await;
    let mut client = decisions_on(connect(&server::address(&server, "grpc")).await);
    for (seconds, outcome, until) in
        [(MIDNIGHT - 1, v1::Outcome::Allow, MIDNIGHT), (MIDNIGHT, v1::Outcome::Contract, MIDNIGHT + 86_400)]
    {
        let at = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let transfer = v1::Transfer { at, ..trial(2_000) };
        let decision = client.decide(request(transfer)).await.unwrap().into_inner().decision.unwrap();
        assert_eq!(decision.outcome(), outcome);
        assert_eq!(decision.valid_until.unwrap().seconds, until);
    }
    drop(client);
    within("the end", server.drain()).await;
}
