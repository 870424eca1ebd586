-- The table that a new database begins with, of the form that Rollcall expects without any configuration. It is an
-- example: an app that has its own database has its own table, which `rollcall init` reads.
CREATE TABLE users (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    clerk_id        text UNIQUE NOT NULL,
    email           text UNIQUE,
    first_name      text,
    last_name       text,
    username        text,
    image_url       text,
    last_sign_in_at timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
