-- +goose Up
-- owner: docstore
-- What a unit has of its own about time and receipts; a unit without a row has what the server has.
CREATE TABLE unit_time (
  unit_id    INTEGER PRIMARY KEY,
  rules      TEXT NOT NULL,               -- JSON: docstore.TimeRules
  changed_us INTEGER NOT NULL
) STRICT;
-- owner: docstore
-- At what time something is to be done about a dispatch; the row goes when it is settled.
CREATE TABLE dispatch_timer (
  dispatch_id INTEGER NOT NULL REFERENCES dispatch (id),
  kind        TEXT NOT NULL,              -- urgent: its clerks are told, then reminded; news: its sender is warned, then it expires
  stage       INTEGER NOT NULL,           -- how often it has rung
  next_us     INTEGER NOT NULL,
  PRIMARY KEY (dispatch_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX dispatch_timer_next ON dispatch_timer (next_us);
INSERT INTO dispatch_timer (dispatch_id, kind, stage, next_us)
SELECT id, 'news', 0, updated_us + 43200000000 FROM dispatch WHERE to_unit = 0 AND state IN ('queued', 'sent');
-- owner: docstore
CREATE INDEX dispatch_due ON dispatch (due_us) WHERE due_us <> 0 AND state IN ('arrived', 'registered', 'assigned', 'processing');
-- owner: internal/workflow
-- The last morning on which an account was told what waits for it.
CREATE TABLE digest (
  account_id INTEGER PRIMARY KEY,
  day        TEXT NOT NULL                -- YYYY-MM-DD, local
) STRICT;
-- owner: internal/workflow
-- Evidence that was given to senders; docs/formats/receipt.md.
CREATE TABLE receipt (
  code        TEXT PRIMARY KEY,           -- the short code, without hyphens
  kind        TEXT NOT NULL,
  document_id INTEGER NOT NULL,
  dispatch_id INTEGER NOT NULL,           -- 0: of the document as a whole
  event_id    INTEGER NOT NULL,           -- status event that it proves, 0 for none
  at_us       INTEGER NOT NULL,
  content     BLOB NOT NULL               -- bien-nhan.json as it was sent
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_document ON receipt (document_id, at_us);
-- owner: internal/workflow
-- How far receipts are made: the newest document and status event that they were made for.
CREATE TABLE receipt_cursor (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  document_id INTEGER NOT NULL,
  event_id    INTEGER NOT NULL
) STRICT;
INSERT INTO receipt_cursor (id, document_id, event_id)
SELECT 1, (SELECT COALESCE(MAX(id), 0) FROM document), (SELECT COALESCE(MAX(id), 0) FROM status_event);
