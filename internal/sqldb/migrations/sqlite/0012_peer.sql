-- +goose Up
-- owner: internal/queue
ALTER TABLE queue_item ADD COLUMN route TEXT NOT NULL DEFAULT '';        -- the way an administrator chose; '' is the domain's own
ALTER TABLE queue_item ADD COLUMN warned_us INTEGER NOT NULL DEFAULT 0;  -- when the sender was told of the delay; 0: not yet
ALTER TABLE queue_item ADD COLUMN lane TEXT NOT NULL GENERATED ALWAYS AS (CASE WHEN route = '' THEN domain ELSE '>' || route END) VIRTUAL;
CREATE INDEX queue_item_lane ON queue_item (state, lane, priority, next_us, id);
CREATE INDEX queue_item_expiry ON queue_item (state, expires_us);
CREATE INDEX queue_item_warned ON queue_item (state, warned_us, created_us);
CREATE INDEX queue_item_message ON queue_item (message_id, state);

-- owner: internal/peer
CREATE TABLE peer (
  name       TEXT PRIMARY KEY,           -- host name of the other server, as its card has it
  domains    TEXT NOT NULL,              -- JSON list: whose mail goes there
  hosts      TEXT NOT NULL,              -- JSON list of host:port, tried in their order
  pin        TEXT NOT NULL,              -- SHA-256 of its certificate or of its authority's, hexadecimal
  public_key TEXT NOT NULL,              -- Ed25519, base64: signs statuses
  added_us   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- owner: internal/peer
-- What a peer has handed over, so that what it sends again after a lost 250 is not delivered twice.
CREATE TABLE peer_transfer (
  peer     TEXT NOT NULL,
  queue_id TEXT NOT NULL,                -- the peer's
  rcpt     TEXT NOT NULL,
  local_id TEXT NOT NULL,                -- ours, as the first 250 said it
  at_us    INTEGER NOT NULL,
  PRIMARY KEY (peer, queue_id, rcpt)
) STRICT, WITHOUT ROWID;
CREATE INDEX peer_transfer_at ON peer_transfer (at_us);
-- owner: internal/peer
-- Statuses that were taken, so that none is taken twice.
CREATE TABLE peer_status (
  peer  TEXT NOT NULL,
  id    TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  PRIMARY KEY (peer, id)
) STRICT, WITHOUT ROWID;

-- owner: docstore
ALTER TABLE dispatch ADD COLUMN peer TEXT NOT NULL DEFAULT '';       -- the other server, '' for a dispatch inside this one
ALTER TABLE dispatch ADD COLUMN transfer TEXT NOT NULL DEFAULT '';   -- queue id at the sender's server
ALTER TABLE dispatch ADD COLUMN named TEXT NOT NULL DEFAULT '';      -- the address that the sender's server wrote
CREATE INDEX dispatch_transfer ON dispatch (transfer, to_unit) WHERE transfer <> '';
