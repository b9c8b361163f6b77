-- +goose Up
-- owner: docstore
ALTER TABLE register_book ADD COLUMN lines INTEGER NOT NULL DEFAULT 0;         -- entries of the book, corrections included
ALTER TABLE register_book ADD COLUMN managed_from INTEGER NOT NULL DEFAULT 0;  -- di: from this number on we give them, without a gap; 0: they are given elsewhere
UPDATE register_book SET lines = last_number;
-- owner: docstore
-- An entry has its place in the book (ordinal) and its printed number, which in a book of outgoing documents may come
-- out of order, with a letter, twice, or not at all (0). Entries are never updated but for being voided.
CREATE TABLE register_entry_new (
  book_id     INTEGER NOT NULL REFERENCES register_book (id),
  ordinal     INTEGER NOT NULL,           -- 1, 2, 3, … in the order of the chain
  number      INTEGER NOT NULL,
  suffix      TEXT NOT NULL,
  corrects    INTEGER NOT NULL,           -- ordinal of the entry below which this one is shown; 0: an entry of its own
  document_id INTEGER NOT NULL,           -- 0: of a number that was not used
  dispatch_id INTEGER NOT NULL,           -- 0 in a book of outgoing documents
  entered_us  INTEGER NOT NULL,
  entered_by  INTEGER NOT NULL,
  columns     TEXT NOT NULL,              -- JSON snapshot of the legal columns (NĐ 30, Phụ lục IV)
  state       TEXT NOT NULL,              -- valid, voided
  void_reason TEXT NOT NULL,
  voided_by   INTEGER NOT NULL,
  voided_us   INTEGER NOT NULL,
  void_seq    INTEGER NOT NULL,           -- its entry in the journal, 0 where a status event has it
  prev_hash   BLOB NOT NULL,
  hash        BLOB NOT NULL,
  PRIMARY KEY (book_id, ordinal)
) STRICT, WITHOUT ROWID;
INSERT INTO register_entry_new (book_id, ordinal, number, suffix, corrects, document_id, dispatch_id, entered_us, entered_by,
  columns, state, void_reason, voided_by, voided_us, void_seq, prev_hash, hash)
SELECT book_id, number, number, '', 0, document_id, dispatch_id, entered_us, entered_by, columns, state, void_reason,
  voided_by, voided_us, 0, prev_hash, hash
FROM register_entry;
DROP TABLE register_entry;
ALTER TABLE register_entry_new RENAME TO register_entry;
CREATE INDEX register_entry_number ON register_entry (book_id, number);
CREATE INDEX register_entry_dispatch ON register_entry (dispatch_id) WHERE dispatch_id <> 0;
CREATE INDEX register_entry_document ON register_entry (document_id) WHERE dispatch_id = 0 AND document_id <> 0;
-- owner: docstore
-- A number that was given but is not used yet. When it is used or voided, the entry has it.
CREATE TABLE register_reservation (
  id          INTEGER PRIMARY KEY,
  book_id     INTEGER NOT NULL REFERENCES register_book (id),
  number      INTEGER NOT NULL,
  code        TEXT NOT NULL,              -- "12/QĐ-SYT"
  abstract    TEXT NOT NULL,
  by_account  INTEGER NOT NULL,           -- who asked
  by_name     TEXT NOT NULL,
  draft       TEXT NOT NULL,              -- what it was given for, '' for nothing yet: asking again gives the same number
  made_us     INTEGER NOT NULL,
  expires_us  INTEGER NOT NULL,
  state       TEXT NOT NULL,              -- reserved, used, voided
  settled_us  INTEGER NOT NULL,           -- 0 while reserved
  journal_seq INTEGER NOT NULL,
  UNIQUE (book_id, number)
) STRICT;
CREATE INDEX register_reservation_open ON register_reservation (expires_us) WHERE state = 'reserved';
CREATE INDEX register_reservation_draft ON register_reservation (draft) WHERE draft <> '';
-- owner: docstore
-- How a unit numbers what it sends; a unit without a row has its numbers given elsewhere, in one series.
CREATE TABLE numbering (
  unit_id    INTEGER PRIMARY KEY,
  mode       TEXT NOT NULL,               -- recorded, managed
  scheme     TEXT NOT NULL,               -- JSON: docstore.Scheme
  changed_us INTEGER NOT NULL
) STRICT;
