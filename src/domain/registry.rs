//! Exporters and flows that the operator registered.

use super::statement::{Facts, Statement};
use super::units::{ClearanceId, ExporterId, RouteId};

/// A registered exporter.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// Facts about it.
    pub facts: Facts,
}

/// A transfer that recurs, registered once.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The exporter.
    pub exporter: ExporterId,
    /// Its static facts.
    pub statement: Statement,
    /// Its route in each stretch of time: first segment and route, ascending.
    pub routes: Box<[(u32, RouteId)]>,
    /// Clearances whose scope covers it, regardless of their dates.
    pub clearances: Box<[ClearanceId]>,
}

impl Flow {
    /// Returns the route in a segment.
    pub fn route_in(&self, segment: usize) -> Option<RouteId> {
        let passed = self.routes.partition_point(|(from, _)| *from as usize <= segment);
        self.routes.get(passed.checked_sub(1)?).map(|(_, route)| *route)
    }
}
