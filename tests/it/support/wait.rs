//! Waits of tests: for a state, with a deadline. The only place of the tests that sleeps.

use std::future::Future;
use std::time::Duration;

/// Longest time for anything that has to happen: long enough for a machine that does much else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until something is there; fails the test where it does not come.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    until_async(what, async move || look())
}

/// The same for a look that waits itself.
#[track_caller]
pub(crate) fn until_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let found = async move {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    within(what, found)
}

/// Fails the test where a future does not end.
#[track_caller]
pub(crate) fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let ended = tokio::time::timeout(DEADLINE, future).await;
        ended.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what} ({place})"))
    }
}

/// Blocks until a condition holds or a number of checks have failed; says whether it holds. For a destructor, which
/// must not fail.
pub(crate) fn holds_within(looks: u32, mut holds: impl FnMut() -> bool) -> bool {
    (0..looks).any(|_| {
        let held = holds();
        if !held {
            std::thread::sleep(PAUSE);
        }
        held
    })
}
