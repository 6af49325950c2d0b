//! Persons who are named, by class of information.

use super::list::PersonInBothClasses;

/// Named persons, each once, ascending. Names are of any ordered type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<P> {
    /// Persons with general information in the transfer.
    pub general: Vec<P>,
    /// Persons with sensitive information in the transfer.
    pub sensitive: Vec<P>,
}

impl<P: Ord> Named<P> {
    /// Returns the persons of two lists, each person once in each list.
    pub fn new(mut general: Vec<P>, mut sensitive: Vec<P>) -> Self {
        for list in [&mut general, &mut sensitive] {
            list.sort_unstable();
            list.dedup();
        }
        Self { general, sensitive }
    }

    /// Returns the number of persons: general, then sensitive.
    pub fn count(&self) -> (u64, u64) {
        (self.general.len() as u64, self.sensitive.len() as u64)
    }

    /// Removes persons in both lists from the general list, if the rules are read that way.
    #[must_use]
    pub fn counted(mut self, person_in_both_classes: PersonInBothClasses) -> Self {
        match person_in_both_classes {
            PersonInBothClasses::BothCounters => {}
            PersonInBothClasses::SensitiveOnly => {
                self.general.retain(|person| self.sensitive.binary_search(person).is_err());
            }
        }
        self
    }
}
