-- Accounts that operators removed, by the number of their row, which is drawn anew when an account is made again. `removal`
-- is `removals` of the ledger by then. A row of an account that is gone without standing here was lost.
CREATE TABLE IF NOT EXISTS neglist_removed (
    account INT8 NOT NULL PRIMARY KEY,
    removal INT8 NOT NULL
);
