//! The index against a comparison with every word.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::vocabulary::Vocabulary;

fn indexed(words: impl IntoIterator<Item = impl AsRef<str>>, looks: Looks) -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    for word in words {
        // Duplicate words are one word.
        let _ = vocabulary.insert(word.as_ref());
    }
    vocabulary.index_slips(looks, |_| Some(0));
    vocabulary
}

/// Numbers of all words within one slip.
fn by_comparison(vocabulary: &Vocabulary, word: &str) -> BTreeSet<u32> {
    let numbers = (0..).zip(vocabulary.iter());
    numbers.filter(|(_, known)| strsim::osa_distance(known, word) <= 1).map(|(number, _)| number).collect()
}

#[track_caller]
fn agrees(vocabulary: &Vocabulary, word: &str) {
    let near = by_comparison(vocabulary, word);
    match vocabulary.slip(word, |_| true) {
        Some(found) => assert!(near.contains(&found), "{word:?} is not one slip from {:?}", vocabulary.word(found)),
        None => assert!(near.is_empty(), "{word:?} is one slip from {:?}", vocabulary.word(*near.first().unwrap())),
    }
}

/// Every word one slip from a word, with the characters of an alphabet.
fn slips_of(word: &str, alphabet: &[char]) -> BTreeSet<String> {
    let characters: Vec<char> = word.chars().collect();
    let mut slips = BTreeSet::new();
    let mut add = |changed: Vec<char>| slips.insert(changed.into_iter().collect::<String>());
    for place in 0..=characters.len() {
        for character in alphabet {
            let (front, back) = characters.split_at(place);
            add([front, &[*character], back].concat());
            if place < characters.len() {
                add([front, &[*character], &back[1..]].concat());
                add([front, &back[1..]].concat());
            }
            if place + 1 < characters.len() {
                add([front, &[back[1], back[0]], &back[2..]].concat());
            }
        }
    }
    slips
}

/// Small numbers from a seed.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
    usize::try_from(*seed >> 33).unwrap() % below
}

#[test]
fn a3_every_word_of_a_small_alphabet_is_judged_as_by_comparison_with_all() {
    // All words of up to seven characters, of which some are known: heavy nodes at every depth, and none.
    let mut all = vec![String::new()];
    let mut from = 0;
    for _ in 0..7 {
        let longer: Vec<String> =
            all[from..].iter().flat_map(|word| ["a", "b", "c"].map(|last| format!("{word}{last}"))).collect();
        from = all.len();
        all.extend(longer);
    }
    for one_in in [2, 7, 40, 400] {
        let mut seed = one_in as u64;
        let known: Vec<&String> = all.iter().filter(|word| !word.is_empty() && draw(&mut seed, one_in) == 0).collect();
        let vocabulary = indexed(known, Looks::Apart);
        for word in all.iter().step_by(if one_in == 2 { 11 } else { 3 }) {
            agrees(&vocabulary, word);
        }
    }
}

proptest! {
    #[test]
    fn a3_words_of_any_length_are_judged_as_by_comparison_with_all(
        words in prop::collection::vec("[ab]{0,14}|(ab){3}[ab]{0,9}|[ab]{9}(ba){3}|甲[ab乙]{2,6}", 1..120),
        asked in prop::collection::vec("[ab]{0,15}|(ab){3}[abc]{0,9}|甲[ab乙丙]{2,6}", 1..40),
        seed in any::<u64>(),
    ) {
        let mut seed = seed;
        let vocabulary = indexed(words.iter().filter(|word| !word.is_empty()), Looks::Apart);
        for word in &asked {
            agrees(&vocabulary, word);
        }
        for _ in 0..40 {
            let slips: Vec<String> = slips_of(&words[draw(&mut seed, words.len())], &['a', 'b', '-', '乙']).into_iter().collect();
            agrees(&vocabulary, &slips[draw(&mut seed, slips.len())]);
        }
    }
}

#[test]
fn a3_an_invisible_difference_is_no_difference() {
    let vocabulary = indexed(["91990000EXAMPLE005", "Zürich Rück"], Looks::Apart);
    for name in [
        "\u{feff}91990000EXAMPLE005",
        "9\u{200b}1990000EXAMPLE005",
        "91990000EXAMPLE\u{ad}005",
        "91990000EXAMPLE005\u{2060}",
        "９1990000EXAMPLE005",
        "91990000EXAMPLE00５",
        "91990000ＥＸＡＭＰＬＥ005",
        "91990000example005",
        " 91990000EXAMPLE005\u{3000}",
        "\u{feff}91990000EXAMPLE05",
        "ZU\u{308}RICH RU\u{308}CK",
        "Zürich Rùck",
        "Zurich Rück",
    ] {
        assert!(vocabulary.slip(name, |_| true).is_some(), "{name:?}");
    }
    for name in ["91990000EXAMPLE0", "９１990000EXAMPLE05０x", "Basel Rück"] {
        assert_eq!(vocabulary.slip(name, |_| true), None, "{name:?}");
    }
}

#[test]
fn a_milder_word_does_not_hide_a_stricter_one() {
    // If more words have one key than are kept, each is found, and the strictest one is kept.
    let words: Vec<String> = ('a'..='z').map(|last| format!("invented.kind-{last}")).collect();
    let mut vocabulary = Vocabulary::default();
    for word in &words {
        vocabulary.insert(word).unwrap();
    }
    for strict in 0..26u32 {
        vocabulary.index_slips(Looks::Alike, |number| Some(u8::from(number == strict)));
        assert_eq!(vocabulary.slip("invented.kind-0", |number| number == strict), Some(strict));
        assert_eq!(vocabulary.slip("invented.kind-00", |number| number == strict), None);
    }
}

#[test]
fn words_without_a_rank_are_not_found() {
    let mut vocabulary = Vocabulary::default();
    vocabulary.insert("machine.log").unwrap();
    vocabulary.insert("machine.lot").unwrap();
    vocabulary.index_slips(Looks::Alike, |number| (number == 1).then_some(0));
    assert_eq!(vocabulary.slip("machine.lo", |_| true), Some(1));
    assert_eq!(vocabulary.slip("machine.lg", |_| true), None);
}

#[test]
fn long_words_that_look_the_same_are_near() {
    let vocabulary = indexed(["health.diagnosis", "auto.ota-type", "contact.name"], Looks::Alike);
    for word in ["helth.diagnossys", "health_diagnoosees", "haelth-diagnosis"] {
        assert!(vocabulary.slip(word, |_| true).is_some(), "{word}");
    }
    for word in ["helth.diagnostics", "auto.eta-tape", "contact.item", "contact.mane"] {
        assert_eq!(vocabulary.slip(word, |_| true), None, "{word}");
    }
}

#[test]
fn no_vocabulary_makes_a_search_long() {
    // A search looks at a limited number of keys, with one comparison each except for light nodes.
    for pattern in ["invented.record-#", "#", "#.of-the-invented-records", "a#b"] {
        let mut words = WordTable::default();
        for number in 0..20_000 {
            words.insert(&pattern.replace('#', &format!("{number:05}"))).unwrap();
        }
        let slips = Slips::new(&words, |_| Some(0), Looks::Alike);
        let slots = slips.slots.len();
        assert!(slots < 8 * 20_000, "{pattern}: {slots} slots for 20,000 words");
        let longest = slips.slots.split(|slot| slot.number == EMPTY).map(<[_]>::len).max().unwrap();
        assert!(longest < 200, "{pattern}: {longest} slots in a row");
    }
}
