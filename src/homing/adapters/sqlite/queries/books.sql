-- name: add
INSERT INTO counter (name, n) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET n = n + ?2;

-- name: all
SELECT name, n FROM counter;

-- name: get_meta
SELECT value FROM meta WHERE key = ?;

-- name: set_meta
INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?);

-- name: pauses
SELECT name, at, reason, by FROM pause ORDER BY name;

-- name: pause
INSERT OR REPLACE INTO pause (name, at, reason, by) VALUES (?, ?, ?, ?);

-- name: resume
DELETE FROM pause WHERE name = ?;

-- name: raise_alert
INSERT INTO alert (kind, subject, text, first_at, last_at, count) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
ON CONFLICT (kind, subject) DO UPDATE SET text = ?3, last_at = ?4, count = count + ?5;

-- name: clear_alert
DELETE FROM alert WHERE kind = ? AND subject = ?;

-- name: alerts
SELECT kind, subject, text, first_at, last_at, count FROM alert ORDER BY last_at DESC, kind, subject;

-- name: reword_alert
UPDATE alert SET text = ? WHERE kind = ? AND subject = ?;
