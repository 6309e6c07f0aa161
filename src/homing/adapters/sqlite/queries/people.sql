-- name: find
SELECT person FROM identity WHERE kind = ? AND value = ?;

-- name: get
SELECT id, user_id, anonymous_id, email, facts FROM person
WHERE id = coalesce((SELECT winner FROM merged WHERE loser = ?1), ?1);

-- name: add
INSERT INTO person (part, user_id, anonymous_id, email, facts) VALUES (?, ?, ?, ?, ?);

-- name: save
UPDATE person SET user_id = ?, anonymous_id = ?, email = ?, facts = ? WHERE id = ?;

-- name: link
INSERT OR REPLACE INTO identity (kind, value, person) VALUES (?, ?, ?);

-- name: identities
SELECT kind, value FROM identity WHERE person = ? ORDER BY kind, value;

-- name: newest
SELECT id, user_id, anonymous_id, email, facts FROM person WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: move_identities
UPDATE identity SET person = ?1 WHERE person = ?2;

-- name: move_merged
UPDATE merged SET winner = ?1 WHERE winner = ?2;

-- name: add_merged
INSERT OR REPLACE INTO merged (winner, loser) VALUES (?1, ?2);

-- name: move_sends
UPDATE send SET lane = lane + (?1 - ?2) * 2, person = ?1, head = 0
WHERE lane IS NOT NULL AND lane IN (?2 * 2, ?2 * 2 + 1);

-- name: move_sends_apart
UPDATE send SET person = ?1
WHERE person = ?2 AND lane IS NULL
    AND (state = 'reserved' OR state = 'retry' OR state = 'parked');

-- name: clear_heads
UPDATE send SET head = 0 WHERE lane = ?;

-- name: move_effects
UPDATE effect SET lane = ?1, person = ?1
WHERE (state = 'ready' OR state = 'sent') AND lane = ?2;

-- name: move_effects_ended
UPDATE effect SET lane = ?1, person = ?1
WHERE person = ?2 AND lane = ?2 AND state IN ('dead', 'dropped');

-- name: delete
DELETE FROM person WHERE id = ?;

-- name: unlink
DELETE FROM identity WHERE person = ?;

-- name: delete_merged
DELETE FROM merged WHERE winner = ?;

-- name: delete_history
DELETE FROM history WHERE gen = ? AND person = ?;

-- name: first_history
SELECT min(gen) FROM history;
