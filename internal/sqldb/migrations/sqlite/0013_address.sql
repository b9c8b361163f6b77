-- +goose Up
-- owner: internal/directory
ALTER TABLE mail_group ADD COLUMN post TEXT NOT NULL DEFAULT 'inside'; -- who may post: anyone, inside, members, listed
-- owner: internal/directory
-- Who may post to a group of kind listed: an account, or those who have a role in a unit.
CREATE TABLE mail_group_poster (
  group_id   INTEGER NOT NULL REFERENCES mail_group (id),
  account_id INTEGER NOT NULL,            -- 0: not one account
  unit_id    INTEGER NOT NULL,            -- 0: in any unit
  role       TEXT NOT NULL,               -- '' for an account
  PRIMARY KEY (group_id, account_id, unit_id, role)
) STRICT, WITHOUT ROWID;
-- owner: internal/directory
ALTER TABLE unit ADD COLUMN catch_all TEXT NOT NULL DEFAULT ''; -- domain whose unknown addresses lead to the unit; '' for none
-- owner: internal/directory
ALTER TABLE account ADD COLUMN successor TEXT NOT NULL DEFAULT ''; -- who gets the mail of a vacated account
-- owner: internal/directory
ALTER TABLE account ADD COLUMN vacated_us INTEGER NOT NULL DEFAULT 0; -- since when
-- owner: internal/rules
-- The Sieve script that an account, or a unit for its ordinary mail, has written by hand.
CREATE TABLE sieve_script (
  account_id INTEGER NOT NULL,            -- 0 for a unit
  unit_id    INTEGER NOT NULL,            -- 0 for an account
  text       TEXT NOT NULL,
  changed_us INTEGER NOT NULL,
  PRIMARY KEY (account_id, unit_id)
) STRICT, WITHOUT ROWID;
-- owner: internal/rules
-- One line of a rule table.
CREATE TABLE mail_rule (
  account_id INTEGER NOT NULL,
  unit_id    INTEGER NOT NULL,
  ordinal    INTEGER NOT NULL,            -- from 1, without gaps
  rule       TEXT NOT NULL,               -- JSON, docs/formats/rules.md
  PRIMARY KEY (account_id, unit_id, ordinal)
) STRICT, WITHOUT ROWID;
-- owner: internal/rules
-- A person's notice of absence.
CREATE TABLE absence (
  account_id INTEGER PRIMARY KEY,
  from_us    INTEGER NOT NULL,
  until_us   INTEGER NOT NULL,            -- 0: until it is taken back
  days       INTEGER NOT NULL,            -- between two notices to one sender
  subject    TEXT NOT NULL,               -- '': made from the subject answered
  text       TEXT NOT NULL,
  changed_us INTEGER NOT NULL
) STRICT;
-- owner: internal/rules
-- When somebody was last answered automatically.
CREATE TABLE auto_reply (
  account_id INTEGER NOT NULL,            -- on whose behalf
  unit_id    INTEGER NOT NULL,
  handle     BLOB NOT NULL,               -- which answer
  sender     TEXT NOT NULL,               -- who was answered
  sent_us    INTEGER NOT NULL,
  next_us    INTEGER NOT NULL,            -- not again before
  PRIMARY KEY (account_id, unit_id, handle, sender)
) STRICT, WITHOUT ROWID;
CREATE INDEX auto_reply_next ON auto_reply (next_us);
-- owner: internal/rules
-- What an owner has been told of rules that could not be run; once, until they change.
CREATE TABLE rule_trouble (
  account_id INTEGER NOT NULL,
  unit_id    INTEGER NOT NULL,
  at_us      INTEGER NOT NULL,
  text       TEXT NOT NULL,
  PRIMARY KEY (account_id, unit_id)
) STRICT, WITHOUT ROWID;
