-- +goose Up
-- owner: docstore
-- Messages to units whose attached files are still to be read.
CREATE TABLE document_check (
  message_id   INTEGER PRIMARY KEY,       -- mailstore's message
  units        TEXT NOT NULL,             -- JSON: the units that got it, with address, kind and the place of their copy
  from_account INTEGER NOT NULL,          -- 0: from outside
  queue_id     TEXT NOT NULL,
  accepted_us  INTEGER NOT NULL,
  tries        INTEGER NOT NULL
) STRICT;
-- owner: docstore
-- What the clerks and the sender should know of a document that was accepted all the same.
CREATE TABLE document_warning (
  document_id INTEGER NOT NULL REFERENCES document (id),
  code        TEXT NOT NULL,
  text_en     TEXT NOT NULL,
  text_vi     TEXT NOT NULL,
  at_us       INTEGER NOT NULL,
  PRIMARY KEY (document_id, code)
) STRICT, WITHOUT ROWID;
-- owner: docstore
-- A relation read in a document's own text, to one that may not be known here.
CREATE TABLE document_relation (
  document_id INTEGER NOT NULL REFERENCES document (id),
  kind        TEXT NOT NULL,              -- replies, replaces, corrects, amends, repeals, cites
  code        TEXT NOT NULL,              -- as written
  code_key    TEXT NOT NULL,
  target_id   INTEGER NOT NULL,           -- document, 0: not known here
  PRIMARY KEY (document_id, kind, code)
) STRICT, WITHOUT ROWID;
