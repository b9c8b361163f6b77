-- +goose Up
-- owner: internal/edxdrop
-- What is to be written into the outbox, and what has been.
CREATE TABLE edxml_out (
  id          INTEGER PRIMARY KEY,        -- part of the file's name
  kind        TEXT NOT NULL CHECK (kind IN ('document', 'status')),
  document_id INTEGER NOT NULL,           -- 0 for a status
  transfer    TEXT NOT NULL,              -- queue id: which dispatches of the document; '' for a status
  edxml_id    TEXT NOT NULL,              -- DocumentId in the file
  payload     BLOB NOT NULL,              -- a status until it is written; a document is made when it is written
  made_us     INTEGER NOT NULL,
  written_us  INTEGER NOT NULL,           -- 0: not yet; the file is there, perhaps still under its temporary name
  trouble     TEXT NOT NULL               -- why it was given up, '' otherwise
) STRICT;
CREATE INDEX edxml_out_waiting ON edxml_out (id) WHERE written_us = 0;
CREATE INDEX edxml_out_document ON edxml_out (edxml_id) WHERE kind = 'document';
-- owner: internal/edxdrop
-- Statuses that were taken from the inbox, so that a file that comes twice counts once. Of packages the document itself tells.
CREATE TABLE edxml_in (
  sha256 BLOB PRIMARY KEY,                -- of the status, however its file was written
  at_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
