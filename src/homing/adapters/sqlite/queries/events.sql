-- name: cursor
SELECT request, item, next_event FROM cursor;

-- name: move_cursor
UPDATE cursor SET request = ?, item = ?, next_event = ?;

-- name: add
INSERT INTO event (id, request, item, source, type, name, message_id, person, send, at,
                   received_at, state, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_history
INSERT OR IGNORE INTO history (gen, person, event) VALUES (?, ?, ?);

-- name: get
SELECT * FROM event WHERE id = ?;

-- name: set_state
UPDATE event SET state = ?, reason = ? WHERE id = ?;

-- name: newest
SELECT * FROM event WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_in_state
SELECT * FROM event WHERE state = ? AND state <> 'done' AND id < ? ORDER BY id DESC LIMIT ?;

-- name: names
SELECT name, count(*) FROM
    (SELECT name FROM event
     WHERE name IS NOT NULL AND type NOT IN ('page', 'screen', 'group', 'identify', 'alias')
     ORDER BY id DESC LIMIT ?)
GROUP BY name;

-- name: of_person
SELECT event FROM history WHERE gen = ? AND person = ? ORDER BY event DESC LIMIT ?;

-- name: oldest
SELECT min(id) FROM event;

-- name: prune
DELETE FROM event WHERE id IN
    (SELECT id FROM event WHERE id > ? ORDER BY id LIMIT ?) AND received_at < ?;

-- name: prune_history
DELETE FROM history WHERE gen < ?;

-- name: seen_in
SELECT event, body FROM seen WHERE gen = ? AND key = ?;

-- name: remember
INSERT OR IGNORE INTO seen (gen, key, body, event) VALUES (?, ?, ?, ?);

-- name: seen_keys
SELECT key FROM seen WHERE gen >= ? AND gen < ?;

-- name: seen_last
SELECT gen, count(*) FROM seen WHERE gen = (SELECT max(gen) FROM seen) GROUP BY gen;

-- name: filters
SELECT first_gen, newest_at, bits FROM seen_filter ORDER BY first_gen;

-- name: save_filter
INSERT OR REPLACE INTO seen_filter (first_gen, newest_at, bits) VALUES (?, ?, ?);

-- name: drop_filter
DELETE FROM seen_filter WHERE first_gen = ?;

-- name: drop_seen
DELETE FROM seen WHERE gen >= ? AND gen < ?;

-- name: anonymise
UPDATE event SET person = NULL, message_id = NULL WHERE id = ?;

-- name: ask_erasure
INSERT OR IGNORE INTO erasure (request, item) VALUES (?, ?);

-- name: erasures
SELECT request, item FROM erasure ORDER BY request, item LIMIT ?;

-- name: erasure_done
DELETE FROM erasure WHERE request = ?;

-- name: replace
UPDATE event SET type = ?, name = ?, message_id = ?, person = ?, send = ?, at = ?, state = ?,
    reason = ?
WHERE id = ?;

-- name: after
SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?;
