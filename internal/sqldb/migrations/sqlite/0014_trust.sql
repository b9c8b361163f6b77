-- +goose Up
-- owner: internal/mailauth
-- DKIM keys (RFC 6376): our own, with the private half sealed, and those of other domains that no DNS tells us.
CREATE TABLE dkim_key (
  domain     TEXT NOT NULL,               -- lower case, A-labels or UTF-8 as the directory has it
  selector   TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired', 'trusted')),
  record     TEXT NOT NULL,               -- what DNS would say: "v=DKIM1; k=ed25519; p=…"
  sealed     BLOB NOT NULL,               -- private key, AES-256-GCM under the server's secret; empty for 'trusted'
  created_us INTEGER NOT NULL,
  changed_us INTEGER NOT NULL,            -- when the state was entered
  PRIMARY KEY (domain, selector)
) STRICT, WITHOUT ROWID;

-- owner: internal/delivery
-- Accepted messages that wait for an administrator's decision.
CREATE TABLE quarantine (
  id          INTEGER PRIMARY KEY,
  queue_id    TEXT NOT NULL UNIQUE,       -- as the sender was told
  message_id  INTEGER NOT NULL,           -- stored message; it lives as long as state is 'held'
  state       TEXT NOT NULL CHECK (state IN ('held', 'released', 'dropped', 'expired')),
  reason      TEXT NOT NULL,              -- short code: attachment, macro, archive, milter, dmarc, from
  text_en     TEXT NOT NULL,
  text_vi     TEXT NOT NULL,
  envelope    BLOB NOT NULL,              -- JSON: origin, sender, recipients; docs/formats/quarantine.md
  sender      TEXT NOT NULL,              -- '' for the null path
  subject     TEXT NOT NULL,              -- as the header has it, decoded, for the listing
  size        INTEGER NOT NULL,
  created_us  INTEGER NOT NULL,
  expires_us  INTEGER NOT NULL,
  decided_us  INTEGER NOT NULL,           -- 0 while held
  decided_by  TEXT NOT NULL
) STRICT;
CREATE INDEX quarantine_held ON quarantine (expires_us) WHERE state = 'held';
CREATE INDEX quarantine_message ON quarantine (message_id) WHERE state = 'held';
