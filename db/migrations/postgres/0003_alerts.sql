-- What is known of each topic of the alerts, and what was told to whom: a document that only package
-- alert reads. The version is what a change is conditional on, so that one process claims a message.
CREATE TABLE rollcall.alerts (
    table_name text COLLATE "C" NOT NULL,
    topic      text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    record     json NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (table_name, topic)
);
