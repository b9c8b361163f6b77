-- +goose Up
-- owner: docstore
CREATE TABLE document (
  id            INTEGER PRIMARY KEY,
  ulid          TEXT NOT NULL UNIQUE,
  edxml_id      TEXT NOT NULL,            -- edXML DocumentId, '' when none
  issuer_unit   INTEGER NOT NULL,         -- 0: outside
  issuer_name   TEXT NOT NULL,
  number        INTEGER NOT NULL,
  suffix        TEXT NOT NULL,
  symbol        TEXT NOT NULL,            -- as written
  code          TEXT NOT NULL,            -- "123/QĐ-UBND"
  code_key      TEXT NOT NULL,            -- folded, for duplicates and look-up
  year          INTEGER NOT NULL,
  issued_us     INTEGER NOT NULL,
  type_abbr     TEXT NOT NULL,
  type_name     TEXT NOT NULL,
  abstract      TEXT NOT NULL,            -- trích yếu
  signer        TEXT NOT NULL,
  urgency       INTEGER NOT NULL,
  due_us        INTEGER NOT NULL,         -- 0: none
  level         INTEGER NOT NULL,         -- recognition level, edoc.Level
  evidence      TEXT NOT NULL,            -- JSON: field -> source, confidence, raw
  state         TEXT NOT NULL,
  duplicate_of  INTEGER NOT NULL,         -- 0: none
  message_id    INTEGER NOT NULL,         -- mailstore's message
  mail_id       TEXT NOT NULL,            -- RFC 5322 Message-ID
  body_sha256   BLOB NOT NULL,
  queue_id      TEXT NOT NULL,
  from_account  INTEGER NOT NULL,
  created_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX document_key ON document (issuer_unit, year, code_key);
CREATE INDEX document_code ON document (code_key);
CREATE UNIQUE INDEX document_mail ON document (issuer_unit, mail_id) WHERE mail_id <> '';
CREATE INDEX document_message ON document (message_id);
CREATE INDEX document_edxml ON document (edxml_id) WHERE edxml_id <> '';
-- owner: docstore
CREATE TABLE document_file (
  document_id INTEGER NOT NULL REFERENCES document (id),
  ordinal     INTEGER NOT NULL,
  role        TEXT NOT NULL,              -- main, annex, edxml, image, other
  name        TEXT NOT NULL,
  media_type  TEXT NOT NULL,
  size        INTEGER NOT NULL,
  sha256      BLOB NOT NULL,
  PRIMARY KEY (document_id, ordinal)
) STRICT, WITHOUT ROWID;
-- owner: docstore
CREATE TABLE dispatch (
  id             INTEGER PRIMARY KEY,
  ulid           TEXT NOT NULL UNIQUE,
  document_id    INTEGER NOT NULL REFERENCES document (id),
  to_unit        INTEGER NOT NULL,        -- 0: outside
  to_address     TEXT NOT NULL,
  kind           TEXT NOT NULL,           -- chinh, de_biet
  state          TEXT NOT NULL,
  status         TEXT NOT NULL,           -- last code told to the sender: 01 02 03 …
  arrival_year   INTEGER NOT NULL,        -- 0: not registered
  arrival_number INTEGER NOT NULL,
  arrived_us     INTEGER NOT NULL,
  registered_us  INTEGER NOT NULL,
  completed_us   INTEGER NOT NULL,
  due_us         INTEGER NOT NULL,
  mailbox_id     INTEGER NOT NULL,        -- where its message lies in the unit's workflow folders; 0: nowhere
  uid            INTEGER NOT NULL,
  updated_us     INTEGER NOT NULL,
  UNIQUE (document_id, to_unit, to_address)
) STRICT;
CREATE INDEX dispatch_unit ON dispatch (to_unit, state, id);
CREATE UNIQUE INDEX dispatch_place ON dispatch (mailbox_id, uid) WHERE mailbox_id <> 0;
-- owner: docstore
CREATE TABLE status_event (
  id          INTEGER PRIMARY KEY,
  dispatch_id INTEGER NOT NULL REFERENCES dispatch (id),
  status      TEXT NOT NULL,              -- 01 … 16, or an internal word
  at_us       INTEGER NOT NULL,
  actor       TEXT NOT NULL,              -- JSON: journal.Actor
  source      TEXT NOT NULL,              -- imap, smtp, cli, portal, system
  reason      TEXT NOT NULL,              -- reason code, '' for none
  note        TEXT NOT NULL,
  journal_seq INTEGER NOT NULL
) STRICT;
CREATE INDEX status_event_dispatch ON status_event (dispatch_id, id);
-- owner: docstore
CREATE TABLE register_book (
  id          INTEGER PRIMARY KEY,
  unit_id     INTEGER NOT NULL,
  direction   TEXT NOT NULL,              -- den, di
  year        INTEGER NOT NULL,           -- by Vietnam local date of registration
  series      TEXT NOT NULL,
  last_number INTEGER NOT NULL,
  head_hash   BLOB NOT NULL,
  UNIQUE (unit_id, direction, year, series)
) STRICT;
-- owner: docstore
-- Entries are never updated but for being voided; a number is never used again.
CREATE TABLE register_entry (
  book_id     INTEGER NOT NULL REFERENCES register_book (id),
  number      INTEGER NOT NULL,
  document_id INTEGER NOT NULL,
  dispatch_id INTEGER NOT NULL,           -- 0 in a book of outgoing documents
  entered_us  INTEGER NOT NULL,
  entered_by  INTEGER NOT NULL,
  columns     TEXT NOT NULL,              -- JSON snapshot of the legal columns (NĐ 30, Phụ lục IV)
  state       TEXT NOT NULL,              -- valid, voided
  void_reason TEXT NOT NULL,
  voided_by   INTEGER NOT NULL,
  voided_us   INTEGER NOT NULL,
  prev_hash   BLOB NOT NULL,
  hash        BLOB NOT NULL,
  PRIMARY KEY (book_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX register_entry_dispatch ON register_entry (dispatch_id) WHERE dispatch_id <> 0;
-- owner: docstore
-- The living tracking message of a document in its sender's unit.
CREATE TABLE tracking (
  document_id INTEGER PRIMARY KEY REFERENCES document (id),
  dirty       INTEGER NOT NULL,           -- 1: something changed since the message was made
  mailbox_id  INTEGER NOT NULL,
  uid         INTEGER NOT NULL,           -- 0: no message yet
  made_us     INTEGER NOT NULL
) STRICT;
CREATE INDEX tracking_dirty ON tracking (made_us) WHERE dirty = 1;

