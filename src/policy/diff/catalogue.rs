//! The catalogue as subjects: codes, names and classes.

use super::change::Area;
use super::subject::Subject;
use crate::policy::source::catalogue::{Catalogue, Word};
use crate::policy::source::scalar::YesNo;

pub(super) fn catalogue(path: &str, file: &Catalogue, subjects: &mut Vec<Subject>) {
    for zone in &file.zones {
        let code = zone.code.value.0.to_string();
        let mut subject = Subject::new(Area::Zone, code, Some(&zone.name), path, zone.code.span);
        subject.text("name", &zone.name);
        subject.optional("within", zone.within.as_ref().map(|code| code.value.0.to_string()));
        subjects.push(subject);
    }
    for city in &file.cities {
        let code = city.code.value.0.to_string();
        let mut subject = Subject::new(Area::City, code, Some(&city.name), path, city.code.span);
        subject.text("name", &city.name);
        let area = city.greater_bay_area;
        subject.ranked("greater_bay_area", area.word(), u64::from(area == YesNo::Yes));
        subjects.push(subject);
    }
    let words: [(Area, &[Word]); 4] = [
        (Area::Sector, &file.sectors),
        (Area::Scenario, &file.scenarios),
        (Area::ExporterKind, &file.exporter_kinds),
        (Area::Attribute, &file.attributes),
    ];
    for (area, words) in words {
        for word in words {
            let mut subject = Subject::new(area, word.code.value.0.to_string(), Some(&word.name), path, word.code.span);
            subject.text("name", &word.name);
            subjects.push(subject);
        }
    }
    for item in &file.items {
        let code = item.code.value.0.to_string();
        let mut subject = Subject::new(Area::Item, code, Some(&item.name), path, item.code.span);
        subject.text("name", &item.name);
        // The four classes are declared from the loosest to the strictest.
        subject.ranked("class", item.class.word(), 3 - item.class.to_class() as u64);
        subject.ranked(
            "specially_sensitive",
            item.specially_sensitive.word(),
            u64::from(item.specially_sensitive == YesNo::No),
        );
        subject.word("confidence", item.confidence.word());
        subjects.push(subject);
    }
}
