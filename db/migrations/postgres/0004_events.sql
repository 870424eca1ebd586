-- The inbox of the webhook receiver: what Clerk sent and was told to be kept.
-- An event waits until it has done_at or dead_at. A waiting event has a job in River's tables.
CREATE TABLE rollcall.events (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name  text COLLATE "C" NOT NULL,
    svix_id     text COLLATE "C" NOT NULL, -- the same on every delivery of the event
    type        text NOT NULL,             -- user.created, user.updated, user.deleted; '' where it cannot be read
    user_id     text COLLATE "C" NOT NULL, -- '' where it cannot be read
    instance_id text NOT NULL,             -- the Clerk instance that sent it, '' where it does not say
    occurred_at timestamptz,               -- by Clerk's clock
    received_at timestamptz NOT NULL DEFAULT now(),
    payload     bytea,                     -- as it came; kept until the event is done
    attempts    integer NOT NULL DEFAULT 0,
    reason      text NOT NULL DEFAULT '',  -- why the last attempt failed, why it is dead, why it was dropped
    done_at     timestamptz,
    done_by     text,                      -- who ended a dead letter: heal, or who dropped it
    dead_at     timestamptz,
    dead_cause  text,                      -- malformed, instance, rejected, conflict, attempts
    CONSTRAINT events_once UNIQUE (table_name, svix_id)
);
-- Both are empty as long as all is well.
CREATE INDEX events_waiting ON rollcall.events (table_name, received_at) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX events_dead ON rollcall.events (table_name, seq) WHERE dead_at IS NOT NULL;
CREATE INDEX events_by_user ON rollcall.events (table_name, user_id);
-- For retention: the order of arrival is that of the table, so a coarse index does.
CREATE INDEX events_by_time ON rollcall.events USING brin (received_at);

-- The jobs that work the inbox off are River's (riverqueue.com), in its own tables in this schema.
--river 1-8
