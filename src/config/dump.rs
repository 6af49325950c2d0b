//! Prints the effective configuration as commented YAML. It omits passwords, because dumps end up in tickets and logs.

use std::fmt::Write as _;

use super::ledger_place;
use super::raw::{Origin, RawConfig};

/// Returns a configuration file with the settings of `raw`.
pub(super) fn dump(raw: &RawConfig) -> String {
    let mut text = String::from("# Configuration of neglist. Flags and NEGLIST_… variables go before this file.\n");
    for (key, setting) in raw.settings() {
        text.push('\n');
        for line in key.comment {
            let _ = writeln!(text, "#{line}");
        }
        if setting.origin != Origin::Default {
            let _ = writeln!(text, "# From {}; default: {}", setting.origin, key.default);
        }
        let shown = |value: &String| if key.name == "ledger" { ledger_place::shown(value) } else { value.clone() };
        let values: Vec<String> = setting.values.iter().map(|value| scalar(&shown(value))).collect();
        let value = if key.is_list() { format!("[{}]", values.join(", ")) } else { values.join(", ") };
        let _ = writeln!(text, "{}: {value}", key.name);
    }
    text
}

/// Returns a number as it is, and any other text in quotes. A JSON text is also a YAML text.
fn scalar(value: &str) -> String {
    let is_number = !value.is_empty() && !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}
