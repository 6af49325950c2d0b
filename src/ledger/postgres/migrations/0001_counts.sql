-- Totals, persons and transfers of exporters, by year. Plain types and keys only: the databases that speak PostgreSQL's
-- protocol (CockroachDB, YugabyteDB) have to accept this text unchanged. Number types have explicit sizes, because
-- INTEGER differs between databases.

-- One row for each exporter and calendar year (Asia/Shanghai). Every change of an account holds the lock of its row.
-- `revision` grows with each change, so that a transaction that reads from a snapshot conflicts after a wait.
CREATE TABLE IF NOT EXISTS neglist_account (
    id INT8 NOT NULL PRIMARY KEY,
    exporter TEXT NOT NULL,
    year INT4 NOT NULL,
    revision INT8 NOT NULL DEFAULT 0,
    UNIQUE (exporter, year)
);

-- Totals, by their parts: `named` persons have rows in neglist_person, `counted` ones are known by number only;
-- `imported` ones were added by imports. `forgotten` is the part of `counted_committed` whose transfers are no longer
-- kept. Committed are named_committed + counted_committed + imported, reserved are named_reserved + counted_reserved.
CREATE TABLE IF NOT EXISTS neglist_counter (
    account INT8 NOT NULL,
    number INT4 NOT NULL,
    name TEXT NOT NULL,
    class TEXT NOT NULL,
    named_committed INT8 NOT NULL CHECK (named_committed >= 0),
    named_reserved INT8 NOT NULL CHECK (named_reserved >= 0),
    counted_committed INT8 NOT NULL CHECK (counted_committed >= 0),
    counted_reserved INT8 NOT NULL CHECK (counted_reserved >= 0),
    imported INT8 NOT NULL CHECK (imported >= 0),
    forgotten INT8 NOT NULL CHECK (forgotten >= 0),
    PRIMARY KEY (account, number),
    UNIQUE (account, name, class)
);

-- Persons by pseudonym. `committed`: a transfer with them went ahead. `reserved`: number of standing reservations with
-- them. Each row has at least one of the two.
CREATE TABLE IF NOT EXISTS neglist_person (
    account INT8 NOT NULL,
    counter INT4 NOT NULL,
    pseudonym BYTEA NOT NULL,
    committed BOOLEAN NOT NULL,
    reserved INT4 NOT NULL CHECK (reserved >= 0),
    PRIMARY KEY (account, counter, pseudonym)
);

-- Transfers by the caller's id, with the answer that was given. `state`: 1 refused, 2 reserved, 3 committed, 4
-- released, 5 expired. `counters`, `befores` and `addeds` go together. `general` and `sensitive` hold the pseudonyms
-- while a reservation stands, and are null otherwise. Times are seconds since 1970 in UTC, with nanoseconds within:
-- `expires` while the transfer is reserved, `changed_s` for the last change of the state.
CREATE TABLE IF NOT EXISTS neglist_transfer (
    id TEXT NOT NULL PRIMARY KEY,
    account INT8 NOT NULL,
    fingerprint BYTEA NOT NULL,
    token INT8 NOT NULL,
    state INT2 NOT NULL,
    named BOOLEAN NOT NULL,
    answer BYTEA NOT NULL,
    changed_s INT8 NOT NULL,
    expires_s INT8,
    expires_ns INT4,
    counters INT4[] NOT NULL,
    befores INT8[] NOT NULL,
    addeds INT8[] NOT NULL,
    general BYTEA[],
    sensitive BYTEA[]
);

CREATE INDEX IF NOT EXISTS neglist_transfer_expiry ON neglist_transfer (account, expires_s);

CREATE INDEX IF NOT EXISTS neglist_transfer_changed ON neglist_transfer (account, changed_s);

-- Persons that imports added, by the name of the import: each is added once.
CREATE TABLE IF NOT EXISTS neglist_import (
    name TEXT NOT NULL,
    account INT8 NOT NULL,
    counter INT4 NOT NULL,
    persons INT8 NOT NULL CHECK (persons >= 0),
    PRIMARY KEY (name, account, counter)
);
