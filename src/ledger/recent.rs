//! A bounded memory of recently used accounts.
//!
//! Two generations: new and old. When the new one is full it becomes the old one, and the previous old one is dropped.
//! So an account in use stays, and each step costs one or two look-ups.
//!
//! INVARIANT (let go): an account without an entry is unknown, not empty. The caller reads it again from its store.

use std::collections::HashMap;

use super::Account;

/// Values of the accounts that were seen last.
#[derive(Debug)]
pub struct Recent<V> {
    half_max: usize,
    lately: HashMap<Account, V>,
    before: HashMap<Account, V>,
}

impl<V: Copy> Recent<V> {
    /// Returns a memory of at most this many accounts, two at least.
    pub fn new(accounts_max: usize) -> Self {
        Self { half_max: (accounts_max / 2).max(1), lately: HashMap::new(), before: HashMap::new() }
    }

    /// Returns the remembered value of an account.
    pub fn get(&self, account: &Account) -> Option<V> {
        self.lately.get(account).or_else(|| self.before.get(account)).copied()
    }

    /// Remembers a value of an account; it replaces an earlier one.
    pub fn put(&mut self, account: &Account, value: V) {
        if let Some(kept) = self.lately.get_mut(account) {
            *kept = value;
            return;
        }
        self.before.remove(account);
        if self.half_max <= self.lately.len() {
            self.before = std::mem::take(&mut self.lately);
        }
        self.lately.insert(account.clone(), value);
    }

    /// Returns the number of remembered accounts.
    pub fn count(&self) -> usize {
        self.lately.len().saturating_add(self.before.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::Year;

    fn account(number: u32) -> Account {
        Account { exporter: format!("exporter-{number}"), year: Year(2026) }
    }

    #[test]
    fn the_latest_are_remembered_and_no_more_than_the_bound() {
        let mut recent = Recent::new(100);
        for number in 0..1_000 {
            recent.put(&account(number), number);
            assert!(recent.count() <= 100);
            // In use, so that it stays.
            recent.put(&account(0), number);
        }
        assert_eq!((recent.get(&account(0)), recent.get(&account(999))), (Some(999), Some(999)));
        assert!((950..1_000).all(|number| recent.get(&account(number)).is_some()));
        assert_eq!(recent.get(&account(1)), None);
    }

    #[test]
    fn a_later_value_replaces_an_earlier_one_in_either_half() {
        let mut recent = Recent::new(4);
        (0..3).for_each(|number| recent.put(&account(number), number));
        recent.put(&account(0), 7);
        recent.put(&account(2), 8);
        assert_eq!((recent.get(&account(0)), recent.get(&account(2))), (Some(7), Some(8)));
        assert_eq!(recent.count(), 3);
    }
}
