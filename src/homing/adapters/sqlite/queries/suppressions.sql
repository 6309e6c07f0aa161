-- name: of
SELECT scope, active, source, reason, at FROM suppression WHERE key = ?;

-- name: save
INSERT INTO suppression (key, scope, address, active, source, reason, at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET address = excluded.address, active = excluded.active,
    source = excluded.source, reason = excluded.reason, at = excluded.at;

-- name: hide
UPDATE suppression SET address = NULL, reason = '' WHERE key = ?;

-- name: is_hidden
SELECT EXISTS (SELECT 1 FROM suppression WHERE key = ? AND address IS NULL);

-- name: mark
UPDATE suppression SET reading = ? WHERE key = ? AND scope = ?;

-- name: unmarked
SELECT address, active, source, reason, at FROM suppression INDEXED BY suppression_read
WHERE scope = ? AND reading < ? AND active = 1 AND address IS NOT NULL LIMIT ?;

-- name: note
INSERT INTO repair (reading, list, address, side, active, at) VALUES (?, ?, ?, ?, ?, ?);

-- name: noted
SELECT list, address, side, active, at FROM repair WHERE reading = ? ORDER BY id LIMIT ?;

-- name: forget_noted
DELETE FROM repair WHERE reading <> ?;

-- name: forget_address
DELETE FROM repair WHERE address = ?;
