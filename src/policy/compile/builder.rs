//! The snapshot under construction.

use std::collections::HashMap;

use super::reference::dangling;
use super::terms::{AreaDays, ValidityYears};
use crate::domain::gateway::Gateway;
use crate::domain::reason::Text;
use crate::domain::snapshot::{Codes, Lists, NextStep, Registry, Rules, Snapshot};
use crate::domain::units::{RuleId, StepId};
use crate::domain::vocabulary::Vocabulary;
use crate::policy::decode::Context;
use crate::policy::diagnostic::{Diagnostic, Severity, Span, duplicate};
use crate::policy::file::Limits;
use crate::policy::source::scalar::{At, Bilingual, Code};
use crate::policy::source::{Document, SourceFile};
use crate::policy::time;

/// The line of rule 0, which no file states.
const OWN_RULE_LINE: u32 = 0;

/// The snapshot under construction.
pub(super) struct Builder<'d> {
    pub(super) diagnostics: &'d mut Vec<Diagnostic>,
    pub(super) codes: Codes,
    pub(super) lists: Lists,
    pub(super) rules: Rules,
    pub(super) citations: HashMap<Text, u32>,
    pub(super) steps: HashMap<NextStep, StepId>,
    /// The line of each rule in its file, by number. Rules of one name are in one file.
    rule_lines: Vec<u32>,
    /// Editions by id, for clearances.
    pub(super) editions: Vocabulary,
    /// Longest validity of each kind of clearance in years, where the law sets a number.
    pub(super) validity_years: ValidityYears,
    /// Days from which contracts of the Greater Bay Area can be concluded; `None` if no national list has them.
    pub(super) area_contracts_from: Option<AreaDays>,
}

impl<'d> Builder<'d> {
    pub(super) fn new(diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        let mut builder = Self {
            diagnostics,
            codes: Codes::default(),
            lists: Lists::default(),
            rules: Rules::default(),
            citations: HashMap::new(),
            steps: HashMap::new(),
            rule_lines: Vec::new(),
            editions: Vocabulary::default(),
            validity_years: ValidityYears::default(),
            area_contracts_from: None,
        };
        let none = Text { zh: "无".into(), en: "none".into() };
        let first = builder.rule("no-rules-in-force", none, OWN_RULE_LINE).ok();
        debug_assert!(first == Some(RuleId(0)), "rule 0 means that no rules are in force");
        builder
    }

    /// Returns a context that reports diagnostics for a file.
    pub(super) fn cx<'c>(&'c mut self, file: &'c str) -> Context<'c> {
        Context::new(file, self.diagnostics)
    }

    pub(super) fn directory_error(&mut self, code: &'static str, message: &str, help: &str) {
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
    pub(super) fn check_kinds(&mut self, sources: &[SourceFile]) {
        for source in sources {
            if let Document::Test(file) = &source.document {
                let help = "rename it to `…_test.yaml`: files with other names are not run".to_owned();
                let message = "the file has test cases, but is not named like a test".to_owned();
                self.cx(&source.path).error("P030", file.span, message, help);
            }
        }
    }

    pub(super) fn check_size(&mut self, sources: &[SourceFile], limits: &Limits) {
        let entries: usize = sources.iter().map(|source| size(&source.document)).sum();
        if limits.entries_max < entries {
            let message = format!("{entries} entries in all files, and `policy_entries_max` is {}", limits.entries_max);
            self.directory_error("P015", &message, "raise the limit, or split the directory");
        }
    }

    /// Adds a rule of a line of its file.
    ///
    /// # Errors
    /// The line of the rule that has the id already.
    fn rule(&mut self, id: &str, citation: Text, line: u32) -> Result<RuleId, u32> {
        let number = self.rules.ids.insert(id);
        let number = number.map_err(|known| self.rule_lines.get(known as usize).copied().unwrap_or_default())?;
        self.rule_lines.push(line);
        let next = u32::try_from(self.rules.citations.len()).unwrap_or(u32::MAX);
        let index = *self.citations.entry(citation.clone()).or_insert(next);
        if index == next {
            self.rules.citations.push(citation);
        }
        self.rules.citation_of.push(index);
        Ok(RuleId(number))
    }

    /// Adds a rule at a place in a file; reports an id that exists already.
    pub(super) fn rule_at(&mut self, file: &str, span: Span, id: &str, citation: &Bilingual) -> RuleId {
        self.rule(id, citation.to_text(), span.line).unwrap_or_else(|first| {
            let message = match first {
                OWN_RULE_LINE => format!("the rule id `{id}` is reserved"),
                first => duplicate(format_args!("rule `{id}`"), format_args!("line {first}")),
            };
            let help = "ids of rules, entries, sectors and lists must differ within a list".to_owned();
            self.cx(file).error("P010", span, message, help);
            RuleId(0)
        })
    }

    pub(super) fn step(&mut self, procedure: &str, authority: Option<&Bilingual>, text: &Bilingual) -> StepId {
        let authority = authority.map(Bilingual::to_text);
        let step = NextStep { procedure: procedure.into(), authority, text: text.to_text() };
        let next = StepId(u32::try_from(self.rules.steps.len()).unwrap_or(u32::MAX));
        *self.steps.entry(step.clone()).or_insert_with(|| {
            self.rules.steps.push(step);
            next
        })
    }

    /// Resolves a reference to a code; reports a dangling one.
    pub(super) fn follow(
        &mut self,
        file: &str,
        code: &At<Code>,
        of: fn(&Codes) -> &Vocabulary,
        noun: &str,
    ) -> Option<u32> {
        let vocabulary = of(&self.codes);
        let known = vocabulary.get(&code.value.0);
        if known.is_none() {
            let nearest = vocabulary.nearest(&code.value.0).map(|number| vocabulary.word(number).to_owned());
            dangling(&mut self.cx(file), code.span, &code.value.0, noun, nearest.as_deref());
        }
        known
    }

    pub(super) fn freeze(&mut self) {
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

    pub(super) fn snapshot(&mut self) -> Snapshot {
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
