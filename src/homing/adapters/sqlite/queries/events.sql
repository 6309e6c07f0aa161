-- name: cursor
SELECT request, item, next_event FROM cursor;

-- name: move_cursor
UPDATE cursor SET request = ?, item = ?, next_event = ? WHERE one = 1;

-- name: add
INSERT INTO event (id, request, item, source, type, name, message_id, person, send, at,
                   received_at, state, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: replace
UPDATE event SET type = ?, name = ?, message_id = ?, person = ?, send = ?, at = ?, state = ?,
    reason = ?
WHERE id = ?;

-- name: get
SELECT * FROM event WHERE id = ?;

-- name: after
SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?;

-- name: newest
SELECT * FROM event WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_undone
SELECT * FROM event WHERE state = ? AND state <> 'done' AND id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_done
SELECT * FROM event WHERE state = 'done' AND id < ? ORDER BY id DESC LIMIT ?;

-- name: last
SELECT max(id) FROM event;

-- name: from_on
SELECT * FROM event WHERE id >= ? ORDER BY id LIMIT 1;

-- name: names
SELECT name, count(*) FROM
    (SELECT name FROM event
     WHERE name IS NOT NULL AND type NOT IN ('page', 'screen', 'group', 'identify', 'alias')
     ORDER BY id DESC LIMIT ?)
GROUP BY name;

-- name: set_state
UPDATE event SET state = ?, reason = ? WHERE id = ?;

-- name: anonymise
UPDATE event SET person = NULL, message_id = NULL WHERE id = ?;

-- name: add_history
INSERT INTO history (gen, person, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: drop_history
DELETE FROM history WHERE gen = ? AND person = ? AND event = ?;

-- name: history
SELECT event FROM history WHERE gen = ? AND person = ? ORDER BY event DESC LIMIT ?;

-- name: first_history
SELECT min(gen) FROM history;

-- name: first
SELECT min(id) FROM event;

-- name: oldest
SELECT id, received_at, state FROM event WHERE id > ? ORDER BY id LIMIT ?;

-- name: oldest_undone
SELECT id FROM
    (SELECT id, received_at FROM event
     WHERE state = ?1 AND state <> 'done' ORDER BY id LIMIT ?2)
WHERE received_at < ?3;

-- name: prune
DELETE FROM event WHERE id = ?;

-- name: prune_history
DELETE FROM history WHERE (gen, person, event) IN
    (SELECT gen, person, event FROM history WHERE gen < ? LIMIT ?);

-- name: seen_in
SELECT event, body FROM seen WHERE gen = ? AND key = ?;

-- name: remember
INSERT INTO seen (gen, key, body, event) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: seen_keys
SELECT key FROM seen WHERE gen >= ? AND gen < ?;

-- name: seen_ends
SELECT (SELECT min(gen) FROM seen), (SELECT max(gen) FROM seen);

-- name: newest_before
SELECT received_at FROM event WHERE id < ? ORDER BY id DESC LIMIT 1;

-- name: filters
SELECT first_gen, newest_at, words FROM seen_filter ORDER BY first_gen;

-- name: filtered
SELECT first_gen FROM seen_filter;

-- name: save_filter
INSERT OR REPLACE INTO seen_filter (first_gen, newest_at, words) VALUES (?, ?, ?);

-- name: drop_filter
DELETE FROM seen_filter WHERE first_gen = ?;

-- name: prune_seen
DELETE FROM seen WHERE (gen, key) IN (SELECT gen, key FROM seen WHERE gen < ? LIMIT ?);

-- name: ask_erasure
INSERT INTO erasure (request, item) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: erasures
SELECT request, item FROM erasure ORDER BY request, item LIMIT ?;

-- name: first_erasure
SELECT min(request) FROM erasure;

-- name: erasure_done
DELETE FROM erasure WHERE request = ? AND item = ?;
