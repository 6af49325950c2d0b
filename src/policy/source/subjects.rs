//! `subjects:` of a gateway rule: where the identifiers of the persons are.

use serde_json::{Map, Value as Json, json};

use super::header::HeaderName;
use super::scalar::{At, Name, Words};
use crate::domain::gateway::{BodySource, GivenSubjects, JsonPath, PathTemplate, SubjectSource};
use crate::domain::persons::{Kind, Normalise, Step};
use crate::policy::decode::{Context, Decode, Fields};
use crate::policy::diagnostic::clip;
use crate::policy::yaml::{Node, Value};

/// Longest path, template or name of a column, in bytes.
const PLACE_BYTES_MAX: usize = 256;
/// Keys of the places, one of which a rule states.
const PLACES: [&str; 8] = ["body", "lines", "csv", "form", "path", "query", "header", "context"];

/// Where the persons of a rule are, and what makes two of them the same.
#[derive(Debug, Clone)]
pub struct Subjects(pub GivenSubjects);

impl Decode for Subjects {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let mut keys = PLACES.to_vec();
        keys.extend(["kind", "normalise"]);
        let mut fields = Fields::open(node, &keys, cx)?;
        let body: Option<Option<Place>> = fields.take("body", cx);
        let lines: Option<Option<Place>> = fields.take("lines", cx);
        let csv: Option<Option<Words>> = fields.take("csv", cx);
        let form: Option<Option<Words>> = fields.take("form", cx);
        let path: Option<Option<Template>> = fields.take("path", cx);
        let query: Option<Option<Words>> = fields.take("query", cx);
        let header: Option<Option<HeaderName>> = fields.take("header", cx);
        let context: Option<Option<Name>> = fields.take("context", cx);
        let kind: Option<At<Name>> = fields.take("kind", cx);
        let normalise: Option<Steps> = fields.take("normalise", cx);
        if !fields.is_complete(cx) {
            return None;
        }
        let stated = [
            body?.map(|Place(path)| SubjectSource::Body(BodySource::Json(path))),
            lines?.map(|Place(path)| SubjectSource::Body(BodySource::Lines(path))),
            csv?.map(|Words(column)| SubjectSource::Body(BodySource::Csv(column))),
            form?.map(|Words(field)| SubjectSource::Body(BodySource::Form(field))),
            path?.map(|Template(template)| SubjectSource::Path(template)),
            query?.map(|Words(name)| SubjectSource::Query(name)),
            header?.map(|HeaderName(name)| SubjectSource::Header(name)),
            context?.map(|Name(key)| SubjectSource::Context(key)),
        ];
        let mut stated = stated.into_iter().flatten();
        let (Some(source), None) = (stated.next(), stated.next()) else {
            let help = format!("write one of {}", PLACES.map(|key| format!("`{key}`")).join(", "));
            cx.error("P017", node.span, "identifiers come from one place".to_owned(), help);
            return None;
        };
        // A name follows the rule for names, so the kind does.
        let kind = Kind::parse(&kind?.value.0).ok()?;
        let Steps(normalise) = normalise?;
        Some(Subjects(GivenSubjects { source, kind, normalise }))
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        let mut properties = Map::new();
        for (key, schema) in [
            ("body", Place::schema(defs)),
            ("lines", Place::schema(defs)),
            ("csv", Words::schema(defs)),
            ("form", Words::schema(defs)),
            ("path", Template::schema(defs)),
            ("query", Words::schema(defs)),
            ("header", HeaderName::schema(defs)),
            ("context", Name::schema(defs)),
            ("kind", Name::schema(defs)),
            ("normalise", Steps::schema(defs)),
        ] {
            properties.insert(key.to_owned(), schema);
        }
        json!({
            "type": "object",
            "properties": properties,
            "required": ["kind"],
            "oneOf": PLACES.map(|key| json!({ "required": [key] })),
            "additionalProperties": false,
        })
    }
}

/// Reads a text of some form, or says how to write it.
fn read<T>(node: &Node, cx: &mut Context<'_>, noun: &str, help: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
    let Words(text) = Words::decode(node, cx)?;
    let read = Some(&text).filter(|text| text.len() <= PLACE_BYTES_MAX).and_then(|text| parse(text));
    if read.is_none() {
        cx.error("P006", node.span, format!("`{}` is not {noun}", clip(&text)), help.to_owned());
    }
    read
}

/// A place in a JSON document.
struct Place(JsonPath);

impl Decode for Place {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let help = "write `$`, then `.name` for a member, `['a name']` for one whose name is no word, `[*]` for each \
                    element of a list: `$.subjects[*].id`; other parts of JSONPath are not known / \
                    以 `$` 开头，`.name` 表示成员，`['a name']` 表示名称含其他字符的成员，`[*]` 表示列表的每个元素：\
                    `$.subjects[*].id`；不支持 JSONPath 的其他写法";
        read(node, cx, "a place in a JSON document", help, JsonPath::parse).map(Place)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": r"^\$", "maxLength": PLACE_BYTES_MAX })
    }
}

/// A path with one open segment.
struct Template(PathTemplate);

impl Decode for Template {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let help = "write a path in which the segment with the identifier is `{}`: `/v1/patients/{}/records` / \
                    写出路径，并以 `{}` 代替标识符所在的段：`/v1/patients/{}/records`";
        read(node, cx, "a path with one open segment", help, PathTemplate::parse).map(Template)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": r"^/(.*/)?\{\}(/.*)?$", "maxLength": PLACE_BYTES_MAX })
    }
}

/// Steps of normalisation; absent: none.
struct Steps(Normalise);

impl Decode for Steps {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::Seq(nodes) = &node.value else {
            return cx.wrong_kind(node, "a list of steps", "write it in brackets: `[trim, lowercase]`".to_owned());
        };
        let mut normalise = Normalise::NONE;
        for node in nodes {
            let help =
                "the steps are `trim`, `lowercase`, `nfc` and `digits` / 步骤为 `trim`、`lowercase`、`nfc`、`digits`";
            let step = read(node, cx, "a step of normalisation", help, Step::parse)?;
            if normalise.has(step) {
                let message = format!("duplicate step `{}`", step.name());
                cx.error("P010", node.span, message, "keep one of the two".to_owned());
                return None;
            }
            normalise = normalise.with(step);
        }
        Some(Steps(normalise))
    }

    fn absent() -> Option<Self> {
        Some(Steps(Normalise::NONE))
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "array", "items": { "enum": Step::ALL.map(Step::name) }, "uniqueItems": true })
    }
}
