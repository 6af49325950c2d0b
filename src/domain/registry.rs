//! What the operator registered: exporters and flows.

use super::statement::{Facts, Statement};
use super::units::{ClearanceId, ExporterId, RouteId};

/// A registered exporter.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// What is known of it.
    pub facts: Facts,
}

/// A transfer that recurs, registered once.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Who sends.
    pub exporter: ExporterId,
    /// Everything about it that does not change from transfer to transfer.
    pub statement: Statement,
    /// What follows from that, for each stretch of time: first segment and route, ascending.
    pub routes: Box<[(u32, RouteId)]>,
    /// Clearances whose scope covers it, whatever their date.
    pub clearances: Box<[ClearanceId]>,
}

impl Flow {
    /// Returns the route in a segment.
    pub fn route_in(&self, segment: usize) -> Option<RouteId> {
        let passed = self.routes.partition_point(|(from, _)| *from as usize <= segment);
        self.routes.get(passed.checked_sub(1)?).map(|(_, route)| *route)
    }
}
