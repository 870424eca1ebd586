-- Knex: an enum by a check constraint, demanded without a default; varchar(255) everywhere.
CREATE TABLE knex_migrations (id serial PRIMARY KEY, name varchar(255), batch integer, migration_time timestamptz);
CREATE TABLE users (
    id serial PRIMARY KEY,
    clerk_id varchar(255) NOT NULL,
    email varchar(255) NOT NULL,
    display_name varchar(255) NOT NULL,
    picture varchar(255),
    role text NOT NULL CHECK (role IN ('owner', 'member', 'viewer')),
    referral_code varchar(32) NOT NULL UNIQUE,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT users_clerk_id_unique UNIQUE (clerk_id)
);
