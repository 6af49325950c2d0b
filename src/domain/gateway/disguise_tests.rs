//! Requests that a server may read as another request: disguised paths, suffixes, and headers that override method or
//! path.

use super::*;

#[test]
fn a11_dots_and_blanks_at_the_ends_of_a_segment_are_no_way_around_a_rule() {
    let gateway = gateway(vec![
        rule("strict", "a.b", "/patients/**", &[]),
        rule("export", "a.b", "/export", &[]),
        rule("lenient", "a.b", "/**", &[]),
    ]);
    let fault = Fault::Path(PathFault::DotOrBlankAtEnd);
    for target in
        ["a.b/patients.", "a.b/export%20", "a.b/patients./7", "a.b/%20export", "a.b/export%E3%80%80", "a.b/export.?x=1"]
    {
        assert_eq!(unclear(&gateway, &request("GET", target)), fault, "{target}");
    }
    assert_eq!(chosen(&gateway, &request("GET", "a.b/a%20b")), "lenient");
}

#[test]
fn a11_a_suffix_is_no_way_around_a_rule() {
    let gateway = gateway(vec![
        rule("export", "a.b", "/export", &["POST"]),
        rule("patients", "a.b", "/v1/patients/**", &[]),
        rule("report", "a.b", "/report.json", &[]),
        rule("slash", "a.b", "/list/", &[]),
        rule("asset", "a.b", "/export.css", &[]),
        rule("lenient", "a.b", "/**", &[]),
        rule("elsewhere", "c.d", "", &[]),
    ]);
    for (target, written) in [
        ("a.b/export.json", "/export"),
        ("a.b/export.tar.gz", "/export"),
        ("a.b/export.json?x=1", "/export"),
        ("a.b/export.json/", "/export"),
        ("a.b/v1/patients.xml", "/v1/patients"),
        ("a.b/report", "/report.json"),
        ("a.b/report.xml", "/report.json"),
        ("a.b/list.json", "/list/"),
    ] {
        let fault = Fault::Choice(ChoiceFault::SuffixAtEnd { written: written.into() });
        assert_eq!(unclear(&gateway, &request("POST", target)), fault, "{target}");
    }
    for (target, expected) in [
        ("a.b/export", "export"),
        ("a.b/export.css", "asset"),
        ("a.b/report.json", "report"),
        ("a.b/v1/patients/7.json", "patients"),
        ("a.b/exports.json", "lenient"),
        ("a.b/.well-known", "lenient"),
        ("a.b/export.d/7", "lenient"),
        ("c.d/export.json", "elsewhere"),
    ] {
        assert_eq!(chosen(&gateway, &request("POST", target)), expected, "{target}");
    }
}

#[test]
fn a_suffix_alone_is_no_way_around_a_rule_and_a_number_is_no_suffix() {
    let gateway = gateway(vec![
        rule("api", "a.b", "/api/", &[]),
        rule("export", "a.b", "/a/export/", &[]),
        rule("root", "a.b", "/", &[]),
        rule("plain", "a.b", "/plain", &[]),
        rule("written", "a.b", "/w/.json", &[]),
        rule("v1", "a.b", "/v1", &[]),
        rule("v1.3", "a.b", "/v1.3", &[]),
        rule("below", "a.b", "/below/**", &[]),
        rule("rest", "a.b", "/**", &[]),
        rule("hidden", "c.d", "/.json", &[]),
        rule("all", "c.d", "/**", &[]),
    ]);
    for (target, written) in [
        ("a.b/api/.json", "/api/"),
        ("a.b/api/.json/", "/api/"),
        ("a.b/api/.tar.gz", "/api/"),
        ("a.b/a/export/.json", "/a/export/"),
        ("a.b/.json", "/"),
        ("a.b/plain/.json", "/plain"),
        ("a.b/w", "/w/.json"),
        ("a.b/w/", "/w/.json"),
        ("a.b/w.xml", "/w/.json"),
        ("a.b/v1.json", "/v1"),
        ("a.b/v1.3.json", "/v1"),
    ] {
        let fault = Fault::Choice(ChoiceFault::SuffixAtEnd { written: written.into() });
        assert_eq!(unclear(&gateway, &request("GET", target)), fault, "{target}");
    }
    for (target, expected) in [
        ("a.b/v1.2", "rest"),
        ("a.b/v1.2.3", "rest"),
        ("a.b/v1.3", "v1.3"),
        ("a.b/below/.json", "below"),
        ("a.b/.well-known", "rest"),
        ("a.b/.well-known/x", "rest"),
        ("c.d/", "all"),
    ] {
        assert_eq!(chosen(&gateway, &request("GET", target)), expected, "{target}");
    }
}

#[test]
fn a11_a_header_that_overrides_the_method_is_refused_where_rules_go_by_the_method() {
    let with_methods = gateway(vec![
        rule("strict", "a.b", "", &["POST"]),
        rule("lenient", "a.b", "", &[]),
        rule("any", "c.d", "", &[]),
    ]);
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let get = |says| request("GET", "a.b/").header(header, says);
        for says in ["POST", "post", "PUT", ",POST", "GET, POST"] {
            let fault = Fault::Choice(ChoiceFault::MethodOverridden { header, says: says.into() });
            assert_eq!(unclear(&with_methods, &get(says)), fault, "{header}: {says}");
        }
        for says in ["GET", "get", ""] {
            assert_eq!(chosen(&with_methods, &get(says)), "lenient");
        }
        assert_eq!(unclear(&with_methods, &get("GET").header(header, "POST")), Fault::Repeated);
        assert_eq!(chosen(&with_methods, &request("GET", "a.b/").without_sight_of(header)), "lenient");
        assert_eq!(chosen(&with_methods, &request("GET", "c.d/").header(header, "POST")), "any");
    }
    // A rule whose headers the request does not meet is not affected.
    let others = gateway(vec![with_header("x-a", "1", rule("strict", "*", "", &["POST"]))]);
    assert_eq!(chosen(&others, &request("GET", "a.b/").header("x-http-method", "POST")), "none");
}

#[test]
fn a11_a_header_that_overrides_the_path_is_refused_where_rules_go_by_the_path() {
    let gateway = gateway(vec![
        rule("strict", "a.b", "/patients", &[]),
        rule("lenient", "a.b", "/**", &[]),
        rule("any", "c.d", "", &[]),
    ]);
    for header in ["x-original-url", "x-rewrite-url"] {
        let get = |says| request("GET", "a.b/x%41?q").header(header, says);
        for says in [
            "/patients",
            "https://a.b/patients",
            "/xA/",
            "/y/../xA",
            "xA",
            "https://a.b",
            "",
            // Servers read another path, or none, in a text that is not an HTTP URL.
            "patients?x=http://h/xA",
            "patients#://h/xA",
            "patients%2F?://x/xA",
            "/patients?x=http://h/xA",
            "evil://h/xA",
            "://h/xA",
            "//h/xA",
            "http:/h/xA",
            "http:///xA",
            "http://h?/xA",
            "http://h#/xA",
            "http://h\\@x/xA",
            "http://u@h/xA",
            "http://h/xA#/../patients",
        ] {
            let fault = Fault::Choice(ChoiceFault::PathOverridden { header });
            assert_eq!(unclear(&gateway, &get(says)), fault, "{header}: {says}");
        }
        for says in ["/xA", "/x%41?other", "http://a.b:80/xA?q", "HTTPS://a.b/x%41", "/xA?u=http://e/"] {
            assert_eq!(chosen(&gateway, &get(says)), "lenient", "{header}: {says}");
        }
        assert_eq!(unclear(&gateway, &get("/xA").header(header, "/xA")), Fault::Repeated);
        assert_eq!(chosen(&gateway, &request("GET", "c.d/").header(header, "/patients")), "any");
    }
}
