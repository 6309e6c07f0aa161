-- name: add
INSERT INTO request (seq, received_at, source, body) VALUES (?, ?, ?, ?);

-- name: head
SELECT coalesce(max(seq), 0) FROM request;

-- name: after
SELECT seq, received_at, source, body FROM request WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: body
SELECT body FROM request WHERE seq = ?;

-- name: rewrite
UPDATE request SET body = ? WHERE seq = ?;

-- name: forget
DELETE FROM request WHERE seq IN (SELECT seq FROM request WHERE seq <= ?1 ORDER BY seq LIMIT ?2)
    AND received_at < ?3 AND seq < (SELECT max(seq) FROM request);

-- name: made
SELECT 1 FROM sqlite_master WHERE name = 'request';
