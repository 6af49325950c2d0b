//! `/v1/forward-auth` over loopback: the answers to gateways, with label headers alone.

use neglist::app::server::Server;

use crate::http::doors::start;
use crate::support::http_client::{Client, Response, get};
use crate::support::server::Directory;
use crate::support::small::{GATE, OWN, Small};

/// A flow whose answer rests on no count.
const MAPS: &str = "  - id: maps
    exporter: acme
    recipient: partner
    destination: CN
    sector: pharma
    scenario: other
    items: [{code: geo.map}]
    ground: none
clearances:
";

fn directory() -> Directory {
    Directory::of(&Small::new().with(OWN, "clearances:\n", MAPS).files)
}

async fn counting(directory: &Directory, settings: &[(&'static str, &str)]) -> (Server, String) {
    let ledger = directory.beside("neglist.ledger");
    start(directory, &[&[("ledger", ledger.to_str().unwrap())], settings].concat()).await
}

const NGINX: [(&str, &str); 3] =
    [("X-Original-Method", "POST"), ("X-Original-Host", "partner.example"), ("X-Original-URI", "/upload?x=1")];
const TRAEFIK: [(&str, &str); 5] = [
    ("X-Forwarded-Method", "POST"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "partner.example"),
    ("X-Forwarded-Uri", "/upload?x=1"),
    ("X-Forwarded-For", "10.0.0.1"),
];

type Headers<'h> = &'h [(&'h str, &'h str)];

fn trial(sensitive: &str) -> [(&str, &str); 3] {
    [("x-flow", "trial"), ("x-neglist-persons", "0"), ("x-neglist-sensitive-persons", sensitive)]
}

#[track_caller]
fn ask(address: &str, headers: &[Headers<'_>]) -> Response {
    Client::connect(address).ask("GET", "/v1/forward-auth", &headers.concat(), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_is_200_and_a_denial_403_with_their_reasons_in_headers() {
    let directory = directory();
    let (server, address) = counting(&directory, &[]).await;
    let digest = server.policies().status().digest.to_string();
    for gateway in [&NGINX[..], &TRAEFIK] {
        let permit = ask(&address, &[gateway, &trial("5")]);
        assert_eq!((permit.status, permit.body.as_str()), (200, ""));
        for (name, expected) in [
            ("x-neglist-outcome", "allow"),
            ("x-neglist-reason", "BELOW_LIST_LINES"),
            ("x-neglist-clearance", "filing-1"),
            ("x-neglist-digest", &digest),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(permit.header(name), Some(expected), "{permit:?}");
        }
        assert_eq!(permit.header("x-neglist-decision-id").unwrap().len(), 32);
        assert!(permit.header("x-neglist-valid-until").unwrap().ends_with('Z'));

        let denial = ask(&address, &[gateway, &trial("50000")]);
        assert_eq!((denial.status, denial.header("x-neglist-outcome")), (403, Some("assess")));
        assert_eq!(denial.header("x-neglist-reason"), Some("SENSITIVE_PERSONS_AT_OR_OVER_ASSESSMENT_LINE"));
        assert!(!denial.header("x-neglist-rule").unwrap().is_empty());
        let body = denial.json();
        assert_eq!(body["outcome"], "assess");
        assert!(!body["reasons"][0]["text_zh"].as_str().unwrap().is_ascii(), "{body}");
        assert!(body["reasons"][0]["text_en"].as_str().unwrap().is_ascii(), "{body}");
        assert!(!body["headroom"].as_array().is_none_or(Vec::is_empty) || body["next_step"].is_object(), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_transfer_never_passes() {
    let directory = directory();
    let (_server, address) = counting(&directory, &[]).await;
    let flow = |flow: &'static str| [("x-flow", flow)];
    let not_ascii = [("x-flow", "\u{4e2d}")];
    let cases: &[(&str, &[Headers<'_>])] = &[
        ("NOTHING_MATCHES", &[&NGINX]),
        ("URI_NOT_FORWARDED", &[&trial("5")]),
        ("URI_NOT_FORWARDED", &[&[("x-original-method", "GET")], &trial("5")]),
        ("METHOD_NOT_FORWARDED", &[&NGINX[1..], &trial("5")]),
        ("HOST_NOT_FORWARDED", &[&[NGINX[0], NGINX[2]], &trial("5")]),
        ("HOST_NOT_FORWARDED", &[&[NGINX[0], NGINX[2]], &[("x-original-host", "")], &trial("5")]),
        ("LABEL_MISSING", &[&NGINX, &flow("trial")]),
        ("LABEL_MISSING", &[&NGINX, &[("x-neglist-sensitive-persons", "5")]]),
        ("UNKNOWN_CODE", &[&NGINX, &flow("trail"), &[("x-neglist-sensitive-persons", "5")]]),
        ("LABEL_NOT_A_NUMBER", &[&NGINX, &trial("5.0")]),
        ("LABEL_REPEATED", &[&NGINX, &trial("5"), &flow("trial")]),
        ("LABEL_NOT_TEXT", &[&NGINX, &not_ascii]),
        ("LABEL_REPEATED", &[&NGINX, &[("x-original-uri", "/other")], &trial("5")]),
        ("FORWARDED_HEADERS_DISAGREE", &[&NGINX, &[("x-forwarded-uri", "/upload?x=1")], &trial("5")]),
        ("FORWARDED_HEADERS_DISAGREE", &[&TRAEFIK, &[("x-original-uri", "/other")], &trial("5")]),
    ];
    for (reason, headers) in cases {
        let refusal = ask(&address, headers);
        refusal.is_refusal(403);
        let found = (refusal.header("x-neglist-outcome"), refusal.header("x-neglist-reason"));
        assert_eq!(found, (Some("refused"), Some(*reason)), "{headers:?}");
        assert_eq!(refusal.header("cache-control"), Some("no-store"));
    }
    let refused = get(&address, "/metrics").body;
    let line = format!("neglist_decisions_total{{door=\"forward-auth\",outcome=\"refused\"}} {}\n", cases.len());
    assert!(refused.contains(&line), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_same_for_any_method_and_body() {
    let directory = directory();
    let (_server, address) = counting(&directory, &[]).await;
    let headers = [&NGINX[..], &trial("5")].concat();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
        let answer = Client::connect(&address).ask(method, "/v1/forward-auth?a=b", &headers, "");
        assert_eq!((answer.status, answer.header("x-neglist-outcome")), (200, Some("allow")), "{method}");
    }
    // A body is none of its business.
    let answer = Client::connect(&address).ask("POST", "/v1/forward-auth", &headers, "{\"x-neglist-flow\": 1}");
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_family_of_headers_is_configured() {
    for (family, gateway, other) in [("x-original", &NGINX[..], &TRAEFIK[..]), ("x-forwarded", &TRAEFIK, &NGINX)] {
        let directory = directory();
        let (_server, address) = counting(&directory, &[("forward_auth_headers", family)]).await;
        assert_eq!(ask(&address, &[gateway, &trial("5")]).status, 200);
        let forged = [("X-Forwarded-Uri", "/forged"), ("X-Original-URI", "/forged")];
        let forged = forged.iter().find(|(name, _)| !gateway.iter().any(|(sent, _)| sent == name)).unwrap();
        assert_eq!(ask(&address, &[gateway, &[*forged], &trial("5")]).status, 200);
        let refused = ask(&address, &[other, &trial("5")]);
        assert_eq!((refused.status, refused.header("x-neglist-reason")), (403, Some("URI_NOT_FORWARDED")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_cached_only_if_the_operator_allows_it_and_no_count_changes_it() {
    let maps = [("x-flow", "maps")];
    let directory = self::directory();
    let (_server, address) = counting(&directory, &[]).await;
    let kept = ask(&address, &[&NGINX, &maps]);
    assert_eq!((kept.status, kept.header("cache-control"), kept.header("vary")), (200, Some("no-store"), None));

    let directory = self::directory();
    let (_server, address) = counting(&directory, &[("forward_auth_cache_seconds_max", "60")]).await;
    let kept = ask(&address, &[&NGINX, &maps]);
    assert_eq!((kept.status, kept.header("cache-control")), (200, Some("max-age=60")));
    // Another path, another label, another family: another answer.
    let vary: Vec<&str> = kept.header("vary").unwrap().split(", ").collect();
    for header in ["x-forwarded-uri", "x-original-host", "x-flow", "x-neglist-sensitive-persons"] {
        assert!(vary.contains(&header), "{vary:?}");
    }
    for counted in [trial("5"), trial("50000")] {
        let answer = ask(&address, &[&NGINX, &counted]);
        assert_eq!((answer.header("cache-control"), answer.header("vary")), (Some("no-store"), None));
    }
    assert_eq!(ask(&address, &[&NGINX]).header("cache-control"), Some("no-store"));

    // The ceiling on the lifetime of an answer holds here too.
    let settings = [("forward_auth_cache_seconds_max", "3600"), ("valid_until_ceiling_seconds", "20")];
    let directory = self::directory();
    let (_server, address) = counting(&directory, &settings).await;
    assert_eq!(ask(&address, &[&NGINX, &maps]).header("cache-control"), Some("max-age=19"));
}

/// Rules as a gateway's operator would write them.
const RULES: &str = r"format: 1
kind: gateway
headers: {flow: x-flow}
rules:
  - id: uploads
    match: {host: trials.example, path_prefix: /subjects, methods: [POST]}
    flow: trial
    persons: 0
    sensitive_persons: {header: x-count}
    transfer_id: {header: x-request-id}
    record: yes
  - {id: pages, match: {host: trials.example, path_prefix: /subjects}, flow: maps}
  - {id: body, match: {host: body.example}, flow: trial, persons: 0, sensitive_persons: {body: /count}}
complete: yes
";

fn with_rules() -> Directory {
    let directory = directory();
    directory.write(GATE, RULES);
    directory
}

fn nginx<'h>(method: &'h str, host: &'h str, uri: &'h str) -> [(&'h str, &'h str); 3] {
    [("X-Original-Method", method), ("X-Original-Host", host), ("X-Original-URI", uri)]
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_turn_a_request_into_a_transfer() {
    let directory = with_rules();
    let (_server, address) = counting(&directory, &[("forward_auth_cache_seconds_max", "60")]).await;
    let page = ask(&address, &[&nginx("GET", "trials.example", "/subjects/7?x=1")]);
    assert_eq!((page.status, page.header("x-neglist-gateway-rule")), (200, Some("pages")));
    assert_eq!(page.header("cache-control"), Some("max-age=60"));
    for (method, host, uri, reason) in [
        ("POST", "trials.example", "/subjects/7", "LABEL_MISSING"),
        ("GET", "trials.example", "/subjects/../7", "PATH_NOT_NORMALISED"),
        ("GET", "trials.example", "/other", "NOTHING_MATCHES"),
        ("GET", "other.example", "/subjects/7", "NOTHING_MATCHES"),
        ("POST", "body.example", "/", "BODY_NOT_THERE"),
    ] {
        let refused = ask(&address, &[&nginx(method, host, uri)]);
        refused.is_refusal(403);
        assert_eq!(refused.header("x-neglist-reason"), Some(reason), "{method} {host} {uri}: {}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_request_is_counted_once_under_its_id() {
    let directory = with_rules();
    let (_server, address) = counting(&directory, &[]).await;
    let upload = nginx("POST", "trials.example", "/subjects/7");
    let count = |id: &str, count: &str| ask(&address, &[&upload, &[("x-request-id", id), ("x-count", count)]]);
    // A retry counts once, and gets its first answer.
    let first = count("r-1", "6000");
    let again = count("r-1", "6000");
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.header("x-neglist-decision-id"), again.header("x-neglist-decision-id"));
    assert_eq!(
        (first.header("cache-control"), first.header("x-neglist-gateway-rule")),
        (Some("no-store"), Some("uploads"))
    );
    let over = count("r-2", "44000");
    assert_eq!((over.status, over.header("x-neglist-outcome")), (403, Some("assess")), "6,000 were counted before");
    let third = count("r-3", "3999");
    assert_eq!(third.status, 200, "{third:?}");
    // An id that was used for another transfer, and one that is missing.
    let other = count("r-1", "1");
    assert_eq!((other.status, other.header("x-neglist-reason")), (403, Some("OTHER_TRANSFER")));
    let missing = ask(&address, &[&upload, &[("x-count", "1")]]);
    assert_eq!((missing.status, missing.header("x-neglist-reason")), (403, Some("LABEL_MISSING")));
    // Asking counts nothing, counting does: 9,999 are below the first line, one more is on it.
    assert_eq!(count("r-4", "1").header("x-neglist-outcome"), Some("contract"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_names_no_more_persons_than_a_transfer_may() {
    let directory = directory();
    let rules = "format: 1\nkind: gateway\nrules:\n  - id: asked\n    match: {host: trials.example}\n    flow: trial\n    \
                 sensitive_subjects: {query: id, kind: patient}\ncomplete: yes\n";
    directory.write(GATE, rules);
    let (_server, address) = counting(&directory, &[("ledger_subjects_max", "2")]).await;
    let about = |ids: &str| ask(&address, &[&nginx("POST", "trials.example", &format!("/x?{ids}"))]);
    assert_eq!(about("id=a&id=b&id=a").status, 200);
    let refused = about("id=a&id=b&id=c");
    refused.is_refusal(403);
    assert_eq!(refused.header("x-neglist-reason"), Some("TOO_MANY"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_nothing_is_counted_and_nothing_that_should_be_passes() {
    let directory = with_rules();
    let (_server, address) = start(&directory, &[]).await;
    let upload = nginx("POST", "trials.example", "/subjects/7");
    let refused = ask(&address, &[&upload, &[("x-request-id", "r-1"), ("x-count", "1")]]);
    refused.is_refusal(503);
    assert_eq!(
        (refused.header("x-neglist-outcome"), refused.header("x-neglist-reason")),
        (Some("unanswered"), Some("NO_LEDGER"))
    );
    // A request that depends on totals is refused, and the gateway is not asked for totals that it cannot state.
    let refused = ask(&address, &[&nginx("GET", "other.example", "/"), &trial("5")]);
    let body = refused.is_refusal(403).to_string();
    assert_eq!(refused.header("x-neglist-reason"), Some("NO_LEDGER"));
    assert!(body.contains("start the server with a ledger") && !body.contains("year_to_date"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_decides_about_requests_that_no_rule_matches() {
    for (unlabelled, status, outcome) in [
        ("refuse", 403, "refused"),
        ("allow", 200, "no-transfer"),
        ("flow:maps", 200, "allow"),
        ("flow:trial", 403, "refused"),
    ] {
        let directory = with_rules();
        let (_server, address) = counting(&directory, &[("http_unlabelled", unlabelled)]).await;
        let answer = ask(&address, &[&nginx("GET", "other.example", "/")]);
        assert_eq!((answer.status, answer.header("x-neglist-outcome")), (status, Some(outcome)), "{unlabelled}");
        // A request that is wrongly labelled, or not described by the gateway, passes under none of them.
        for headers in
            [&nginx("GET", "trials.example", "//")[..], &[("x-flow", "trail")], &[("X-Original-Method", "GET")], &[]]
        {
            assert_eq!(ask(&address, &[headers]).status, 403, "{unlabelled} {headers:?}");
        }
        // A request without its method or host is none that rules could be about, and no bare connection either.
        let [method, host, uri] = nginx("POST", "trials.example", "/subjects/7");
        for (headers, reason) in [
            (&[uri][..], "METHOD_NOT_FORWARDED"),
            (&[host, uri], "METHOD_NOT_FORWARDED"),
            (&[method, uri], "HOST_NOT_FORWARDED"),
        ] {
            let refused = ask(&address, &[headers]);
            refused.is_refusal(403);
            let found = (refused.header("x-neglist-outcome"), refused.header("x-neglist-reason"));
            assert_eq!(found, (Some("refused"), Some(reason)), "{unlabelled} {headers:?}");
        }
    }
}

/// The small directory with these rules in place of its own.
fn ruled(rules: &str) -> Directory {
    let mut small = Small::new().with(OWN, "clearances:\n", MAPS);
    let file = small.files.iter_mut().find(|file| file.path == GATE).unwrap();
    file.text = format!("format: 1\nkind: gateway\nrules:\n{rules}\ncomplete: yes\n");
    Directory::of(&small.files)
}

/// Asks, and returns the code and, of a refusal, its reason.
fn verdict(answer: &Response) -> (u16, Option<&str>) {
    (answer.status, answer.header("x-neglist-reason").filter(|_| answer.header("x-neglist-outcome") == Some("refused")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_tunnel_does_not_pass_by_way_of_headers() {
    let directory = ruled(
        "  - {id: strict, match: {host: t.example, methods: [POST]}, flow: trial, persons: 0, sensitive_persons: 60000}
  - {id: lenient, match: {host: t.example, headers: {x-a: '1', x-b: '1'}}, flow: maps}
  - {id: named, match: {host: n.example, methods: [CONNECT], headers: {x-a: '1'}}, flow: maps}
  - {id: rest, match: {host: n.example}, flow: trial, persons: 0, sensitive_persons: 60000}
",
    );
    let (_server, address) = counting(&directory, &[]).await;
    let (a, b) = ([("x-a", "1")], [("x-b", "1")]);
    assert_eq!(verdict(&ask(&address, &[&nginx("GET", "t.example", "/"), &a, &b])), (200, None));
    assert_eq!(verdict(&ask(&address, &[&nginx("POST", "t.example", "/")])), (403, None));
    for (path, headers) in [("/", [&a[..], &b]), ("t.example:443", [&a, &b])] {
        let connect = nginx("CONNECT", "t.example:443", path);
        assert_eq!(verdict(&ask(&address, &[&connect, headers[0], headers[1]])), (403, Some("INSIDE_TUNNEL")));
    }
    let connect = nginx("CONNECT", "t.example:443", "/");
    assert_eq!(verdict(&ask(&address, &[&connect, &a])), (403, Some("CONDITIONS_NOT_MET")));
    let connect = nginx("CONNECT", "n.example:443", "/");
    assert_eq!(verdict(&ask(&address, &[&connect, &a])), (200, None));
    assert_eq!(verdict(&ask(&address, &[&connect])), (403, None), "the rest is decided, as an assessment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_a_request_that_servers_may_read_as_another_is_refused() {
    let directory = ruled(
        "  - {id: patients, match: {host: p.example, path_prefix: /patients}, flow: trial, persons: 0, sensitive_persons: 60000}
  - {id: export, match: {host: p.example, path: /export}, flow: trial, persons: 0, sensitive_persons: 60000}
  - {id: rest, match: {host: p.example, path_prefix: /}, flow: maps}
  - {id: writes, match: {host: m.example, methods: [POST]}, flow: trial, persons: 0, sensitive_persons: 60000}
  - {id: reads, match: {host: m.example}, flow: maps}
",
    );
    let (_server, address) = counting(&directory, &[]).await;
    for (path, expected) in [
        ("/other", (200, None)),
        ("/patients", (403, None)),
        ("/patients.", (403, Some("PATH_NOT_NORMALISED"))),
        ("/patients%20/7", (403, Some("PATH_NOT_NORMALISED"))),
        ("/export%20", (403, Some("PATH_NOT_NORMALISED"))),
        ("/export.json", (403, Some("SUFFIX_AT_END"))),
        ("/export.csv?x=1", (403, Some("SUFFIX_AT_END"))),
        ("/patients.xml", (403, Some("SUFFIX_AT_END"))),
    ] {
        assert_eq!(verdict(&ask(&address, &[&nginx("GET", "p.example", path)])), expected, "{path}");
    }
    for (header, says, expected) in [
        ("X-HTTP-Method-Override", "GET", (200, None)),
        ("X-HTTP-Method-Override", "POST", (403, Some("METHOD_OVERRIDDEN"))),
        ("X-HTTP-Method", "post", (403, Some("METHOD_OVERRIDDEN"))),
        ("X-Method-Override", "PUT", (403, Some("METHOD_OVERRIDDEN"))),
    ] {
        let answer = ask(&address, &[&nginx("GET", "m.example", "/"), &[(header, says)]]);
        assert_eq!(verdict(&answer), expected, "{header}: {says}");
    }
    let answer = ask(&address, &[&nginx("GET", "p.example", "/other"), &[("X-Rewrite-URL", "/patients")]]);
    assert_eq!(verdict(&answer), (403, Some("PATH_OVERRIDDEN")));
}

/// What ingress-nginx asks with: the headers that its template sets, and those of the client, which it lets through.
#[tokio::test(flavor = "multi_thread")]
async fn c_ingress_nginx_asks_with_a_whole_url() {
    // Beside the host that every request here has.
    const ASKS: [(&str, &str); 8] = [
        ("X-Request-ID", "9f0c2c6f0d5f4a4f8a3e1b7c2d9e6a55"),
        ("X-Original-URL", "https://partner.example/upload?x=1"),
        ("X-Original-Method", "POST"),
        ("X-Sent-From", "nginx-ingress-controller"),
        ("X-Real-IP", "192.0.2.7"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Auth-Request-Redirect", "/upload?x=1"),
        ("User-Agent", "curl/8"),
    ];
    let rules = "  - {id: uploads, match: {host: partner.example, path: /upload, methods: [POST]}, flow: maps}
  - {id: patients, match: {host: partner.example, path: /patients}, flow: trial, persons: 0, sensitive_persons: 60000}
";
    for family in ["x-original-url", "either"] {
        let directory = ruled(rules);
        let (_server, address) = counting(&directory, &[("forward_auth_headers", family)]).await;
        let permit = ask(&address, &[&ASKS]);
        assert_eq!((permit.status, permit.header("x-neglist-gateway-rule")), (200, Some("uploads")), "{family}");
        let other = |name: &str, text: &'static str| {
            let mut asks = ASKS;
            asks.iter_mut().find(|(found, _)| *found == name).unwrap().1 = text;
            ask(&address, &[&asks])
        };
        assert_eq!(verdict(&other("X-Original-URL", "http://partner.example:8080/patients")), (403, None));
        assert_eq!(verdict(&other("X-Original-URL", "https://partner.example/other")), (403, Some("NOTHING_MATCHES")));
        assert_eq!(verdict(&other("X-Original-Method", "GET")), (403, Some("CONDITIONS_NOT_MET")));
        assert_eq!(verdict(&other("X-Original-URL", "/upload")), (403, Some("NOT_A_URL")));
        let without_method: Vec<_> = ASKS.into_iter().filter(|(name, _)| *name != "X-Original-Method").collect();
        assert_eq!(verdict(&ask(&address, &[&without_method])), (403, Some("METHOD_NOT_FORWARDED")));
        // With the annotation `auth-method` it says the path twice, and no host of that family; and clients forge.
        let is_named = family == "x-original-url";
        for header in [("X-Original-URI", "/upload?x=1"), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Uri", "/a")]
        {
            let expected = if is_named { (200, None) } else { (403, Some("FORWARDED_HEADERS_DISAGREE")) };
            assert_eq!(verdict(&ask(&address, &[&ASKS, &[header]])), expected, "{family} {header:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_asks_for_another_path_is_refused_in_any_form() {
    let rules =
        "  - {id: strict, match: {host: a.example, path: /export}, flow: trial, persons: 0, sensitive_persons: 60000}
  - {id: mild, match: {host: a.example}, flow: maps}
";
    let directory = ruled(rules);
    let (_server, address) = counting(&directory, &[("forward_auth_headers", "x-forwarded")]).await;
    let asks =
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Uri", "/mild?secret=no")];
    for header in ["X-Rewrite-URL", "X-Original-URL"] {
        for says in ["/mild", "/mil%64?x", "https://a.example/mild?x", "HTTP://a.example:8080/mild"] {
            assert_eq!(verdict(&ask(&address, &[&asks, &[(header, says)]])), (200, None), "{header}: {says}");
        }
        for says in [
            "/export",
            "export?x=http://h/mild",
            "export#://h/mild",
            "export%2F?://x/mild",
            "evil://h/mild",
            "://h/mild",
            "//h/mild",
            "http://h?/mild",
            "http://h#/mild",
            "http://h\\@x/mild",
        ] {
            let answer = ask(&address, &[&asks, &[(header, says)]]);
            assert_eq!(verdict(&answer), (403, Some("PATH_OVERRIDDEN")), "{header}: {says}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_name_that_is_not_seen_leaves_nothing_to_a_milder_rule() {
    let rules = "  - {id: m-all, match: {}, flow: maps}
  - {id: s-sni, match: {sni: sni.example}, flow: trial, persons: 0, sensitive_persons: 60000}
";
    let directory = ruled(rules);
    let (_server, address) = counting(&directory, &[]).await;
    for asks in [nginx("GET", "zzz.example", "/"), nginx("CONNECT", "zzz.example:443", "/")] {
        assert_eq!(verdict(&ask(&address, &[&asks])), (403, Some("SERVER_NAME_NOT_SEEN")), "{asks:?}");
    }
}
