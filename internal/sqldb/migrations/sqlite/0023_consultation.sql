-- +goose Up
-- owner: docstore
-- Lấy ý kiến: a document whose main recipients are asked for their opinion. The units asked are its dispatches.
CREATE TABLE consultation (
  document_id INTEGER PRIMARY KEY REFERENCES document (id),
  due_us      INTEGER NOT NULL,
  silence     TEXT NOT NULL,              -- what a unit says that says nothing: khong_tra_loi, coi_nhu_dong_y
  opened_us   INTEGER NOT NULL,
  closed_us   INTEGER NOT NULL,           -- 0: open
  ended       TEXT NOT NULL,              -- why it was closed: answered, deadline, closed; '' while it is open
  reminded_us INTEGER NOT NULL,           -- when silent units were reminded; 0: not yet
  next_us     INTEGER NOT NULL,           -- when something is to be done about it: reminder, then deadline
  revision    INTEGER NOT NULL            -- grows with every change, for the tracking message
) STRICT;
CREATE INDEX consultation_next ON consultation (next_us) WHERE closed_us = 0;
-- owner: docstore
-- Opinions are only added; one that a later one of the same unit replaces is not current any more.
CREATE TABLE opinion (
  id          INTEGER PRIMARY KEY,
  document_id INTEGER NOT NULL REFERENCES consultation (document_id),
  dispatch_id INTEGER NOT NULL REFERENCES dispatch (id),
  vote        TEXT NOT NULL,              -- dong_y, khong_dong_y, y_kien_khac, qua_han
  text        TEXT NOT NULL,
  mail_id     TEXT NOT NULL,              -- RFC 5322 Message-ID of the answer, '' for none
  message_id  INTEGER NOT NULL,           -- mailstore's message, 0 for none
  files       INTEGER NOT NULL,           -- attached to it
  account_id  INTEGER NOT NULL,           -- who said so, 0: the server
  name        TEXT NOT NULL,
  source      TEXT NOT NULL,
  at_us       INTEGER NOT NULL,
  current     INTEGER NOT NULL,           -- 1: the unit's opinion
  unsettled   INTEGER NOT NULL,           -- 1: its dispatch is still to be completed
  journal_seq INTEGER NOT NULL
) STRICT;
CREATE INDEX opinion_document ON opinion (document_id, id);
CREATE UNIQUE INDEX opinion_current ON opinion (dispatch_id) WHERE current = 1;
CREATE INDEX opinion_unsettled ON opinion (id) WHERE unsettled = 1;
CREATE INDEX opinion_message ON opinion (message_id) WHERE message_id <> 0;
-- owner: docstore
-- Dự thảo: mail that asks for comments on a draft. It is no document.
CREATE TABLE draft (
  id          INTEGER PRIMARY KEY,
  ulid        TEXT NOT NULL UNIQUE,
  account_id  INTEGER NOT NULL,
  name        TEXT NOT NULL,
  unit_id     INTEGER NOT NULL,           -- of the author
  code        TEXT NOT NULL,              -- '' for none
  abstract    TEXT NOT NULL,
  due_us      INTEGER NOT NULL,           -- 0: none
  mail_id     TEXT NOT NULL,
  message_id  INTEGER NOT NULL,           -- mailstore's message; it may be gone
  created_us  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX draft_mail ON draft (mail_id);
CREATE INDEX draft_unit ON draft (unit_id, id);
CREATE INDEX draft_account ON draft (account_id, id);
-- owner: docstore
CREATE TABLE draft_comment (
  draft_id    INTEGER NOT NULL REFERENCES draft (id),
  ordinal     INTEGER NOT NULL,
  account_id  INTEGER NOT NULL,           -- 0: from outside
  name        TEXT NOT NULL,
  unit_id     INTEGER NOT NULL,           -- of the author, 0 for none
  vote        TEXT NOT NULL,              -- '' when the comment says none
  text        TEXT NOT NULL,
  files       INTEGER NOT NULL,
  mail_id     TEXT NOT NULL,
  message_id  INTEGER NOT NULL,
  at_us       INTEGER NOT NULL,
  PRIMARY KEY (draft_id, ordinal)
) STRICT, WITHOUT ROWID;
