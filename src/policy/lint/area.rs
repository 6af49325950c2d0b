//! Contracts of the Greater Bay Area that cover nothing, whatever the data.

use super::linter::Linter;
use crate::policy::SourceFile;
use crate::policy::diagnostic::Severity;
use crate::policy::source::Document;
use crate::policy::source::registry::{Clearance, ClearanceKind, Exporter};
use crate::policy::source::scalar::YesNo;

/// A contract of the Greater Bay Area that its exporter cannot use.
const COVERS_NOTHING: &str = "P043";

pub(super) fn find(linter: &mut Linter<'_>, sources: &[SourceFile]) {
    let (mut cities, mut exporters) = (Vec::new(), Vec::new());
    for source in sources {
        match &source.document {
            Document::Catalogue(file) => {
                let of_area = file.cities.iter().filter(|city| city.greater_bay_area == YesNo::Yes);
                cities.extend(of_area.map(|city| city.code.value.0.as_ref()));
            }
            Document::Registry(file) => exporters.extend(&file.exporters),
            Document::National(_) | Document::Zone(_) | Document::Gateway(_) | Document::Test(_) => {}
        }
    }
    for source in sources {
        let Document::Registry(file) = &source.document else { continue };
        let contracts = file.clearances.iter().filter(|clearance| clearance.kind == ClearanceKind::GbaContract);
        for contract in contracts {
            let Some(exporter) = exporters.iter().find(|exporter| exporter.id.value == contract.exporter.value) else {
                continue;
            };
            covers_nothing(linter, &source.path, contract, exporter, &cities);
        }
    }
}

fn covers_nothing(linter: &mut Linter<'_>, path: &str, contract: &Clearance, exporter: &Exporter, cities: &[&str]) {
    let of_area = |city: &str| cities.contains(&city);
    let why = if !exporter.cities.iter().any(|city| of_area(&city.value.0)) {
        "is registered in no city of the Greater Bay Area"
    } else if exporter.ciio == YesNo::Yes {
        "operates critical information infrastructure"
    } else {
        return;
    };
    let id = &contract.id.value.0;
    let message = format!("the contract `{id}` covers nothing: its exporter {why}");
    let help =
        "correct the exporter's `cities` or `ciio`, or remove the contract: other mechanisms are needed".to_owned();
    linter.add((COVERS_NOTHING, Severity::Warning), (path, contract.exporter.span), (message, help));
}
