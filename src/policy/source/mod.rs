//! The types of the files, one to one with their contents, each value with its place.

pub mod cases;
pub mod catalogue;
pub mod closing;
mod document;
mod format;
pub mod gateway;
pub mod header;
pub mod list;
pub mod registry;
pub mod request;
pub mod scalar;
pub mod settings;
pub mod subjects;

pub use document::{Document, SourceFile};
pub use format::{Format, Kind};

use serde_json::{Map, Value as Json, json};

use super::decode::{Context, Decode, did_you_mean};
use super::diagnostic::{Diagnostic, Span, clip};

use super::file::PolicyFile;
use super::yaml::{self, Node, Value};

/// Reads one file. Adds its diagnostics to `diagnostics`; `None` if nothing in the file can be used.
pub fn read(file: &PolicyFile, depth_max: usize, diagnostics: &mut Vec<Diagnostic>) -> Option<SourceFile> {
    let node = match yaml::parse(&file.path, &file.text, depth_max) {
        Ok(node) => node,
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            // A possible reason why it is not YAML: it is still being written.
            closing::check_text(&file.text, &mut Context::new(&file.path, diagnostics));
            return None;
        }
    };
    let mut cx = Context::new(&file.path, diagnostics);
    closing::check(&node, &file.text, &mut cx);
    let document = match kind(&node, &mut cx)? {
        Kind::Catalogue => Decode::decode(&node, &mut cx).map(Document::Catalogue),
        Kind::NationalList => Decode::decode(&node, &mut cx).map(Document::National),
        Kind::ZoneList => Decode::decode(&node, &mut cx).map(Document::Zone),
        Kind::Registry => Decode::decode(&node, &mut cx).map(Document::Registry),
        Kind::Gateway => Decode::decode(&node, &mut cx).map(Document::Gateway),
        Kind::Test => Decode::decode(&node, &mut cx).map(Document::Test),
    }?;
    check_sources(&document, &mut cx);
    let (unknown, lost) = (std::mem::take(&mut cx.unknown), std::mem::take(&mut cx.lost));
    Some(SourceFile { path: file.path.clone(), document, unknown, lost })
}

/// Checks that every source that a number or an entry names is in the file's own table.
fn check_sources(document: &Document, cx: &mut Context<'_>) {
    let table = match document {
        Document::Catalogue(file) => &file.sources,
        Document::National(file) => &file.sources,
        Document::Zone(file) => &file.sources,
        Document::Registry(_) | Document::Gateway(_) | Document::Test(_) => return,
    };
    let used = std::mem::take(&mut cx.sources);
    let known: Vec<&str> = table.0.iter().map(|(name, _)| name.value.as_ref()).collect();
    for (name, span) in &used {
        if !known.contains(&name.as_ref()) {
            let help = did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| "add it to the table `sources:` of this file".to_owned());
            cx.error("P011", *span, format!("unknown source `{}`", clip(name)), help);
        }
    }
    for (name, _) in &table.0 {
        if !used.iter().any(|(used, _)| *used == name.value) {
            let message = format!("nothing in this file refers to the source `{}`", clip(&name.value));
            cx.warning("P025", name.span, message, "remove it, or refer to it where it applies".to_owned());
        }
    }
}

fn kind(node: &Node, cx: &mut Context<'_>) -> Option<Kind> {
    let Value::Map(pairs) = &node.value else {
        if matches!(node.value, Value::Null) {
            let help = "begin it with `format: 1` and `kind: …`, or remove the file".to_owned();
            cx.error("P007", Span { line: 1, column: 1, offset: 0, length: 1 }, "the file is empty".to_owned(), help);
            return None;
        }
        let help = "`policies/README.md` shows the contents of each kind of file".to_owned();
        return cx.wrong_kind(node, "a mapping that begins with `format: 1` and `kind: …`", help);
    };
    let Some((_, value)) = pairs.iter().find(|(key, _)| key.name.as_ref() == "kind") else {
        let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        let help = pairs
            .iter()
            .find_map(|(key, _)| did_you_mean("kind", [key.name.as_ref()]).map(|_| clip(&key.name)))
            .map_or_else(
                || format!("add `kind: …`, one of {}", words.join(", ")),
                |near| format!("write `kind` in place of `{near}`"),
            );
        cx.error("P007", node.span, "the file does not state its kind".to_owned(), help);
        return None;
    };
    Kind::decode(value, cx)
}

/// Returns the JSON Schema of every kind of file, for editors.
pub fn schema() -> Json {
    let mut defs = Map::new();
    let branch = |kind: Kind, schema: Json| {
        json!({
            "if": { "properties": { "kind": { "const": kind.word() } } },
            "then": schema,
        })
    };
    let mut inner = Map::new();
    let all = [
        branch(Kind::Catalogue, catalogue::Catalogue::schema(&mut inner)),
        branch(Kind::NationalList, list::NationalList::schema(&mut inner)),
        branch(Kind::ZoneList, list::ZoneList::schema(&mut inner)),
        branch(Kind::Registry, registry::RegistryFile::schema(&mut inner)),
        branch(Kind::Gateway, gateway::GatewayFile::schema(&mut inner)),
        branch(Kind::Test, cases::TestFile::schema(&mut inner)),
    ];
    defs.extend(inner);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "neglist policy file, format 1",
        "type": "object",
        "required": ["format", "kind", "complete"],
        "properties": { "kind": Kind::schema(&mut Map::new()) },
        "allOf": all,
        "$defs": defs,
    })
}
