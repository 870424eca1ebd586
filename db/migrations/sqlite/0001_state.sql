-- As in PostgreSQL. Times are microseconds since 1970, documents are JSON in text.
CREATE TABLE rollcall_control (
    table_name           text NOT NULL PRIMARY KEY,
    token                text UNIQUE,
    holder               text,
    acquired_at          integer,
    expires_at           integer,
    paused_at            integer,
    pause_reason         text,
    paused_by            text,
    instance_id          text,
    instance_recorded_at integer
) STRICT;

CREATE TABLE rollcall_runs (
    id          text NOT NULL PRIMARY KEY,
    table_name  text NOT NULL,
    mode        text NOT NULL,
    dry_run     integer NOT NULL,
    outcome     text NOT NULL,
    reason      text NOT NULL DEFAULT '',
    started_at  integer NOT NULL,
    finished_at integer,
    report      text NOT NULL
) STRICT;
CREATE INDEX rollcall_runs_by_start ON rollcall_runs (table_name, started_at);

CREATE TABLE rollcall_findings (
    table_name      text NOT NULL,
    user_id         text NOT NULL,
    kind            text NOT NULL,
    fields          text,
    constraint_name text NOT NULL DEFAULT '',
    held_by         text NOT NULL DEFAULT '',
    detail          text NOT NULL DEFAULT '',
    refs            text,
    fixed           integer NOT NULL,
    created_at      integer,
    run_id          text NOT NULL,
    first_seen      integer NOT NULL,
    last_seen       integer NOT NULL,
    PRIMARY KEY (table_name, user_id)
) STRICT;
CREATE INDEX rollcall_findings_by_run ON rollcall_findings (run_id, kind, user_id);

CREATE TABLE rollcall_tombstones (
    table_name text NOT NULL,
    user_id    text NOT NULL,
    deleted_at integer NOT NULL,
    source     text NOT NULL,
    PRIMARY KEY (table_name, user_id)
) STRICT;
