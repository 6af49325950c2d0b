//! A problem of a configuration.

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Place: `neglist.yaml:3:1`, `NEGLIST_LISTEN`, `--listen`.
    pub place: String,
    /// The problem: lower case, no full stop.
    pub message: String,
    /// The fix.
    pub help: Option<String>,
}

/// Returns the known word nearest to an unknown word, if one is near.
pub(super) fn nearest<'w>(unknown: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let slips_max = (unknown.len() / 3).clamp(1, 4);
    let slips = known.map(|word| (strsim::osa_distance(unknown, word), word));
    slips.min().filter(|(slips, _)| *slips <= slips_max).map(|(_, word)| word)
}
