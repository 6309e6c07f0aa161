-- name: add
INSERT INTO erasure_record (entry, at, by, progress, people, request, item)
VALUES (?, ?, ?, 'open', ?, ?, ?) RETURNING id;

-- name: add_person
INSERT INTO erasure_person (person, erasure) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: add_key
INSERT INTO erased (key, erasure, at, request) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: add_name
INSERT INTO erasing_name (erasure, kind, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: get
SELECT id, at, by, progress, people, request, item FROM erasure_record WHERE id = ?;

-- name: newest
SELECT id, at, by, progress, people, request, item FROM erasure_record
WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: open
SELECT id, at, by, progress, people, request, item FROM erasure_record
WHERE progress = 'open' AND id > ? ORDER BY id LIMIT ?;

-- name: earlier
SELECT max(erasure) FROM erased WHERE key = ?;

-- name: is_erased
SELECT EXISTS (SELECT 1 FROM erased WHERE key = ? AND request > ? AND at >= ?);

-- name: until
SELECT coalesce(max(request), 0) FROM erased;

-- name: note
INSERT INTO erasure_step (erasure, step, at, detail) VALUES (?, ?, ?, ?);

-- name: of_person
SELECT erasure FROM erasure_person WHERE person = ?;

-- name: steps
SELECT step, at, detail FROM erasure_step WHERE erasure = ? ORDER BY id;

-- name: end
UPDATE erasure_record SET progress = ? WHERE id = ?;

-- name: unsearched
SELECT DISTINCT erasure FROM erasing_name ORDER BY erasure LIMIT ?;

-- name: names
SELECT kind, value FROM erasing_name WHERE erasure = ? ORDER BY kind, value;

-- name: searched
DELETE FROM erasing_name WHERE erasure = ?;

-- name: entries
SELECT entry FROM erasure_record;

-- name: all_names
SELECT kind, value FROM identity;

-- name: all_addresses
SELECT address FROM list_member
UNION SELECT address FROM suppression WHERE address IS NOT NULL
UNION SELECT address FROM repair;
