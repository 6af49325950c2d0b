//! The rule for names and codes, and near matches, by comparison with every word.

use neglist::domain::units::Class;
use neglist::policy::source::Document;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use super::law::Law;

/// Marks, letters and symbols that show nothing: the Hangul and Khmer fillers, variation selectors, an empty Braille cell.
const BLIND: [(u32, u32); 9] = [
    (0x34F, 0x34F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
];

fn shows(character: char) -> bool {
    let number = u32::from(character);
    let blind = BLIND.iter().any(|(first, last)| (first..=last).contains(&&number));
    // Separators are blanks; of these only the space is a character of names.
    let other =
        matches!(character.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator);
    character == ' ' || !blind && !other
}

/// Says whether a text is a name.
pub(crate) fn is_name(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().last()];
    (1..=128).contains(&text.len())
        && text.chars().all(shows)
        && ends.iter().all(|end| *end != Some(' '))
        && text.nfc().eq(text.chars())
}

/// Says whether a text is a code.
pub(crate) fn is_code(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
    text.len() <= 128 && text.split(['.', '-', '_']).all(is_part)
}

/// A word as it is compared.
fn compared(word: &str) -> String {
    let seen: String = word.chars().filter(|character| character.is_whitespace() || shows(*character)).collect();
    let small = seen.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect::<String>();
    small.trim().replace(['_', ' '], "-")
}

fn is_slip(a: &str, b: &str) -> bool {
    strsim::osa_distance(&compared(a), &compared(b)) <= 1
}

/// Says whether two long codes differ in vowels, doubled letters and what joins them alone.
fn look_the_same(a: &str, b: &str) -> bool {
    let look = |word: &str| {
        let word = compared(word);
        if word.chars().count() < 12 {
            return None;
        }
        let mut kept: Vec<char> = Vec::new();
        for character in word.chars().filter(|c| !"aeiouy-.".contains(*c)) {
            if character.is_ascii_digit() || kept.last() != Some(&character) {
                kept.push(character);
            }
        }
        (6 <= kept.len()).then_some(kept)
    };
    look(a).is_some_and(|look_of_a| Some(look_of_a) == look(b))
}

/// Says whether a name resembles that of a registered exporter.
pub(crate) fn resembles_an_exporter(law: &Law<'_>, name: &str) -> bool {
    law.0.iter().any(|file| match &file.document {
        Document::Registry(file) => file.exporters.iter().any(|exporter| is_slip(&exporter.id.value.0, name)),
        _ => false,
    })
}

/// Says whether a code resembles one that the catalogue or a list classes more strictly, or is an example of such a one.
pub(crate) fn resembles_a_stricter_code(law: &Law<'_>, code: &str, class: Class) -> bool {
    let strictest = |known: &str| {
        let own = law.item(known).map(|item| item.class.to_class());
        own.into_iter().chain(law.entries_of(known).map(|entry| entry.class.to_class())).max()
    };
    let is_near = |known: &str| is_slip(known, code) || look_the_same(known, code);
    law.0.iter().any(|file| match &file.document {
        Document::Catalogue(file) => file
            .items
            .iter()
            .map(|item| &*item.code.value.0)
            .any(|known| is_near(known) && strictest(known).is_some_and(|strictest| class < strictest)),
        Document::Zone(list) => list.entries.iter().any(|entry| {
            let named = entry.items.iter().filter_map(|item| strictest(&item.value.0)).max();
            entry.example_fields.iter().any(|field| is_near(&field.0)) && named.is_some_and(|named| class < named)
        }),
        _ => false,
    })
}
