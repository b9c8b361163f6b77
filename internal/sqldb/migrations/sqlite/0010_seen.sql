-- +goose Up
-- owner: internal/mailstore
-- Whether \Seen is each account's own (1) or one for all (0).
ALTER TABLE mailbox ADD COLUMN seen_mode INTEGER NOT NULL DEFAULT 0;
-- owner: internal/mailstore
-- Mod-sequence of the last change that all who read the mailbox can see;
-- below modseq while accounts have changed their own \Seen only.
ALTER TABLE mailbox ADD COLUMN public_modseq INTEGER NOT NULL DEFAULT 0;
UPDATE mailbox SET public_modseq = modseq;
-- owner: internal/mailstore
-- Tombstones up to this mod-sequence are not complete any more.
ALTER TABLE mailbox ADD COLUMN forgotten_modseq INTEGER NOT NULL DEFAULT 0;
-- owner: internal/mailstore
ALTER TABLE expunged ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0; -- 0: before there was this column
-- owner: internal/mailstore
-- Who has changed his own \Seen in a mailbox with seen_mode 1. For everybody
-- else the bit of entry.flags counts, which was that of all when the mode was
-- changed and is 0 for later messages.
CREATE TABLE seen_account (
  mailbox_id INTEGER NOT NULL,
  account_id INTEGER NOT NULL,
  seen       INTEGER NOT NULL,            -- entries with \Seen, kept with every change
  modseq     INTEGER NOT NULL,            -- of the account's last change of its own \Seen
  PRIMARY KEY (mailbox_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_account_account ON seen_account (account_id, mailbox_id);
-- owner: internal/mailstore
-- Their sets of UIDs, 2,048 a row; only UIDs that exist, no row without any.
CREATE TABLE seen_part (
  mailbox_id INTEGER NOT NULL,
  account_id INTEGER NOT NULL,
  part       INTEGER NOT NULL,            -- UID / 2048
  bits       BLOB NOT NULL,               -- 256 octets, lowest bit of the first is UID part * 2048
  PRIMARY KEY (mailbox_id, account_id, part)
) STRICT, WITHOUT ROWID;
-- owner: internal/mailstore
-- Rights on a mailbox for a time, beside those of mailbox_right.
CREATE TABLE mailbox_right_dated (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  mailbox_id INTEGER NOT NULL,
  account_id INTEGER NOT NULL,
  unit_id    INTEGER NOT NULL,
  role       TEXT NOT NULL,
  rights     TEXT NOT NULL,
  from_us    INTEGER NOT NULL,
  until_us   INTEGER NOT NULL,            -- first moment without them
  begun      INTEGER NOT NULL             -- 1: the journal has told that they hold
) STRICT;
CREATE INDEX mailbox_right_dated_mailbox ON mailbox_right_dated (mailbox_id);
-- owner: internal/directory
-- A role that one account exercises for another for a time.
CREATE TABLE delegation (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  from_account INTEGER NOT NULL REFERENCES account (id),
  to_account   INTEGER NOT NULL REFERENCES account (id),
  unit_id      INTEGER NOT NULL,
  role         TEXT NOT NULL,
  from_us      INTEGER NOT NULL,
  until_us     INTEGER NOT NULL,          -- first moment without it
  state        TEXT NOT NULL,             -- waiting, active, ended, revoked: as the journal has told
  created_us   INTEGER NOT NULL
) STRICT;
CREATE INDEX delegation_open ON delegation (state, until_us);
-- owner: internal/directory
ALTER TABLE account ADD COLUMN quota_messages INTEGER NOT NULL DEFAULT 0; -- 0: no limit
