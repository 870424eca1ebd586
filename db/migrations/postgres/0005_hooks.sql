-- The outbox: inserted rows that the application's hook has not been told of yet. A line is made by the
-- statement that makes the row and the journal's entry, and goes once it is delivered. It holds ids alone;
-- the columns of a message are the journal's.
CREATE TABLE rollcall.hooks (
    seq             bigint PRIMARY KEY, -- of the entry in the journal
    table_name      text COLLATE "C" NOT NULL,
    run_id          text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    user_created_at timestamptz NOT NULL, -- in Clerk
    inserted_at     timestamptz NOT NULL DEFAULT now(),
    due_at          timestamptz NOT NULL DEFAULT now(), -- of the next attempt; while one is made: when it is given up for dead
    attempts        integer NOT NULL DEFAULT 0,
    last_error      text NOT NULL DEFAULT '',
    given_up_at     timestamptz
);
CREATE INDEX hooks_due ON rollcall.hooks (table_name, due_at) WHERE given_up_at IS NULL;
