//! What is wrong with a configuration, one problem at a time.

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `neglist.yaml:3:1`, `NEGLIST_LISTEN`, `--listen`.
    pub place: String,
    /// What: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Returns the known word that is nearest to an unknown one, where one is near.
pub(super) fn nearest<'w>(unknown: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let slips_max = (unknown.len() / 3).clamp(1, 4);
    let slips = known.map(|word| (strsim::osa_distance(unknown, word), word));
    slips.min().filter(|(slips, _)| *slips <= slips_max).map(|(_, word)| word)
}
