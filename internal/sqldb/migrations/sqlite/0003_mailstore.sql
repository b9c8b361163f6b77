-- +goose Up
-- owner: internal/mailstore
-- A message is stored once, however many mailboxes hold it.
-- The small columns stand before the large ones: SQLite reads a row from its
-- front, so metadata never drags the body's overflow pages along.
CREATE TABLE message (
  id          INTEGER PRIMARY KEY,
  received_us INTEGER NOT NULL,
  size        INTEGER NOT NULL,           -- octets a client sees: prefix + body
  sha256      BLOB NOT NULL,              -- of the received octets, without prefix
  in_blob     INTEGER NOT NULL,           -- 1: the body lies in the blob store under sha256
  prefix      BLOB NOT NULL,              -- trace fields that we put before the received octets
  structure   BLOB NOT NULL,              -- mail.EncodeStructure
  body        BLOB                        -- received octets; NULL when in_blob = 1
) STRICT;
-- owner: internal/mailstore
CREATE TABLE mailbox (
  id           INTEGER PRIMARY KEY,
  account_id   INTEGER NOT NULL,          -- 0 when a unit owns it
  unit_id      INTEGER NOT NULL,          -- 0 when an account owns it
  name         TEXT NOT NULL,             -- NFC, '/' between levels, without the namespace prefix
  use          TEXT NOT NULL,             -- RFC 6154 attribute, '' for none
  role         TEXT NOT NULL,             -- workflow role of a unit folder, '' for a plain one
  selectable   INTEGER NOT NULL,
  uid_validity INTEGER NOT NULL,
  uid_next     INTEGER NOT NULL,
  modseq       INTEGER NOT NULL,
  created_us   INTEGER NOT NULL,
  UNIQUE (account_id, unit_id, name)
) STRICT;
-- owner: internal/mailstore
CREATE TABLE entry (
  mailbox_id  INTEGER NOT NULL,
  uid         INTEGER NOT NULL,
  modseq      INTEGER NOT NULL,
  flags       INTEGER NOT NULL,           -- bits: 5 system flags, then keywords of the mailbox
  message_id  INTEGER NOT NULL REFERENCES message (id),
  internal_us INTEGER NOT NULL,
  saved_us    INTEGER NOT NULL,
  size        INTEGER NOT NULL,
  PRIMARY KEY (mailbox_id, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_message ON entry (message_id);
-- owner: internal/mailstore
-- Tombstones: which UIDs left a mailbox, and when by its mod-sequence.
CREATE TABLE expunged (
  mailbox_id INTEGER NOT NULL,
  modseq     INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  PRIMARY KEY (mailbox_id, modseq, uid)
) STRICT, WITHOUT ROWID;
-- owner: internal/mailstore
CREATE TABLE keyword (
  mailbox_id INTEGER NOT NULL,
  bit        INTEGER NOT NULL,
  name       TEXT NOT NULL,
  PRIMARY KEY (mailbox_id, bit)
) STRICT, WITHOUT ROWID;
-- owner: internal/mailstore
CREATE TABLE subscription (
  account_id INTEGER NOT NULL,
  name       TEXT NOT NULL,               -- as the account sees it, with the namespace prefix
  PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;
-- owner: internal/mailstore
CREATE TABLE usage (
  account_id INTEGER NOT NULL,
  unit_id    INTEGER NOT NULL,
  octets     INTEGER NOT NULL,
  messages   INTEGER NOT NULL,
  PRIMARY KEY (account_id, unit_id)
) STRICT, WITHOUT ROWID;
-- owner: internal/mailstore
-- Messages that may have lost their last entry; a collector looks at them.
CREATE TABLE message_orphan (
  message_id INTEGER PRIMARY KEY,
  since_us   INTEGER NOT NULL
) STRICT;

