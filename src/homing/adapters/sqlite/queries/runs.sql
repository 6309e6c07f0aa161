-- name: last
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'run'), 0);

-- name: add
INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: save
UPDATE run SET version = ?, step = ?, step_at = ?, due_at = ?, passages = ?, restarts = ?,
    variant = ?, reason = ?, sends_until = ?, converted_at = ?, value = ?, first_touch = ?,
    last_touch = ?
WHERE id = ?;

-- name: save_settled
UPDATE run SET version = ?, step = ?, step_at = ?, due_at = ?, passages = ?, restarts = ?,
    variant = ?, reason = ?, sends_until = ?, converted_at = ?, value = ?, first_touch = ?,
    last_touch = ?, state = ?, watch_until = ?, ended_at = ?
WHERE id = ?;

-- name: get
SELECT * FROM run WHERE id = ?;

-- name: save_context
INSERT INTO run_context (run, data) VALUES (?, ?)
ON CONFLICT (run) DO UPDATE SET data = excluded.data;

-- name: drop_context
DELETE FROM run_context WHERE run = ?;

-- name: context
SELECT data FROM run_context WHERE run = ?;

-- name: watched_of
SELECT * FROM run INDEXED BY run_watched
WHERE person = ? AND watch_until IS NOT NULL AND watch_until > ? ORDER BY id;

-- name: newest_of
SELECT * FROM run WHERE person = ? ORDER BY id DESC LIMIT ?;

-- name: newest
SELECT * FROM run WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_of_journey
SELECT * FROM run INDEXED BY run_journey
WHERE journey = ? AND id < ? ORDER BY id DESC LIMIT ?;

-- name: due
SELECT run.*, coalesce(data, x'') FROM run LEFT JOIN run_context ON run_context.run = run.id
WHERE state = 'waiting' AND due_at IS NOT NULL AND due_at <= ?
ORDER BY due_at, id LIMIT ?;

-- name: next_due
SELECT min(due_at) FROM run WHERE state = 'waiting' AND due_at IS NOT NULL;

-- name: is_due
SELECT EXISTS (SELECT 1 FROM run INDEXED BY run_watched
               WHERE person = ? AND watch_until IS NOT NULL AND state = 'waiting' AND due_at <= ?);

-- name: last_entry
SELECT at, run FROM entry WHERE person = ? AND journey = ? AND key = ?;

-- name: remember_entry
INSERT INTO entry (person, journey, key, at, run) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (person, journey, key) DO UPDATE SET at = excluded.at, run = excluded.run
WHERE excluded.at >= entry.at;

-- name: note
INSERT INTO passage (run, at, what, step, name, reason, due_at, event, send, value)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: passages
SELECT run, at, what, step, name, reason, due_at, event, send, value FROM passage
WHERE run = ? ORDER BY id;

-- name: passages_of_event
SELECT run, at, what, step, name, reason, due_at, event, send, value FROM passage
WHERE event = ?1 AND (SELECT person FROM run WHERE id = passage.run) IN
    (SELECT value FROM json_each(?2))
ORDER BY id;

-- name: passages_after
SELECT id, run, at, what, step, name, reason, due_at, event, send, value FROM passage
WHERE id > ? ORDER BY id LIMIT ?;

-- name: move
UPDATE run SET person = ?1 WHERE person = ?2;

-- name: move_entries
INSERT INTO entry (person, journey, key, at, run)
SELECT ?1, journey, key, at, run FROM entry WHERE person = ?2
ON CONFLICT (person, journey, key) DO UPDATE SET at = excluded.at, run = excluded.run
WHERE excluded.at > entry.at;

-- name: drop_entries
DELETE FROM entry WHERE person = ?2 AND ?1 <> ?2;

-- name: of_person
SELECT * FROM run WHERE person = ?;

-- name: forget_entries
DELETE FROM entry WHERE person = ?;

-- name: drop
DELETE FROM run WHERE id = ?;

-- name: drop_passages
DELETE FROM passage WHERE run = ?;

-- name: watched_until
SELECT * FROM run WHERE state <> 'waiting' AND watch_until IS NOT NULL AND watch_until < ?
ORDER BY watch_until, id LIMIT ?;

-- name: oldest_ended
SELECT id, 1 + (SELECT count(*) FROM passage WHERE passage.run = run.id) FROM run
WHERE watch_until IS NULL AND ended_at < ? ORDER BY ended_at, id LIMIT ?;

-- name: count_watched
INSERT INTO journey_watched (journey, version, runs) VALUES (?1, ?2, ?3)
ON CONFLICT (journey, version) DO UPDATE SET runs = runs + ?3;

-- name: define
INSERT INTO journey_version (journey, version, defined, text)
VALUES (?1, ?2, (SELECT coalesce(max(defined), 0) + 1 FROM journey_version), ?3)
ON CONFLICT (journey, version) DO UPDATE SET defined = excluded.defined
WHERE EXISTS (SELECT 1 FROM journey_version AS newer
              WHERE newer.journey = ?1 AND newer.defined > journey_version.defined);

-- name: definitions
SELECT journey, version, text FROM journey_version AS one
WHERE NOT EXISTS (SELECT 1 FROM journey_version AS newer
                  WHERE newer.journey = one.journey AND newer.defined > one.defined)
    OR EXISTS (SELECT 1 FROM journey_watched AS watched
               WHERE watched.journey = one.journey AND watched.version = one.version AND runs > 0)
ORDER BY journey, defined;

-- name: prune_counts
DELETE FROM journey_watched WHERE runs = 0;

-- name: prune_versions
DELETE FROM journey_version AS one
WHERE EXISTS (SELECT 1 FROM journey_version AS newer
              WHERE newer.journey = one.journey AND newer.defined > one.defined)
    AND NOT EXISTS (SELECT 1 FROM journey_watched AS watched
                    WHERE watched.journey = one.journey AND watched.version = one.version);

-- name: waiting_of
SELECT * FROM run INDEXED BY run_waiting
WHERE journey = ? AND version = ? AND state = 'waiting' AND id > ? ORDER BY id LIMIT ?;

-- name: stands
SELECT version, step, count(*) FROM run INDEXED BY run_waiting
WHERE journey = ? AND state = 'waiting' GROUP BY version, step;

-- name: tally
SELECT state, step, coalesce(variant, ''), count(*) FROM run INDEXED BY run_journey
WHERE journey = ? GROUP BY state, step, variant;

-- name: converted
SELECT * FROM run INDEXED BY run_journey
WHERE journey = ? AND id > ? AND converted_at IS NOT NULL ORDER BY id LIMIT ?;

-- name: members
-- who passed a split again has the variant of the last time; 1024 origins are of one run
SELECT passage.step, passage.name, run.converted_at IS NOT NULL, run.value,
    coalesce((SELECT max(delivered_at IS NOT NULL OR (flags & 4) <> 0
                         OR coalesce(mail IN (SELECT value FROM json_each(?3)), 0))
                     + 2 * max((flags & 4) <> 0) + 4 * max((flags & 8) <> 0)
              FROM send WHERE origin BETWEEN -(run.id * 1024 + 1023) AND -(run.id * 1024)), 0),
    max(passage.id)
FROM run INDEXED BY run_journey CROSS JOIN passage ON passage.run = run.id
WHERE run.journey = ?1
    AND passage.what = 'branch' AND passage.step IN (SELECT value FROM json_each(?2))
GROUP BY run.id, passage.step;
