-- How new users' rows come: by Clerk's webhook, by the app's own handler, on their first request, by a
-- run. Counted by the hour of the users' creation and by how long the row took, so that a year of it is a few
-- thousand lines. What is past its retention is added up in the line of the year 1970: totals never shrink.
CREATE TABLE rollcall.arrivals (
    table_name text COLLATE "C" NOT NULL,
    hour       timestamptz NOT NULL,
    path       text NOT NULL,      -- webhook, ensure, app, run, admin, user
    bucket     integer NOT NULL,   -- the first of the bounds that the time is not above; -1 where nobody knows the time
    users      bigint NOT NULL,
    seconds    double precision NOT NULL, -- their sum
    PRIMARY KEY (table_name, hour, path, bucket)
);

-- New users, by id alone: those without a row yet (no arrived_at), and those whose row only a run made.
CREATE TABLE rollcall.newcomers (
    table_name text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL, -- in Clerk
    arrived_at timestamptz,
    run_id     text COLLATE "C",     -- which made the row
    PRIMARY KEY (table_name, user_id)
);
CREATE INDEX newcomers_waiting ON rollcall.newcomers (table_name, created_at) WHERE arrived_at IS NULL;
CREATE INDEX newcomers_late ON rollcall.newcomers (table_name, arrived_at) WHERE arrived_at IS NOT NULL;

-- Users who were created up to arrivals_mark are accounted for, and nobody created before arrivals_since
-- counts: they are older than the installation. In Unix milliseconds, by Clerk's clock.
ALTER TABLE rollcall.control
    ADD COLUMN arrivals_mark  bigint,
    ADD COLUMN arrivals_since bigint;
