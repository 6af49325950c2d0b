//! Reads requests: one evaluation or several, each well-formed.

use crate::doors::render::Verdict;
use crate::json::Tree;
use crate::wire::json::issues::{Issues, JsonError};
use crate::wire::json::unambiguous;

/// One well-formed evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Type of the subject.
    pub subject_type: String,
    /// Id of the subject.
    pub subject_id: String,
    /// Name of the action.
    pub action_name: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Id of the resource.
    pub resource_id: String,
    /// The whole evaluation, with its defaults from the request: `subject`, `action`, `resource`, `context`.
    pub whole: Tree,
}

/// The evaluations of one request.
#[derive(Debug)]
pub enum Evaluations {
    /// One evaluation.
    One(Box<Evaluation>),
    /// Several evaluations, in order.
    Several {
        /// When to stop.
        semantic: Semantic,
        /// The evaluations.
        evaluations: Several,
    },
}

/// Several evaluations, or the reasons why they are not well-formed, in order. Each is assembled when its turn comes, because
/// each contains the defaults of the request, which may be large.
#[derive(Debug)]
pub struct Several {
    around: Members,
    entries: std::vec::IntoIter<Tree>,
}

impl Iterator for Several {
    type Item = Result<Evaluation, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some(object(entry).and_then(|one| evaluation_of(&one, &self.around)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for Several {}

/// Most bytes of the defaults of a request, counted once for each of its evaluations: four times the default limit of a
/// request.
const AROUND_BYTES_MAX: usize = 4 << 20;

/// When the answer to several evaluations is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantic {
    /// When all are answered.
    ExecuteAll,
    /// With the first that is denied.
    DenyOnFirstDeny,
    /// With the first that is permitted.
    PermitOnFirstPermit,
}

impl Semantic {
    const ALL: [(&'static str, Semantic); 3] = [
        ("execute_all", Semantic::ExecuteAll),
        ("deny_on_first_deny", Semantic::DenyOnFirstDeny),
        ("permit_on_first_permit", Semantic::PermitOnFirstPermit),
    ];

    /// Says whether the answer ends after an evaluation with this verdict.
    pub fn ends_after(self, verdict: Verdict) -> bool {
        match (self, verdict) {
            (Semantic::ExecuteAll, Verdict::Permit | Verdict::Deny)
            | (Semantic::DenyOnFirstDeny, Verdict::Permit)
            | (Semantic::PermitOnFirstPermit, Verdict::Deny) => false,
            (Semantic::DenyOnFirstDeny, Verdict::Deny) | (Semantic::PermitOnFirstPermit, Verdict::Permit) => true,
        }
    }
}

/// Reads a request for one evaluation.
///
/// # Errors
/// The request is not well-formed. All issues are listed, each with its path.
pub fn evaluation(json: &[u8]) -> Result<Evaluation, JsonError> {
    let request = object(unambiguous::read(json)?)?;
    evaluation_of(&request, &[])
}

/// Reads a request for several evaluations; without any of them it is a request for one.
///
/// # Errors
/// The request as a whole is not well-formed. An issue of one evaluation is in the place of that evaluation.
pub fn evaluations(json: &[u8], evaluations_max: usize) -> Result<Evaluations, JsonError> {
    let mut request = object(unambiguous::read(json)?)?;
    let mut issues = Issues::default();
    let semantic = semantic(get(&request, "options"), &mut issues);
    let several = match remove(&mut request, "evaluations") {
        None => Vec::new(),
        Some(Tree::List(several)) => several,
        Some(_) => {
            issues.add("evaluations", "not a list", "不是列表");
            Vec::new()
        }
    };
    let count = several.len();
    if evaluations_max < count {
        issues.add(
            "evaluations",
            format!("{count} of them: at most {evaluations_max} are allowed, send several requests"),
            format!("共 {count} 项：最多 {evaluations_max} 项，请分多次请求"),
        );
    }
    if several.is_empty() && issues.is_empty() {
        return evaluation_of(&request, &[]).map(|evaluation| Evaluations::One(Box::new(evaluation)));
    }
    let around = ENTITIES.iter().map(|(name, _)| *name).chain(["context"]).filter_map(|name| get(&request, name));
    let around_bytes = around.map(Tree::bytes).sum::<usize>();
    if AROUND_BYTES_MAX < around_bytes.saturating_mul(count) {
        issues.add(
            "evaluations",
            format!(
                "the defaults around them have {around_bytes} bytes and are part of each of {count}: state them in the evaluations that need them, or send several requests"
            ),
            format!("其外层默认内容为 {around_bytes} 字节，且计入全部 {count} 项：请仅在需要的项中填写，或分多次请求"),
        );
    }
    check_defaults(&request, &mut issues);
    issues.into_result()?;
    Ok(Evaluations::Several { semantic, evaluations: Several { around: request, entries: several.into_iter() } })
}

/// The members of an object, each key once.
type Members = Vec<(String, Tree)>;

fn get<'m>(members: &'m [(String, Tree)], key: &str) -> Option<&'m Tree> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn remove(members: &mut Members, key: &str) -> Option<Tree> {
    let place = members.iter().position(|(name, _)| name == key)?;
    Some(members.remove(place).1)
}

fn object(tree: Tree) -> Result<Members, JsonError> {
    match tree {
        Tree::Object(members) => Ok(members),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => {
            Err(JsonError::of_the_whole("not a JSON object", "不是 JSON 对象"))
        }
    }
}

fn semantic(options: Option<&Tree>, issues: &mut Issues) -> Semantic {
    let wanted = match options {
        None => None,
        Some(Tree::Object(options)) => get(options, "evaluations_semantic"),
        Some(_) => {
            not_an_object("options", issues);
            None
        }
    };
    let Some(wanted) = wanted else { return Semantic::ExecuteAll };
    let known = Semantic::ALL
        .iter()
        .find(|(word, _)| matches!(wanted, Tree::Text(text) if text == word))
        .map(|(_, semantic)| *semantic);
    known.unwrap_or_else(|| {
        let words = Semantic::ALL.map(|(word, _)| format!("`{word}`")).join(", ");
        let field = "options.evaluations_semantic";
        issues.add(field, format!("write one of {words}"), format!("请填写其中之一：{words}"));
        Semantic::ExecuteAll
    })
}

/// An entity, and the fields that it has to have.
const ENTITIES: [(&str, &[&str]); 3] =
    [("subject", &["type", "id"]), ("action", &["name"]), ("resource", &["type", "id"])];

/// Checks the defaults of a request. They may be incomplete, but of no other type.
fn check_defaults(request: &[(String, Tree)], issues: &mut Issues) {
    for (name, fields) in ENTITIES {
        let Some(entity) = get(request, name) else { continue };
        let Tree::Object(entity) = entity else {
            not_an_object(name, issues);
            continue;
        };
        let present = fields.iter().filter(|field| get(entity, field).is_some());
        present.for_each(|field| drop(text(entity, name, field, issues)));
        check_object(get(entity, "properties"), &format!("{name}.properties"), issues);
    }
    check_object(get(request, "context"), "context", issues);
}

fn check_object(value: Option<&Tree>, path: &str, issues: &mut Issues) {
    if value.is_some_and(|value| !matches!(value, Tree::Object(_))) {
        not_an_object(path, issues);
    }
}

fn not_an_object(path: &str, issues: &mut Issues) {
    issues.add(path, "not an object", "不是对象");
}

/// Reads one evaluation. An entity of the evaluation replaces the default of the request.
///
/// An entity without a type, id or name takes it from the default only where the default has nothing else. If the default has
/// properties, readers differ in whether the entity has them too, and a rule that depends on them would match for one reader
/// and not for another.
fn evaluation_of(one: &[(String, Tree)], around: &[(String, Tree)]) -> Result<Evaluation, JsonError> {
    let mut issues = Issues::default();
    let mut whole = Members::new();
    let mut names = Vec::new();
    for (name, fields) in ENTITIES {
        let mut entity = match get(one, name).or_else(|| get(around, name)) {
            Some(Tree::Object(entity)) => entity.clone(),
            Some(_) => {
                not_an_object(name, &mut issues);
                continue;
            }
            None => {
                issues.add(name, "required", "必填");
                continue;
            }
        };
        if let Some(Tree::Object(default)) = get(around, name)
            && default.iter().all(|(key, _)| fields.contains(&key.as_str()))
        {
            for (key, value) in default {
                if get(&entity, key).is_none() {
                    entity.push((key.clone(), value.clone()));
                }
            }
        }
        for field in fields {
            names.push(text(&entity, name, field, &mut issues));
        }
        check_object(get(&entity, "properties"), &format!("{name}.properties"), &mut issues);
        whole.push((name.to_owned(), Tree::Object(entity)));
    }
    let context = get(one, "context").or_else(|| get(around, "context"));
    check_object(context, "context", &mut issues);
    whole.extend(context.map(|context| ("context".to_owned(), context.clone())));
    issues.into_result()?;
    match <[String; 5]>::try_from(names) {
        Ok([subject_type, subject_id, action_name, resource_type, resource_id]) => Ok(Evaluation {
            subject_type,
            subject_id,
            action_name,
            resource_type,
            resource_id,
            whole: Tree::Object(whole),
        }),
        // An entity without its names has an issue above.
        Err(_) => Err(JsonError::of_the_whole("not an evaluation", "不是评估请求")),
    }
}

fn text(entity: &[(String, Tree)], name: &str, field: &str, issues: &mut Issues) -> String {
    match get(entity, field) {
        Some(Tree::Text(text)) => return text.clone(),
        Some(_) => issues.add(format!("{name}.{field}"), "not a text", "不是文本"),
        None => issues.add(format!("{name}.{field}"), "required", "必填"),
    }
    String::new()
}
