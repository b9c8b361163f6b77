-- +goose Up
-- owner: internal/mailstore
-- What SEARCH looks into, one row per message whose text has been taken out.
-- Everything here can be made again from the messages.
CREATE TABLE search_text (
  message_id INTEGER PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
  text       BLOB                         -- zstd of the folded text; NULL: the message could not be read
) STRICT;
CREATE INDEX search_unread ON search_text (message_id) WHERE text IS NULL;
-- owner: internal/mailstore
-- Messages first_id to last_id are in the gram index; segments do not overlap.
-- A segment never changes: it is replaced by a larger one.
CREATE TABLE search_segment (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  first_id INTEGER NOT NULL,
  last_id  INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  form     INTEGER NOT NULL               -- of texts and grams; another one is made anew
) STRICT;
CREATE UNIQUE INDEX search_segment_first ON search_segment (first_id);
-- owner: internal/mailstore
-- Which messages of a segment hold which gram, by ascending gram.
CREATE TABLE search_block (
  id   INTEGER PRIMARY KEY,               -- segment << 32 | first gram of the block
  data BLOB NOT NULL
) STRICT;
