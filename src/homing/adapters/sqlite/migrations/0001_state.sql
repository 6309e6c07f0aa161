-- The state file. Ids are integers in order of arrival, so that every large table grows at its
-- end; what must be found by a random key lives in *generations*, each a small tree of its own, so
-- that an insert never touches the whole. No id is given twice: what was deleted may still be
-- named by others.

CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID;

-- how far the log has been evaluated: all of `request` up to its element `item` (exclusive)
CREATE TABLE cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    request INTEGER NOT NULL,
    item INTEGER NOT NULL,
    next_event INTEGER NOT NULL
);
INSERT INTO cursor VALUES (1, 0, 0, 1);

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    request INTEGER NOT NULL,
    item INTEGER NOT NULL,
    source TEXT NOT NULL,
    type TEXT,
    name TEXT,
    message_id TEXT,
    person INTEGER,
    send INTEGER,
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX event_undone ON event (state, id) WHERE state <> 'done';

-- elements of the log that an erasure wants gone, until the log's writer has done it
CREATE TABLE erasure (
    request INTEGER NOT NULL,
    item INTEGER NOT NULL,
    PRIMARY KEY (request, item)
) WITHOUT ROWID;

-- erasures of persons: never of whom. `entry` is the line of the journal beside the file, `people`
-- numbers that are nobody's any more; what came up to element `item` of `request` was theirs
CREATE TABLE erasure_record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    progress TEXT NOT NULL,
    people TEXT NOT NULL,
    request INTEGER NOT NULL,
    item INTEGER NOT NULL
);
CREATE INDEX erasure_open ON erasure_record (id) WHERE progress = 'open';

-- what was done for it: counts and words
CREATE TABLE erasure_step (
    id INTEGER PRIMARY KEY,
    erasure INTEGER NOT NULL,
    step TEXT NOT NULL,
    at INTEGER NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX erasure_step_erasure ON erasure_step (erasure);

-- the numbers they had
CREATE TABLE erasure_person (
    person INTEGER NOT NULL,
    erasure INTEGER NOT NULL,
    PRIMARY KEY (person, erasure)
) WITHOUT ROWID;

-- by keyed hash, so that what a restored log still says of them is not taken in again
CREATE TABLE erased (
    key BLOB NOT NULL,
    erasure INTEGER NOT NULL,
    at INTEGER NOT NULL,
    request INTEGER NOT NULL,
    PRIMARY KEY (key, erasure)
) WITHOUT ROWID;
CREATE INDEX erased_request ON erased (request);

-- their names, until the log has been searched for them
CREATE TABLE erasing_name (
    erasure INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (erasure, kind, value)
) WITHOUT ROWID;

-- ids already taken in, by 8-byte hash, `gen` = event >> 13: `body` is the hash of the event's bytes
CREATE TABLE seen (
    gen INTEGER NOT NULL,
    key INTEGER NOT NULL,
    body INTEGER NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (gen, key)
) WITHOUT ROWID;

-- of each 32 generations that are complete: what surely is not among them
CREATE TABLE seen_filter (
    first_gen INTEGER PRIMARY KEY,
    newest_at INTEGER NOT NULL,
    words BLOB NOT NULL
);

-- which events a person had, `gen` = event >> 13
CREATE TABLE history (
    gen INTEGER NOT NULL,
    person INTEGER NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (gen, person, event)
) WITHOUT ROWID;

-- which sends a key (8-byte hash) leads to, `gen` = send >> 17: few of them, for a key that leads
-- nowhere must be asked of all
CREATE TABLE trace (
    gen INTEGER NOT NULL,
    key INTEGER NOT NULL,
    send INTEGER NOT NULL,
    PRIMARY KEY (gen, key, send)
) WITHOUT ROWID;

CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    part INTEGER NOT NULL,
    user_id TEXT,
    anonymous_id TEXT,
    email TEXT,
    facts BLOB NOT NULL
);

CREATE TABLE identity (
    kind INTEGER NOT NULL,
    value TEXT NOT NULL,
    person INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) WITHOUT ROWID;
CREATE INDEX identity_person ON identity (person);

-- who a merged person became
CREATE TABLE merged (loser INTEGER PRIMARY KEY, winner INTEGER NOT NULL);
CREATE INDEX merged_winner ON merged (winner);

-- by keyed hash of the address, so that a suppression survives the person's erasure
CREATE TABLE suppression (
    key BLOB NOT NULL,
    scope TEXT NOT NULL,
    address TEXT,
    active INTEGER NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    reading INTEGER NOT NULL DEFAULT 0, -- the last one that met it in SendGrid's list
    PRIMARY KEY (key, scope)
) WITHOUT ROWID;
CREATE INDEX suppression_read ON suppression (scope, reading)
    WHERE active = 1 AND address IS NOT NULL;

-- what the last readings of SendGrid's lists found missing, by name
CREATE TABLE repair (
    id INTEGER PRIMARY KEY,
    reading INTEGER NOT NULL,
    list TEXT NOT NULL,
    address TEXT NOT NULL,
    side TEXT NOT NULL,
    active INTEGER NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE send (
    id INTEGER PRIMARY KEY,
    tag INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    rule TEXT NOT NULL,
    step TEXT NOT NULL DEFAULT '',
    variant TEXT,
    version TEXT NOT NULL,
    event INTEGER,
    person INTEGER NOT NULL,
    user TEXT NOT NULL,
    email TEXT NOT NULL,
    kind TEXT NOT NULL,
    template TEXT,
    address TEXT,
    group_id INTEGER,
    state TEXT NOT NULL,
    reason TEXT,
    mail TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    reserved_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    in_flight_at INTEGER,
    accepted_at INTEGER,
    delivered_at INTEGER,
    last_event_at INTEGER,
    message_id TEXT,
    lane INTEGER,
    head INTEGER NOT NULL DEFAULT 0,
    unknown_due INTEGER,
    silent_due INTEGER,
    flags INTEGER NOT NULL DEFAULT 0,
    deferred INTEGER
);
CREATE UNIQUE INDEX send_once ON send (origin, rule, step);
CREATE INDEX send_lane ON send (lane, id) WHERE lane IS NOT NULL;
CREATE INDEX send_ready ON send (kind, due_at, id)
    WHERE head = 1 AND state IN ('reserved', 'retry');
CREATE INDEX send_out ON send (lane) WHERE state IN ('in_flight', 'unknown');
CREATE INDEX send_unknown ON send (unknown_due) WHERE unknown_due IS NOT NULL;
CREATE INDEX send_silent ON send (silent_due) WHERE silent_due IS NOT NULL;
CREATE INDEX send_aside ON send (email, id)
    WHERE lane IS NULL AND state IN ('reserved', 'retry') AND deferred IS NULL;
CREATE INDEX send_deferred ON send (deferred) WHERE deferred IS NOT NULL;
CREATE INDEX send_deferred_rule ON send (rule) WHERE deferred IS NOT NULL;
-- no list of three: SQLite would make a table of it in every statement that writes a send
CREATE INDEX send_apart ON send (person)
    WHERE lane IS NULL AND (state = 'reserved' OR state = 'retry' OR state = 'parked');
CREATE INDEX send_ended ON send (state, id) WHERE lane IS NULL AND state <> 'accepted';

CREATE TABLE send_data (send INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- with what a send is resolved again once it is looked up in Segment's Profile API
CREATE TABLE send_lookup (send INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- when a send of marketing left, and for whom: of a merged person, for the one it became
CREATE TABLE marketing (send INTEGER PRIMARY KEY, person INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE INDEX marketing_person ON marketing (person, at);

-- every outcome but a first acceptance, which the send itself tells
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    send INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX attempt_send ON attempt (send, id);

CREATE TABLE effect (
    id INTEGER PRIMARY KEY,
    dest TEXT NOT NULL,
    lane INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    event INTEGER,
    rule TEXT,
    person INTEGER,
    made_at INTEGER NOT NULL,
    reason TEXT
);
CREATE INDEX effect_due ON effect (dest, id) WHERE state = 'ready';
CREATE INDEX effect_lane ON effect (lane) WHERE state = 'ready' OR state = 'sent';
CREATE INDEX effect_event ON effect (event) WHERE event IS NOT NULL;
CREATE INDEX effect_ended ON effect (state, id) WHERE state IN ('dead', 'dropped');
CREATE INDEX effect_person ON effect (person) WHERE state IN ('dead', 'dropped');

-- apart, so that what is done leaves no holes behind
CREATE TABLE effect_data (effect INTEGER PRIMARY KEY, payload BLOB NOT NULL);

-- who is in which audience
CREATE TABLE audience_member (
    audience TEXT NOT NULL,
    person INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event INTEGER,
    PRIMARY KEY (audience, person)
) WITHOUT ROWID;
CREATE INDEX audience_member_person ON audience_member (person);

-- who should be on which list, by address; `told`: what SendGrid was told of the address, by us
CREATE TABLE list_member (
    list TEXT NOT NULL,
    address TEXT NOT NULL,
    person INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event INTEGER,
    told INTEGER,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (list, address, person)
) WITHOUT ROWID;
CREATE INDEX list_member_person ON list_member (person);

-- what SendGrid works on for us, JSON, from before the call until it is confirmed
CREATE TABLE marketing_job (id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL);

-- one person's passage through one version of a journey
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    person INTEGER NOT NULL,
    journey TEXT NOT NULL,
    version TEXT NOT NULL,
    key TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    step_at INTEGER NOT NULL,
    due_at INTEGER,
    passages INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    variant TEXT,
    reason TEXT,
    watch_until INTEGER,
    sends_until INTEGER NOT NULL,
    ended_at INTEGER,
    converted_at INTEGER,
    value TEXT,
    first_touch INTEGER,
    last_touch INTEGER
);
-- by person and by journey twice: all of them, which a run's end leaves as it is, and the few that
-- events and ticks ask for
CREATE INDEX run_person ON run (person);
CREATE INDEX run_watched ON run (person) WHERE watch_until IS NOT NULL;
CREATE INDEX run_journey ON run (journey);
CREATE INDEX run_waiting ON run (journey) WHERE state = 'waiting';
CREATE INDEX run_due ON run (due_at) WHERE state = 'waiting' AND due_at IS NOT NULL;
CREATE INDEX run_watched_until ON run (watch_until)
    WHERE state <> 'waiting' AND watch_until IS NOT NULL;
CREATE INDEX run_ended ON run (ended_at) WHERE watch_until IS NULL;

-- apart, so that what is watched no longer leaves no holes behind
CREATE TABLE run_context (run INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- who entered which journey under which key, when, and as which run: kept longer than the run
CREATE TABLE entry (
    person INTEGER NOT NULL,
    journey TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (person, journey, key)
) WITHOUT ROWID;

-- what happened to runs, in order
CREATE TABLE passage (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    step TEXT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT,
    due_at INTEGER,
    event INTEGER,
    send INTEGER,
    value TEXT
);
CREATE INDEX passage_run ON passage (run);
CREATE INDEX passage_event ON passage (event) WHERE event IS NOT NULL;

-- journeys as they were configured; the one of a journey that is `defined` last is its newest
CREATE TABLE journey_version (
    journey TEXT NOT NULL,
    version TEXT NOT NULL,
    defined INTEGER NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (journey, version)
) WITHOUT ROWID;

-- how many watched runs are on a version: apart, for the text is long and this changes often
CREATE TABLE journey_watched (
    journey TEXT NOT NULL,
    version TEXT NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (journey, version)
) WITHOUT ROWID;

-- what is paused: a destination, or "email/NAME"
CREATE TABLE pause (
    name TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    by TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE alert (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;

CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
