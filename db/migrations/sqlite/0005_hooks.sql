-- As in PostgreSQL.
CREATE TABLE rollcall_hooks (
    seq             integer NOT NULL PRIMARY KEY,
    table_name      text NOT NULL,
    run_id          text NOT NULL,
    user_id         text NOT NULL,
    user_created_at integer NOT NULL,
    inserted_at     integer NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS integer)),
    due_at          integer NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS integer)),
    attempts        integer NOT NULL DEFAULT 0,
    last_error      text NOT NULL DEFAULT '',
    given_up_at     integer
) STRICT;
CREATE INDEX rollcall_hooks_due ON rollcall_hooks (table_name, due_at) WHERE given_up_at IS NULL;
