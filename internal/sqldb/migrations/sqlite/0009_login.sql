-- +goose Up
-- owner: internal/directory
-- StoredKey and ServerKey of SCRAM-SHA-256, sealed under the server's secret;
-- empty until the password has been seen.
ALTER TABLE credential ADD COLUMN scram BLOB NOT NULL DEFAULT x'';
-- owner: internal/directory
-- Passwords made for one program each, beside the account's own.
CREATE TABLE app_password (
  id         INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account (id),
  name       TEXT NOT NULL,               -- what it is for, as its owner calls it
  protocols  TEXT NOT NULL,               -- "imap", "smtp", or "imap smtp"
  secret     TEXT NOT NULL,               -- keyed hash, as of a made password
  scram      BLOB NOT NULL,               -- as in credential
  created_us INTEGER NOT NULL,
  used_us    INTEGER NOT NULL DEFAULT 0,  -- last log-in, within minutes; 0: none
  UNIQUE (account_id, name)
) STRICT;
