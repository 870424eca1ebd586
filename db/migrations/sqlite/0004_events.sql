-- As in PostgreSQL. The webhook receiver needs PostgreSQL: here the table stays empty.
CREATE TABLE rollcall_events (
    seq         integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    table_name  text NOT NULL,
    svix_id     text NOT NULL,
    type        text NOT NULL,
    user_id     text NOT NULL,
    instance_id text NOT NULL,
    occurred_at integer,
    received_at integer NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS integer)),
    payload     blob,
    attempts    integer NOT NULL DEFAULT 0,
    reason      text NOT NULL DEFAULT '',
    done_at     integer,
    done_by     text,
    dead_at     integer,
    dead_cause  text,
    UNIQUE (table_name, svix_id)
) STRICT;
CREATE INDEX rollcall_events_by_user ON rollcall_events (table_name, user_id);
