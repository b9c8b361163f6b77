-- +goose Up
-- owner: internal/mailstore
-- What clients have noted about mailboxes (RFC 5464).
CREATE TABLE annotation (
  mailbox_id INTEGER NOT NULL,
  account_id INTEGER NOT NULL,            -- whose private note it is; 0: shared by all who may read the mailbox
  entry      TEXT NOT NULL,               -- lower case, without /private or /shared: "/comment"
  value      BLOB NOT NULL,
  PRIMARY KEY (mailbox_id, account_id, entry)
) STRICT, WITHOUT ROWID;
