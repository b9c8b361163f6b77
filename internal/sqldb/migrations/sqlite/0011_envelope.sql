-- +goose Up
-- owner: internal/queue
-- What the sender asked for beside the addresses; handed to the next hop when it knows the extension.
ALTER TABLE queue_item ADD COLUMN envid        TEXT NOT NULL DEFAULT '';     -- ENVID, decoded. RFC 3461
ALTER TABLE queue_item ADD COLUMN ret          INTEGER NOT NULL DEFAULT 0;   -- RET: 0 unsaid, 1 headers, 2 full
ALTER TABLE queue_item ADD COLUMN notify       INTEGER NOT NULL DEFAULT 0;   -- NOTIFY: 1 never, 2 success, 4 failure, 8 delay; 0 unsaid
ALTER TABLE queue_item ADD COLUMN orcpt        TEXT NOT NULL DEFAULT '';     -- ORCPT address, decoded
ALTER TABLE queue_item ADD COLUMN orcpt_type   TEXT NOT NULL DEFAULT '';     -- its type: rfc822, utf-8
ALTER TABLE queue_item ADD COLUMN utf8         INTEGER NOT NULL DEFAULT 0;   -- 1: the message needs SMTPUTF8. RFC 6531
ALTER TABLE queue_item ADD COLUMN body         INTEGER NOT NULL DEFAULT 0;   -- 0 7BIT, 1 8BITMIME, 2 BINARYMIME
ALTER TABLE queue_item ADD COLUMN require_tls  INTEGER NOT NULL DEFAULT 0;   -- 1: REQUIRETLS. RFC 8689
ALTER TABLE queue_item ADD COLUMN tls_optional INTEGER NOT NULL DEFAULT 0;   -- 1: the field TLS-Required: No
ALTER TABLE queue_item ADD COLUMN by_us        INTEGER NOT NULL DEFAULT 0;   -- DELIVERBY: the moment; 0 none. RFC 2852
ALTER TABLE queue_item ADD COLUMN by_mode      INTEGER NOT NULL DEFAULT 0;   -- 1 return, 2 notify
ALTER TABLE queue_item ADD COLUMN by_trace     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue_item ADD COLUMN priority     INTEGER NOT NULL DEFAULT 0;   -- MT-PRIORITY, -9 to 9. RFC 6710
