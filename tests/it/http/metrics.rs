//! A scrape is well-formed, and shows the events of the server.

use std::collections::{BTreeMap, BTreeSet};

use neglist::wire::generated::v1;
use neglist::wire::json::message;
use tokio_stream::iter;

use crate::http::doors::start;
use crate::support::clients::{self, message, transfer};
use crate::support::http_client::{get, post};
use crate::support::server::{self, Directory, connect, decisions_on};

/// A scrape, read as strictly as the text format is written.
struct Scrape {
    /// Value by name and labels.
    samples: BTreeMap<String, String>,
    /// Kind by family.
    kinds: BTreeMap<String, String>,
}

impl Scrape {
    #[track_caller]
    fn of(address: &str) -> Self {
        let response = get(address, "/metrics");
        assert_eq!(response.status, 200);
        let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(response.header("content-type"), Some(media_type));
        Self::read(&response.body)
    }

    #[track_caller]
    fn read(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "{text}");
        let (mut samples, mut kinds, mut helps) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                name.clone_into(&mut family);
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {name}");
                assert!(helps.contains(name), "no help: {name}");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(help.contains(" / ") && !help.is_ascii(), "one language: {line}");
                helps.insert(name.to_owned());
            } else if !line.starts_with("# ") {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} is not of {family}"));
                let allowed: &[&str] = match kinds[&family].as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "info" => &["_info"],
                    "histogram" => &["_bucket", "_count", "_sum"],
                    other => panic!("{other}"),
                };
                assert!(allowed.contains(&suffix), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(samples.insert(series.to_owned(), value.to_owned()).is_none(), "twice: {series}");
            }
        }
        Self { samples, kinds }
    }

    #[track_caller]
    fn value(&self, series: &str) -> &str {
        self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples.keys()))
    }

    #[track_caller]
    fn count(&self, series: &str) -> u64 {
        self.value(series).parse().unwrap()
    }

    fn decisions(&self, door: &str, outcome: &str) -> u64 {
        self.count(&format!("neglist_decisions_total{{door=\"{door}\",outcome=\"{outcome}\"}}"))
    }

    /// Returns the cumulative buckets of a door, in order, by upper bound.
    fn buckets(&self, door: &str) -> Vec<(f64, u64)> {
        let name = "neglist_call_duration_seconds_bucket{le=\"";
        let of_door = format!("\",door=\"{door}\"}}");
        let found = self.samples.iter().filter_map(|(series, value)| {
            let bound = series.strip_prefix(name)?.strip_suffix(&of_door)?;
            Some((if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }, value.parse().unwrap()))
        });
        let mut buckets: Vec<_> = found.collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_door_counts_its_transfers() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[]).await;
    let before = Scrape::of(&address);
    assert!(before.samples.iter().all(|(series, value)| !series.contains("decisions_total") || value == "0"));

    let mut client = decisions_on(connect(&server::address(&server, "grpc")).await);
    for total in [0, 0, 100_000] {
        client.decide(clients::request(transfer(1, total))).await.unwrap();
    }
    client.decide(clients::request(v1::Transfer::default())).await.unwrap_err();
    let transfers = vec![transfer(1, 0), transfer(1, 1_000_000), v1::Transfer::default()];
    client.decide_batch(v1::DecideBatchRequest { transfers, detail: 0 }).await.unwrap();
    let stream = iter([message(1, transfer(1, 0)), message(2, v1::Transfer::default())]);
    let mut answers = client.decide_stream(stream).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let body = message::to_json_line(&clients::request(transfer(1, 0)), "neglist.v1.DecideRequest").unwrap();
    assert_eq!(post(&address, "/v1/decide", &body).status, 200);
    for body in ["{", "{}"] {
        assert_eq!(post(&address, "/v1/decide", body).status, 400);
    }

    let after = Scrape::of(&address);
    let expected = [
        ("decide", "allow", 2),
        ("decide", "contract", 1),
        ("decide", "refused", 1),
        ("decide-batch", "allow", 1),
        ("decide-batch", "assess", 1),
        ("decide-batch", "refused", 1),
        ("decide-stream", "allow", 1),
        ("decide-stream", "refused", 1),
        ("http-decide", "allow", 1),
        ("http-decide", "refused", 2),
        ("reserve", "allow", 0),
    ];
    for (door, outcome, count) in expected {
        assert_eq!(after.decisions(door, outcome), count, "{door} {outcome}");
    }
    assert_eq!(after.count("neglist_reasons_total{reason=\"SMALL_VOLUME\"}"), 5);
    assert_eq!(after.count("neglist_reasons_total{reason=\"GENERAL_PERSONS_AT_OR_OVER_CONTRACT_LINE\"}"), 1);
    let digest = &server.policies().status().digest;
    assert_eq!(after.count(&format!("neglist_snapshot_info{{digest=\"{digest}\"}}")), 1);
    assert_eq!(after.count("neglist_snapshot_revision"), 1);
    assert_eq!(after.count("neglist_requests_in_flight"), 0);
    assert!(1 <= after.count("neglist_connections_open"));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_cumulative_and_their_count_is_that_of_the_calls() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[]).await;
    let mut client = decisions_on(connect(&server::address(&server, "grpc")).await);
    for _ in 0..20 {
        client.decide(clients::request(transfer(1, 0))).await.unwrap();
    }
    let scrape = Scrape::of(&address);
    let buckets = scrape.buckets("decide");
    let bounds: Vec<f64> = buckets.iter().map(|(bound, _)| *bound).collect();
    let texts = [bounds[0], bounds[19], bounds[20]].map(|bound| bound.to_string());
    assert_eq!((bounds.len(), texts.join(" ").as_str()), (21, "0.000005 10 inf"));
    assert!(buckets.is_sorted_by(|one, next| one.1 <= next.1), "{buckets:?}");
    assert_eq!(buckets[20].1, 20);
    assert_eq!(scrape.count("neglist_call_duration_seconds_count{door=\"decide\"}"), 20);
    let sum: f64 = scrape.value("neglist_call_duration_seconds_sum{door=\"decide\"}").parse().unwrap();
    assert!(0.0 < sum && sum < 30.0, "{sum}");
    assert_eq!(scrape.kinds["neglist_call_duration_seconds"], "histogram");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_and_reservations_are_counted() {
    use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;

    let directory = Directory::small();
    let ledger = directory.beside("neglist.ledger");
    let (server, address) = start(&directory, &[("ledger", ledger.to_str().unwrap())]).await;
    let mut client = LedgerServiceClient::new(connect(&server::address(&server, "grpc")).await);
    let reserve = |id: &str, persons| v1::ReserveRequest {
        transfer_id: id.to_owned(),
        transfer: Some(v1::Transfer { year_to_date: None, ..transfer(persons, 0) }),
        commit: true,
        ..v1::ReserveRequest::default()
    };
    for (id, persons) in [("a", 60_000), ("a", 60_000), ("b", 60_000)] {
        client.reserve(reserve(id, persons)).await.unwrap();
    }
    client.reserve(reserve("a", 1)).await.unwrap_err();
    client.reserve(reserve("", 1)).await.unwrap_err();
    client.release(v1::ReleaseRequest { transfer_id: "unknown".into() }).await.unwrap_err();
    let scrape = Scrape::of(&address);
    assert_eq!(scrape.decisions("reserve", "allow"), 2, "a replayed answer is an answer");
    assert_eq!(scrape.decisions("reserve", "contract"), 1);
    assert_eq!(scrape.decisions("reserve", "refused"), 2);
    let calls =
        |call, result| scrape.count(&format!("neglist_ledger_calls_total{{call=\"{call}\",result=\"{result}\"}}"));
    assert_eq!((calls("reserve", "done"), calls("reserve", "refused")), (3, 1));
    assert_eq!(calls("release", "refused"), 1);
    assert_eq!(scrape.count("neglist_ledger_open"), 1);
    assert_eq!(scrape.count("neglist_ledger_calls_waiting"), 0);
}
