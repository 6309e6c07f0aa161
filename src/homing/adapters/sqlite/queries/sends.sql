-- name: reserve
INSERT OR IGNORE INTO send (id, tag, origin, rule, step, variant, version, event, person, user, email,
                            kind, template, address, group_id, state, reason, reserved_at, due_at,
                            expires_at, lane, head, flags)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: lane_busy
SELECT 1 FROM send WHERE lane = ? LIMIT 1;

-- name: save_data
INSERT INTO send_data (send, data) VALUES (?, ?);

-- name: data
SELECT data FROM send_data WHERE send = ?;

-- name: claimable
SELECT * FROM send WHERE head = 1 AND due_at <= ? AND state IN ('reserved', 'retry')
ORDER BY due_at, id LIMIT ?;

-- name: next_due
SELECT min(due_at) FROM send WHERE head = 1 AND state IN ('reserved', 'retry');

-- name: intend
UPDATE send SET state = 'in_flight', attempt = attempt + 1, in_flight_at = ? WHERE id = ?;

-- name: accept
UPDATE send SET state = 'accepted', reason = NULL, accepted_at = ?, message_id = ?, lane = NULL,
    head = 0, unknown_due = NULL, silent_due = ?
WHERE id = ? AND state = 'in_flight';

-- name: lane_of
SELECT lane FROM send WHERE id = ?;

-- name: save
UPDATE send SET state = ?, reason = ?, due_at = ?, expires_at = ?, attempt = ?, lane = ?, head = ?,
    unknown_due = ?, silent_due = ?, mail = ?, accepted_at = ?, delivered_at = ?,
    last_event_at = ?, message_id = ?, flags = ?
WHERE id = ?;

-- name: promote
UPDATE send SET head = 1 WHERE id =
    (SELECT id FROM send WHERE lane = ? ORDER BY state IN ('in_flight', 'unknown') DESC, id LIMIT 1);

-- name: get
SELECT * FROM send WHERE id = ?;

-- name: by_trace
SELECT send FROM trace WHERE gen = ? AND key = ? ORDER BY send DESC;

-- name: add_trace
INSERT OR IGNORE INTO trace (gen, key, send) VALUES (?, ?, ?);

-- name: last
SELECT coalesce(max(id), 0) FROM send;

-- name: oldest
SELECT coalesce(min(id), 0) FROM send;

-- name: newest
SELECT * FROM send WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_in_state
SELECT * FROM send WHERE state = ? AND id < ? ORDER BY id DESC LIMIT ?;

-- name: in_flight
SELECT * FROM send WHERE state = 'in_flight';

-- name: unknown_due
SELECT * FROM send WHERE unknown_due IS NOT NULL AND unknown_due <= ? ORDER BY unknown_due LIMIT ?;

-- name: silent_due
SELECT * FROM send WHERE silent_due IS NOT NULL AND silent_due <= ? ORDER BY silent_due LIMIT ?;

-- name: open_of_person
SELECT * FROM send WHERE lane IN (?, ?) ORDER BY id;

-- name: of_event
SELECT * FROM send WHERE origin = ? ORDER BY id;

-- name: add_attempt
INSERT INTO attempt (send, number, at, outcome, detail) VALUES (?, ?, ?, ?, ?);

-- name: attempts
SELECT number, at, outcome, detail FROM attempt WHERE send = ? ORDER BY id;

-- name: prune
DELETE FROM send WHERE id IN
    (SELECT id FROM send WHERE reserved_at < ? AND lane IS NULL ORDER BY id LIMIT ?)
RETURNING id;

-- name: prune_data
DELETE FROM send_data WHERE send = ?;

-- name: prune_attempts
DELETE FROM attempt WHERE send = ?;

-- name: prune_trace
DELETE FROM trace WHERE gen < ?;

-- name: erase
UPDATE send SET address = NULL, user = '', template = template WHERE id = ?;

-- name: aside
SELECT * FROM send WHERE state IN ('reserved', 'retry') AND lane IS NULL AND email = ?
ORDER BY id LIMIT ?;
