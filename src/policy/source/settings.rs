//! Contested readings of the lists, each with its conservative default.

use crate::policy::decode::{record, words};

record! {
    /// Contested readings of the national rules; absent: the conservative default.
    pub struct NationalSettings {
        /// How a person is counted if one transfer sends both general and sensitive information about that person.
        pub person_in_both_classes: PersonInBothClasses,
    }

    /// Contested readings; absent: the conservative default.
    pub struct Settings {
        /// Whether the quantitative identification includes its number.
        pub quantitative_boundary: Boundary,
        /// Whether a part of a large holding is important data.
        pub part_of_large_holding: PartOfHolding,
        /// Which persons the number for operators of critical information infrastructure counts.
        pub ciio_quantity: CiioQuantity,
        /// Whether art. 5(1)(4) exempts a listed scenario from the filing.
        pub small_volume_frees_listed_scenario: FreesListed,
    }
}

words! {
    /// How a person is counted if one transfer sends both general and sensitive information about that person.
    pub enum PersonInBothClasses {
        /// In both counters.
        BothCounters = "both-counters",
        /// In the counter of sensitive information only.
        SensitiveOnly = "sensitive-only",
    }
    absent = BothCounters;

    /// Whether a limit includes its number.
    pub enum Boundary {
        /// It does.
        Inclusive = "inclusive",
        /// It does not: it begins above the number.
        Exclusive = "exclusive",
    }
    absent = Inclusive;

    /// Whether a part of a large holding is important data.
    pub enum PartOfHolding {
        /// It is.
        Important = "important",
        /// It is not.
        NotImportant = "not-important",
    }
    absent = Important;

    /// Which persons the number for operators of critical information infrastructure counts.
    pub enum CiioQuantity {
        /// All personal information.
        PersonalInformation = "personal-information",
        /// Sensitive information only.
        Sensitive = "sensitive",
    }
    absent = PersonalInformation;

    /// Whether art. 5(1)(4) exempts a listed scenario from the filing.
    pub enum FreesListed {
        /// It does not.
        No = "no",
        /// It does.
        Yes = "yes",
    }
    absent = No;
}
