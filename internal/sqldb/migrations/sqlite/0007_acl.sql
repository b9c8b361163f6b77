-- +goose Up
-- owner: internal/mailstore
-- Rights that were given on a mailbox, one row for each that may have them:
-- an account (account_id), those with a role in a unit (unit_id, role; unit 0
-- is the whole province), or anyone (all three empty). For a mailbox of a unit
-- a row stands in place of the default for the same; '' takes it away.
CREATE TABLE mailbox_right (
  mailbox_id INTEGER NOT NULL,
  account_id INTEGER NOT NULL,
  unit_id    INTEGER NOT NULL,
  role       TEXT NOT NULL,
  rights     TEXT NOT NULL,               -- letters of RFC 4314, in the order lrswipkxtea
  PRIMARY KEY (mailbox_id, account_id, unit_id, role)
) STRICT, WITHOUT ROWID;
