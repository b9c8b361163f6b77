-- +goose Up
-- owner: internal/directory
CREATE TABLE unit (
  id         INTEGER PRIMARY KEY,
  code       TEXT NOT NULL,               -- identifier by QĐ 20/2020/QĐ-TTg, at most 35 characters
  name       TEXT NOT NULL,
  short_name TEXT NOT NULL,               -- viết tắt, also the folder name under the shared namespace
  kind       TEXT NOT NULL,
  parent_id  INTEGER REFERENCES unit (id),
  from_us    INTEGER NOT NULL,
  to_us      INTEGER NOT NULL DEFAULT 0,  -- 0: still exists
  address    TEXT NOT NULL                -- public address, canonical form
) STRICT;
CREATE UNIQUE INDEX unit_code_live ON unit (code) WHERE to_us = 0;
CREATE UNIQUE INDEX unit_short_live ON unit (short_name) WHERE to_us = 0;
-- owner: internal/directory
CREATE TABLE unit_code_legacy (
  code    TEXT PRIMARY KEY,
  unit_id INTEGER NOT NULL REFERENCES unit (id)
) STRICT;
-- owner: internal/directory
CREATE TABLE unit_successor (
  unit_id      INTEGER NOT NULL REFERENCES unit (id),
  successor_id INTEGER NOT NULL REFERENCES unit (id),
  ordinal      INTEGER NOT NULL,
  PRIMARY KEY (unit_id, successor_id)
) STRICT;
-- owner: internal/directory
CREATE TABLE account (
  id         INTEGER PRIMARY KEY,
  login      TEXT NOT NULL UNIQUE,        -- canonical address, the key form
  name       TEXT NOT NULL,
  state      TEXT NOT NULL,               -- active, locked, disabled
  quota_mib  INTEGER NOT NULL DEFAULT 0,  -- 0: the default of the configuration
  created_us INTEGER NOT NULL
) STRICT;
-- owner: internal/directory
CREATE TABLE account_role (
  account_id INTEGER NOT NULL REFERENCES account (id),
  unit_id    INTEGER NOT NULL,            -- 0: the whole province
  role       TEXT NOT NULL,
  PRIMARY KEY (account_id, unit_id, role)
) STRICT;
-- owner: internal/directory
CREATE TABLE credential (
  account_id INTEGER PRIMARY KEY REFERENCES account (id),
  scheme     TEXT NOT NULL,               -- argon2id, or made (128 random bits, keyed hash)
  secret     TEXT NOT NULL,
  changed_us INTEGER NOT NULL
) STRICT;
-- owner: internal/directory
CREATE TABLE mail_group (
  id      INTEGER PRIMARY KEY,
  address TEXT NOT NULL UNIQUE,
  name    TEXT NOT NULL
) STRICT;
-- owner: internal/directory
CREATE TABLE mail_group_member (
  group_id INTEGER NOT NULL REFERENCES mail_group (id),
  address  TEXT NOT NULL,
  ordinal  INTEGER NOT NULL,
  PRIMARY KEY (group_id, address)
) STRICT;
-- owner: internal/directory
CREATE TABLE alias (
  address TEXT PRIMARY KEY,
  target  TEXT NOT NULL
) STRICT;
-- owner: internal/directory
CREATE TABLE domain (
  name TEXT PRIMARY KEY
) STRICT;

