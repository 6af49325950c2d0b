//! Terms of clearances that a national list sets: years of validity, and days from which contracts of an area exist.

use jiff::civil::Date;

use crate::policy::source::registry as file;

/// Longest validity of each kind of clearance in years, where the law sets a number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ValidityYears {
    pub(super) assessment: Option<u32>,
    pub(super) contract: Option<u32>,
    pub(super) certification: Option<u32>,
    pub(super) area_contract: Option<u32>,
}

/// Days from which contracts of the Greater Bay Area can be concluded.
#[derive(Debug, Clone, Copy)]
pub(super) struct AreaDays {
    pub(super) hong_kong: Date,
    pub(super) macao: Date,
}

impl AreaDays {
    pub(super) fn earliest(self, other: Self) -> Self {
        Self { hong_kong: self.hong_kong.min(other.hong_kong), macao: self.macao.min(other.macao) }
    }
}

impl ValidityYears {
    pub(super) const fn of(self, kind: file::ClearanceKind) -> Option<u32> {
        match kind {
            file::ClearanceKind::Assessment => self.assessment,
            file::ClearanceKind::Contract => self.contract,
            file::ClearanceKind::Certification => self.certification,
            file::ClearanceKind::GbaContract => self.area_contract,
            file::ClearanceKind::ZoneFiling => None,
        }
    }
}
