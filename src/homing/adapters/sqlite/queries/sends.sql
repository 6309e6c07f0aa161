-- name: last
SELECT coalesce(max(id), 0) FROM send;

-- name: reserve
INSERT INTO send (id, tag, origin, rule, step, variant, version, event, person, user, email, kind,
                  template, address, group_id, state, reason, reserved_at, due_at, expires_at, lane,
                  head, flags)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
        ?21, ?21 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM send WHERE lane = ?21), ?22)
ON CONFLICT (origin, rule, step) DO NOTHING;

-- name: save_data
INSERT INTO send_data (send, data) VALUES (?, ?);

-- name: save_lookup
INSERT INTO send_lookup (send, data) VALUES (?, ?);

-- name: lookup
SELECT data FROM send_lookup WHERE send = ?;

-- name: prune_lookup
DELETE FROM send_lookup WHERE send = ?;

-- name: replace_data
INSERT INTO send_data (send, data) VALUES (?1, ?2)
ON CONFLICT (send) DO UPDATE SET data = excluded.data;

-- name: save_address
UPDATE send SET address = ? WHERE id = ?;

-- name: data
SELECT data FROM send_data WHERE send = ?;

-- name: claimable
SELECT * FROM send WHERE kind = ? AND head = 1 AND due_at <= ? AND state IN ('reserved', 'retry')
ORDER BY due_at, id LIMIT ?;

-- name: next_due
SELECT min(due_at) FROM
    (SELECT min(due_at) AS due_at FROM send
     WHERE kind = 'transactional' AND head = 1 AND state IN ('reserved', 'retry')
     UNION ALL
     SELECT min(due_at) FROM send
     WHERE kind = 'marketing' AND head = 1 AND state IN ('reserved', 'retry'));

-- name: intend
UPDATE send SET state = 'in_flight', attempt = attempt + 1, in_flight_at = ? WHERE id = ?;

-- name: place
SELECT lane, head, EXISTS (SELECT 1 FROM send AS other WHERE other.lane = send.lane
                           AND other.id <> send.id)
FROM send WHERE id = ?;

-- name: places_in_flight
SELECT id, lane, head, EXISTS (SELECT 1 FROM send AS other WHERE other.lane = send.lane
                               AND other.id <> send.id)
FROM send WHERE id IN (SELECT value FROM json_each(?)) AND state = 'in_flight';

-- name: accept
UPDATE send SET state = 'accepted', reason = NULL, accepted_at = ?, message_id = ?, lane = NULL,
    head = 0, unknown_due = NULL, silent_due = ?
WHERE id = ?;

-- name: save
UPDATE send SET state = ?, reason = ?, due_at = ?, expires_at = ?, attempt = ?, lane = ?, head = ?,
    unknown_due = ?, silent_due = ?, mail = ?, accepted_at = ?, delivered_at = ?,
    last_event_at = ?, message_id = ?, flags = ?, deferred = ?
WHERE id = ?;

-- name: step_back
UPDATE send SET head = 0 WHERE id = ?;

-- name: promote
UPDATE send SET head = 1 WHERE id = coalesce(
    (SELECT min(id) FROM send WHERE lane = ?1 AND state IN ('in_flight', 'unknown')),
    (SELECT min(id) FROM send WHERE lane = ?1));

-- name: lane_busy
SELECT EXISTS (SELECT 1 FROM send WHERE lane = ?);

-- name: get
SELECT * FROM send WHERE id = ?;

-- name: by_trace
SELECT send FROM trace
WHERE gen = ? AND key = ? AND EXISTS (SELECT 1 FROM send WHERE id = trace.send)
ORDER BY send DESC LIMIT ?;

-- name: add_trace
INSERT INTO trace (gen, key, send) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: drop_trace
DELETE FROM trace WHERE gen = ? AND key = ? AND send = ?;

-- name: first_trace
SELECT min(gen) FROM trace;

-- name: newest
SELECT * FROM send WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_accepted
SELECT * FROM send WHERE state = 'accepted' AND id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_out
SELECT * FROM send INDEXED BY send_out
WHERE state = ? AND state IN ('in_flight', 'unknown') AND id < ? ORDER BY id DESC LIMIT ?;

-- name: newest_ended
SELECT * FROM send WHERE lane IS NULL AND state <> 'accepted' AND state = ? AND id < ?
ORDER BY id DESC LIMIT ?;

-- name: newest_waiting
SELECT * FROM send WHERE id IN
    (SELECT id FROM send WHERE lane IS NOT NULL AND state = ?1
     UNION ALL
     SELECT id FROM send WHERE lane IS NULL AND state <> 'accepted' AND state = ?1)
    AND id < ?2
ORDER BY id DESC LIMIT ?3;

-- name: in_flight
SELECT * FROM send INDEXED BY send_out
WHERE state IN ('in_flight', 'unknown') AND state = 'in_flight' ORDER BY id;

-- name: unknown_due
SELECT * FROM send WHERE unknown_due IS NOT NULL AND unknown_due <= ? ORDER BY unknown_due LIMIT ?;

-- name: silent_due
SELECT * FROM send WHERE silent_due IS NOT NULL AND silent_due <= ? ORDER BY silent_due LIMIT ?;

-- name: aside
SELECT * FROM send
WHERE state IN ('reserved', 'retry') AND lane IS NULL AND deferred IS NULL AND email = ?
ORDER BY id LIMIT ?;

-- name: deferred_due
SELECT * FROM send WHERE deferred IS NOT NULL AND deferred <= ? ORDER BY deferred, id LIMIT ?;

-- name: next_deferred
SELECT min(deferred) FROM send WHERE deferred IS NOT NULL;

-- name: deferred_of
SELECT * FROM send WHERE deferred IS NOT NULL AND rule = ? ORDER BY id LIMIT ?;

-- name: open_of_person
SELECT * FROM send WHERE id IN
    (SELECT id FROM send WHERE lane IS NOT NULL AND lane IN (?1 * 2, ?1 * 2 + 1)
     UNION ALL
     SELECT id FROM send
     WHERE person = ?1 AND lane IS NULL
         AND (state = 'reserved' OR state = 'retry' OR state = 'parked'))
ORDER BY id;

-- name: of_event
SELECT * FROM send WHERE origin = ? ORDER BY id;

-- name: of_run
SELECT * FROM send WHERE origin BETWEEN ? AND ? ORDER BY id;

-- name: mark_marketing
INSERT INTO marketing (send, person, at) VALUES (?, ?, ?)
ON CONFLICT (send) DO UPDATE SET at = max(at, excluded.at);

-- name: marketing_since
SELECT at, send.* FROM marketing JOIN send ON send.id = marketing.send
WHERE marketing.person = ? AND at >= ?
    AND state NOT IN ('reserved', 'retry', 'rejected', 'skipped', 'expired')
ORDER BY at, send.id;

-- name: move_marketing
UPDATE marketing SET person = ?1 WHERE person = ?2;

-- name: drop_marketing
DELETE FROM marketing WHERE send = ?;

-- name: add_attempt
INSERT INTO attempt (send, number, at, outcome, detail) VALUES (?, ?, ?, ?, ?);

-- name: attempts
SELECT number, at, outcome, detail FROM attempt WHERE send = ? ORDER BY id;

-- name: traced
SELECT address, message_id FROM send WHERE id = ?;

-- name: erase
UPDATE send SET address = NULL, user = '', reason = CASE WHEN reason IS NULL THEN NULL
    ELSE 'erased' END
WHERE id = ?;

-- name: erase_attempts
UPDATE attempt SET detail = '' WHERE send = ?;

-- name: first
SELECT min(id) FROM send;

-- name: oldest
SELECT id, reserved_at, state FROM send WHERE id > ? ORDER BY id LIMIT ?;

-- name: prune
DELETE FROM send WHERE id = ?;

-- name: prune_data
DELETE FROM send_data WHERE send = ?;

-- name: prune_attempts
DELETE FROM attempt WHERE send = ?;

-- name: prune_trace
DELETE FROM trace WHERE (gen, key, send) IN
    (SELECT gen, key, send FROM trace WHERE gen < ? LIMIT ?);

-- name: mailed
SELECT step, coalesce(variant, ''), state, reason, mail, flags, delivered_at IS NOT NULL
FROM send INDEXED BY send_once WHERE origin < 0 AND rule = ?;
