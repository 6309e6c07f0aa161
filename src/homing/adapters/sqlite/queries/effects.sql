-- name: add
INSERT INTO effect (dest, lane, due_at, kind, state, event, rule, person, made_at, payload)
VALUES (?, ?, ?, ?, 'ready', ?, ?, ?, ?, ?);

-- name: claimable
SELECT id, kind, lane, due_at, attempt, event, person, made_at, payload
FROM effect WHERE dest = ? AND state = 'ready' AND id > ? ORDER BY id LIMIT ?;

-- name: done
UPDATE effect SET state = 'done', payload = NULL, lane = NULL, attempt = attempt + 1 WHERE id = ?;

-- name: retry
UPDATE effect SET due_at = ?, attempt = attempt + ?, reason = ? WHERE id = ?;

-- name: dead
UPDATE effect SET state = 'dead', reason = ?, lane = NULL, attempt = attempt + 1 WHERE id = ?;

-- name: set_state
UPDATE effect SET state = ?, reason = ?, lane = person, due_at = ? WHERE id = ?;

-- name: get
SELECT * FROM effect WHERE id = ?;

-- name: of_event
SELECT * FROM effect WHERE event = ? ORDER BY id;

-- name: dead_newest
SELECT * FROM effect WHERE state = 'dead' AND id < ? ORDER BY id DESC LIMIT ?;

-- name: prune
DELETE FROM effect WHERE id IN
    (SELECT id FROM effect WHERE state <> 'ready' AND made_at < ? ORDER BY id LIMIT ?);
