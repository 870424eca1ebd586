-- As in PostgreSQL.
CREATE TABLE rollcall_arrivals (
    table_name text NOT NULL,
    hour       integer NOT NULL,
    path       text NOT NULL,
    bucket     integer NOT NULL,
    users      integer NOT NULL,
    seconds    real NOT NULL,
    PRIMARY KEY (table_name, hour, path, bucket)
) STRICT;

CREATE TABLE rollcall_newcomers (
    table_name text NOT NULL,
    user_id    text NOT NULL,
    created_at integer NOT NULL,
    arrived_at integer,
    run_id     text,
    PRIMARY KEY (table_name, user_id)
) STRICT;
CREATE INDEX rollcall_newcomers_waiting ON rollcall_newcomers (table_name, created_at) WHERE arrived_at IS NULL;
CREATE INDEX rollcall_newcomers_late ON rollcall_newcomers (table_name, arrived_at) WHERE arrived_at IS NOT NULL;

ALTER TABLE rollcall_control ADD COLUMN arrivals_mark integer;
ALTER TABLE rollcall_control ADD COLUMN arrivals_since integer;
