-- SQLite by hand: integer times in seconds, a primary key that is a text, booleans as integers.
CREATE TABLE members (id text PRIMARY KEY, clerk_id text UNIQUE, email text, username text, is_banned integer NOT NULL DEFAULT 0, last_sign_in_at integer, created_at integer NOT NULL, deleted_at integer);
