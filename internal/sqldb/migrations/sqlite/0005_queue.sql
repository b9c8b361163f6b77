-- +goose Up
-- owner: internal/queue
CREATE TABLE queue_item (
  id          INTEGER PRIMARY KEY,
  queue_id    TEXT NOT NULL,
  message_id  INTEGER NOT NULL,           -- mailstore's message
  sender      TEXT NOT NULL,              -- reverse-path, '' for the null one
  rcpt        TEXT NOT NULL,
  domain      TEXT NOT NULL,
  state       TEXT NOT NULL,              -- waiting, leased, held, done, failed
  attempts    INTEGER NOT NULL,
  created_us  INTEGER NOT NULL,
  next_us     INTEGER NOT NULL,
  expires_us  INTEGER NOT NULL,
  leased_us   INTEGER NOT NULL,
  last_code   INTEGER NOT NULL,
  last_text   TEXT NOT NULL,
  UNIQUE (queue_id, rcpt)
) STRICT;
CREATE INDEX queue_item_due ON queue_item (state, next_us);

