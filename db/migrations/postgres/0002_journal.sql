-- Every write to the users table, with what it changed. The columns of before and after are json and
-- not jsonb: they are written far more often than they are read. An identity, unlike a serial column,
-- needs no privilege on its sequence.
CREATE TABLE rollcall.journal (
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    table_name text COLLATE "C" NOT NULL,
    run_id     text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    action     text NOT NULL,
    before     json,
    after      json,
    confirmed  boolean NOT NULL DEFAULT true, -- false: announced, and it is not known whether it took place
    written_at timestamptz NOT NULL DEFAULT now(),
    undone_at  timestamptz,
    PRIMARY KEY (seq)
);
-- A run's lines lie together: a coarse index finds them, and costs a backfill next to nothing.
CREATE INDEX journal_by_run_and_time ON rollcall.journal USING brin (run_id, written_at) WITH (pages_per_range = 32);
CREATE INDEX journal_by_user ON rollcall.journal (user_id);
-- What is written outside of runs is counted by the hour. Runs do not touch this index.
CREATE INDEX journal_outside ON rollcall.journal (table_name, written_at)
    WHERE run_id IN ('webhook', 'ensure', 'admin', 'user');

-- Users whom no run writes, because the writes of a run to them were undone.
CREATE TABLE rollcall.holds (
    table_name text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    run_id     text COLLATE "C" NOT NULL,
    held_at    timestamptz NOT NULL,
    PRIMARY KEY (table_name, user_id)
);

-- How far recent runs have seen, and the runs that found nothing, which are counted and not stored.
ALTER TABLE rollcall.control
    ADD COLUMN recent_watermark bigint,
    ADD COLUMN quiet_full       bigint NOT NULL DEFAULT 0,
    ADD COLUMN quiet_full_at    timestamptz,
    ADD COLUMN quiet_recent     bigint NOT NULL DEFAULT 0,
    ADD COLUMN quiet_recent_at  timestamptz;
