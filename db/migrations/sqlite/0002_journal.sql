-- As in PostgreSQL.
CREATE TABLE rollcall_journal (
    seq        integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    table_name text NOT NULL,
    run_id     text NOT NULL,
    user_id    text NOT NULL,
    action     text NOT NULL,
    before     text,
    after      text,
    confirmed  integer NOT NULL DEFAULT 1,
    written_at integer NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS integer)),
    undone_at  integer
) STRICT;
CREATE INDEX rollcall_journal_by_run ON rollcall_journal (run_id, seq);
CREATE INDEX rollcall_journal_by_user ON rollcall_journal (table_name, user_id);
CREATE INDEX rollcall_journal_outside ON rollcall_journal (table_name, written_at)
    WHERE run_id IN ('webhook', 'ensure', 'admin', 'user');

CREATE TABLE rollcall_holds (
    table_name text NOT NULL,
    user_id    text NOT NULL,
    run_id     text NOT NULL,
    held_at    integer NOT NULL,
    PRIMARY KEY (table_name, user_id)
) STRICT;

ALTER TABLE rollcall_control ADD COLUMN recent_watermark integer;
ALTER TABLE rollcall_control ADD COLUMN quiet_full integer NOT NULL DEFAULT 0;
ALTER TABLE rollcall_control ADD COLUMN quiet_full_at integer;
ALTER TABLE rollcall_control ADD COLUMN quiet_recent integer NOT NULL DEFAULT 0;
ALTER TABLE rollcall_control ADD COLUMN quiet_recent_at integer;
