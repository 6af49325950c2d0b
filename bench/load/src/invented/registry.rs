//! The registry file of the flows that are measured.

use std::fmt::Write as _;

use crate::files::{LAST_LINE, code};
use crate::questions::{Clearance, Question};

const NAME: &str = "{zh: 虚构, en: invented}";

/// Returns the file: an exporter and a flow for each question, and the clearances that some of them have.
pub fn text(questions: &[Question]) -> String {
    let (mut exporters, mut flows, mut clearances) = (String::new(), String::new(), String::new());
    for Question { exporter, flow, .. } in questions {
        let Some(flow) = flow else { continue };
        let (zone, code) = (flow.zone, code(flow.item));
        let held = "{general: 0, sensitive: 0, specially_sensitive: 0}";
        let _ = writeln!(exporters, "  - {{id: {exporter}, name: {NAME}, zones: [zone-{zone}], held: {held}}}");
        let scope = format!(
            "exporter: {exporter}, recipient: recipient-{zone}, sector: sectors-{}, scenario: scenarios-{}",
            flow.sector, flow.scenario
        );
        let _ =
            writeln!(flows, "  - {{id: measured-flow-{zone}, {scope}, destination: DE, items: [{{code: {code}}}]}}");
        if flow.clearance == Clearance::Contract {
            let _ = writeln!(
                clearances,
                "  - {{id: contract-{zone}, kind: contract, reference: invented-{zone}, {scope}, items: [{code}], \
                 covers_important_data: no, persons_per_year_max: {{general: 1999999, sensitive: 40000}}, \
                 first_day: 2024-04-01, last_day: 2099-12-31}}"
            );
        }
    }
    format!("format: 1\nkind: registry\nexporters:\n{exporters}flows:\n{flows}clearances:\n{clearances}{LAST_LINE}")
}
