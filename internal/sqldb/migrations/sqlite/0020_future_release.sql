-- +goose Up
-- owner: internal/queue
ALTER TABLE queue_item ADD COLUMN hold_us INTEGER NOT NULL DEFAULT 0;    -- HOLDFOR, HOLDUNTIL: not before; 0: at once. RFC 4865
-- owner: internal/delivery
-- Accepted messages whose sender wants them delivered at a later time; their recipients are queue items in state 'later'.
CREATE TABLE deferred (
  queue_id    TEXT PRIMARY KEY,           -- as the sender was told
  message_id  INTEGER NOT NULL,           -- the copy that waits; its queue items keep it
  envelope    BLOB NOT NULL,              -- JSON: origin, sender, recipients; as in table quarantine
  accepted_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
