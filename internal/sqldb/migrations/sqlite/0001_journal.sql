-- +goose Up
-- owner: internal/journal
-- One row per event, chained by hash. seq has no gaps; body is the canonical
-- JSON that the hash covers (docs/formats/journal.md).
CREATE TABLE journal (
  seq   INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  type  TEXT NOT NULL,
  ref   TEXT NOT NULL,
  unit  INTEGER NOT NULL,
  body  BLOB NOT NULL,
  hash  BLOB NOT NULL
) STRICT;
CREATE INDEX journal_ref ON journal (ref, seq) WHERE ref <> '';

