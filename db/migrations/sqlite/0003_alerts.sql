-- As in PostgreSQL.
CREATE TABLE rollcall_alerts (
    table_name text NOT NULL,
    topic      text NOT NULL,
    version    integer NOT NULL,
    record     text NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (table_name, topic)
) STRICT;
