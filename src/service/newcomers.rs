//! Exporters that no policy registers and the ledger does not know yet.
//!
//! A caller may state the facts of an exporter that is not registered, and its transfers are counted under the name that the
//! caller gives. Each such name is an account that stays in the ledger for years. So there is a limit on how many of them
//! begin within an hour, for each caller and for all of them.
//!
//! INVARIANT (bounded): this memory does not grow with the names that callers invent. An account that is not in it is looked
//! up in the ledger. It is new if the ledger does not have it either.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::units::Moment;
use crate::ledger::Account;
use crate::ledger::recent::Recent;
use crate::service::caller::Caller;

const HOUR_SECONDS: i64 = 3_600;
/// Accounts that are remembered as not new. Each saves a lookup in the ledger; at 200 bytes each they take 3 MB.
const KNOWN_MAX: usize = 16_384;

/// The treatment of reservations of exporters that are not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// They are decided and counted, by the facts that callers state.
    Allow,
    /// They are refused.
    Refuse,
}

/// Limits on exporters that are not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewcomerLimits {
    /// The treatment of their reservations.
    pub unregistered: Unregistered,
    /// Most new exporters of one caller within an hour.
    pub of_caller_per_hour_max: u32,
    /// Most new exporters of all callers within an hour.
    pub in_all_per_hour_max: u32,
}

impl Default for NewcomerLimits {
    fn default() -> Self {
        Self { unregistered: Unregistered::Allow, of_caller_per_hour_max: 1_000, in_all_per_hour_max: 10_000 }
    }
}

/// The limit that is reached, and the wait for the end of its hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany {
    /// The limit.
    pub(super) per_hour_max: u32,
    /// Seconds until new exporters may begin again.
    pub(super) seconds: u32,
}

/// The memory.
#[derive(Debug)]
pub(super) struct Newcomers {
    limits: NewcomerLimits,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: Recent<()>,
    in_all: Hour,
    of_callers: HashMap<Caller, Hour>,
}

/// An hour, from the first newcomer in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hour {
    /// In seconds since 1970.
    begun_s: i64,
    count: u32,
    is_told: bool,
}

impl Hour {
    const fn beginning(now: Moment) -> Self {
        Self { begun_s: now.seconds(), count: 0, is_told: false }
    }

    /// It is also over if the clock went back, so that no wait is longer than an hour.
    fn is_over(self, now: Moment) -> bool {
        let since_s = now.seconds().saturating_sub(self.begun_s);
        !(0..HOUR_SECONDS).contains(&since_s)
    }

    fn too_many(self, per_hour_max: u32, now: Moment) -> Option<TooMany> {
        let left_s = HOUR_SECONDS.saturating_sub(now.seconds().saturating_sub(self.begun_s));
        let seconds = u32::try_from(left_s.clamp(1, HOUR_SECONDS)).unwrap_or(1);
        (per_hour_max <= self.count).then_some(TooMany { per_hour_max, seconds })
    }
}

impl Newcomers {
    pub(super) fn new(limits: NewcomerLimits) -> Self {
        let in_all = Hour::beginning(Moment::from_seconds(0));
        let inner = Inner { known: Recent::new(KNOWN_MAX), in_all, of_callers: HashMap::new() };
        Self { limits, inner: Mutex::new(inner) }
    }

    /// Returns how exporters that are not registered are treated.
    pub(super) const fn unregistered(&self) -> Unregistered {
        self.limits.unregistered
    }

    /// Says whether an account is remembered as one that is not new.
    pub(super) fn knows(&self, account: &Account) -> bool {
        self.lock().known.get(account).is_some()
    }

    /// Remembers an account that the ledger knows.
    pub(super) fn remember(&self, account: &Account) {
        self.lock().known.put(account, ());
    }

    /// Lets a new account begin, or returns the limit that forbids it.
    pub(super) fn admit(&self, account: &Account, caller: Caller, now: Moment) -> Result<(), TooMany> {
        let mut inner = self.lock();
        // Another call of the same exporter may have been first.
        if inner.known.get(account).is_some() {
            return Ok(());
        }
        if inner.in_all.is_over(now) {
            inner.in_all = Hour::beginning(now);
            inner.of_callers.retain(|_, hour| !hour.is_over(now));
        }
        let found = inner.of_callers.get(&caller).copied().filter(|hour| !hour.is_over(now));
        let mut of_caller = found.unwrap_or(Hour::beginning(now));
        let NewcomerLimits { of_caller_per_hour_max, in_all_per_hour_max, .. } = self.limits;
        if let Some(too_many) = of_caller.too_many(of_caller_per_hour_max, now) {
            if !std::mem::replace(&mut of_caller.is_told, true) {
                let limit = of_caller_per_hour_max;
                tracing::warn!(%caller, limit, "a caller has begun too many exporters that are not registered within the hour");
            }
            // A caller that may begin none needs no entry.
            if found.is_some() {
                inner.of_callers.insert(caller, of_caller);
            }
            return Err(too_many);
        }
        if let Some(too_many) = inner.in_all.too_many(in_all_per_hour_max, now) {
            if !std::mem::replace(&mut inner.in_all.is_told, true) {
                let limit = in_all_per_hour_max;
                tracing::warn!(limit, "callers have begun too many exporters that are not registered within the hour");
            }
            return Err(too_many);
        }
        of_caller.count = of_caller.count.saturating_add(1);
        inner.in_all.count = inner.in_all.count.saturating_add(1);
        inner.of_callers.insert(caller, of_caller);
        inner.known.put(account, ());
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::Year;

    fn account(name: u32) -> Account {
        Account { exporter: format!("invented-{name}"), year: Year(2026) }
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_seconds(1_780_000_000 + seconds)
    }

    fn newcomers(of_caller_per_hour_max: u32, in_all_per_hour_max: u32) -> Newcomers {
        let unregistered = Unregistered::Allow;
        Newcomers::new(NewcomerLimits { unregistered, of_caller_per_hour_max, in_all_per_hour_max })
    }

    fn caller(last: u8) -> Caller {
        Caller::at([192, 0, 2, last].into())
    }

    #[test]
    fn each_caller_has_its_own_hour() {
        let newcomers = newcomers(2, 100);
        let admit = |name, last, seconds| newcomers.admit(&account(name), caller(last), at(seconds));
        assert_eq!([admit(1, 1, 0), admit(2, 1, 10)], [Ok(()); 2]);
        assert_eq!(admit(3, 1, 600), Err(TooMany { per_hour_max: 2, seconds: 3_000 }));
        assert_eq!(admit(3, 2, 600), Ok(()));
        // Not new any more.
        assert_eq!(admit(3, 1, 601), Ok(()));
        assert_eq!(admit(4, 1, 3_599), Err(TooMany { per_hour_max: 2, seconds: 1 }));
        assert_eq!(admit(4, 1, 3_600), Ok(()));
    }

    #[test]
    fn all_callers_together_have_one() {
        let newcomers = newcomers(2, 3);
        for number in 0..3 {
            newcomers.admit(&account(number.into()), caller(number), at(0)).unwrap();
        }
        let fourth = |seconds| newcomers.admit(&account(9), caller(9), at(seconds));
        assert_eq!(fourth(1), Err(TooMany { per_hour_max: 3, seconds: 3_599 }));
        assert_eq!(fourth(3_600), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_caller_wait_for_longer() {
        let newcomers = newcomers(1, 9);
        newcomers.admit(&account(1), caller(1), at(0)).unwrap();
        assert_eq!(newcomers.admit(&account(2), caller(1), at(-90_000)), Ok(()));
    }

    #[test]
    fn the_memory_of_callers_does_not_grow() {
        let newcomers = newcomers(1, 50);
        for number in 0..10_000_u32 {
            let caller = Caller::at(number.to_be_bytes().into());
            let _ = newcomers.admit(&account(number), caller, at(i64::from(number)));
        }
        let inner = newcomers.lock();
        assert!(inner.of_callers.len() <= 100, "{}", inner.of_callers.len());
        assert!(inner.known.count() <= KNOWN_MAX);
    }

    #[test]
    fn a_limit_of_zero_lets_none_begin() {
        let newcomers = newcomers(0, 9);
        assert!(newcomers.admit(&account(1), caller(1), at(0)).is_err());
        newcomers.remember(&account(2));
        assert!(newcomers.knows(&account(2)) && !newcomers.knows(&account(1)));
        assert_eq!(newcomers.admit(&account(2), caller(1), at(0)), Ok(()));
    }
}
