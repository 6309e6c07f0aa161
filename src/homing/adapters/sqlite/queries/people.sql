-- name: find
SELECT person FROM identity WHERE kind = ? AND value = ?;

-- name: get
SELECT id, user_id, anonymous_id, email, facts FROM person WHERE id = ?;

-- name: add
INSERT INTO person (part, user_id, anonymous_id, email, facts) VALUES (?, ?, ?, ?, ?)
RETURNING id;

-- name: save
UPDATE person SET user_id = ?, anonymous_id = ?, email = ?, facts = ? WHERE id = ?;

-- name: link
INSERT OR REPLACE INTO identity (kind, value, person) VALUES (?, ?, ?);

-- name: identities
SELECT kind, value FROM identity WHERE person = ? ORDER BY kind, value;

-- name: move_identities
UPDATE identity SET person = ? WHERE person = ?;

-- name: move_sends
UPDATE send SET lane = lane - person * 2 + ? * 2, person = ?, head = 0
WHERE lane IS NOT NULL AND lane IN (? * 2, ? * 2 + 1);

-- name: clear_lane
UPDATE send SET head = 0 WHERE lane = ?;

-- name: first_of_lane
UPDATE send SET head = 1 WHERE id =
    (SELECT id FROM send WHERE lane = ? ORDER BY state IN ('in_flight', 'unknown') DESC, id LIMIT 1);

-- name: move_effects
UPDATE effect SET lane = ?, person = ? WHERE state = 'ready' AND lane = ?;

-- name: delete
DELETE FROM person WHERE id = ?;

-- name: unlink
DELETE FROM identity WHERE person = ?;

-- name: delete_history
DELETE FROM history WHERE gen = ? AND person = ?;

-- name: delete_effects
DELETE FROM effect WHERE person = ?;

-- name: newest
SELECT id FROM person WHERE id < ? ORDER BY id DESC LIMIT ?;
