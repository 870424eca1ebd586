-- Ids and names are compared byte by byte: that is all they need, and an index on them costs half as much.

-- One row for each users table: its lease, its brake, and the Clerk instance that it belongs to.
-- The token is UNIQUE so that its change counts as the change of a key: it waits for the write
-- transactions that hold the row FOR KEY SHARE, and a renewal, which changes expires_at alone, does not.
CREATE TABLE rollcall.control (
    table_name           text COLLATE "C" PRIMARY KEY,
    token                text UNIQUE,
    holder               text,
    acquired_at          timestamptz,
    expires_at           timestamptz,
    paused_at            timestamptz,
    pause_reason         text,
    paused_by            text,
    instance_id          text,
    instance_recorded_at timestamptz
);

-- The history. The outcome is 'running' until the run has ended.
CREATE TABLE rollcall.runs (
    id          text COLLATE "C" PRIMARY KEY,
    table_name  text COLLATE "C" NOT NULL,
    mode        text NOT NULL,
    dry_run     boolean NOT NULL,
    outcome     text NOT NULL,
    reason      text NOT NULL DEFAULT '',
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    report      jsonb NOT NULL
);
CREATE INDEX runs_by_start ON rollcall.runs (table_name, started_at);

-- What is wrong now, and what was cured: one row for each user, since a user has at most one finding.
CREATE TABLE rollcall.findings (
    table_name      text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    kind            text NOT NULL,
    fields          jsonb,
    constraint_name text NOT NULL DEFAULT '',
    held_by         text NOT NULL DEFAULT '',
    detail          text NOT NULL DEFAULT '',
    refs            jsonb,
    fixed           boolean NOT NULL,
    created_at      timestamptz, -- of the user, in Clerk
    run_id          text COLLATE "C" NOT NULL, -- the last run that saw it
    first_seen      timestamptz NOT NULL,
    last_seen       timestamptz NOT NULL,
    PRIMARY KEY (table_name, user_id)
);
CREATE INDEX findings_by_run ON rollcall.findings (run_id, kind, user_id);

-- Users who are known to be deleted in Clerk. Nothing is kept of them but the id.
CREATE TABLE rollcall.tombstones (
    table_name text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL,
    source     text NOT NULL,
    PRIMARY KEY (table_name, user_id)
);
