-- The ledger itself, in one row, which the program adds with a random identity of 32 hexadecimal digits. `removed` is the
-- sum of the revisions of accounts that operators removed, and one more for each removal; `removals` counts those. So
-- `removed` and the revisions of all accounts together are a position that only rises, whatever happens to rows.
CREATE TABLE IF NOT EXISTS neglist_ledger (
    id INT4 NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL,
    removed INT8 NOT NULL,
    removals INT8 NOT NULL
);
