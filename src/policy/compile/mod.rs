//! Compiles source files into a snapshot: the only constructor of [`Snapshot`].
//!
//! Codes become numbers, days become moments, `unknown` becomes the stricter of its possibilities, and every reference
//! is resolved. Compiling continues after each diagnostic; the snapshot is used only if none of them is an error.

mod entries;
mod extensions;
mod gateway;
mod lists;
mod names;
mod registry;

use std::collections::HashMap;

use super::decode::Context;
use super::diagnostic::{Diagnostic, Severity, Span};
use super::source::Document;
use super::source::scalar::{At, Bilingual, Code};
use super::time;
use super::{Limits, SourceFile};
use crate::domain::gateway::Gateway;
use crate::domain::reason::Text;
use crate::domain::snapshot::{Codes, Lists, NextStep, Registry, Rules, Snapshot};
use crate::domain::units::{RuleId, StepId};
use crate::domain::vocabulary::Vocabulary;

/// Compiles source files. Adds its diagnostics to `diagnostics`; use the snapshot only if none of them is an error.
pub fn compile(sources: &[SourceFile], limits: &Limits, diagnostics: &mut Vec<Diagnostic>) -> Option<Snapshot> {
    let mut builder = Builder::new(diagnostics);
    builder.check_size(sources, limits);
    builder.check_kinds(sources);
    names::collect(&mut builder, sources);
    lists::compile(&mut builder, sources);
    entries::compile(&mut builder, sources);
    builder.freeze();
    let mut snapshot = builder.snapshot();
    snapshot.sum_up_alone();
    registry::compile(&mut builder, sources, &mut snapshot);
    gateway::compile(&mut builder, sources, &mut snapshot);
    let usable = !snapshot.lists.nationals.is_empty();
    if !usable {
        builder.directory_error(
            "P016",
            "no national list: there is no file of `kind: national-list`",
            "keep `lists/national/` of the policies that ship with neglist",
        );
    }
    usable.then_some(snapshot)
}

/// The snapshot under construction.
struct Builder<'d> {
    diagnostics: &'d mut Vec<Diagnostic>,
    codes: Codes,
    lists: Lists,
    rules: Rules,
    citations: HashMap<Text, u32>,
    steps: HashMap<NextStep, StepId>,
    /// Editions by id, for clearances.
    editions: Vocabulary,
    /// Longest validity of each kind of clearance in years, where the law sets a number.
    validity_years: registry::ValidityYears,
    /// Days from which contracts of the Greater Bay Area can be concluded; `None` if no national list has them.
    area_contracts_from: Option<registry::AreaDays>,
}

impl<'d> Builder<'d> {
    fn new(diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        let mut builder = Self {
            diagnostics,
            codes: Codes::default(),
            lists: Lists::default(),
            rules: Rules::default(),
            citations: HashMap::new(),
            steps: HashMap::new(),
            editions: Vocabulary::default(),
            validity_years: registry::ValidityYears::default(),
            area_contracts_from: None,
        };
        let none = Text { zh: "无".into(), en: "none".into() };
        let first = builder.rule("no-rules-in-force", none);
        debug_assert!(first == Some(RuleId(0)), "rule 0 stands for the absence of rules");
        builder
    }

    /// Returns a context that reports diagnostics for a file.
    fn cx<'c>(&'c mut self, file: &'c str) -> Context<'c> {
        Context::new(file, self.diagnostics)
    }

    fn directory_error(&mut self, code: &'static str, message: &str, help: &str) {
        self.diagnostics.push(Diagnostic {
            code,
            severity: Severity::Error,
            file: String::new(),
            span: None,
            message: message.to_owned(),
            help: Some(help.to_owned()),
        });
    }

    /// Reports cases in a file that is not named like a test file: only files with such a name are run.
    fn check_kinds(&mut self, sources: &[SourceFile]) {
        for source in sources {
            if let Document::Test(file) = &source.document {
                let help = "rename it to `…_test.yaml`: a file of another name is never run".to_owned();
                let message = "cases in a file that is not named as a test".to_owned();
                self.cx(&source.path).error("P030", file.span, message, help);
            }
        }
    }

    fn check_size(&mut self, sources: &[SourceFile], limits: &Limits) {
        let entries: usize = sources.iter().map(|source| size(&source.document)).sum();
        if limits.entries_max < entries {
            let message = format!("{entries} entries in all files, and `policy_entries_max` is {}", limits.entries_max);
            self.directory_error("P015", &message, "raise the limit, or split the directory");
        }
    }

    /// Adds a rule; `None` if its id exists already.
    fn rule(&mut self, id: &str, citation: Text) -> Option<RuleId> {
        let number = self.rules.ids.insert(id).ok()?;
        let next = u32::try_from(self.rules.citations.len()).unwrap_or(u32::MAX);
        let index = *self.citations.entry(citation.clone()).or_insert(next);
        if index == next {
            self.rules.citations.push(citation);
        }
        self.rules.citation_of.push(index);
        Some(RuleId(number))
    }

    /// Adds a rule at a place in a file; reports an id that exists already.
    fn rule_at(&mut self, file: &str, span: Span, id: &str, citation: &Bilingual) -> RuleId {
        self.rule(id, citation.to_text()).unwrap_or_else(|| {
            let help = "ids of rules, entries, sectors and lists must differ within a list".to_owned();
            self.cx(file).error("P010", span, format!("the rule `{id}` stands twice"), help);
            RuleId(0)
        })
    }

    fn step(&mut self, procedure: &str, authority: Option<&Bilingual>, text: &Bilingual) -> StepId {
        let authority = authority.map(Bilingual::to_text);
        let step = NextStep { procedure: procedure.into(), authority, text: text.to_text() };
        let next = StepId(u32::try_from(self.rules.steps.len()).unwrap_or(u32::MAX));
        *self.steps.entry(step.clone()).or_insert_with(|| {
            self.rules.steps.push(step);
            next
        })
    }

    /// Resolves a reference to a code; reports a dangling one.
    fn follow(&mut self, file: &str, code: &At<Code>, of: fn(&Codes) -> &Vocabulary, noun: &str) -> Option<u32> {
        let vocabulary = of(&self.codes);
        let known = vocabulary.get(&code.value.0);
        if known.is_none() {
            let nearest = vocabulary.nearest(&code.value.0).map(|number| vocabulary.word(number).to_owned());
            dangling(&mut self.cx(file), code.span, &code.value.0, noun, nearest.as_deref());
        }
        known
    }

    fn freeze(&mut self) {
        let codes = &mut self.codes;
        // First, because codes in the slip index need no index of their own for hints.
        Snapshot::index_slips(codes, &self.lists);
        for vocabulary in [&mut codes.zones, &mut codes.sectors, &mut codes.scenarios, &mut codes.items] {
            vocabulary.freeze();
        }
        for vocabulary in
            [&mut codes.cities, &mut codes.attributes, &mut codes.kinds, &mut codes.exporters, &mut codes.flows]
        {
            vocabulary.freeze();
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            revision: 0,
            digest: "".into(),
            calendar: time::calendar(),
            codes: std::mem::take(&mut self.codes),
            lists: std::mem::take(&mut self.lists),
            registry: Registry::default(),
            rules: std::mem::take(&mut self.rules),
            gateway: Gateway::default(),
        }
    }
}

/// Reports a dangling reference.
fn dangling(cx: &mut Context<'_>, span: Span, code: &str, noun: &str, nearest: Option<&str>) {
    let help = nearest.map_or_else(
        || "no policy file defines it: correct the word, or add it".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    cx.error("P011", span, format!("unknown {noun} `{code}`"), help);
}

fn size(document: &Document) -> usize {
    match document {
        Document::Catalogue(file) => {
            let words = file.cities.len() + file.sectors.len() + file.scenarios.len();
            file.zones.len() + words + file.attributes.len() + file.items.len()
        }
        Document::National(_) => 1,
        Document::Zone(file) => file.sectors.len() + file.entries.len(),
        Document::Registry(file) => file.exporters.len() + file.flows.len() + file.clearances.len(),
        Document::Gateway(file) => file.rules.len(),
        Document::Test(file) => file.cases.len(),
    }
}
