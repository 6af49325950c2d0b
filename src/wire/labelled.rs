//! The transfer of a gateway's request as a message of the contract.
//!
//! The request is decided on its labels and not on this message. Only the ledger needs the message: its fingerprint tells a
//! retry from another transfer, and ledgers keep fingerprints that were made of these bytes.

use crate::domain::asked::AskedPersons;
use crate::domain::gateway::{Labelled, LabelledItem};
use crate::domain::units::{Class, Ground, Modality};
use crate::wire::generated::v1;

/// Returns the message of a labelled transfer.
pub fn to_transfer(labelled: &Labelled<'_>) -> v1::Transfer {
    let Labelled {
        rule: _,
        flow,
        exporter,
        recipient,
        destination,
        sector,
        scenario,
        export_zone,
        ground,
        items,
        persons,
        subjects: _,
        transfer_id: _,
        record: _,
    } = labelled;
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    v1::Transfer {
        flow: text(flow),
        exporter: text(exporter),
        exporter_facts: None,
        recipient: text(recipient),
        destination: text(destination),
        sector: text(sector),
        scenario: text(scenario),
        data: items.iter().map(to_item).collect(),
        persons: persons.map(|AskedPersons { general, sensitive }| v1::Persons { general, sensitive }),
        year_to_date: None,
        scenario_year_to_date: None,
        clearance_year_to_date: None,
        ground: to_ground(*ground).into(),
        at: None,
        export_zone: text(export_zone),
    }
}

fn to_item(item: &LabelledItem<'_>) -> v1::DataItem {
    let LabelledItem { code, class, modality, attributes } = item;
    let class = match class {
        None => v1::DataClass::Unspecified,
        Some(Class::NonPersonal) => v1::DataClass::NonPersonal,
        Some(Class::General) => v1::DataClass::General,
        Some(Class::Sensitive) => v1::DataClass::Sensitive,
        Some(Class::Important) => v1::DataClass::Important,
    };
    let modality = match modality {
        None => v1::Modality::Unspecified,
        Some(Modality::Text) => v1::Modality::Text,
        Some(Modality::Audio) => v1::Modality::Audio,
        Some(Modality::Image) => v1::Modality::Image,
        Some(Modality::Video) => v1::Modality::Video,
    };
    v1::DataItem {
        code: code.as_ref().to_owned(),
        data_class: class.into(),
        modality: modality.into(),
        attributes: attributes.iter().map(|attribute| attribute.as_ref().to_owned()).collect(),
    }
}

const fn to_ground(ground: Option<Ground>) -> v1::Ground {
    match ground {
        None => v1::Ground::Unspecified,
        Some(Ground::Transit) => v1::Ground::Transit,
        Some(Ground::ContractNecessity) => v1::Ground::ContractNecessity,
        Some(Ground::HumanResources) => v1::Ground::HumanResources,
        Some(Ground::Emergency) => v1::Ground::Emergency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::gateway::Record;
    use crate::wire::decide::from_proto;

    #[test]
    fn a_message_read_back_is_the_question_of_the_labels() {
        let item = LabelledItem {
            code: "contact.name".into(),
            class: Some(Class::Sensitive),
            modality: Some(Modality::Audio),
            attributes: vec!["encrypted".into()],
        };
        let labelled = Labelled {
            rule: Some("r"),
            flow: Some("f".into()),
            exporter: Some("e".into()),
            recipient: Some("p".into()),
            destination: Some("DE".into()),
            sector: Some("s".into()),
            scenario: Some("c".into()),
            export_zone: Some("z".into()),
            ground: Some(Ground::Transit),
            items: vec![item],
            persons: Some(AskedPersons { general: 1, sensitive: 2 }),
            subjects: None,
            transfer_id: Some("t".into()),
            record: Record::Record,
        };
        for labelled in [labelled, Labelled::default()] {
            let transfer = to_transfer(&labelled);
            let read = from_proto::asked(&transfer).unwrap();
            assert_eq!(format!("{read:?}"), format!("{:?}", labelled.asked()));
        }
        for ground in Ground::ALL {
            let labelled = Labelled { ground: Some(ground), ..Labelled::default() };
            assert_eq!(from_proto::asked(&to_transfer(&labelled)).unwrap().ground, Some(ground));
        }
    }
}
