-- name: add
INSERT INTO effect (dest, lane, due_at, kind, state, event, rule, person, made_at)
VALUES (?, ?, ?, ?, 'ready', ?, ?, ?, ?);

-- name: add_data
INSERT INTO effect_data (effect, payload) VALUES (last_insert_rowid(), ?);

-- name: ready
SELECT id, kind, lane, due_at, attempt, event, person, made_at, payload
FROM effect JOIN effect_data ON effect = id
WHERE dest = ? AND state = 'ready' AND id > ? ORDER BY id LIMIT ?;

-- name: done
UPDATE effect SET state = 'done', attempt = attempt + 1, reason = NULL
WHERE id = ? AND (state = 'ready' OR state = 'sent');

-- name: drop_data
DELETE FROM effect_data WHERE effect = ?;

-- name: retry
UPDATE effect SET due_at = ?, attempt = attempt + ?, reason = ? WHERE id = ? AND state = 'ready';

-- name: dead
UPDATE effect SET state = 'dead', reason = ?, attempt = attempt + 1
WHERE id = ? AND (state = 'ready' OR state = 'sent');

-- name: sent
UPDATE effect SET state = 'sent' WHERE id = ? AND state = 'ready';

-- name: unsent
UPDATE effect SET state = 'ready' WHERE id = ? AND state = 'sent';

-- name: one
SELECT id, kind, lane, due_at, attempt, event, person, made_at, payload
FROM effect JOIN effect_data ON effect = id
WHERE id = ? AND (state = 'ready' OR state = 'sent');

-- name: rewrite
UPDATE effect_data SET payload = ? WHERE effect = ?;

-- name: revive
UPDATE effect SET state = 'ready', reason = NULL, due_at = ? WHERE id = ? AND state = 'dead';

-- name: drop
UPDATE effect SET state = 'dropped', reason = ? WHERE id = ? AND state = 'dead';

-- name: get
SELECT effect.*, payload FROM effect LEFT JOIN effect_data ON effect = id WHERE id = ?;

-- name: of_event
SELECT effect.*, payload FROM effect LEFT JOIN effect_data ON effect = id
WHERE event = ? ORDER BY id;

-- name: dead_newest
SELECT effect.*, payload FROM effect INDEXED BY effect_ended LEFT JOIN effect_data ON effect = id
WHERE state = 'dead' AND state IN ('dead', 'dropped') AND id < ? ORDER BY id DESC LIMIT ?;

-- name: of_person
SELECT id, dest, state FROM effect
WHERE (state = 'ready' OR state = 'sent') AND lane = ?1 AND dest <> 'suppressions'
UNION ALL
SELECT id, dest, state FROM effect WHERE person = ?1 AND state IN ('dead', 'dropped');

-- name: open_of
SELECT id, kind, lane, due_at, attempt, event, person, made_at, payload
FROM effect JOIN effect_data ON effect = id
WHERE (state = 'ready' OR state = 'sent') AND lane = ?1 AND (?2 IS NULL OR dest = ?2) ORDER BY id;

-- name: dead_of
SELECT effect.*, payload FROM effect LEFT JOIN effect_data ON effect = id
WHERE person = ? AND state IN ('dead', 'dropped') ORDER BY id;

-- name: erase
UPDATE effect SET state = 'dropped', reason = 'erased', person = NULL WHERE id = ?;

-- name: oldest
SELECT id, made_at, state FROM effect WHERE id > ? ORDER BY id LIMIT ?;

-- name: oldest_ended
SELECT id FROM
    (SELECT id, made_at FROM effect
     WHERE state = ?1 AND state IN ('dead', 'dropped') ORDER BY id LIMIT ?2)
WHERE made_at < ?3;

-- name: last
SELECT coalesce(max(id), 0) FROM effect;

-- name: prune
DELETE FROM effect WHERE id = ?;
