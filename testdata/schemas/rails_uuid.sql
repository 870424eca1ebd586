-- Rails with UUIDs: citext, inet, arrays, a partial unique index, discard's soft delete.
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    clerk_user_id varchar NOT NULL,
    email citext,
    first_name varchar,
    last_name varchar,
    last_sign_in_at timestamp(6),
    current_sign_in_ip inet,
    roles varchar[] NOT NULL DEFAULT '{}',
    settings jsonb NOT NULL DEFAULT '{}',
    lock_version integer NOT NULL DEFAULT 0,
    discarded_at timestamp(6),
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_users_on_clerk_user_id ON users (clerk_user_id);
CREATE UNIQUE INDEX index_users_on_email ON users (email) WHERE discarded_at IS NULL;
