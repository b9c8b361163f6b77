-- +goose Up
-- owner: docstore
-- What documents are searched by; all of it can be made again from the other tables and the files.
CREATE TABLE document_text (
  document_id INTEGER PRIMARY KEY REFERENCES document (id),
  words       TEXT NOT NULL,              -- folded words of the columns of document_words, a line for each
  content     BLOB                        -- zstd of the text of its files as it was read; NULL: none
) STRICT;
-- owner: docstore
-- Which documents have which word in which column. PostgreSQL: a tsvector for each column, GIN (adr/0012).
CREATE VIRTUAL TABLE document_words USING fts5 (
  code, abstract, type, issuer, signer, files,
  content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE INDEX document_number ON document (year, number);
CREATE INDEX document_so ON document (number);
CREATE INDEX document_issued ON document (issued_us);
CREATE INDEX document_due ON document (CASE WHEN due_us = 0 THEN 1 ELSE 0 END, due_us, id DESC);
CREATE INDEX dispatch_arrival ON dispatch (arrival_number) WHERE arrival_number <> 0;
-- owner: docstore
-- Queries that people keep under a name.
CREATE TABLE saved_search (
  account_id INTEGER NOT NULL,            -- 0: the administrator at the command line
  name       TEXT NOT NULL,
  name_key   TEXT NOT NULL,               -- folded
  query      TEXT NOT NULL,
  sort       TEXT NOT NULL,               -- '' for the usual one
  columns    TEXT NOT NULL,               -- comma-separated, '' for the usual ones
  saved_us   INTEGER NOT NULL,
  PRIMARY KEY (account_id, name_key)
) STRICT, WITHOUT ROWID;
