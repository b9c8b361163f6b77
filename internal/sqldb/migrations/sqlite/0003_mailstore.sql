-- +goose Up
-- owner: internal/mailstore
-- A message is stored once, however many mailboxes hold it.
-- The small columns stand before the large ones: SQLite reads a row from its
-- front, so metadata never drags the body's overflow pages along.
-- AUTOINCREMENT: the id of a collected message is never given again.
CREATE TABLE message (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_us INTEGER NOT NULL,
  size        INTEGER NOT NULL,           -- octets a client sees: prefix + body
  sha256      BLOB NOT NULL,              -- of the received octets, without prefix
  in_blob     INTEGER NOT NULL,           -- 1: the body lies in the blob store under sha256
  prefix      BLOB NOT NULL,              -- trace fields that we put before the received octets
  structure   BLOB NOT NULL,              -- mail.EncodeStructure
  header      BLOB NOT NULL,              -- received octets of the header with its empty line; empty when it is too long
  body        BLOB                        -- received octets after header; NULL when in_blob = 1
) STRICT;
CREATE INDEX message_blob ON message (sha256) WHERE in_blob = 1;
-- owner: internal/mailstore
CREATE TABLE mailbox (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id   INTEGER NOT NULL,          -- 0 when a unit owns it
  unit_id      INTEGER NOT NULL,          -- 0 when an account owns it
  name         TEXT NOT NULL,             -- NFC, '/' between levels, without the namespace prefix
  use          TEXT NOT NULL,             -- RFC 6154 attribute, '' for none
  role         TEXT NOT NULL,             -- workflow role of a unit folder, '' for a plain one
  selectable   INTEGER NOT NULL,
  uid_validity INTEGER NOT NULL,
  uid_next     INTEGER NOT NULL,
  modseq       INTEGER NOT NULL,
  messages     INTEGER NOT NULL,          -- entries; this and the next three are kept with every change
  unseen       INTEGER NOT NULL,          -- entries without \Seen
  deleted      INTEGER NOT NULL,          -- entries with \Deleted
  octets       INTEGER NOT NULL,          -- sum of the entries' sizes
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
-- One row per owner of mailboxes.
CREATE TABLE usage (
  account_id   INTEGER NOT NULL,
  unit_id      INTEGER NOT NULL,
  octets       INTEGER NOT NULL,          -- sum over all mailboxes: what the quota counts
  messages     INTEGER NOT NULL,
  uid_validity INTEGER NOT NULL,          -- the last one given to a mailbox of this owner
  PRIMARY KEY (account_id, unit_id)
) STRICT, WITHOUT ROWID;
-- owner: internal/mailstore
-- Messages that may have lost their last entry; a collector looks at them.
CREATE TABLE message_orphan (
  message_id INTEGER PRIMARY KEY,
  since_us   INTEGER NOT NULL
) STRICT;

