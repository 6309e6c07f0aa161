-- The log file: one row holds one request's raw bytes, the record of truth.
CREATE TABLE IF NOT EXISTS request (
    seq INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    source TEXT NOT NULL,
    body BLOB NOT NULL
);
