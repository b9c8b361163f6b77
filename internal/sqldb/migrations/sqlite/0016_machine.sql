-- +goose Up
-- owner: docstore
ALTER TABLE dispatch ADD COLUMN overlay TEXT NOT NULL DEFAULT '';                -- a request of the sender's that waits for an answer: recall_requested, update_pending, replace_pending
ALTER TABLE dispatch ADD COLUMN change_of INTEGER NOT NULL DEFAULT 0;            -- dispatch that this one is to take the place of
ALTER TABLE dispatch ADD COLUMN due_tier TEXT NOT NULL DEFAULT '';               -- who set due_us: issuer, default, clerk, leader
ALTER TABLE dispatch ADD COLUMN asked_mailbox_id INTEGER NOT NULL DEFAULT 0;     -- where the message of that request lies; 0: nowhere
ALTER TABLE dispatch ADD COLUMN asked_uid INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX dispatch_asked ON dispatch (asked_mailbox_id, asked_uid) WHERE asked_mailbox_id <> 0;
CREATE INDEX dispatch_change ON dispatch (change_of) WHERE change_of <> 0;
CREATE INDEX dispatch_overlay ON dispatch (overlay, id) WHERE overlay <> '';
CREATE INDEX document_mail_id ON document (mail_id) WHERE mail_id <> '';
-- owner: docstore
-- Who works on a dispatch; the whole list is replaced when it is assigned again.
CREATE TABLE assignee (
  dispatch_id INTEGER NOT NULL REFERENCES dispatch (id),
  account_id  INTEGER NOT NULL,
  role        TEXT NOT NULL,              -- chu_tri, phoi_hop, de_biet
  due_us      INTEGER NOT NULL,           -- 0: the dispatch's
  note        TEXT NOT NULL,
  by_account  INTEGER NOT NULL,
  since_us    INTEGER NOT NULL,
  PRIMARY KEY (dispatch_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignee_account ON assignee (account_id, dispatch_id);
-- owner: docstore
-- Approvals of an act that needs two people, until the second comes.
CREATE TABLE approval (
  dispatch_id INTEGER NOT NULL REFERENCES dispatch (id),
  event       TEXT NOT NULL,              -- release
  account_id  INTEGER NOT NULL,
  at_us       INTEGER NOT NULL,
  PRIMARY KEY (dispatch_id, event)
) STRICT, WITHOUT ROWID;
