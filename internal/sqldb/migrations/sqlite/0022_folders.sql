-- +goose Up
-- owner: workflow
-- What people see under "Việc của tôi", and of each dispatch (account 0) when
-- its own keywords change by themselves.
CREATE TABLE task (
  dispatch_id INTEGER NOT NULL REFERENCES dispatch (id),
  account_id  INTEGER NOT NULL,
  mailbox_id  INTEGER NOT NULL,           -- 0: none, its reader has deleted it
  uid         INTEGER NOT NULL,
  since_us    INTEGER NOT NULL,           -- of the assignment
  next_us     INTEGER NOT NULL,           -- when it changes by itself; 0: never
  PRIMARY KEY (dispatch_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_next ON task (next_us) WHERE next_us <> 0;
CREATE UNIQUE INDEX task_place ON task (mailbox_id, uid) WHERE mailbox_id <> 0;
-- owner: docstore
-- The message that shows an entry of a register in "Sổ/<năm>/…".
CREATE TABLE register_page (
  book_id    INTEGER NOT NULL,
  ordinal    INTEGER NOT NULL,
  dirty      INTEGER NOT NULL,            -- grows with each change until the message shows it; 0: it does
  mailbox_id INTEGER NOT NULL,            -- 0: no message yet
  uid        INTEGER NOT NULL,
  PRIMARY KEY (book_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX register_page_dirty ON register_page (book_id, ordinal) WHERE dirty <> 0;
INSERT INTO register_page (book_id, ordinal, dirty, mailbox_id, uid) SELECT book_id, ordinal, 1, 0, 0 FROM register_entry;
