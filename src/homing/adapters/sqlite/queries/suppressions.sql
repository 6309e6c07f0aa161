-- name: of
SELECT scope, active, source, reason, at FROM suppression WHERE key = ?;

-- name: save
INSERT OR REPLACE INTO suppression (key, scope, address, active, source, reason, at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: hide
UPDATE suppression SET address = NULL, reason = '' WHERE key = ?;
