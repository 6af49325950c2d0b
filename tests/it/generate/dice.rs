//! The source of the generators: a seed, or bytes.

/// A source of small numbers.
#[derive(Debug, Clone)]
pub(crate) enum Dice<'b> {
    /// `SplitMix64` from a seed.
    Seed(u64),
    /// Bytes of a fuzzer; zeros when they are used up.
    Bytes(&'b [u8]),
}

impl Dice<'_> {
    fn next(&mut self) -> u64 {
        match self {
            Dice::Seed(state) => {
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut mixed = *state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                mixed ^ (mixed >> 31)
            }
            Dice::Bytes(bytes) => match bytes.split_first() {
                Some((first, rest)) => {
                    *bytes = rest;
                    u64::from(*first)
                }
                None => 0,
            },
        }
    }

    /// Returns a number below `count`, which is not 0 and at most 256.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        debug_assert!((1..=256).contains(&count), "one byte is drawn");
        usize::try_from(self.next() % count as u64).unwrap_or(0)
    }

    /// Says yes in this many cases out of a hundred.
    pub(crate) fn percent(&mut self, yes: usize) -> bool {
        // Exhausted bytes give 0: that says no, so that generated values stay small.
        100 - yes <= self.below(100)
    }

    /// Returns one of the choices.
    pub(crate) fn pick<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.below(choices.len())]
    }

    /// Returns one of the choices that are there, or `None` of no choices.
    pub(crate) fn pick_any<'t, T>(&mut self, choices: &'t [T]) -> Option<&'t T> {
        if choices.is_empty() { None } else { Some(self.pick(choices)) }
    }

    /// Returns each choice with the chance given.
    pub(crate) fn some_of<T: Clone>(&mut self, choices: &[T], percent: usize) -> Vec<T> {
        choices.iter().filter(|_| self.percent(percent)).cloned().collect()
    }

    /// Puts things in a random order.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len().min(256)).rev() {
            let other = self.below(last + 1);
            things.swap(last, other);
        }
    }
}
