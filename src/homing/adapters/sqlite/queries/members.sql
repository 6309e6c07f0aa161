-- name: enter
INSERT INTO audience_member (audience, person, at, event) VALUES (?, ?, ?, ?)
ON CONFLICT (audience, person) DO UPDATE SET at = excluded.at, event = excluded.event
WHERE excluded.at >= audience_member.at;

-- name: leave
DELETE FROM audience_member WHERE audience = ? AND person = ?;

-- name: count
SELECT count(*) FROM audience_member WHERE audience = ?;

-- name: audiences
SELECT audience, count(*) FROM audience_member GROUP BY audience ORDER BY audience;

-- name: of_audience
SELECT person, at, event FROM audience_member
WHERE audience = ? AND person > ? ORDER BY person LIMIT ?;

-- name: of_address
SELECT list, address, person, wanted, at, event, told, changed_at FROM list_member
WHERE list = ? AND address = ? ORDER BY person;

-- name: save
INSERT OR REPLACE INTO list_member
    (list, address, person, wanted, at, event, told, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: tell
UPDATE list_member SET told = ?, changed_at = ? WHERE list = ? AND address = ?;

-- name: of_person
SELECT list, address, person, wanted, at, event, told, changed_at FROM list_member
WHERE person = ? ORDER BY list, address;

-- name: of_list
SELECT list, address, person, wanted, at, event, told, changed_at FROM list_member
WHERE list = ? AND address > ? ORDER BY address, person LIMIT ?;

-- name: join_lists
INSERT INTO list_member (list, address, person, wanted, at, event, told, changed_at)
SELECT list, address, ?1, wanted, at, event, told, changed_at FROM list_member WHERE person = ?2
ON CONFLICT (list, address, person) DO UPDATE
SET wanted = excluded.wanted, at = excluded.at, event = excluded.event,
    changed_at = excluded.changed_at
WHERE excluded.at > list_member.at;

-- name: leave_lists
DELETE FROM list_member WHERE person = ?2 AND ?1 <> ?2;

-- name: join_audiences
INSERT INTO audience_member (audience, person, at, event)
SELECT audience, ?1, at, event FROM audience_member WHERE person = ?2
ON CONFLICT (audience, person) DO UPDATE SET at = excluded.at, event = excluded.event
WHERE excluded.at > audience_member.at;

-- name: leave_audiences
DELETE FROM audience_member WHERE person = ?2 AND ?1 <> ?2;

-- name: erase_audiences
DELETE FROM audience_member WHERE person = ?;

-- name: erase_members
DELETE FROM list_member WHERE person = ?;

-- name: add_job
INSERT INTO marketing_job (data) VALUES (?) RETURNING id;

-- name: save_job
UPDATE marketing_job SET data = ? WHERE id = ?;

-- name: drop_job
DELETE FROM marketing_job WHERE id = ?;

-- name: jobs
SELECT id, data FROM marketing_job ORDER BY id;
