//! Which rule matches a request, and which requests are refused because the choice is undecidable.

use super::super::labelled::{HostFault, PathFault, Record};
use super::super::table::{Gives, LabelHeaders};
use super::*;
use crate::testing::seen::{Request, connection, request};

#[path = "disguise_tests.rs"]
mod disguise;

/// Returns a rule of a host, a path (`/a`, or `/a/**` for what is below too) and methods.
fn rule(id: &str, host: &str, path: &str, methods: &[&str]) -> Rule {
    let path = match path.strip_suffix("/**") {
        _ if path.is_empty() => PathPattern::Any,
        Some("") => PathPattern::Prefix("/".into()),
        Some(prefix) => PathPattern::Prefix(prefix.into()),
        None => PathPattern::Exact(path.into()),
    };
    let methods = methods.iter().map(|method| (*method).into()).collect();
    let conditions = Conditions { methods, ..Conditions::default() };
    let (id, host) = (id.into(), pattern(host));
    Rule { id, host, path, sni: HostPattern::Any, conditions, gives: Gives::default(), record: Record::AskOnly }
}

fn pattern(host: &str) -> HostPattern {
    match host.strip_prefix("*.") {
        Some(suffix) => HostPattern::Below(suffix.into()),
        None if host == "*" => HostPattern::Any,
        None => HostPattern::Exact(host.into()),
    }
}

fn with_sni(name: &str, rule: Rule) -> Rule {
    Rule { sni: pattern(name), ..rule }
}

fn with_header(name: &str, value: &str, mut rule: Rule) -> Rule {
    rule.conditions.headers.push((name.into(), value.into()));
    rule
}

fn with_context(key: &str, value: &str, mut rule: Rule) -> Rule {
    rule.conditions.context.push((key.into(), value.into()));
    rule
}

fn gateway(rules: Vec<Rule>) -> Gateway {
    Gateway::new(LabelHeaders::default(), rules)
}

#[track_caller]
fn chosen<'g>(gateway: &'g Gateway, request: &Request) -> &'g str {
    gateway.choose(request).0.unwrap().map_or("none", |rule| &rule.id)
}

#[track_caller]
fn unclear(gateway: &Gateway, request: &Request) -> Fault {
    gateway.choose(request).0.unwrap_err().1
}

#[test]
fn the_most_specific_host_has_the_say_and_no_other() {
    let gateway = gateway(vec![
        rule("any", "*", "", &[]),
        rule("below", "*.example.com", "", &[]),
        rule("deep", "*.eu.example.com", "", &[]),
        rule("exact", "api.example.com", "/patients", &[]),
    ]);
    assert_eq!(chosen(&gateway, &request("GET", "other.org/x")), "any");
    assert_eq!(chosen(&gateway, &request("GET", "example.com/x")), "any", "a suffix needs a part before it");
    assert_eq!(chosen(&gateway, &request("GET", "www.example.com/x")), "below");
    assert_eq!(chosen(&gateway, &request("GET", "a.b.example.com/x")), "below");
    assert_eq!(chosen(&gateway, &request("GET", "a.eu.example.com/x")), "deep");
    assert_eq!(chosen(&gateway, &request("GET", "eu.example.com/x")), "below");
    assert_eq!(chosen(&gateway, &request("GET", "API.example.com.:443/patients")), "exact");
    assert_eq!(chosen(&gateway, &request("GET", "notexample.com/x")), "any", "whole parts only");
    // `below` would match it if the host had no rule of its own.
    assert_eq!(chosen(&gateway, &request("GET", "api.example.com/other")), "none");
}

#[test]
fn the_longest_path_has_the_say_and_no_other() {
    let gateway = gateway(vec![
        rule("rest", "a.b", "", &[]),
        rule("root", "c.d", "/**", &[]),
        rule("v1", "a.b", "/v1/**", &[]),
        rule("patients", "a.b", "/v1/patients/**", &["POST"]),
        rule("export", "a.b", "/v1/patients/export", &[]),
    ]);
    for (target, expected) in [
        ("a.b/", "rest"),
        ("a.b/v1", "v1"),
        ("a.b/v1/", "v1"),
        ("a.b/v1/x/y/z", "v1"),
        ("a.b/v12", "rest"),
        ("a.b/v1/patientsx", "v1"),
        ("a.b/v1/patients?x=1", "patients"),
        ("a.b/v1/patients/7/record", "patients"),
        ("a.b/v1/patients/export", "export"),
        ("a.b/v1/p%61tients", "patients"),
        ("c.d/", "root"),
        ("c.d/x", "root"),
    ] {
        assert_eq!(chosen(&gateway, &request("POST", target)), expected, "{target}");
    }
    // The rule for the prefix names POST only. No other rule catches the other methods.
    let fault = unclear(&gateway, &request("GET", "a.b/v1/patients/7"));
    assert_eq!(fault, Fault::Choice(ChoiceFault::ConditionsNotMet { rules: vec!["patients".into()] }));
}

#[test]
fn a_slash_at_the_end_is_no_way_around_a_rule() {
    let without = gateway(vec![rule("rest", "a.b", "/**", &[]), rule("export", "a.b", "/export", &[])]);
    let fault = |written: &str| Fault::Choice(ChoiceFault::SlashAtEnd { written: written.into() });
    assert_eq!(unclear(&without, &request("GET", "a.b/export/")), fault("/export"));
    let with = gateway(vec![rule("export", "a.b", "/export/", &[])]);
    assert_eq!(unclear(&with, &request("GET", "a.b/export")), fault("/export/"));
    assert_eq!(chosen(&with, &request("GET", "a.b/export/")), "export");
}

#[test]
fn a_path_that_cannot_be_compared_is_refused_where_rules_go_by_the_path() {
    let gateway = gateway(vec![rule("a", "a.b", "/x", &[]), rule("rest", "c.d", "", &[])]);
    assert_eq!(unclear(&gateway, &request("GET", "a.b/y/../x")), Fault::Path(PathFault::DotSegment));
    assert_eq!(unclear(&gateway, &request("GET", "a.b*")), Fault::Host(HostFault::Character));
    assert_eq!(chosen(&gateway, &request("GET", "c.d/y/../x")), "rest");
    assert_eq!(chosen(&gateway, &request("GET", "e.f/y/../x")), "none");
    // A request without a path could be for any path.
    assert_eq!(unclear(&gateway, &request("CONNECT", "a.b:443")), Fault::Choice(ChoiceFault::PathNotSeen));
    assert_eq!(chosen(&gateway, &request("CONNECT", "c.d:443")), "rest");
}

#[test]
fn a_host_that_cannot_be_compared_is_refused_where_rules_go_by_the_host() {
    let with_hosts = gateway(vec![rule("a", "a.b", "", &[]), with_sni("s.t", rule("tcp", "*", "", &[]))]);
    let without = gateway(vec![rule("any", "*", "", &[])]);
    assert_eq!(unclear(&with_hosts, &request("GET", "u@a.b/")), Fault::Host(HostFault::Character));
    assert_eq!(unclear(&with_hosts, &request("GET", "/")), Fault::Choice(ChoiceFault::HostNotSeen));
    assert_eq!(chosen(&with_hosts, &connection("s.t")), "tcp", "a connection without HTTP has no host");
    assert_eq!(chosen(&without, &request("GET", "u@a.b/")), "any");
    assert_eq!(chosen(&without, &request("GET", "/")), "any");
    assert_eq!(chosen(&gateway(Vec::new()), &request("GET", "u@a.b//")), "none");
}

#[test]
fn connections_are_told_apart_by_server_name() {
    let rules = vec![
        with_sni("api.example.com", rule("exact", "*", "", &[])),
        with_sni("*.example.com", rule("below", "*", "", &[])),
        with_sni("*.eu.example.com", rule("deep", "*", "", &[])),
    ];
    let strict = gateway(rules.clone());
    assert_eq!(chosen(&strict, &connection("API.example.com")), "exact");
    assert_eq!(chosen(&strict, &connection("x.y.example.com")), "below");
    assert_eq!(chosen(&strict, &connection("x.eu.example.com")), "deep");
    let not_met = Fault::Choice(ChoiceFault::ServerNameNotMet);
    assert_eq!(chosen(&strict, &connection("example.com")), "none");
    assert_eq!(chosen(&strict, &Request::default()), "none");
    let of_host = gateway(vec![with_sni("s.t", rule("s", "a.b", "", &[]))]);
    assert_eq!(unclear(&of_host, &request("GET", "a.b/").sni("u.v")), not_met);
    assert_eq!(unclear(&of_host, &request("GET", "a.b/").sni("")), not_met);
    assert_eq!(unclear(&strict, &connection("a b")), Fault::Host(HostFault::Character));
    let mut rules = rules;
    rules.push(rule("rest", "*", "", &[]));
    let lenient = gateway(rules);
    assert_eq!(chosen(&lenient, &connection("example.com")), "rest");
    assert_eq!(chosen(&lenient, &Request::default()), "rest");
    assert_eq!(chosen(&lenient, &request("GET", "a.b/").sni("api.example.com")), "exact");
}

#[test]
fn a_connection_to_a_host_with_rules_is_not_unknown() {
    let gateway =
        gateway(vec![rule("a", "a.b", "/x", &[]), with_sni("c.d", rule("c", "*", "", &[])), rule("h", "c.d", "", &[])]);
    assert_eq!(unclear(&gateway, &connection("a.b")), Fault::Choice(ChoiceFault::OnlyServerName));
    assert_eq!(chosen(&gateway, &connection("c.d")), "c");
    assert_eq!(chosen(&gateway, &connection("e.f")), "none");
    assert_eq!(unclear(&gateway, &connection("e..f")), Fault::Host(HostFault::Parts));
}

#[test]
fn rules_for_whatever_place_leave_the_rest_alone_but_for_other_methods() {
    let any = |id| rule(id, "*", "", &[]);
    let gateway = gateway(vec![
        with_context("route", "patients", rule("patients", "*", "", &["POST"])),
        with_context("resource.type", "dataset", any("dataset")),
        rule("api", "*", "/api/**", &[]),
    ]);
    assert_eq!(chosen(&gateway, &request("POST", "a.b/x").context("route", "patients")), "patients");
    assert_eq!(chosen(&gateway, &Request::default().context("resource.type", "dataset")), "dataset");
    assert_eq!(chosen(&gateway, &request("POST", "a.b/x").context("route", "other")), "none");
    assert_eq!(chosen(&gateway, &Request::default()), "none");
    assert_eq!(unclear(&gateway, &connection("a.b")), Fault::Choice(ChoiceFault::PathNotSeen));
    let fault = unclear(&gateway, &request("GET", "a.b/x").context("route", "patients"));
    assert_eq!(fault, Fault::Choice(ChoiceFault::ConditionsNotMet { rules: vec!["patients".into()] }));
}

#[test]
fn more_conditions_go_before_fewer_and_as_many_are_refused() {
    let gateway = gateway(vec![
        rule("plain", "a.b", "/x", &[]),
        rule("post", "a.b", "/x", &["POST", "PUT"]),
        with_header("tier", "gold", rule("gold", "a.b", "/x", &[])),
        with_context("route", "r", with_header("tier", "gold", rule("gold post", "a.b", "/x", &["POST"]))),
    ]);
    let get = || request("GET", "a.b/x");
    let post = || request("POST", "a.b/x");
    assert_eq!(chosen(&gateway, &get()), "plain");
    assert_eq!(chosen(&gateway, &post()), "post");
    assert_eq!(chosen(&gateway, &request("PUT", "a.b/x")), "post");
    assert_eq!(chosen(&gateway, &get().header("tier", "gold")), "gold");
    assert_eq!(chosen(&gateway, &get().header("tier", "Gold")), "plain", "values are compared letter by letter");
    assert_eq!(chosen(&gateway, &post().header("tier", "gold").context("route", "r")), "gold post");
    let fault = unclear(&gateway, &post().header("tier", "gold").context("route", "other"));
    assert_eq!(fault, Fault::Choice(ChoiceFault::Ambiguous { rules: vec!["gold".into(), "post".into()] }));
    assert_eq!(unclear(&gateway, &request("post", "a.b/x")), Fault::Choice(ChoiceFault::MethodNotInCapitals));
    let twice = get().header("tier", "silver").header("tier", "gold");
    assert_eq!(unclear(&gateway, &twice), Fault::Repeated);
}

/// A less specific rule must not catch requests of a stricter one just because the path is not visible.
#[test]
fn a_tunnel_to_a_host_with_paths_needs_a_rule_that_names_connect() {
    let strict = || vec![rule("strict", "a.b", "/patients/**", &[]), rule("mild", "a.b", "", &[])];
    let not_seen = Fault::Choice(ChoiceFault::PathNotSeen);
    let of_two = gateway(strict());
    for request in [request("CONNECT", "a.b:443"), request("connect", "a.b:443"), request("GET", "a.b")] {
        assert_eq!(unclear(&of_two, &request), not_seen, "{request:?}");
    }
    let mut rules = strict();
    rules.push(rule("tunnel", "a.b", "", &["CONNECT", "GET"]));
    let of_three = gateway(rules);
    assert_eq!(chosen(&of_three, &request("CONNECT", "a.b:443")), "tunnel");
    assert_eq!(unclear(&of_three, &request("GET", "a.b")), not_seen, "a request has a path");
    let any_host = gateway(vec![rule("strict", "*", "/patients/**", &[]), rule("mild", "*", "", &[])]);
    assert_eq!(unclear(&any_host, &request("CONNECT", "a.b:443")), not_seen);
    assert_eq!(unclear(&any_host, &connection("a.b")), not_seen);
}

#[test]
fn what_a_tunnel_hides_may_be_what_a_stricter_rule_is_about() {
    let inside = Fault::Choice(ChoiceFault::InsideTunnel);
    let connect = || request("CONNECT", "a.b:443");
    for strict in
        [rule("strict", "a.b", "", &["POST"]), with_header("data", "patients", rule("strict", "a.b", "", &[]))]
    {
        let mild = || rule("mild", "a.b", "", &[]);
        assert_eq!(unclear(&gateway(vec![strict.clone(), mild()]), &connect()), inside);
        let with_connect = gateway(vec![strict.clone(), mild(), rule("tunnel", "a.b", "", &["CONNECT"])]);
        assert_eq!(chosen(&with_connect, &connect()), "tunnel");
        let of_name = |rule: Rule| with_sni("a.b", Rule { host: HostPattern::Any, ..rule });
        assert_eq!(unclear(&gateway(vec![of_name(strict), of_name(mild())]), &connection("a.b")), inside);
    }
    let alone = gateway(vec![rule("mild", "a.b", "", &[])]);
    assert_eq!(chosen(&alone, &connect()), "mild");
}

/// A condition that the CONNECT meets need not be met by a request inside.
#[test]
fn a5_a_tunnel_does_not_pass_by_way_of_what_its_connect_carries() {
    let inside = Fault::Choice(ChoiceFault::InsideTunnel);
    let connect = || request("CONNECT", "t.example:443");
    let both = || connect().header("x-a", "1").header("x-b", "1");
    let host = |id, methods: &[&str]| rule(id, "t.example", "", methods);
    let lenient = || with_header("x-b", "1", with_header("x-a", "1", host("lenient", &[])));
    let by_method = gateway(vec![host("strict", &["POST"]), lenient()]);
    let not_met = Fault::Choice(ChoiceFault::ConditionsNotMet { rules: vec!["lenient".into(), "strict".into()] });
    assert_eq!(unclear(&by_method, &connect()), not_met);
    assert_eq!(unclear(&by_method, &both()), inside);
    let one = with_header("x-a", "1", host("lenient", &[]));
    let plain = gateway(vec![host("strict", &[]), one.clone()]);
    assert_eq!(unclear(&plain, &connect().header("x-a", "1")), inside);
    assert_eq!(unclear(&plain, &connect()), inside, "a request inside could have the header");
    assert_eq!(chosen(&plain, &request("GET", "t.example/").header("x-a", "1")), "lenient");
    // Alone too: a request inside without the header would be refused.
    assert_eq!(unclear(&gateway(vec![one]), &connect().header("x-a", "1")), inside);
    // Through the context of its route, through its own server name, and through the path that it has.
    let by_route = gateway(vec![host("strict", &[]), with_context("route", "tunnel", host("lenient", &[]))]);
    assert_eq!(unclear(&by_route, &connect().context("route", "tunnel")), inside);
    assert_eq!(unclear(&by_route, &connect().context("route", "other")), inside);
    let by_name = gateway(vec![host("strict", &[]), with_sni("proxy.example", host("lenient", &[]))]);
    assert_eq!(unclear(&by_name, &connect().sni("proxy.example")), inside);
    assert_eq!(unclear(&by_name, &connect().sni("")), inside);
    let of_any = gateway(vec![rule("strict", "*", "", &[]), with_sni("proxy.example", rule("lenient", "*", "", &[]))]);
    assert_eq!(unclear(&of_any, &connect().sni("proxy.example")), inside);
    let by_path =
        gateway(vec![rule("strict", "t.example", "/patients", &[]), rule("lenient", "t.example", "/**", &[])]);
    let with_path = request("CONNECT", "t.example:443/other");
    assert_eq!(unclear(&by_path, &with_path), Fault::Choice(ChoiceFault::PathNotSeen));
    // A rule that names CONNECT is written for tunnels, whatever its other conditions.
    let tunnels = with_header("x-a", "1", host("tunnels", &["CONNECT"]));
    let named = gateway(vec![host("strict", &["POST"]), tunnels.clone(), host("rest", &[])]);
    assert_eq!(chosen(&named, &connect().header("x-a", "1")), "tunnels");
    assert_eq!(unclear(&named, &connect()), inside);
    // No request inside meets a rule that only tunnels meet; evaluations of AuthZEN have no host.
    let question = with_context("resource.type", "dataset", host("question", &[]));
    assert_eq!(chosen(&gateway(vec![tunnels, host("rest", &[]), question]), &connect()), "rest");
}

#[test]
fn a5_rules_for_whatever_host_hold_inside_a_tunnel_too() {
    let inside = Fault::Choice(ChoiceFault::InsideTunnel);
    let connect = || request("CONNECT", "a.b:443");
    let strict = |methods: &[&str]| with_header("x-data", "patients", rule("strict", "*", "", methods));
    for methods in [&[][..], &["POST"], &["CONNECT", "POST"]] {
        let alone = gateway(vec![strict(methods)]);
        assert_eq!(unclear(&alone, &connect()), inside, "{methods:?}");
        assert_eq!(unclear(&alone, &connection("a.b")), inside, "{methods:?}");
        assert_eq!(chosen(&alone, &connect().without_sight_of("x-data")), "none", "nor are requests at that door");
        assert_eq!(chosen(&alone, &request("GET", "a.b/")), "none");
    }
    assert_eq!(chosen(&gateway(vec![strict(&["CONNECT"])]), &connect()), "none");
    // The context is the gateway's statement about the route; rules for another context do not bind the request.
    let by_route = gateway(vec![with_context("route", "patients", strict(&[]))]);
    assert_eq!(chosen(&by_route, &connect()), "none");
    assert_eq!(chosen(&by_route, &connect().context("route", "other")), "none");
    assert_eq!(unclear(&by_route, &connect().context("route", "patients")), inside);
}

#[test]
fn a5_a_connection_hides_the_paths_of_its_server_name() {
    let tcp = |id, path: &str| with_sni("s.t", rule(id, "*", path, &[]));
    let not_seen = Fault::Choice(ChoiceFault::PathNotSeen);
    for path in ["/patients", "/patients/**"] {
        let both = gateway(vec![tcp("strict", path), tcp("mild", "")]);
        assert_eq!(unclear(&both, &connection("s.t")), not_seen);
        assert_eq!(chosen(&both, &request("GET", "s.t/other").sni("s.t")), "mild");
    }
    // A rule for the exact name has precedence over one for a suffix of it, as it has beside rules for a host.
    let less = gateway(vec![with_sni("*.t", rule("strict", "*", "/patients", &[])), tcp("mild", "")]);
    assert_eq!(chosen(&less, &connection("s.t")), "mild");
    let more = gateway(vec![tcp("strict", "/patients"), with_sni("*.t", rule("mild", "*", "", &[]))]);
    assert_eq!(unclear(&more, &connection("s.t")), not_seen);
    assert_eq!(chosen(&more, &connection("u.t")), "mild");
    // Headers that a door gives a connection are not headers of the requests inside.
    let headers = gateway(vec![tcp("strict", ""), with_header("x-a", "1", tcp("mild", ""))]);
    assert_eq!(unclear(&headers, &connection("s.t").header("x-a", "1")), Fault::Choice(ChoiceFault::InsideTunnel));
}

#[test]
fn a_host_of_which_only_the_server_name_is_seen_keeps_its_rules() {
    let only = Fault::Choice(ChoiceFault::OnlyServerName);
    let strict = || rule("strict", "bank.example", "", &[]);
    let below = || with_sni("*.example", rule("mild", "*", "", &[]));
    for mild in [rule("mild", "*", "", &[]), below()] {
        let gateway = gateway(vec![strict(), mild]);
        assert_eq!(unclear(&gateway, &connection("bank.example")), only);
        assert_eq!(chosen(&gateway, &connection("shop.example")), "mild");
    }
    let as_specific = gateway(vec![strict(), below(), with_sni("bank.example", rule("tls", "*", "", &[]))]);
    assert_eq!(chosen(&as_specific, &connection("bank.example")), "tls");
    let suffixes = gateway(vec![rule("strict", "*.b.example", "", &[]), below()]);
    assert_eq!(unclear(&suffixes, &connection("a.b.example")), only);
    assert_eq!(chosen(&suffixes, &connection("a.c.example")), "mild");
}

/// A condition that cannot be checked does not count as unmet.
#[test]
fn what_a_door_does_not_see_leaves_nothing_to_a_milder_rule() {
    let mild = || rule("mild", "a.b", "", &[]);
    let by_header = with_header("x-data", "patients", rule("strict", "a.b", "", &[]));
    let of_header = gateway(vec![by_header, mild()]);
    assert_eq!(unclear(&of_header, &request("GET", "a.b/").without_sight_of("x-data")), Fault::NotSeen);
    assert_eq!(chosen(&of_header, &request("GET", "a.b/")), "mild");
    let strict = |host| with_context("route", "patients", rule("strict", host, "", &["POST"]));
    for host in ["a.b", "*"] {
        let gateway = gateway(vec![strict(host), rule("mild", host, "", &[])]);
        assert_eq!(unclear(&gateway, &request("POST", "a.b/")), Fault::NotSeen, "{host}");
        assert_eq!(chosen(&gateway, &request("POST", "a.b/").context("k", "v")), "mild", "{host}");
        assert_eq!(chosen(&gateway, &request("GET", "a.b/")), "mild", "another method is seen");
    }
    // Rules that bind no particular place are ignored where no other rule matches; so are keys that only evaluations of
    // AuthZEN have.
    assert_eq!(chosen(&gateway(vec![strict("*")]), &request("POST", "a.b/")), "none");
    let question = with_context("resource.type", "dataset", rule("question", "*", "", &[]));
    assert_eq!(chosen(&gateway(vec![question, rule("rest", "*", "", &[])]), &request("POST", "a.b/")), "rest");
}

#[test]
fn a_server_name_that_is_not_seen_leaves_nothing_to_a_milder_rule() {
    let not_seen = Fault::Choice(ChoiceFault::ServerNameNotSeen);
    let of_host = gateway(vec![with_sni("s.t", rule("strict", "a.b", "", &[])), rule("mild", "a.b", "", &[])]);
    assert_eq!(unclear(&of_host, &request("GET", "a.b/")), not_seen);
    assert_eq!(chosen(&of_host, &request("GET", "a.b/").sni("")), "mild", "seen not to be there");
    assert_eq!(chosen(&of_host, &request("GET", "a.b/").sni("s.t")), "strict");
    let of_any = gateway(vec![with_sni("*.t", rule("strict", "*", "", &[])), rule("mild", "*", "", &[])]);
    for unseen in [request("GET", "s.t/"), request("GET", "s.t/").sni(""), request("CONNECT", "s.t:443").sni("p.q")] {
        assert_eq!(unclear(&of_any, &unseen), not_seen, "{unseen:?}");
    }
    assert_eq!(unclear(&of_any, &request("GET", "/")), Fault::Choice(ChoiceFault::HostNotSeen));
    assert_eq!(chosen(&of_any, &request("GET", "a.b/").sni("")), "mild");
}

/// A client may choose any server name, whatever the host of its requests.
#[test]
fn a_rule_by_server_name_for_whatever_host_leaves_nothing_to_a_milder_rule() {
    let not_seen = Fault::Choice(ChoiceFault::ServerNameNotSeen);
    let inside = Fault::Choice(ChoiceFault::InsideTunnel);
    for path in ["", "/x"] {
        let strict = || with_sni("sni.example", rule("strict", "*", path, &[]));
        let both = gateway(vec![strict(), rule("mild", "*", path, &[])]);
        assert_eq!(unclear(&both, &request("GET", "z.example/x")), not_seen);
        assert_eq!(chosen(&both, &request("GET", "z.example/x").sni("")), "mild");
        assert_eq!(chosen(&both, &request("GET", "z.example/x").sni("other.example")), "mild");
        assert_eq!(chosen(&both, &request("GET", "z.example/x").sni("sni.example")), "strict");
    }
    let strict = || with_sni("sni.example", rule("strict", "*", "", &[]));
    let both = gateway(vec![strict(), rule("mild", "*", "", &[])]);
    assert_eq!(unclear(&both, &request("CONNECT", "z.example:443")), not_seen);
    for name in ["", "other.example"] {
        assert_eq!(unclear(&both, &request("CONNECT", "z.example:443").sni(name)), inside, "{name}");
    }
    let named = gateway(vec![strict(), rule("mild", "*", "", &["CONNECT"])]);
    assert_eq!(chosen(&named, &request("CONNECT", "z.example:443").sni("")), "mild");
    // Evaluations of AuthZEN have no connection, and rules for a host have precedence over any-host rules.
    assert_eq!(chosen(&both, &Request::default()), "mild");
    let of_host = gateway(vec![strict(), rule("mild", "z.example", "", &[])]);
    assert_eq!(chosen(&of_host, &request("GET", "z.example/")), "mild");
    assert_eq!(chosen(&gateway(vec![strict()]), &request("GET", "z.example/")), "none");
}

#[test]
fn a_request_without_a_method_meets_no_condition_on_it() {
    let gateway = gateway(vec![rule("post", "*", "", &["POST"]), rule("rest", "*", "", &[])]);
    assert_eq!(chosen(&gateway, &Request::default()), "rest");
}

#[test]
fn the_work_does_not_grow_with_the_number_of_rules() {
    let rules = |count: usize| {
        let host = |index: usize| format!("h{index}.example.com");
        let mut rules: Vec<Rule> = (0..count)
            .flat_map(|index| {
                [
                    rule(&format!("e{index}"), &host(index / 10), &format!("/v1/p{index}/x"), &[]),
                    rule(&format!("p{index}"), &host(index / 10), &format!("/v1/p{index}/**"), &["POST"]),
                ]
            })
            .collect();
        rules.push(rule("any", "*", "/**", &[]));
        rules.push(with_sni("*.example.com", rule("tcp", "*", "", &[])));
        gateway(rules)
    };
    let (few, many) = (rules(20), rules(50_000));
    for request in [
        request("POST", "h1.example.com/v1/p11/x"),
        request("POST", "h1.example.com/v1/p11/y/z"),
        request("GET", "h1.example.com/v1/p11/y"),
        request("GET", "h1.example.com/v2/a/b/c/d/e/f/g"),
        request("GET", "nobody.example.org/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"),
        request("GET", "a.b.c.d.e.f.g.h.i.j.k.l.m.n/"),
        connection("h1.example.com"),
    ] {
        let ((of_few, cost_few), (of_many, cost_many)) = (few.choose(&request), many.choose(&request));
        assert_eq!(of_few, of_many, "{request:?}");
        assert_eq!(cost_few, cost_many, "{request:?}");
        assert!(cost_many.look_ups <= 10 && cost_many.compared <= 2, "{cost_many:?} {request:?}");
    }
}
