-- Accounts that operators removed, by the number of their row, which is drawn again when an account is created again.
-- `removal` is the value of `removals` then. An account whose row is gone and not listed here was lost.
CREATE TABLE IF NOT EXISTS neglist_removed (
    account INT8 NOT NULL PRIMARY KEY,
    removal INT8 NOT NULL
);
