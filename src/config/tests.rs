//! Tests of the configuration: precedence, bounds, and the message of each mistake.

use std::fs;

use super::address::Address;
use super::keys::KEYS;
use super::*;
use crate::domain::gateway::Unmatched;

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

/// Loads a file, variables and flags.
fn load_all(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Loaded, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("neglist.yaml");
    fs::write(&path, file).unwrap();
    let values = flags.iter().map(|(key, value)| (*key, vec![(*value).to_owned()])).collect();
    load(&Flags { config: Some(path), values }, variables(environment)).map_err(|mut error| {
        for problem in &mut error.problems {
            problem.place = problem.place.replace(&format!("{}/", directory.path().display()), "");
        }
        error
    })
}

#[track_caller]
fn errors(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> String {
    load_all(file, environment, flags).expect_err("the configuration should be refused").to_string()
}

fn defaults() -> Config {
    load(&Flags::default(), []).unwrap().config
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = defaults();
    assert_eq!(config.listen, [Address::parse("127.0.0.1:50051").unwrap()]);
    assert_eq!(config.admin, Some(Address::parse("127.0.0.1:50052").unwrap()));
    assert_eq!(config.http, Some(Address::parse("127.0.0.1:8080").unwrap()));
    assert_eq!(config.policies, PathBuf::from("./policies"));
    assert_eq!((config.policy_poll_interval_ms, config.valid_until_ceiling_seconds), (5000, 86_400));
    assert_eq!((config.unix_socket_mode, config.log_format), (0o660, LogFormat::Text));
    assert_eq!(config.log_level, tracing::Level::INFO);
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let file = "drain_seconds: 1\npolicies: file\nlog_level: warn\n";
    let environment = [("NEGLIST_POLICIES", "variable"), ("NEGLIST_LOG_LEVEL", "error")];
    let config = load_all(file, &environment, &[("policies", "flag")]).unwrap().config;
    assert_eq!((config.drain_seconds, config.policies), (1, PathBuf::from("flag")));
    assert_eq!((config.log_level, config.policy_debounce_ms), (tracing::Level::ERROR, 2000));
}

#[test]
fn the_treatment_of_unlabelled_requests_has_to_be_stated() {
    assert_eq!((defaults().listen_unlabelled, defaults().http_unlabelled), (Unmatched::Refuse, Unmatched::Refuse));
    let config = load_all("listen_unlabelled: allow\nhttp_unlabelled: 'flow:trial'\n", &[], &[]).unwrap().config;
    assert_eq!(config.listen_unlabelled, Unmatched::Allow);
    assert_eq!(config.http_unlabelled, Unmatched::Flow("trial".into()));
    let long = format!("flow:{}", "x".repeat(129));
    for wrong in ["Allow", "permit", "flow:", "flow", &long] {
        let text = errors("", &[("NEGLIST_HTTP_UNLABELLED", wrong)], &[]);
        assert!(text.starts_with("NEGLIST_HTTP_UNLABELLED: http_unlabelled: `"), "{text}");
    }
}

#[test]
fn lists_are_written_in_several_ways() {
    let expected = [Address::parse("127.0.0.1:0").unwrap(), Address::parse("unix:/run/a.sock").unwrap()];
    for file in ["listen: ['127.0.0.1:0', 'unix:/run/a.sock']", "listen:\n  - 127.0.0.1:0\n  - unix:/run/a.sock"] {
        assert_eq!(load_all(file, &[], &[]).unwrap().config.listen, expected);
    }
    let environment = [("NEGLIST_LISTEN", "127.0.0.1:0, unix:/run/a.sock")];
    assert_eq!(load_all("", &environment, &[]).unwrap().config.listen, expected);
    assert_eq!(load_all("listen: 127.0.0.1:0", &[], &[]).unwrap().config.listen, expected[..1]);
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let text = errors("drain_second: 1\npolicy_files_max: 0\nx: {y: 1}\n", &[("NEGLIST_POLICY", "x")], &[]);
    assert_eq!(
        text,
        "neglist.yaml:1:1: unknown key `drain_second`\n  help: did you mean `drain_seconds`?\n\
         neglist.yaml:3:1: unknown key `x`\n  help: `neglist serve --dump-config` prints every key\n\
         NEGLIST_POLICY: unknown environment variable\n  help: did you mean `NEGLIST_POLICIES`?\n\
         neglist.yaml:2:1: policy_files_max: `0` is not a whole number from 1 to 1000000"
    );
}

#[test]
fn variables_that_kubernetes_makes_for_a_service_are_ignored() {
    let environment = [
        ("NEGLIST_SERVICE_HOST", "10.0.0.1"),
        ("NEGLIST_SERVICE_PORT", "50051"),
        ("NEGLIST_SERVICE_PORT_GRPC", "50051"),
        ("NEGLIST_PORT", "tcp://10.0.0.1:50051"),
        ("NEGLIST_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
        ("NEGLIST_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("NEGLIST_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("NEGLIST_ADMIN_PORT_50052_TCP_PROTO", "tcp"),
        ("OTHER_THING", "x"),
    ];
    assert_eq!(load(&Flags::default(), variables(&environment)).unwrap().config, defaults());
    let ignored = load(&Flags::default(), variables(&environment)).unwrap().ignored_variables;
    assert_eq!(ignored.len(), environment.len() - 1, "{ignored:?}");
    assert!(!ignored.contains(&"OTHER_THING".to_owned()));
}

#[test]
fn c_unrelated_variables_are_ignored_and_slips_are_not() {
    let ignored = [
        ("NEGLIST_HOME", "/srv"),
        ("NEGLIST_IMAGE_TAG", "x"),
        ("NEGLIST_NAME", "neglist"),
        ("NEGLIST_PORTS", "x"),
        ("NEGLIST_PORT_TCP", "x"),
        ("NEGLIST_VERSION", "1"),
    ];
    let loaded = load(&Flags::default(), variables(&ignored)).unwrap();
    assert_eq!(loaded.config, defaults());
    assert_eq!(loaded.ignored_variables, ignored.map(|(name, _)| name));
    for wrong in [
        "NEGLIST_LISTN",
        "NEGLIST_LISTEN_ADDRESS",
        "NEGLIST_LEDGER_URL",
        "NEGLIST_LEDGR",
        "NEGLIST_HTTP_ADDR",
        "NEGLIST_HTP",
        "NEGLIST_POLICY",
        "NEGLIST_POLICY_DIR",
        "NEGLIST_LOG",
        "NEGLIST_CONFIGS",
        "NEGLIST_CONFIG_FILE",
        "NEGLIST_DRAIN",
        "NEGLIST_",
    ] {
        let text = load(&Flags::default(), variables(&[(wrong, "x")])).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{wrong}: unknown environment variable")), "{text}");
    }
}

#[test]
fn c_an_empty_name_of_the_file_is_called_so() {
    let text = load(&Flags::default(), variables(&[("NEGLIST_CONFIG", "")])).unwrap_err().to_string();
    let help = "name a file, or unset the variable";
    assert_eq!(text, format!("NEGLIST_CONFIG: the name of the configuration file is empty\n  help: {help}"));
    let text = load(&Flags::default(), variables(&[("NEGLIST_HTTP", "")])).unwrap_err().to_string();
    assert_eq!(text, "NEGLIST_HTTP: http: the value is empty");
}

#[test]
fn c_mistakes_in_the_file_are_reported_in_our_words() {
    let cases = [
        "http: null",
        "http:",
        "http: ~",
        "drain_seconds: 1\ndrain_seconds: 2\nledger: a b\n",
        "http: [a:1]",
        "http: {a: 1}",
        "listen: [[a:1]]",
        "listen: []",
        "listen: [null]",
        "drain_seconds: 1.0",
        "drain_seconds: 1e1",
        "unix_socket_mode: 0o660x",
        "- a",
        "7",
        "http: 'a",
        "http: [a",
        "http: &x a:1",
        "http: *x",
        "a: 1\n---\nb: 2",
        "http: off",
        "admin: No",
        "http_public_url: false",
        "ledger: off",
        "ledger: Null",
        "listen: tcp://0.0.0.0:50051",
        "listen: 'a:1,b:2'",
        "http: 'http://127.0.0.1:8080'",
        "listen: 'tcp://unix'",
        "listen: '::1:50051'",
        "listen: 'a:b:1'",
    ];
    let said = cases.map(|file| format!("{file:?}\n{}", errors(file, &[], &[])));
    assert!(said.iter().all(|text| !text.contains("serde") && !text.contains("expected string")), "{said:#?}");
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn values_of_the_file_are_read_unchanged() {
    let file = "unix_socket_mode: 0o660\npolicy_debounce_ms: 1_0\ndrain_seconds: 0x10\n";
    let text = errors(file, &[], &[]);
    assert_eq!(text, "neglist.yaml:3:1: drain_seconds: `0x10` is not a whole number from 0 to 3600");
    let config =
        load_all("unix_socket_mode: 0o640\npolicy_debounce_ms: 1_0\npolicies: true\n", &[], &[]).unwrap().config;
    assert_eq!((config.unix_socket_mode, config.policy_debounce_ms), (0o640, 10));
    assert_eq!(config.policies, PathBuf::from("true"));
}

#[test]
fn values_out_of_bounds_are_refused_all_together() {
    let file = "listen: [50051]\nbatch_transfers_max: 1001\nlog_format: xml\npolicies: ''\nunix_socket_mode: 0999\n";
    let text = errors(file, &[("NEGLIST_DRAIN_SECONDS", "-1")], &[("admin", "0.0.0.0")]);
    for part in [
        "neglist.yaml:1:1: listen: `50051` is not an address",
        "neglist.yaml:2:1: batch_transfers_max: `1001` is not a whole number from 1 to 1000",
        "neglist.yaml:3:1: log_format: `xml` is not one of `text`, `json`",
        "neglist.yaml:4:1: policies: the value is empty",
        "neglist.yaml:5:1: unix_socket_mode: `0999`",
        "NEGLIST_DRAIN_SECONDS: drain_seconds: `-1`",
        "--admin: admin: `0.0.0.0` is not an address",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn the_admin_listener_may_not_be_reached_by_others() {
    for address in ["0.0.0.0:50052", "[::]:50052", "10.1.2.3:0"] {
        assert!(
            errors("", &[], &[("admin", address)]).contains("--admin: the admin listener may not be on"),
            "{address}"
        );
    }
    for address in ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix:/run/a.sock"] {
        assert!(load_all("", &[], &[("admin", address)]).is_ok(), "{address}");
    }
    assert_eq!(load_all("admin: none", &[], &[]).unwrap().config.admin, None);
}

#[test]
fn limits_must_fit_together() {
    let text = errors("policy_total_bytes_max: 1000\n", &[], &[]);
    assert!(text.starts_with("neglist.yaml:1:1: policy_total_bytes_max is 1000, which is less than"), "{text}");
}

#[test]
fn files_that_are_no_configuration_are_refused_with_their_place() {
    for (file, place) in [
        ("drain_seconds: 1\ndrain_seconds: 2\n", "neglist.yaml:2:1"),
        ("drain_seconds: [1]\n", "neglist.yaml:1:"),
        ("listen: {a: b}\n", "neglist.yaml:1:"),
        ("- a\n", "neglist.yaml: "),
        ("a: 'b\n", "neglist.yaml:"),
        ("policies:\n", "neglist.yaml:1:"),
    ] {
        let text = errors(file, &[], &[]);
        assert!(text.starts_with(place), "{file:?}: {text}");
        assert!(!text.contains("Rust") && !text.contains("::"), "{text}");
    }
    let error = load(&Flags { config: Some("/nonexistent/neglist.yaml".into()), values: vec![] }, []).unwrap_err();
    assert!(error.to_string().contains("cannot read the configuration file"));
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    fs::write(&path, "drain_seconds: 7").unwrap();
    let environment = variables(&[("NEGLIST_CONFIG", path.to_str().unwrap())]);
    assert_eq!(load(&Flags::default(), environment).unwrap().config.drain_seconds, 7);
}

#[test]
fn the_dump_can_be_read_back_and_names_every_key() {
    let file = "listen: ['[::1]:0', 'unix:/a \"b\".sock']\nunix_socket_mode: 0600\nadmin: none\npolicies: 'a: b'\n";
    let loaded = load_all(file, &[("NEGLIST_DRAIN_SECONDS", "3")], &[]).unwrap();
    let dump = loaded.dump();
    for key in KEYS {
        assert!(dump.contains(&format!("\n{}: ", key.name)), "{}", key.name);
    }
    assert!(dump.contains("# From NEGLIST_DRAIN_SECONDS; default: 25\ndrain_seconds: 3\n"), "{dump}");
    let again = load_all(&dump, &[], &[]).unwrap_or_else(|error| panic!("{error}\n{dump}"));
    assert_eq!(again.config, loaded.config);
}

#[test]
fn every_key_has_a_unit_a_default_and_a_comment() {
    for key in KEYS {
        assert!(!key.comment.is_empty() && !key.default.is_empty(), "{}", key.name);
        assert!(key.default.parse::<u64>().is_err() || key.name.contains('_'), "{}", key.name);
    }
}

#[test]
fn a_fault_of_several_keys_is_reported_beside_those_of_others() {
    let said = errors(
        "admin: 0.0.0.0:1\ndrain_seconds: soon\npolicy_total_bytes_max: 1\npolicy_file_bytes_max: 2\n",
        &[("NEGLIST_LEDGER_TIME_TO_LIVE_MAX_SECONDS", "1"), ("NEGLIST_LOG_FORMAT", "xml")],
        &[("grpc_held_bytes_max", "1048576")],
    );
    for part in ["drain_seconds", "log_format", "0.0.0.0:1", "policy_total_bytes_max is 1", "to_live_max_seconds is 1"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("grpc_held_bytes_max is 1048576"), "{said}");
    // A missing value is not compared.
    let said = errors("policy_total_bytes_max: 1\npolicy_file_bytes_max: x\n", &[], &[]);
    assert!(!said.contains("which is less"), "{said}");
}
