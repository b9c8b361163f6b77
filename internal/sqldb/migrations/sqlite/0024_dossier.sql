-- +goose Up
-- owner: docstore
-- Hồ sơ: the documents of one matter. NĐ 30/2020, Phụ lục VI, part II.
CREATE TABLE dossier (
  id          INTEGER PRIMARY KEY,
  ulid        TEXT NOT NULL UNIQUE,
  unit_id     INTEGER NOT NULL,
  year        INTEGER NOT NULL,           -- FileCatalog
  notation    TEXT NOT NULL,              -- FileNotation, as written
  notation_key TEXT NOT NULL,             -- folded, for look-up
  title       TEXT NOT NULL,
  maintenance TEXT NOT NULL,              -- thời hạn bảo quản
  rights      TEXT NOT NULL,              -- chế độ sử dụng
  description TEXT NOT NULL,
  creator     INTEGER NOT NULL,           -- account, 0: the command line
  creator_name TEXT NOT NULL,
  start_us    INTEGER NOT NULL,
  closed_us   INTEGER NOT NULL,           -- 0: open
  created_us  INTEGER NOT NULL,
  UNIQUE (unit_id, year, notation_key)
) STRICT;
-- owner: docstore
-- A document may lie in many dossiers. Rows stay when it is taken out, so that a past day's list can be made.
CREATE TABLE dossier_document (
  dossier_id  INTEGER NOT NULL REFERENCES dossier (id),
  ordinal     INTEGER NOT NULL,
  document_id INTEGER NOT NULL REFERENCES document (id),
  pages       INTEGER NOT NULL,           -- 0: not known
  remark      TEXT NOT NULL,
  added_us    INTEGER NOT NULL,
  added_by    INTEGER NOT NULL,
  removed_us  INTEGER NOT NULL,           -- 0: still in it
  removed_by  INTEGER NOT NULL,
  PRIMARY KEY (dossier_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dossier_document_once ON dossier_document (dossier_id, document_id) WHERE removed_us = 0;
CREATE INDEX dossier_document_document ON dossier_document (document_id);
