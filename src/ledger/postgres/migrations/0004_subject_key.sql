-- The fingerprint of the key under which the servers make pseudonyms of identifiers, in 32 hexadecimal digits; null until a
-- server with a key has started. The key itself is never in the database.
ALTER TABLE neglist_ledger ADD COLUMN IF NOT EXISTS subject_key TEXT;
