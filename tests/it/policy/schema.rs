//! The JSON Schema that editors use is the one of the format, and the shipped files are as it says.

use std::fs;

use neglist::policy::source;
use neglist::policy::yaml::{self, Node, Value};
use serde_json::{Map, Value as Json};

use crate::support::shipped;
use crate::support::small::Small;

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => i64::try_from(*value).unwrap().into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) => text.as_ref().into(),
        Value::Seq(nodes) => nodes.iter().map(json).collect(),
        Value::Map(pairs) => {
            pairs.iter().map(|(key, value)| (key.name.to_string(), json(value))).collect::<Map<_, _>>().into()
        }
    }
}

#[track_caller]
fn problems(files: &[neglist::policy::PolicyFile]) -> Vec<String> {
    let validator = jsonschema::validator_for(&source::schema()).unwrap();
    let mut problems = Vec::new();
    for file in files {
        let value = json(&yaml::parse(&file.path, &file.text, 32).unwrap());
        for error in validator.iter_errors(&value) {
            problems.push(format!("{}: {} at {}", file.path, error, error.instance_path()));
        }
    }
    problems
}

/// Set `NEGLIST_UPDATE_SCHEMA` to rewrite the file after the format has changed.
#[test]
fn the_shipped_schema_is_that_of_the_format() {
    let path = shipped::directory().join("schema.json");
    let schema = format!("{}\n", serde_json::to_string_pretty(&source::schema()).unwrap());
    if std::env::var_os("NEGLIST_UPDATE_SCHEMA").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shipped == schema,
        "policies/schema.json is out of date: run `neglist check --schema > policies/schema.json`"
    );
}

#[test]
fn the_shipped_files_match_the_schema() {
    let problems = problems(&shipped::files());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_schema_finds_the_faults_that_an_editor_should_mark() {
    let small = Small::new();
    assert_eq!(problems(&small.files), [""; 0]);
    for (path, old, new) in [
        (crate::support::small::PORT, "mode: before-export", "mode: before"),
        (crate::support::small::OWN, "ciio: no", "ciio: no\n    shareholders: 7"),
        (crate::support::small::CODES, "class: general, source", "source"),
        (crate::support::small::NATION, "persons: 1000000,", "persons: -1,"),
        (crate::support::small::TEST, "format: 1", "format: 2"),
        (crate::support::small::OWN, "complete: yes\n", ""),
        (crate::support::small::GATE, "complete: yes", "complete: no"),
        (crate::support::small::GATE, "host: trials.example", "host: Trials.example"),
        (crate::support::small::GATE, "{body: /count}", "{body: /count, header: x-count}"),
    ] {
        let small = Small::new().with(path, old, new);
        assert!(!problems(&small.files).is_empty(), "{new}");
    }
}
